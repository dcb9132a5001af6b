/**
 * An expression: a JSON-able tagged union whose types are resolved when it is made. The fluent API (and SQL, later) are
 * front ends of it, the plan's digest is over it, `compile.ts` makes one fused loop of it, `interpret.ts` is the
 * reference. Semantics (nulls, overflow, division, NaN, order of text) are in docs/SEMANTICS.md.
 */
import type { ColumnType } from '../batch/batch.ts';

interface Typed {
  readonly type: ColumnType;
  readonly nullable: boolean;
}
export type Expression =
  | ({ readonly op: 'column'; readonly name: string } & Typed)
  /** int64, integer and decimal: decimal text · timestamp: microseconds as decimal text · date: days · float64: a number, or 'NaN', 'Infinity', '-Infinity'. */
  | ({ readonly op: 'literal'; readonly value: string | number | boolean | null } & Typed)
  /** A row of the table in functions/table.ts; casts are calls of `cast` whose node type is the target. */
  | ({ readonly op: 'call'; readonly fn: string; readonly args: readonly Expression[] } & Typed)
  /** A TypeScript function, addressed by its slot in the rebuilt graph (`plan.functions`); opaque; shown as slow by explain. */
  | ({
      readonly op: 'udf';
      readonly slot: number;
      readonly args: readonly Expression[];
      /** It says that the same arguments may give something else another time. */
      readonly deterministic?: false;
    } & Typed);

export type AggregateOption = string | number;

/** A call of a row of aggregate/table.ts. `argument` null: count(*). `filter` keeps the rows the aggregate sees. */
export interface Aggregate {
  readonly name: string;
  readonly fn: string;
  readonly argument: Expression | null;
  /** Further arguments, as the row of the table wants them. */
  readonly more?: readonly Expression[];
  /** What it is told besides, the same for all rows. */
  readonly options?: readonly AggregateOption[];
  readonly filter: Expression | null;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

/** Which rows of its partition a window function sees: distances from the current row, negative before it; null: as far as there are rows. */
export interface Frame {
  readonly unit: 'rows' | 'range';
  readonly start: number | null;
  readonly end: number | null;
}

/** An aggregate over a frame, or a row of window/ranking.ts, which sees its partition whatever the frame is. */
export interface WindowFunction extends Aggregate {
  readonly frame: Frame;
}

/** All expressions of an aggregate. */
export const partsOf = ({ argument, more = [], filter }: Aggregate): Expression[] => [argument, ...more, filter].filter((each) => each !== null);

/** Whether it calls a function of the user's. */
export const hasFunction = (expression: Expression): boolean =>
  expression.op === 'udf' || (expression.op === 'call' && expression.args.some(hasFunction));

/** Whether it gives the same for the same row, whenever it is asked. */
export const isDeterministic = (expression: Expression): boolean =>
  (expression.op !== 'udf' || expression.deterministic !== false) &&
  (expression.op === 'column' || expression.op === 'literal' || expression.args.every(isDeterministic));
