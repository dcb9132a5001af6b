import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch } from '#runtime/batch/batch.ts';
import { Compactor, toPlain } from '#runtime/batch/dictionary.ts';
import { slice } from '#runtime/batch/slice.ts';
import { batchArb, columnOf, fieldsOf, formArb, formed, rowsIn, valuesArb, valuesOf } from './columns.ts';

test('without a dictionary the values are the same', () => {
  fc.assert(
    fc.property(valuesArb('utf8', { maxLength: 20 }), formArb, (values, form) => {
      const column = formed('utf8', values, form);
      const plain = toPlain(column);
      assert.equal(plain.dictionary, null);
      assert.deepEqual(valuesOf(plain), values);
      if (column.dictionary === null) assert.equal(plain, column);
    }),
  );
});

test('a compacted batch has the same rows, block after block', () => {
  const compactor = new Compactor();
  fc.assert(
    fc.property(fc.array(batchArb(fieldsOf('utf8', 'int32', 'utf8'), 20), { maxLength: 3 }), (batches) => {
      for (const batch of batches) assert.deepEqual(rowsIn(compactor.compact(batch)), rowsIn(batch));
    }),
    { numRuns: 100 },
  );
});

test('entries no row uses go, those used stand in the order of their first use', () => {
  const values = Array.from({ length: 100 }, (_, i) => `v${i}`);
  const whole: Batch = { schema: fieldsOf('utf8'), length: 100, columns: [columnOf('utf8', values, { dictionary: true })] };
  const part = new Compactor().compact(slice(whole, 50, 53)).columns[0]!;
  assert.deepEqual(valuesOf(part.dictionary!), ['v50', 'v51', 'v52']);
  assert.deepEqual([...part.data.subarray(0, 3)], [0, 1, 2]);
  const most = slice(whole, 0, 90);
  assert.equal(new Compactor().compact(most).columns[0], most.columns[0]);
  const none = { schema: fieldsOf('int32'), length: 1, columns: [columnOf('int32', [1])] };
  assert.equal(new Compactor().compact(none), none);
});
