import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeBatch } from '#runtime/batch/column.ts';
import { concat, concatColumns } from '#runtime/batch/concat.ts';
import { typeOf } from '../expression/random.ts';
import { batchArb, columnOf, fieldsOf, formArb, formed, kindArb, kinds, rowsIn, valuesArb, valuesOf } from './columns.ts';

test('columns end to end, whatever their forms', () => {
  const partsArb = kindArb.chain((kind) =>
    fc.tuple(fc.constant(kind), fc.array(fc.tuple(valuesArb(kind, { maxLength: 20 }), formArb), { maxLength: 5 })),
  );
  fc.assert(
    fc.property(partsArb, ([kind, parts]) => {
      const values = parts.flatMap(([part]) => part);
      const columns = parts.map(([part, form]) => formed(kind, part, form));
      assert.deepEqual(valuesOf(concatColumns(typeOf(kind), columns, values.length)), values);
    }),
    { numRuns: 200 },
  );
});

test('batches end to end; one alone is itself, none is an empty one', () => {
  const schema = fieldsOf(...kinds);
  fc.assert(
    fc.property(fc.array(batchArb(schema, 9), { maxLength: 4 }), (batches) => {
      const all = concat(schema, batches);
      assert.deepEqual(rowsIn(all), batches.flatMap(rowsIn));
      if (batches.length === 1) assert.equal(all, batches[0]);
    }),
    { numRuns: 50 },
  );
  assert.equal(concat([], [makeBatch([], 3, []), makeBatch([], 4, [])]).length, 7);
});

test('one dictionary stays, several are merged while that pays, mixed with plain text all becomes plain', () => {
  const text = Array.from({ length: 40 }, (_, i) => `v${i % 3}`);
  const a = columnOf('utf8', text, { dictionary: true });
  const b = columnOf('utf8', ['v2', 'v9', ...text], { dictionary: true });
  assert.equal(concatColumns(a.type, [a, a], 80).dictionary, a.dictionary);
  const merged = concatColumns(a.type, [a, b], 82);
  assert.deepEqual(valuesOf(merged), [...text, 'v2', 'v9', ...text]);
  // v0 v1 v2 v9, and the entry that nobody uses.
  assert.equal(merged.dictionary!.length, 5);
  assert.equal(concatColumns(a.type, [a, columnOf('utf8', ['x'])], 41).dictionary, null);
  assert.equal(
    concatColumns(a.type, [columnOf('utf8', ['x'], { dictionary: true }), columnOf('utf8', ['y'], { dictionary: true })], 2).dictionary,
    null,
  );
});

test('the result owns its arrays', () => {
  const a = columnOf('int32', [1, 2]);
  const joined = concatColumns(a.type, [a, a], 4);
  a.data[0] = 9;
  assert.deepEqual(valuesOf(joined), [1, 2, 1, 2]);
});
