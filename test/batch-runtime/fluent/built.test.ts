import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnTypeText } from '#runtime/batch/batch.ts';
import { Decimal } from '#runtime/batch/decimal.ts';
import { temporal } from '#runtime/batch/temporal.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { literalOf, Unused } from '#runtime/fluent/built.ts';
import { col, columnsOf, lit } from '#runtime/fluent/columns.ts';
import type { Columns } from '#runtime/fluent/expr.ts';
import { settle } from '#runtime/fluent/settle.ts';
import { decimal, type RowOf } from '#runtime/schema.ts';
import { fields, refused, type row, scope, settled, t } from './table.ts';

test('a plain number takes the narrowest type beside it that holds it', () => {
  const c = t();
  const beside = (expression: unknown): string =>
    (settled(expression) as Extract<Expression, { op: 'call' }>).args.map((arg) => arg.type.kind).join();
  assert.equal(beside(c.i.add(1)), 'int32,int32');
  assert.equal(beside(c.i.add(2 ** 31)), 'integer,integer');
  assert.equal(beside(c.i.add(0.5)), 'float64,float64');
  assert.equal(beside(c.n.gt(1)), 'integer,integer');
  assert.equal(beside(c.x.gt(1)), 'float64,float64');
  assert.deepEqual(settled(1), { op: 'literal', value: 1, type: { kind: 'float64' }, nullable: false });
});

test('a number or text beside a decimal is the decimal it reads as, to the last of 38 digits', () => {
  const price = col('price', decimal(12, 2));
  const beside = (expression: unknown): string[] =>
    (settled(expression) as Extract<Expression, { op: 'call' }>).args.map(
      (arg) => `${arg.op === 'literal' ? arg.value : ''} ${columnTypeText(arg.type)}`,
    );
  assert.deepEqual(beside(price.mul(0.05)), [' decimal(12,2)', '0.05 decimal(3,2)']);
  assert.deepEqual(beside(price.mul('0.050')), [' decimal(12,2)', '0.050 decimal(4,3)']);
  assert.deepEqual(beside(price.mul(Decimal.from('0.050'))), beside(price.mul('0.050')));
  assert.deepEqual(beside(price.gt(100)), [' decimal(12,2)', '100.00 decimal(12,2)']);
  assert.deepEqual(beside(price.gt(-5n)), [' decimal(12,2)', '-5.00 decimal(12,2)']);
  assert.deepEqual(beside(price.eq('12345678901234567890.123')), [' decimal(23,3)', '12345678901234567890.123 decimal(23,3)']);
  assert.deepEqual(beside(price.between('1.5', 2)), [' decimal(12,2)', '1.50 decimal(12,2)', '2.00 decimal(12,2)']);
  assert.deepEqual(beside(price.in(['1.5', 2])), [' decimal(12,2)', '1.50 decimal(12,2)', '2.00 decimal(12,2)']);
  assert.deepEqual(beside(price.coalesce('0')), [' decimal(12,2)', '0.00 decimal(12,2)']);
  const [rate, least] = [settled(lit('1.20', decimal(12, 2))), settled(lit(0.1, decimal(38, 38)))];
  assert.deepEqual(
    [rate, least].map((each) => each.op === 'literal' && each.value),
    ['1.20', `0.1${'0'.repeat(37)}`],
  );
  refused(() => price.gt('one' as '1'), "'one' is not a decimal");
  refused(() => price.gt('0x10'), "'0x10' is not a decimal");
  refused(() => price.gt(Number.NaN), "'NaN' is not a decimal");
  refused(() => price.gt(10n ** 38n), 'more than 38 digits');
  refused(() => price.gt(`0.${'0'.repeat(38)}1` as '0'), 'more than 38 digits');
  refused(() => lit('1.205', decimal(12, 2)), "'1.205' is not a value of type decimal(12,2)");
  refused(() => lit('10000000000', decimal(12, 2)), '10000000000', 'VALUE_OUT_OF_RANGE');
});

test('what is made and left is known until it is used', () => {
  const unused = new Unused();
  const c = columnsOf(fields, 'here', unused) as Columns<RowOf<typeof row>>;
  const left = c.i.gt(1);
  assert.equal(unused.first(), left);
  const both = left.and(c.i.lt(9));
  assert.equal(unused.first(), both);
  settle(both, scope);
  assert.equal(unused.first(), undefined);
});

test('a value that is not of the type is refused', () => {
  refused(() => literalOf(temporal.PlainDate.from('2000-01-01'), { kind: 'timestamp' }), 'PlainDate');
  refused(() => literalOf(temporal.Instant.from('2000-01-01T00:00Z'), { kind: 'date' }), 'Instant');
  refused(() => literalOf(() => 1, { kind: 'int32' }), 'function');
});
