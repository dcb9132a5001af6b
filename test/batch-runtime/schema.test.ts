import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bool, date, fieldsOf, float64, int32, int64, integer, schema, timestamp, typeText, utf8 } from '#runtime/schema.ts';

const all = { b: bool(), i: int32(), n: integer().nullable(), l: int64(), f: float64(), s: utf8().nullable(), d: date(), t: timestamp() };

test('fields stand in the written order, with their types, not null unless said so', () => {
  assert.deepEqual(
    fieldsOf(all).map((field) => `${field.name} ${typeText(field)}`),
    ['b bool', 'i int32', 'n integer nullable', 'l int64', 'f float64', 's utf8 nullable', 'd date', 't timestamp'],
  );
});

test('a schema is plain: spread, picked from, and frozen', () => {
  const given = schema(all);
  assert.deepEqual(Object.keys({ ...given, more: utf8() }), [...Object.keys(all), 'more']);
  assert.throws(() => {
    (given as { b: unknown }).b = utf8();
  }, TypeError);
  assert.throws(() => {
    (given.b as { isNullable: boolean }).isNullable = true;
  }, TypeError);
});

test('nullable gives another type and leaves the first', () => {
  const plain = int32();
  assert.equal(plain.nullable().isNullable, true);
  assert.equal(plain.nullable().nullable().isNullable, true);
  assert.equal(plain.isNullable, false);
});
