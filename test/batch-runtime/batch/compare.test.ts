import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnComparator, compareBytes, compareDoubles, rowComparator } from '#runtime/batch/compare.ts';
import { batchArb, fieldsOf, formArb, formed, kindArb, order, rowsIn, valuesArb } from './columns.ts';

test('rows of two columns compare as their values do, nulls last either way', () => {
  const sideArb = kindArb.chain((kind) =>
    fc.tuple(fc.constant(kind), valuesArb(kind, { minLength: 1, maxLength: 12 }), valuesArb(kind, { minLength: 1, maxLength: 12 })),
  );
  fc.assert(
    fc.property(sideArb, formArb, formArb, fc.boolean(), ([kind, a, b], formA, formB, descending) => {
      const compare = columnComparator(formed(kind, a, formA), formed(kind, b, formB), descending);
      a.forEach((x, i) => {
        b.forEach((y, j) => {
          assert.equal(Math.sign(compare(i, j)) + 0, Math.sign(order(x, y, descending)) + 0);
        });
      });
    }),
    { numRuns: 300 },
  );
});

test('the first key that differs decides', () => {
  const schema = fieldsOf('utf8', 'int32', 'bool');
  const keys = [
    { column: 2, descending: true },
    { column: 0, descending: false },
    { column: 1, descending: true },
  ];
  fc.assert(
    fc.property(batchArb(schema, 12, 2), (batch) => {
      const compare = rowComparator(batch.columns, batch.columns, keys);
      const rows = rowsIn(batch);
      rows.forEach((a, i) => {
        rows.forEach((b, j) => {
          const expected = keys.map((key) => order(a[key.column]!, b[key.column]!, key.descending)).find((difference) => difference !== 0) ?? 0;
          assert.equal(Math.sign(compare(i, j)) + 0, Math.sign(expected) + 0);
        });
      });
    }),
    { numRuns: 60 },
  );
});

test('NaN is above all and equal to itself, -0 is 0', () => {
  assert.equal(compareDoubles(Number.NaN, Number.POSITIVE_INFINITY), 1);
  assert.equal(compareDoubles(Number.NEGATIVE_INFINITY, Number.NaN), -1);
  assert.equal(compareDoubles(Number.NaN, Number.NaN), 0);
  assert.equal(compareDoubles(-0, 0), 0);
});

const textArb = fc.string({
  unit: fc.constantFrom('a', 'b', '\u007f', '\u0080', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'),
  maxLength: 6,
});

test('text is ordered by its UTF-8 bytes, a prefix first', () => {
  fc.assert(
    fc.property(textArb, textArb, (x, y) => {
      const [a, b] = [Buffer.from(`..${x}`), Buffer.from(`.${y}`)];
      assert.equal(Math.sign(compareBytes(a, 2, a.length, b, 1, b.length)), Buffer.compare(Buffer.from(x), Buffer.from(y)));
    }),
  );
  // In UTF-16 the pair of surrogates would come first.
  assert(compareBytes(Buffer.from('\u{10000}'), 0, 4, Buffer.from('\uffff'), 0, 3) > 0);
});
