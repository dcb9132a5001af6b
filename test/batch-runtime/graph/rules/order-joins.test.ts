import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Plan } from '#runtime/graph/plan.ts';
import { dropUnused } from '#runtime/graph/rules/drop-unused.ts';
import { orderJoins } from '#runtime/graph/rules/order-joins.ts';
import { sizesOf } from '#runtime/graph/sizes.ts';
import { csv, type Flow, float64, int32, job, schema, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { runPlan } from '../reference.ts';

const a = schema({ id: int32(), b_id: int32(), c_id: int32().nullable(), note: utf8() });
const b = schema({ key: int32(), d_id: int32(), name: utf8() });
const c = schema({ key: int32(), kind: utf8().nullable() });
const d = schema({ code: int32(), name: utf8() });

const planOf = (build: (flow: Flow) => unknown): Plan => buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined })).plan;
const read = (flow: Flow) => ({
  a: flow.read(csv('a', { schema: a }), 'a'),
  b: flow.read(csv('b', { schema: b }), 'b'),
  c: flow.read(csv('c', { schema: c }), 'c'),
  d: flow.read(csv('d', { schema: d }), 'd'),
});

/** Sizes of sources in rows; what is left out is not known. */
function ordered(plan: Plan, rows: Readonly<Record<string, number>>): Plan {
  const sizes = (of: Plan) =>
    sizesOf(
      of,
      new Map(
        of.nodes.flatMap((node, id) => (node.kind === 'scan' && node.name in rows ? [[id, { rows: rows[node.name]!, bytes: 1 }] as const] : [])),
      ),
    );
  return dropUnused(orderJoins(plan, sizes(plan)));
}
/** The tree of joins: what is streamed first, then what it is joined with. */
function tree(plan: Plan, id = plan.result!): string {
  const node = plan.nodes[id]!;
  if (node.kind === 'scan') return node.name;
  if (node.kind === 'join') return `(${tree(plan, node.left)} ${tree(plan, node.right)})`;
  return 'input' in node ? tree(plan, node.input) : node.kind;
}

const chain = planOf((flow) => {
  const t = read(flow);
  return t.d
    .join(t.b, { on: { code: 'd_id' }, prefix: 'b_' })
    .join(t.a, { on: { b_key: 'b_id' }, prefix: 'a_' })
    .join(t.c, { on: { a_c_id: 'key' }, prefix: 'c_' });
});

test('the largest is streamed past the others, the smallest of those that are connected first', () => {
  assert.equal(tree(chain), '(((d b) a) c)');
  assert.equal(tree(ordered(chain, { a: 1000, b: 100, c: 10, d: 5 })), '(((a c) b) d)');
  assert.equal(tree(ordered(chain, { a: 1000, b: 10, c: 100, d: 5 })), '(((a b) d) c)');
  assert.equal(tree(ordered(chain, { a: 10, b: 20, c: 1000, d: 5 })), '(((c a) b) d)');
});

test('what is in order already stays as it is, and so does what is not known', () => {
  assert.deepEqual(ordered(chain, { d: 100_000, b: 900, a: 800, c: 700 }).nodes, chain.nodes);
  assert.deepEqual(ordered(chain, { d: 1, b: 900, a: 800 }).nodes, chain.nodes);
});

test('of two tables the smaller one is built, with the columns where they were', () => {
  const plan = planOf((flow) => {
    const t = read(flow);
    return t.c.join(t.a, { on: { key: 'c_id' }, prefix: 'r_' });
  });
  const found = ordered(plan, { a: 1000, c: 10 });
  assert.equal(tree(found), '(a c)');
  assert.deepEqual(found.nodes.at(-1)!.schema, plan.nodes.at(-1)!.schema);
});

test('a filter makes an input smaller; a join with a condition, an outer one or one by floats bounds a chain', () => {
  const filtered = planOf((flow) => {
    const t = read(flow);
    return t.a.filter((r) => r.note.eq('x').and(r.id.eq(5))).join(t.b, { on: { b_id: 'key' } });
  });
  assert.equal(tree(ordered(filtered, { a: 1000, b: 100 })), '(b a)');
  const tested = planOf((flow) => {
    const t = read(flow);
    return t.c
      .join(t.a, { on: { key: 'c_id' }, prefix: 'r_' }, (l, r) => r.id.gt(l.key))
      .join(t.d, { on: { r_id: 'code' } })
      .join(t.b, { on: { r_b_id: 'key' }, prefix: 'b_', how: 'left' });
  });
  assert.equal(tree(ordered(tested, { a: 1000, b: 1, c: 10, d: 5 })), '(((c a) d) b)');
  const float = schema({ x: float64(), y: int32() });
  const floats = planOf((flow) =>
    flow.read(csv('f', { schema: float }), 'f').join(flow.read(csv('g', { schema: float }), 'g'), { on: 'x', prefix: 'g_' }),
  );
  assert.equal(tree(ordered(floats, { f: 1, g: 1000 })), '(f g)');
});

test('a table of which a filter leaves a part comes before a smaller one that is whole', () => {
  const filtered = planOf((flow) => {
    const t = read(flow);
    const many = t.b.groupBy('key').aggregate((r) => ({ rows: r.d_id.sum() }));
    return t.a.join(t.c, { on: { c_id: 'key' }, prefix: 'c_' }).join(
      many.filter((r) => r.rows.gt(100)),
      { on: { b_id: 'key' } },
    );
  });
  assert.equal(tree(ordered(filtered, { a: 1000, b: 900, c: 10 })), '((a b) c)');
});

test('a table that is used elsewhere too keeps its own join', () => {
  const plan = planOf((flow) => {
    const t = read(flow);
    const pairs = t.c.join(t.a, { on: { key: 'c_id' }, prefix: 'r_' });
    pairs.write(csv('out'));
    return pairs.join(t.d, { on: { r_id: 'code' } });
  });
  const found = ordered(plan, { a: 1000, c: 10, d: 5000 });
  assert.equal(tree(found), '(d (a c))');
});

test('whatever the sizes, the rows are the same', () => {
  const number = fc.integer({ min: 0, max: 3 });
  const maybe = fc.option(number, { nil: null });
  const text = fc.constantFrom('x', 'y');
  const tables = fc.record({
    'read-0': fc.array(fc.record({ id: number, b_id: number, c_id: maybe, note: text }), { maxLength: 6 }),
    'read-1': fc.array(fc.record({ key: number, d_id: number, name: text }), { maxLength: 5 }),
    'read-2': fc.array(fc.record({ key: number, kind: fc.option(text, { nil: null }) }), { maxLength: 5 }),
    'read-3': fc.array(fc.record({ code: number, name: text }), { maxLength: 5 }),
  });
  const sizes = fc.record({
    a: fc.integer({ min: 1, max: 9 }),
    b: fc.integer({ min: 1, max: 9 }),
    c: fc.integer({ min: 1, max: 9 }),
    d: fc.integer({ min: 1, max: 9 }),
  });
  const sorted = (plan: Plan, given: Parameters<typeof runPlan>[1]) =>
    runPlan(plan, given)
      ['result']!.map((row) => JSON.stringify(Object.entries(row).sort(([x], [y]) => (x < y ? -1 : 1))))
      .sort();
  // One key asked for twice: it stays as it was written, or is asked by both.
  const twice = planOf((flow) => {
    const t = read(flow);
    return t.a
      .join(t.c, { on: { id: 'key' }, prefix: 'c_' })
      .join(t.b, { on: { id: 'key', c_id: 'd_id' }, prefix: 'b_' })
      .join(t.d, { on: { b_id: 'code' }, prefix: 'd_' });
  });
  fc.assert(
    fc.property(tables, sizes, fc.constantFrom(chain, twice), (given, rows, plan) => {
      const found = ordered(plan, rows);
      assert.deepEqual(found.nodes[found.result!]!.schema, plan.nodes[plan.result!]!.schema);
      assert.deepEqual(sorted(found, given), sorted(plan, given));
    }),
    { numRuns: 300 },
  );
});
