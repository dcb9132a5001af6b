import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Field } from '#runtime/batch/batch.ts';
import { unionSchema } from '#runtime/verbs/union.ts';
import { ours, planOf, theirs } from './plans.ts';

const field = (name: string, kind: 'int32' | 'utf8' = 'int32', nullable = false): Field => ({ name, type: { kind }, nullable });

test('columns meet by name, in the order of the first table, duplicates stay', async () => {
  const rows = ours((t) => t.select('a', 'v').union(t.filter((c) => c.v.gt(1)).select('v', (c) => ({ a: c.b }))));
  assert.deepEqual(rows, await theirs('select a, v from t union all by name select v, b a from t where v > 1'));
  const plan = planOf((t) => t.select('a', 'v').union(t.select('v', 'a')));
  assert.deepEqual(
    plan.nodes.at(-1)!.schema.map(({ name }) => name),
    ['a', 'v'],
  );
});

test('with distinct it is the union of sets', async () => {
  assert.deepEqual(
    ours((t) => t.select('a', 'b').union(t.select('a', 'b')).distinct()),
    await theirs('select a, b from t union select a, b from t'),
  );
});

test('what may be null on one side may be null in the result', () => {
  const schema = unionSchema('union-1', [field('a'), field('b', 'utf8', true)], [field('b', 'utf8'), field('a')]);
  assert.deepEqual(schema, [field('a'), field('b', 'utf8', true)]);
  assert.equal(unionSchema('union-1', [field('a')], [field('a', 'int32', true)])[0]!.nullable, true);
});

test('columns or types that differ are refused, with what to do', () => {
  assert.throws(() => unionSchema('union-1', [field('a')], [field('a'), field('b')]), /has a column b besides: select/);
  assert.throws(() => unionSchema('union-1', [field('a'), field('b')], [field('a')]), /has no column b: select/);
  assert.throws(() => unionSchema('union-1', [field('a')], [field('a', 'utf8')]), { code: 'EXPRESSION_TYPE', message: /a is int32.*utf8.*cast/ });
  assert.throws(() => planOf((t) => t.union(null as never)), { code: 'PLAN_UNSUPPORTED' });
});
