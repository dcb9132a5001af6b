/**
 * Single values at rest, as the interpreter, literals and statistics use them: int32, integer, float64, date (days):
 * number · int64, timestamp (microseconds): bigint · bool: boolean · utf8: string · null. Not the rows users see: there time
 * is Temporal (batch/rows.ts). Here is also the one order of values: NaN last, text by its UTF-8 bytes.
 */
import type { Column, ColumnType, TypeKind } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { lanesToBigInt, lanesToNumber } from '../batch/lanes.ts';
import { textAt } from '../batch/rows.ts';
import type { Expression } from './expression.ts';

export type Value = number | bigint | boolean | string | null;
export type Literal = Extract<Expression, { op: 'literal' }>;
export type Call = Extract<Expression, { op: 'call' }>;
export type Udf = Extract<Expression, { op: 'udf' }>;

export function literalValue({ value, type }: Literal): Value {
  if (value === null) return null;
  if (type.kind === 'int64' || type.kind === 'timestamp') return BigInt(value);
  return type.kind === 'integer' || type.kind === 'float64' ? Number(value) : value;
}

/** The value of row i. */
export function valueAt(column: Column, i: number): Value {
  if (column.validity !== null && bitAt(column.validity, i) === 0) return null;
  const { data } = column;
  switch (column.type.kind) {
    case 'int32':
    case 'date':
    case 'float64':
      return data[i]!;
    case 'integer':
      return lanesToNumber(data[2 * i]!, data[2 * i + 1]!);
    case 'int64':
    case 'timestamp':
      return lanesToBigInt(data[2 * i]!, data[2 * i + 1]!);
    case 'bool':
      return bitAt(data as Uint8Array, i) === 1;
    case 'utf8':
      return textAt(column, i);
  }
}

/** Orders two values of one kind, neither null. @returns below, at or above 0 */
export function compareValues(a: NonNullable<Value>, b: NonNullable<Value>): number {
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Kinds a number of which may stand for one of the next ones, narrowest first. */
const numeric: readonly TypeKind[] = ['int32', 'integer', 'int64', 'float64'];
export const isNumeric = (type: ColumnType): boolean => numeric.includes(type.kind);
export const isWhole = (type: ColumnType): boolean => isNumeric(type) && type.kind !== 'float64';

/** The type both can be widened to without a cast being written: int32 -> integer -> int64 -> float64, date -> timestamp. Null when there is none. */
export function commonType(a: ColumnType, b: ColumnType): ColumnType | null {
  if (a.kind === b.kind) return a;
  if (isNumeric(a) && isNumeric(b)) return numeric.indexOf(a.kind) > numeric.indexOf(b.kind) ? a : b;
  if (a.kind === 'date' && b.kind === 'timestamp') return b;
  return a.kind === 'timestamp' && b.kind === 'date' ? a : null;
}
