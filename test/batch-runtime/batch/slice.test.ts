import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { slice, sliceColumn } from '#runtime/batch/slice.ts';
import { batchArb, columnOf, fieldsOf, kindArb, kinds, rowsIn, valuesArb, valuesOf } from './columns.ts';

test('a slice of a column has those rows', () => {
  fc.assert(
    fc.property(
      kindArb.chain((kind) => fc.tuple(fc.constant(kind), valuesArb(kind, { maxLength: 30 }))),
      fc.nat(30),
      fc.nat(30),
      fc.boolean(),
      ([kind, values], a, b, dictionary) => {
        const [from, to] = [Math.min(a, b, values.length), Math.min(Math.max(a, b), values.length)];
        const column = sliceColumn(columnOf(kind, values, { dictionary }), from, to);
        assert.deepEqual(valuesOf(column), values.slice(from, to));
        // A slice of a slice, since offsets and bitmaps no longer start at 0.
        assert.deepEqual(valuesOf(sliceColumn(column, (to - from) >> 1, to - from)), values.slice(from, to).slice((to - from) >> 1));
      },
    ),
  );
});

test('a slice of a batch has those rows; the whole is the batch itself', () => {
  fc.assert(
    fc.property(batchArb(fieldsOf(...kinds), 20), fc.nat(20), (batch, cut) => {
      const at = Math.min(cut, batch.length);
      assert.deepEqual([...rowsIn(slice(batch, 0, at)), ...rowsIn(slice(batch, at, batch.length))], rowsIn(batch));
      assert.equal(slice(batch, 0, batch.length), batch);
    }),
    { numRuns: 50 },
  );
});

test('values are views, not copies', () => {
  const column = columnOf('float64', [1, 2, 3]);
  assert.equal(sliceColumn(column, 1, 3).data.buffer, column.data.buffer);
});
