/** A row with a column of each kind, and what its expressions give, for the tests of this folder. */
import assert from 'node:assert/strict';
import type { Schema } from '#runtime/batch/batch.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import type { Value } from '#runtime/expression/values.ts';
import { Unused } from '#runtime/fluent/built.ts';
import { columnsOf } from '#runtime/fluent/columns.ts';
import type { Columns } from '#runtime/fluent/expr.ts';
import { type Scope, settle } from '#runtime/fluent/settle.ts';
import type { UserFunction } from '#runtime/graph/plan.ts';
import { bool, date, fieldsOf, float64, int32, int64, integer, type RowOf, schema, timestamp, utf8 } from '#runtime/schema.ts';
import { batchOf } from '../batch/columns.ts';

export const row = schema({
  i: int32(),
  j: int32().nullable(),
  n: integer(),
  l: int64(),
  x: float64(),
  ok: bool(),
  s: utf8(),
  d: date(),
  t: timestamp(),
});
export const fields: Schema = fieldsOf(row);
export const batch = batchOf(fields, [[7, null, 40, 5n, 2.5, true, ' Abc ', 9204, 795_262_210_000_001n]]);

export const slots: UserFunction[] = [];
export const scope: Scope = {
  uid: 'here',
  find() {},
  slot: (definition) => slots.push({ uid: 'here', ...definition }) - 1,
};
export const t = (): Columns<RowOf<typeof row>> => columnsOf(fields, 'here', new Unused()) as Columns<RowOf<typeof row>>;
export const settled = (expression: unknown): Expression => settle(expression, scope);
export const value = (expression: unknown): Value => interpret(settled(expression), batch, 0, slots);
export const refused = (make: () => unknown, word: string, code = 'EXPRESSION_TYPE'): void =>
  assert.throws(make, (thrown: Error & { code?: string }) => {
    assert.equal(thrown.code, code, thrown.message);
    assert(thrown.message.includes(word), `${word}: ${thrown.message}`);
    return true;
  });
export const js = (of: unknown) => of as { [method: string]: (...given: unknown[]) => unknown };
