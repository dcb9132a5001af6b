/** Many rows to one value: `count()`, `t.delay.sum()`, each with a filter of its own. */
import { callOf } from '../aggregate/table.ts';
import type { Aggregate as AggregateNode } from '../expression/expression.ts';
import { BuiltAggregate, refuse } from './built.ts';
import type { Condition, Expr, ExprOf } from './expr.ts';
import { type Scope, settle } from './settle.ts';
import type { Framed, Over } from './window.ts';

declare const aggregated: unique symbol;
declare const counted: unique symbol;

/** Many rows to one value. Not an expression: neither can stand in the other's place. */
export interface Aggregate<out T> {
  readonly [aggregated]: T;
  /** Only over the rows for which it is true; null where there are none. */
  filter(condition: Condition): Aggregate<T | null>;
  /** A value for each row, from the rows of its window. */
  over<const S extends Aggregate<unknown>, const O extends Over | Framed>(this: S, window: O): ExprOf<OverResult<S, O>>;
}
export interface Count extends Aggregate<number> {
  readonly [counted]: true;
  filter(condition: Condition): Count;
}
/** A frame may be empty, and then all but counts are null. It asks for the type of `this`, so that any aggregate is an Aggregate<unknown>. */
type OverResult<S, O> = S extends Count ? number : S extends Aggregate<infer T> ? (O extends Framed ? T | null : T) : never;

/** Which row is the first: as they come, or the one with the least key. */
export interface InOrder {
  readonly orderBy: Expr<unknown>;
}

/** How many rows. */
export const count = (): Count => new BuiltAggregate('count', null) as unknown as Count;

/** An aggregate that a callback gave, under its name; `global` is true for a table of one row, which may be over none. */
export function settleAggregate(name: string, given: unknown, global: boolean, scope: Scope): AggregateNode {
  if (!(given instanceof BuiltAggregate)) return refuse(`${name} in ${scope.uid} is not an aggregate: write count() or t.column.sum()`);
  const argument = given.argument === null ? null : settle(given.argument, scope);
  const more = given.more.map((each) => settle(each, scope));
  const filter = given.condition === null ? null : settle(given.condition, scope);
  return { name, ...callOf(given.fn, { argument, more, options: given.options, filter }, global) };
}
