import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchRows } from '#runtime/batch/batch.ts';
import { valuesBatches } from '#runtime/operators/values.ts';
import { field, namedRows } from './run.ts';

const schema = [field('a', 'integer', false), field('b', 'utf8')];
const batchesOf = (rows: readonly (readonly (string | number | boolean | null)[])[]) => [
  ...valuesBatches({ kind: 'values', uid: 'v', rows, schema }),
];

test('rows written down are batches of at most 64 K', () => {
  assert.deepEqual(
    namedRows(
      batchesOf([
        ['9007199254740991', 'x'],
        ['-1', null],
      ]),
    ),
    [
      { a: 9007199254740991, b: 'x' },
      { a: -1, b: null },
    ],
  );
  const many = batchesOf(Array.from({ length: batchRows + 1 }, (_, i) => [String(i), 'same']));
  assert.deepEqual(
    many.map(({ length }) => length),
    [batchRows, 1],
  );
  assert.deepEqual(batchesOf([]), []);
});

test('a value that is none of its column is refused', () => {
  assert.throws(() => batchesOf([[null, 'x']]), { code: 'NULL_IN_COLUMN' });
  assert.throws(() => batchesOf([['x', 'x']]), { code: 'ROW_TYPE' });
  assert.throws(() => batchesOf([['9007199254740992', 'x']]), { code: 'VALUE_OUT_OF_RANGE' });
});
