/** Many rows to one value: `count()`, `t.delay.sum()`, each with a filter of its own. */
import type { ColumnType } from '../batch/batch.ts';
import type { Aggregate as AggregateNode, Expression } from '../expression/expression.ts';
import { BuiltAggregate, refuse } from './built.ts';
import type { Condition } from './expr.ts';
import { type Scope, settle } from './settle.ts';

declare const aggregated: unique symbol;
declare const counted: unique symbol;

/** Many rows to one value. Not an expression: neither can stand in the other's place. */
export interface Aggregate<out T> {
  readonly [aggregated]: T;
  /** Only over the rows for which it is true; null where there are none. */
  filter(condition: Condition): Aggregate<T | null>;
}
export interface Count extends Aggregate<number> {
  readonly [counted]: true;
  filter(condition: Condition): Count;
}

/** How many rows. */
export const count = (): Count => new BuiltAggregate('count', null) as unknown as Count;

/** An aggregate that a callback gave, under its name; `global` is true for a table of one row, which may be over none. */
export function settleAggregate(name: string, given: unknown, global: boolean, scope: Scope): AggregateNode {
  if (!(given instanceof BuiltAggregate)) return refuse(`${name} in ${scope.uid} is not an aggregate: write count() or t.column.sum()`);
  const argument = given.argument === null ? null : settle(given.argument, scope);
  const filter = given.condition === null ? null : settle(given.condition, scope);
  const type = aggregateType(given.fn, argument);
  const nullable = given.fn !== 'count' && (global || filter !== null || argument?.nullable === true);
  return { name, fn: given.fn, argument, filter, type, nullable };
}

function aggregateType(fn: AggregateNode['fn'], argument: Expression | null): ColumnType {
  if (fn === 'count' || argument === null) return { kind: 'integer' };
  const { type } = argument;
  const isNumber = type.kind === 'int32' || type.kind === 'integer' || type.kind === 'int64' || type.kind === 'float64';
  if (fn === 'min' || fn === 'max') return type.kind === 'bool' ? refuse(`${fn} of a bool`) : type;
  if (!isNumber) return refuse(`${fn} of a ${type.kind}`);
  if (fn === 'avg') return { kind: 'float64' };
  return type.kind === 'int32' ? { kind: 'integer' } : type;
}
