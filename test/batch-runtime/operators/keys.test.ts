import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Schema } from '#runtime/batch/batch.ts';
import { createKeys } from '#runtime/operators/keys.ts';
import { batchOf, rowsIn } from '../batch/columns.ts';
import { tight } from '../spill/tight.ts';
import { field, run } from './run.ts';

const input: Schema = [field('v', 'int32'), field('k', 'int64'), field('day', 'int32')];
const schema: Schema = [
  { ...input[1]!, nullable: true },
  { ...input[2]!, nullable: true },
];
const batches = [
  [1n, 2n, 1n],
  [3n, 2n],
].map((keys) =>
  batchOf(
    input,
    keys.map((key, i) => [i, key, 7]),
  ),
);
const spec = (upTo: number) => ({ kind: 'keys', uid: 'k', input: 0, keys: ['k', 'day'], upTo, schema }) as const;

test('the different keys leave, or one row of nulls in place of more than it may give', () => {
  assert.deepEqual(run(createKeys(spec(3), input), batches).flatMap(rowsIn), [
    [1n, 7],
    [2n, 7],
    [3n, 7],
  ]);
  assert.deepEqual(run(createKeys(spec(2), input), batches).flatMap(rowsIn), [[null, null]]);
});

test('keys that do not fit in memory are too many', () => {
  const { memory, remove } = tight(1000);
  assert.deepEqual(run(createKeys(spec(3), input, memory.open()), batches).flatMap(rowsIn), [[null, null]]);
  assert.equal(memory.heldBytes, 0);
  remove();
});
