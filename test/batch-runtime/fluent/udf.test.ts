import assert from 'node:assert/strict';
import { test } from 'node:test';
import { udf } from '#runtime/fluent/udf.ts';
import { int32 } from '#runtime/schema.ts';
import { js, refused, t, value } from './table.ts';

test('a function is called with the values of its arguments, which must be of its types', () => {
  const c = t();
  assert.equal(value(udf([int32(), int32().nullable()], int32().nullable(), (a, b) => (b === null ? a * 2 : b))(c.i, c.j)), 14);
  const f = udf([int32()], int32(), (n) => n);
  refused(() => js({ f }).f!(), '1 arguments got 0');
  refused(() => js({ f }).f!(c.j), 'nullable');
  refused(() => js({ f }).f!(c.s), 'utf8');
});
