/**
 * Single values at rest, as the interpreter, literals and statistics use them: int32, integer, float64, date (days):
 * number · int64, timestamp (microseconds), decimal (its unscaled number): bigint · bool: boolean · utf8: string · null. Not the rows users see: there time
 * is Temporal (batch/rows.ts). Here is also the one order of values: NaN last, text by its UTF-8 bytes.
 */
import { strict as assert } from 'node:assert';
import { type Column, type ColumnType, formOf, isNested, plainType, sameType, type TypeKind } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { isNull } from '../batch/column.ts';
import { digitsOf, mostDigits, rescaled } from '../batch/decimal.ts';
import { forms } from '../batch/forms.ts';
import { lanesToBigInt, lanesToNumber } from '../batch/lanes.ts';
import { bytesAt, fieldsAt, itemsAt, textAt, unscaledOf } from '../batch/rows.ts';
import type { Expression } from './expression.ts';

export type Value = number | bigint | boolean | string | null;
/** Or a list of values, or a struct of them. */
export type NestedValue = Value | readonly NestedValue[] | { readonly [field: string]: NestedValue };
export type Literal = Extract<Expression, { op: 'literal' }>;
export type Call = Extract<Expression, { op: 'call' }>;
export type Udf = Extract<Expression, { op: 'udf' }>;

export function literalValue({ value, type }: Literal): Value {
  if (value === null) return null;
  if (type.kind === 'int64' || type.kind === 'timestamp') return BigInt(value);
  if (type.kind === 'decimal') return unscaledText(String(value), type.scale);
  return type.kind === 'integer' || type.kind === 'float64' ? Number(value) : value;
}

/** The value of row i of a column that is neither list nor struct. */
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
    case 'decimal':
      return unscaledOf(column, i);
    case 'bool':
      return bitAt(data as Uint8Array, i) === 1;
    case 'utf8':
      // Bytes: a character for each.
      return column.type.as === 'bytes' ? Buffer.from(bytesAt(column, i)).toString('latin1') : textAt(column, i);
    case 'list':
    case 'struct':
      return assert.fail(`a ${column.type.kind} is no single value`);
  }
}

/** The value of row i of any column. */
export function nestedAt(column: Column, i: number): NestedValue {
  if (!isNested(column.type)) return valueAt(column, i);
  if (isNull(column, i)) return null;
  return column.type.kind === 'list' ? itemsAt(column, i, nestedAt) : fieldsAt(column, i, nestedAt);
}

/** Orders two values of one kind, neither null. @returns below, at or above 0 */
export function compareValues(a: NonNullable<Value>, b: NonNullable<Value>): number {
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Kinds a number of which may stand for one of the next ones, narrowest first. */
const numeric: readonly TypeKind[] = ['int32', 'integer', 'int64', 'float64'];
/** What values mean, where kernels may not tell by the kind. */
export type Meaning = 'number' | 'bool' | 'text' | 'bytes' | 'date' | 'moment' | 'time' | 'nested';
export function meaningOf(type: ColumnType): Meaning {
  const form = formOf(type);
  if (form !== null) return forms[form].meaning;
  if (type.kind === 'timestamp') return 'moment';
  if (isNested(type)) return 'nested';
  if (type.kind === 'utf8') return 'text';
  return type.kind === 'bool' || type.kind === 'date' ? type.kind : 'number';
}
/** A moment without a zone. */
export const isLocal = (type: ColumnType): boolean => {
  const form = formOf(type);
  return form !== null && forms[form].isLocal === true;
};
export const isNumeric = (type: ColumnType): boolean => meaningOf(type) === 'number';
export const isWhole = (type: ColumnType): boolean => isNumeric(type) && (type.kind === 'int32' || type.kind === 'integer' || type.kind === 'int64');
/** What a number of a form is computed as; any other form stays. */
export const computedType = (type: ColumnType): ColumnType => (isNumeric(type) ? plainType(type) : type);
/** Of moments: in microseconds, with the zone it has or has not. */
export const momentType = (type: ColumnType): ColumnType => (isLocal(type) ? { kind: 'timestamp', as: 'localTimestamp' } : { kind: 'timestamp' });

type DecimalType = Extract<ColumnType, { kind: 'decimal' }>;
/** A decimal that holds every value of a decimal or whole type; null for any other. */
export function asDecimal(type: ColumnType): DecimalType | null {
  if (type.kind === 'decimal') return { kind: 'decimal', precision: type.precision, scale: type.scale };
  return isWhole(type) ? { kind: 'decimal', precision: type.kind === 'int32' ? 10 : 19, scale: 0 } : null;
}
/** With room for so many digits before the point and behind it, as far as 38 go. */
export const decimalOf = (whole: number, scale: number): DecimalType => ({
  kind: 'decimal',
  precision: Math.min(mostDigits, Math.max(1, whole + scale)),
  scale,
});

function commonDecimal(a: ColumnType, b: ColumnType): ColumnType | null {
  const [x, y] = [asDecimal(a), asDecimal(b)];
  return x && y && decimalOf(Math.max(x.precision - x.scale, y.precision - y.scale), Math.max(x.scale, y.scale));
}

/** The unscaled number of a decimal's text. */
function unscaledText(text: string, scale: number): bigint {
  const found = digitsOf(text)!;
  return rescaled(found.unscaled, found.scale, scale);
}

/** The type both can be widened to without a cast being written: int32 -> integer -> int64 -> float64 or decimal, date -> timestamp. Null when there is none. */
export function commonType(a: ColumnType, b: ColumnType): ColumnType | null {
  if (sameType(a, b)) return a;
  if (formOf(a) !== null || formOf(b) !== null) return commonForm(a, b);
  if (a.kind === 'decimal' || b.kind === 'decimal') return commonDecimal(a, b);
  if (isNumeric(a) && isNumeric(b)) return numeric.indexOf(a.kind) > numeric.indexOf(b.kind) ? a : b;
  if (a.kind === 'date' && b.kind === 'timestamp') return b;
  return a.kind === 'timestamp' && b.kind === 'date' ? a : null;
}

function commonForm(a: ColumnType, b: ColumnType): ColumnType | null {
  if (isNumeric(a) && isNumeric(b)) return commonType(plainType(a), plainType(b));
  const [first, second] = [meaningOf(a), meaningOf(b)];
  if (first === 'date' && second === 'moment') return b;
  if (first === 'moment' && second === 'date') return a;
  if (first !== 'moment' || second !== 'moment' || isLocal(a) !== isLocal(b) || a.kind !== b.kind) return null;
  return momentType(a);
}
