import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decimal } from '#runtime/batch/decimal.ts';
import { plainOf } from '#runtime/fluent/written.ts';
import { type Declared, decimal, int32, int64, list, struct, utf8 } from '#runtime/schema.ts';

const plain = (given: unknown, declared: Declared<unknown>) => plainOf(given, { name: 'c', type: declared.type, nullable: declared.isNullable });

test('values become plain ones, in lists and structs too', () => {
  assert.equal(plain(5n, int64()), '5');
  assert.equal(plain(null, int32().nullable()), null);
  const of = list(struct({ price: decimal(9, 2), tags: list(utf8()).nullable() }));
  assert.deepEqual(
    plain(
      [
        { price: Decimal.from('1.5'), tags: ['a'] },
        { price: Decimal.from(2), tags: null },
      ],
      of,
    ),
    [
      { price: '1.50', tags: ['a'] },
      { price: '2.00', tags: null },
    ],
  );
});

test('what is not of the type says where', () => {
  const refused = (given: unknown, declared: Declared<unknown>, message: RegExp): void => {
    assert.throws(() => plain(given, declared), { code: 'EXPRESSION_TYPE', message });
  };
  refused(null, int32(), /c is null: declare it \.nullable\(\)/);
  refused('x', list(int32()), /c is string, not an array: it is list\(int32\)/);
  refused([1, null], list(int32()), /c\[1\] is null/);
  refused([], struct({ a: int32() }), /c is no object/);
  refused([{ a: {} }], list(struct({ a: list(int32()) })), /c\[0\]\.a is object, not an array/);
  refused({}, struct({ a: int32() }), /c\.a is null/);
  refused(['x'], list(int32()), /'x' is not a value of type int32/);
});
