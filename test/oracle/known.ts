/** What is known of the values of a column or of an expression, and the expressions that others are made of. */
import type { Expr, Kind } from './case.ts';

/** What is known of the values of a column or expression. */
export interface Known {
  readonly kind: Kind;
  readonly nullable: boolean;
  /** Whole numbers: |value| < 2^bits. Floats on the grid: |1024 value| < 2^bits. Decimals: without their point. */
  readonly bits: number;
  /** Floats: k/1024 · exact but off the grid, not to be summed · an average, the last bit of which is open. */
  readonly grain: 'grid' | 'loose' | 'inexact';
  /** Where most values are: numbers, days or microseconds. */
  readonly low: number;
  readonly high: number;
  readonly words: readonly string[];
}

export interface Column extends Known {
  readonly name: string;
  /** Rows that may share one value. */
  readonly rowsPerValue: number;
  /** Values it may have, at most. */
  readonly values: number;
  /** In the condition of a join: whose it is. */
  readonly side?: 'left' | 'right';
}

export interface Computed extends Known {
  readonly expr: Expr;
}

export const plain: Omit<Known, 'kind'> = { nullable: false, bits: 0, grain: 'grid', low: 0, high: 0, words: [] };
export const isWhole = (kind: Kind): boolean => kind === 'int32' || kind === 'integer' || kind === 'int64';
export const isNumeric = (kind: Kind): boolean => isWhole(kind) || kind === 'float64';
export const columnExpr = (column: Column): Computed => {
  const { name, kind, side } = column;
  return { ...column, expr: { op: 'column', name, kind, ...(side === undefined ? {} : { side }) } };
};
export const call = (fn: string, args: readonly Expr[], kind: Kind, option?: string | number): Expr =>
  option === undefined ? { op: 'call', fn, args, kind } : { op: 'call', fn, args, kind, option };
export const number = (value: number, kind: Kind = 'int32'): Expr => ({ op: 'literal', kind, value: kind === 'int64' ? String(value) : value });
