import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Value } from '#runtime/expression/values.ts';
import { col, lit } from '#runtime/fluent/columns.ts';
import type { Expr } from '#runtime/fluent/expr.ts';
import { date, int32, integer, utf8 } from '#runtime/schema.ts';
import { fields, refused, settled, t, value } from './table.ts';

test('a column that is not there says so when it is touched', () => {
  refused(() => (t() as unknown as { nothing: unknown }).nothing, 'nothing', 'COLUMN_UNKNOWN');
  assert.deepEqual(
    Object.keys(t()),
    fields.map(({ name }) => name),
  );
  assert.deepEqual(
    Object.keys({ ...t() }),
    fields.map(({ name }) => name),
  );
});

test('a value of a type of choice, and a column of which nothing is declared', () => {
  const cases: readonly (readonly [Expr<unknown>, Value])[] = [
    [lit(5, int32()), 5],
    [lit(null, utf8().nullable()), null],
    [lit('1995-03-15', date()), 9204],
    [col('n', integer()).add(1), 41],
  ];
  for (const [expression, expected] of cases) assert.deepEqual(value(expression), expected, JSON.stringify(settled(expression)));
  refused(() => lit(null as unknown as number, int32()), 'nullable');
  refused(() => lit(2 ** 31, int32()), '2147483648', 'VALUE_OUT_OF_RANGE');
});
