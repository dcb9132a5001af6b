import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  batchBytes,
  columnBytes,
  emptyBatch,
  emptyColumn,
  emptyDictionary,
  isNull,
  layoutOf,
  makeBatch,
  nullColumn,
  nullCount,
} from '#runtime/batch/column.ts';
import { typeOf } from '../expression/random.ts';
import { columnOf, fieldsOf, formArb, formed, kindArb, kinds, valuesArb, valuesOf } from './columns.ts';

test('every kind has one layout', () => {
  assert.deepEqual(
    kinds.map((kind) => layoutOf(typeOf(kind))),
    ['word', 'lanes', 'lanes', 'double', 'bits', 'bytes', 'word', 'lanes', 'double', 'wide'],
  );
});

test('empty and null columns of every kind', () => {
  for (const kind of kinds) {
    assert.deepEqual(valuesOf(emptyColumn(typeOf(kind))), []);
    assert.deepEqual(valuesOf(nullColumn(typeOf(kind), 9)), Array(9).fill(null));
    assert.equal(nullCount(nullColumn(typeOf(kind), 9)), 9);
  }
  const batch = emptyBatch(fieldsOf(...kinds));
  assert.equal(batch.length, 0);
  assert.equal(batch.columns.length, kinds.length);
  assert.equal(emptyDictionary.length, 0);
});

test('nulls are found and counted in every form', () => {
  fc.assert(
    fc.property(
      kindArb.chain((kind) => fc.tuple(fc.constant(kind), valuesArb(kind, { maxLength: 20 }))),
      formArb,
      ([kind, values], form) => {
        const column = formed(kind, values, form);
        assert.deepEqual(
          values.map((_, i) => isNull(column, i)),
          values.map((value) => value === null),
        );
        assert.equal(nullCount(column), values.filter((value) => value === null).length);
      },
    ),
  );
});

test('bytes are those of the values, a dictionary is counted once', () => {
  assert.equal(columnBytes(columnOf('int32', [1, 2, 3])), 12);
  assert.equal(columnBytes(columnOf('int32', [1, null, 3])), 13);
  assert.equal(columnBytes(columnOf('timestamp', [1n, 2n])), 16);
  assert.equal(columnBytes(columnOf('bool', [true, false])), 1);
  assert.equal(columnBytes(columnOf('utf8', ['ab', 'c'])), 12 + 3);
  const codes = columnOf('utf8', ['ab', 'c', 'ab'], { dictionary: true });
  assert.equal(columnBytes(codes), 12);
  const dictionaryBytes = columnBytes(codes.dictionary!);
  assert.equal(batchBytes(makeBatch(fieldsOf('utf8', 'utf8'), 3, [codes, codes])), 24 + dictionaryBytes);
});
