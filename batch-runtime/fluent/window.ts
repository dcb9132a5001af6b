/**
 * Window functions: a value for each row from the rows around it, `t.delay.avg().over({ partitionBy: t.origin, orderBy: t.at })`. What
 * `over` gives is an expression like any other, in derive, select and filter; its definition hangs on the node until the verb makes a
 * node of the plan of it (verbs/window.ts).
 */
import type { AggregateOption, Frame } from '../expression/expression.ts';
import { callOrRanking } from '../window/call.ts';
import { isRangeKey } from '../window/frame.ts';
import { type Built, BuiltAggregate, operand, refuse, windowColumn } from './built.ts';
import type { Expr, NumericExpr } from './expr.ts';

/** From the largest to the smallest: `desc(t.at)`. */
type Order = Expr<unknown> | { readonly descending: Expr<unknown> };

/** Bounds of a frame as distances from the current row: -2 is two before it, 0 the row itself, null all there are. */
export type Bounds = readonly [from: number | null, to: number | null];

/** Which rows a window function sees. */
export interface Over {
  /** Rows with equal values here are one partition; without it all rows are. */
  readonly partitionBy?: Expr<unknown> | readonly Expr<unknown>[];
  /** The order within a partition; nulls last either way. With it a function sees the rows up to the current one and those equal to it. */
  readonly orderBy?: Order | readonly Order[];
}
/** Which rows of the partition an aggregate sees: so many rows around the current one, or those whose key is so near to its. */
export interface Framed extends Over {
  readonly frame: { readonly rows: Bounds } | { readonly range: Bounds };
}

declare const ranked: unique symbol;
/** A function of a row's place: `rank().over({ orderBy: t.score })`. */
export interface Ranking<out E> {
  readonly [ranked]: E;
  over(window: Over): E;
}

/** A definition that hangs on its column until a verb gives it a name. */
export interface WindowDefinition {
  readonly fn: string;
  readonly argument: Built | null;
  readonly more: readonly Built[];
  readonly options: readonly AggregateOption[];
  readonly condition: Built | null;
  readonly frame: Frame;
  readonly partitionBy: readonly Built[];
  readonly orderBy: readonly { readonly key: Built; readonly descending: boolean }[];
}

const listOf = <T>(given: T | readonly T[] | undefined): readonly T[] => (given === undefined ? [] : Array.isArray(given) ? given : [given as T]);

function frameOf(given: Over | Framed, orderBy: WindowDefinition['orderBy']): Frame {
  if (!('frame' in given)) return { unit: 'range', start: null, end: orderBy.length === 0 ? null : 0 };
  const { frame } = given;
  const unit = 'rows' in frame ? 'rows' : 'range';
  const [start, end] = ('rows' in frame ? frame.rows : frame.range) ?? refuse('a frame is { rows: [from, to] } or { range: [from, to] }');
  for (const bound of [start, end])
    if (bound !== null && !(unit === 'rows' ? Number.isSafeInteger(bound) : Number.isFinite(bound)))
      refuse(`a bound of a frame is null or a ${unit === 'rows' ? 'whole ' : ''}number, -2 for two before the current row; not ${String(bound)}`);
  const far = (start !== null && start !== 0) || (end !== null && end !== 0);
  if (unit === 'range' && far) {
    if (orderBy.length !== 1 || !isRangeKey(orderBy[0]!.key.node.type)) refuse('a frame of distances wants one key in orderBy, a number or a time');
  }
  return { unit, start, end };
}

function overOf(call: Pick<WindowDefinition, 'fn' | 'argument' | 'more' | 'options' | 'condition'>, given: Over | Framed = {}): Built {
  const partitionBy = listOf(given.partitionBy).map((each) => operand(each, null));
  const orderBy = listOf(given.orderBy).map((each) => {
    const descending = 'descending' in each;
    return { key: operand(descending ? each.descending : each, null), descending };
  });
  const frame = frameOf(given, orderBy);
  const parts = [call.argument, ...call.more, call.condition, ...partitionBy, ...orderBy.map(({ key }) => key)].filter((each) => each !== null);
  const { type, nullable } = callOrRanking(
    call.fn,
    {
      argument: call.argument?.node ?? null,
      more: call.more.map(({ node }) => node),
      options: call.options,
      filter: call.condition?.node ?? null,
    },
    frame,
  );
  return windowColumn({ ...call, frame, partitionBy, orderBy }, type, nullable, parts);
}

Object.defineProperty(BuiltAggregate.prototype, 'over', {
  value(this: BuiltAggregate, given: Over | Framed) {
    return overOf(this, given);
  },
});

export const ranking = <E>(fn: string, argument: Built | null, more: readonly Built[], options: readonly AggregateOption[]): Ranking<E> =>
  ({ over: (given: Over) => overOf({ fn, argument, more, options, condition: null }, given) }) as unknown as Ranking<E>;

/** The number of the row in its partition, from 1. */
export const rowNumber = (): Ranking<NumericExpr<number>> => ranking('rowNumber', null, [], []);
/** The number of the first row that is equal in the order: equal rows have the same, then some are left out. */
export const rank = (): Ranking<NumericExpr<number>> => ranking('rank', null, [], []);
/** As rank, and none is left out. */
export const denseRank = (): Ranking<NumericExpr<number>> => ranking('denseRank', null, [], []);
/** (rank - 1) / (rows - 1) */
export const percentRank = (): Ranking<NumericExpr<number>> => ranking('percentRank', null, [], []);
/** The share of the rows that are not behind it in the order. */
export const cumeDist = (): Ranking<NumericExpr<number>> => ranking('cumeDist', null, [], []);
/** The number of its part, from 1, when the partition is cut into so many. */
export const ntile = (parts: number): Ranking<NumericExpr<number>> => ranking('ntile', null, [], [parts]);
