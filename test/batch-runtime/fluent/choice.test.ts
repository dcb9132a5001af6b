import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Value } from '#runtime/expression/values.ts';
import { when } from '#runtime/fluent/choice.ts';
import type { Expr } from '#runtime/fluent/expr.ts';
import { js, refused, settled, t, value } from './table.ts';

test('the first condition that is true decides', () => {
  const c = t();
  const cases: readonly (readonly [Expr<unknown>, Value])[] = [
    [when(c.i.gt(5), 'big').otherwise('small'), 'big'],
    [when(c.j.gt(5), 'big').when(c.ok, 'ok').otherwise('small'), 'ok'],
    [when(c.j.gt(5), c.i).otherwise(null), null],
  ];
  for (const [expression, expected] of cases) assert.deepEqual(value(expression), expected, JSON.stringify(settled(expression)));
  refused(() => js({ when }).when!(c.i, 1), 'bool');
});
