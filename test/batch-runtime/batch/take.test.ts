import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptyColumn } from '#runtime/batch/column.ts';
import { maxColumnBytes, take, takeColumn, takeOrNull } from '#runtime/batch/take.ts';
import { typeOf } from '../expression/random.ts';
import { batchArb, columnOf, fieldsOf, formArb, formed, kindArb, kinds, rowsIn, valuesArb, valuesOf } from './columns.ts';

const givenArb = kindArb.chain((kind) => fc.tuple(fc.constant(kind), valuesArb(kind, { minLength: 1, maxLength: 20 })));
const rowsArb = fc.array(fc.nat(1000), { maxLength: 40 });

test('rows are gathered in any order and again', () => {
  fc.assert(
    fc.property(givenArb, formArb, rowsArb, ([kind, values], form, wanted) => {
      const rows = Int32Array.from(wanted, (row) => row % values.length);
      assert.deepEqual(
        valuesOf(takeColumn(formed(kind, values, form), rows)),
        [...rows].map((row) => values[row]),
      );
      const some = rows.length >> 1;
      assert.equal(takeColumn(formed(kind, values, form), rows, some).length, some);
    }),
  );
});

test('row -1 is a null where asked for', () => {
  fc.assert(
    fc.property(givenArb, formArb, rowsArb, ([kind, values], form, wanted) => {
      const rows = Int32Array.from(wanted, (row) => (row % (values.length + 1)) - 1);
      assert.deepEqual(
        valuesOf(takeOrNull(formed(kind, values, form), rows)),
        [...rows].map((row) => (row < 0 ? null : values[row])),
      );
    }),
  );
  for (const kind of kinds) assert.deepEqual(valuesOf(takeOrNull(emptyColumn(typeOf(kind)), Int32Array.of(-1, -1))), [null, null]);
});

test('all columns of a batch are gathered alike', () => {
  fc.assert(
    fc.property(batchArb(fieldsOf(...kinds), 15), (batch) => {
      const rows = Int32Array.from({ length: batch.length }, (_, i) => batch.length - 1 - i);
      assert.deepEqual(rowsIn(take(batch, rows)), rowsIn(batch).reverse());
    }),
    { numRuns: 50 },
  );
});

test('a dictionary is shared', () => {
  const column = columnOf('utf8', ['a', 'b', 'a'], { dictionary: true });
  assert.equal(takeColumn(column, Int32Array.of(2)).dictionary, column.dictionary);
});

test('a text column of 2 GiB is MEMORY_EXCEEDED before anything is allocated', () => {
  const long = columnOf('utf8', ['x'.repeat(1 << 20)]);
  const rows = new Int32Array(2048);
  assert.equal(maxColumnBytes, 2 ** 31 - 1);
  assert.throws(() => takeColumn(long, rows), { code: 'MEMORY_EXCEEDED' });
});
