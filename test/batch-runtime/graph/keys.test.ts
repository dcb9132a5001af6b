import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keysOf, refuseNestedKeys } from '#runtime/graph/keys.ts';
import type { PlanNode } from '#runtime/graph/plan.ts';
import type { Flow, Table } from '#runtime/index.ts';
import { fieldsOf, int32, list, struct, utf8 } from '#runtime/schema.ts';
import { Draft } from '#runtime/table.ts';

const shape = { a: int32(), tags: list(utf8()), place: struct({ city: utf8() }) };
const schema = fieldsOf(shape);
const refuses = (node: object): void => refuseNestedKeys({ uid: 'x-1', schema, input: 0, ...node } as unknown as PlanNode, () => schema);

test('the keys of a node, by input', () => {
  const node = { kind: 'join', left: 3, right: 4, leftKeys: ['a'], rightKeys: ['b'], asOf: { left: 'at', right: 'from' } } as unknown as PlanNode;
  assert.deepEqual(keysOf(node), [
    { input: 3, names: ['a', 'at'] },
    { input: 4, names: ['b', 'from'] },
  ]);
  assert.deepEqual(keysOf({ kind: 'limit', input: 0 } as unknown as PlanNode), []);
});

test('a list or a struct is no key, and what to do instead is said', () => {
  refuses({ kind: 'aggregate', keys: ['a'], aggregates: [] });
  assert.throws(() => refuses({ kind: 'aggregate', keys: ['a', 'tags'] }), {
    code: 'PLAN_UNSUPPORTED',
    message: /x-1: tags is a list, which is no key: unnest it/,
  });
  assert.throws(() => refuses({ kind: 'repartition', keys: ['place'] }), { code: 'PLAN_UNSUPPORTED', message: /place is a struct.*field\('city'\)/ });
  assert.throws(() => refuses({ kind: 'window', partitionBy: [], orderBy: [{ name: 'tags', descending: false }] }), { code: 'PLAN_UNSUPPORTED' });
});

test('every verb that compares rows refuses them', () => {
  const table = (flow: Flow): Table<{ a: number }> => flow.rows(shape, []) as unknown as Table<{ a: number }>;
  const verbs: readonly ((t: Table<never>) => unknown)[] = [
    (t) => t.orderBy('tags' as never),
    (t) => t.groupBy('place' as never),
    (t) => t.distinct(),
    (t) => t.repartition('tags' as never),
    (t) => t.intersect(t),
    (t) => t.join(t, { on: 'tags', prefix: 'r_' } as never),
  ];
  for (const verb of verbs) {
    const draft = new Draft(import.meta.url);
    assert.throws(
      () => {
        const made = verb(table(draft) as never) as { aggregate?: (of: () => object) => unknown } | undefined;
        made?.aggregate?.(() => ({}));
      },
      { code: 'PLAN_UNSUPPORTED', message: /is no key|which is no key/ },
    );
  }
});
