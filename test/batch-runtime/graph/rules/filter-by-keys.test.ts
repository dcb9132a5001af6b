import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Plan } from '#runtime/graph/plan.ts';
import { dropUnused } from '#runtime/graph/rules/drop-unused.ts';
import { filterByKeys } from '#runtime/graph/rules/filter-by-keys.ts';
import { sizesOf } from '#runtime/graph/sizes.ts';
import { toStages } from '#runtime/graph/stages.ts';
import { csv, type Flow, int32, job, schema } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { runPlan, runStages } from '../reference.ts';

const a = schema({ id: int32(), b_id: int32().nullable(), n: int32() });
const b = schema({ key: int32().nullable(), n: int32() });
const c = schema({ x: int32(), y: int32() });

const planOf = (build: (flow: Flow) => unknown): Plan => buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined })).plan;
const read = (flow: Flow) => ({
  a: flow.read(csv('a', { schema: a }), 'a'),
  b: flow.read(csv('b', { schema: b }), 'b'),
  c: flow.read(csv('c', { schema: c }), 'c'),
});

/** Sizes of sources in millions of rows. */
const estimatesOf = (plan: Plan, rows: Readonly<Record<string, number>>) =>
  new Map(
    plan.nodes.flatMap((node, id) => (node.kind === 'scan' && node.name in rows ? [[id, { rows: 1e6 * rows[node.name]!, bytes: 1 }] as const] : [])),
  );
const filtered = (plan: Plan, rows: Readonly<Record<string, number>>, readsColumns = false): Plan =>
  dropUnused(filterByKeys(plan, { sizesOf: (of) => sizesOf(of, estimatesOf(of, rows)), readsColumns: () => readsColumns }));

/** Each node by what it is, from what is streamed; `x < y`: x by the keys of y. */
function text(plan: Plan, id = plan.result!): string {
  const node = plan.nodes[id]!;
  if (node.kind === 'scan') return node.name;
  if (node.kind === 'join') {
    const [left, right] = [text(plan, node.left), text(plan, node.right)];
    return node.keysUpTo === undefined ? `(${left} ${node.how} ${right})` : `(${left} < ${right})`;
  }
  const below = 'input' in node ? text(plan, node.input) : '';
  return node.kind === 'filter' || node.kind === 'aggregate' ? `${node.kind} ${below}` : below;
}

const few = planOf((flow) => {
  const t = read(flow);
  return t.a.join(
    t.b.filter((r) => r.n.eq(1)),
    { on: { b_id: 'key' }, prefix: 'r_' },
  );
});
const groups = planOf((flow) => {
  const t = read(flow);
  const sums = t.a.groupBy('b_id').aggregate((r) => ({ sum: r.n.sum() }));
  return t.b.filter((r) => r.n.eq(1)).join(sums, { on: { key: 'b_id' }, how: 'left' });
});
const star = planOf((flow) => {
  const t = read(flow);
  return t.a
    .join(
      t.c.filter((r) => r.x.eq(1)),
      { on: { b_id: 'y' }, how: 'semi' },
    )
    .join(t.b, { on: { b_id: 'key', n: 'n' }, prefix: 'r_' });
});
const snow = planOf((flow) => {
  const t = read(flow);
  return t.a
    .join(
      t.c.filter((r) => r.x.eq(1)),
      { on: { id: 'x' }, prefix: 'c_' },
    )
    .join(t.b, { on: { c_y: 'key' }, prefix: 'r_' });
});
const own = planOf((flow) => {
  const t = read(flow);
  const sums = t.a.groupBy('b_id').aggregate((r) => ({ sum: r.n.sum() }));
  return t.a.filter((r) => r.n.eq(1)).join(sums, { on: { b_id: 'b_id' }, how: 'semi' });
});

test('the larger side of a join that sends both is filtered by the keys of a side of which little is left', () => {
  assert.equal(text(filtered(few, { a: 90, b: 80 })), '((a < filter b) inner filter b)');
});

test('a side that stays where it is needs no filter, one that is not known or has few rows gets none', () => {
  assert.equal(text(filtered(few, { a: 90, b: 0.1 })), '(a inner filter b)');
  assert.equal(text(filtered(few, { a: 90 })), '(a inner filter b)');
  assert.equal(text(filtered(few, { a: 0.05, b: 80 })), '(a inner filter b)');
});

test('rows fall away before they are put into groups, which would be dropped whole', () => {
  assert.equal(text(filtered(groups, { a: 90, b: 80 })), '(filter b left aggregate (a < filter b))');
  const shared = planOf((flow) => {
    const t = read(flow);
    const sums = t.a.groupBy('b_id').aggregate((r) => ({ sum: r.n.sum() }));
    sums.write(csv('out'));
    return t.b.filter((r) => r.n.eq(1)).join(sums, { on: { key: 'b_id' }, how: 'semi' });
  });
  assert.equal(text(filtered(shared, { a: 90, b: 80 })), '(filter b semi (aggregate a < filter b))');
});

test('rows without a match that stay are not left out', () => {
  const outer = planOf((flow) => {
    const t = read(flow);
    return t.a.join(
      t.b.filter((r) => r.n.eq(1)),
      { on: { b_id: 'key' }, how: 'left', prefix: 'r_' },
    );
  });
  assert.equal(text(filtered(outer, { a: 90, b: 80 })), '(a left filter b)');
});

test('a side that is broadcast is filtered by what the other one was joined with: by its keys, or by columns that came from there', () => {
  assert.equal(text(filtered(star, { a: 900, b: 0.6, c: 0.01 })), '((a semi filter c) inner (b < filter c))');
  assert.equal(text(filtered(snow, { a: 900, b: 0.6, c: 0.01 })), '((a inner filter c) inner (b < filter c))');
});

test('both sides of a join of a table with itself keep their own columns when one is filtered', () => {
  const plan = planOf((flow) => {
    const t = read(flow);
    const pairs = t.a.join(t.a, { on: { id: 'n' }, prefix: 'r_' });
    return pairs.join(
      t.b.filter((r) => r.n.eq(1)),
      { on: { b_id: 'key' }, how: 'semi' },
    );
  });
  assert.equal(text(filtered(plan, { a: 90, b: 80 })), '(((a < filter b) inner a) semi filter b)');
});

test('a file by columns is read again for its own keys, another one is not', () => {
  const again = filtered(own, { a: 90 }, true);
  assert.equal(text(again), '(filter a semi aggregate (a < filter a))');
  assert.equal(again.nodes.filter(({ kind }) => kind === 'scan').length, 2);
  assert.equal(text(filtered(own, { a: 90 })), '(filter a semi aggregate a)');
});

test('whatever stands where, the rows are the same, in stages too', () => {
  const large = { a: 90, b: 80 };
  const stars = { a: 900, b: 0.6, c: 0.01 };
  const number = fc.integer({ min: 0, max: 3 });
  const maybe = fc.option(number, { nil: null });
  const tables = fc.record({
    'read-0': fc.array(fc.record({ id: number, b_id: maybe, n: number }), { maxLength: 8 }),
    'read-1': fc.array(fc.record({ key: maybe, n: number }), { maxLength: 8 }),
    'read-2': fc.array(fc.record({ x: number, y: number }), { maxLength: 4 }),
  });
  const sorted = (rows: readonly object[]) => rows.map((row) => JSON.stringify(Object.entries(row).sort(([x], [y]) => (x < y ? -1 : 1)))).sort();
  fc.assert(
    fc.property(
      tables,
      fc.constantFrom<readonly [Plan, Readonly<Record<string, number>>]>([few, large], [groups, large], [own, large], [star, stars], [snow, stars]),
      fc.integer({ min: 1, max: 3 }),
      (given, [plan, sizes], width) => {
        const found = filtered(plan, sizes, true);
        assert.ok(found.nodes.some((node) => node.kind === 'join' && node.keysUpTo !== undefined));
        const wanted = sorted(runPlan(plan, given)['result']!);
        assert.deepEqual(sorted(runPlan(found, given)['result']!), wanted);
        const stages = toStages(found, { estimates: estimatesOf(found, sizes), single: () => true });
        assert.ok(stages.stages.some(({ operators }) => operators.some(({ kind }) => kind === 'keys')));
        assert.deepEqual(sorted(runStages(stages, given, width)['result']!), wanted);
      },
    ),
    { numRuns: 200 },
  );
});
