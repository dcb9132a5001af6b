import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Schema } from '#runtime/batch/batch.ts';
import { createUnion } from '#runtime/operators/union.ts';
import { batchOf } from '../batch/columns.ts';
import { batchesOf, elementsOf, field, namedRows } from './run.ts';

const own: Schema = [field('a', 'int32', false), field('b', 'utf8')];
const schema: Schema = own.map((each) => ({ ...each, nullable: true }));

test('rows of every input leave under one schema, and the end comes once, after the last of them', () => {
  const union = createUnion({ kind: 'union', uid: 'u', inputs: [0, 1, 2], schema }, 3);
  const first = elementsOf(union, [batchOf(own, [[1, 'x']])], 0);
  const second = elementsOf(union, [], 2);
  const third = elementsOf(union, [batchOf(schema, [[null, null]]), batchOf(schema, [[2, 'y']])], 1);
  assert.deepEqual(
    [first, second, third].map((elements) => elements.filter(({ kind }) => kind === 'end').length),
    [0, 0, 1],
  );
  assert.equal(third.at(-1)!.kind, 'end');
  const batches = batchesOf([...first, ...third]);
  assert.deepEqual(namedRows(batches), [
    { a: 1, b: 'x' },
    { a: null, b: null },
    { a: 2, b: 'y' },
  ]);
  for (const batch of batches) assert.equal(batch.schema, schema);
});
