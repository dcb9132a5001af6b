import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plan } from '#runtime/graph/plan.ts';
import { pruneColumns } from '#runtime/graph/rules/prune-columns.ts';
import { count, csv, type Flow, int32, job, list, schema, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { runPlan } from '../reference.ts';

const rows = schema({ k: utf8(), a: int32(), b: int32().nullable(), c: utf8() });
const side = schema({ id: utf8(), size: int32(), other: utf8() });
const pruned = (build: (flow: Flow) => unknown): Plan =>
  pruneColumns(buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined })).plan);
const shape = (plan: Plan): string[] => plan.nodes.map((node) => `${node.kind} ${node.schema.map((field) => field.name).join(' ')}`);
const read = (flow: Flow) => flow.read(csv('rows', { schema: rows }));

test('a scan reads what is used, a project works out what is used', () => {
  const plan = pruned((flow) =>
    read(flow)
      .derive((t) => ({ x: t.a.add(1), y: t.c.lower() }))
      .filter((t) => t.b.isNotNull())
      .select('x'),
  );
  assert.deepEqual(shape(plan), ['scan a b', 'project b x', 'filter b x', 'project x']);
  assert.deepEqual(plan.nodes[0]!.kind === 'scan' && plan.nodes[0]!.columns, ['a', 'b']);
});

test('a sink and the result get all they were written with', () => {
  const plan = pruned((flow) => {
    const t = read(flow);
    t.write(csv('all'));
    return t.select('a');
  });
  assert.deepEqual(shape(plan), ['scan k a b c', 'sink k a b c', 'project a']);
});

test('aggregates that nobody reads are not worked out, keys stay', () => {
  const plan = pruned((flow) =>
    read(flow)
      .groupBy('k')
      .aggregate((t) => ({ n: count(), high: t.a.max(), low: t.b.min() }))
      .select('n'),
  );
  assert.deepEqual(shape(plan), ['scan k', 'aggregate k n', 'project n']);
});

test('joins and sorts carry no column that is only used below them', () => {
  const plan = pruned((flow) =>
    read(flow)
      .filter((t) => t.b.gt(1))
      .join(flow.read(csv('side', { schema: side })), { on: { k: 'id' }, prefix: 's_' })
      .orderBy('s_size')
      .select('a'),
  );
  assert.deepEqual(shape(plan), [
    'scan k a b',
    'filter k a b',
    'scan id size',
    'project k a',
    'join k a s_size',
    'project a s_size',
    'sort a s_size',
    'project a',
  ]);
});

test('rows that are only counted keep one column', () => {
  const plan = pruned((flow) =>
    read(flow)
      .limit(9)
      .aggregate(() => ({ n: count() })),
  );
  assert.deepEqual(shape(plan), ['scan k', 'limit k', 'aggregate n']);
});

test('a union reads of each input the columns that are used, by the same names in the same order', () => {
  const plan = pruned((flow) => {
    const t = read(flow).select('k', 'a', 'c');
    t.write(csv('all'));
    return t.union(read(flow).select('c', 'a', (r) => ({ k: r.c }))).select('a');
  });
  assert.deepEqual(shape(plan).slice(-5), ['project a', 'project a', 'project a', 'union a', 'project a']);
  const union = plan.nodes.find((node) => node.kind === 'union')!;
  for (const input of union.kind === 'union' ? union.inputs : [])
    assert.deepEqual(
      plan.nodes[input]!.schema.map(({ name }) => name),
      ['a'],
    );
});

test('an unnest carries the list and what is wanted beside it, whether its values are or not', () => {
  const nested = schema({ a: int32(), tags: list(utf8()), more: list(utf8()) });
  const of = (flow: Flow) => flow.read(csv('rows', { schema: nested })).unnest('tags', { as: 'tag', ordinality: 'n' });
  assert.deepEqual(shape(pruned((flow) => of(flow).select('tag'))), ['scan tags', 'unnest tag', 'project tag']);
  assert.deepEqual(shape(pruned((flow) => of(flow).select('a', 'n'))), ['scan a tags', 'unnest a n', 'project a n']);
  assert.deepEqual(shape(pruned((flow) => of(flow).aggregate(() => ({ n: count() })))), ['scan a tags', 'unnest a', 'aggregate n']);
});

test('a left column with a name like those of the right side in a condition stays', () => {
  const odd = schema({ k: int32(), 'right.y': int32(), z: int32() });
  const build = (flow: Flow) =>
    flow
      .rows(odd, [{ k: 1, 'right.y': 5, z: 1 }])
      .join(flow.rows(schema({ k: int32(), y: int32() }), [{ k: 1, y: 2 }]), { on: 'k' }, (l, r) => l['right.y'].gt(r.y))
      .select('k', 'z');
  assert.deepEqual(runPlan(pruned(build), {})['result'], [{ k: 1, z: 1 }]);
});
