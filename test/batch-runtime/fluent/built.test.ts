import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporal } from '#runtime/batch/temporal.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { literalOf, Unused } from '#runtime/fluent/built.ts';
import { columnsOf } from '#runtime/fluent/columns.ts';
import type { Columns } from '#runtime/fluent/expr.ts';
import { settle } from '#runtime/fluent/settle.ts';
import type { RowOf } from '#runtime/schema.ts';
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
