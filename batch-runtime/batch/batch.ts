/**
 * Columns and batches: plain structs over typed arrays in Arrow's byte layout. No classes, no row objects; kernels
 * read the arrays. apache-arrow stands at the doors only (what users hand in and take out).
 */

import { type Form, forms, type MomentForm } from './forms.ts';

/**
 * A column's type: plain data, equal by value. `kind` is what kernels compute with and how values stand in memory; `as` is what they are
 * outside, where that is something else (forms.ts). Rows of it: see `rowValue` in rows.ts.
 */
export type ColumnType =
  | { readonly kind: 'int32'; readonly as?: 'int8' | 'int16' | 'uint8' | 'uint16' }
  /** int64 at rest, kept within +-(2^53 - 1); a number in rows; beyond it VALUE_OUT_OF_RANGE. A time is microseconds since midnight. */
  | { readonly kind: 'integer'; readonly as?: 'uint32' | 'time' }
  /** int64; a bigint in rows. A moment is nanoseconds since 1970-01-01T00:00. */
  | { readonly kind: 'int64'; readonly as?: 'timestamp(ns)' | 'localTimestamp(ns)' }
  | { readonly kind: 'float64'; readonly as?: 'float32' }
  /** `precision` digits, 1 to 38, `scale` of them behind the point; a Decimal in rows (decimal.ts). */
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number; readonly as?: 'uint64' }
  | { readonly kind: 'bool' }
  | { readonly kind: 'utf8'; readonly as?: 'bytes' }
  /** Days since 1970-01-01; Temporal.PlainDate in rows. */
  | { readonly kind: 'date' }
  /** Microseconds since 1970-01-01T00:00Z; Temporal.Instant in rows. */
  | { readonly kind: 'timestamp'; readonly as?: Exclude<MomentForm, 'timestamp(ns)' | 'localTimestamp(ns)'> }
  /** Any number of values of one type, in order; an array in rows. */
  | ListType
  /** A value of each field; an object in rows. */
  | StructType;
export interface ListType {
  readonly kind: 'list';
  readonly item: { readonly type: ColumnType; readonly nullable: boolean };
}
export interface StructType {
  readonly kind: 'struct';
  readonly fields: Schema;
}
export type TypeKind = ColumnType['kind'];
/** Kinds that are a type by themselves. */
export type SimpleKind = Exclude<TypeKind, 'decimal' | 'list' | 'struct'>;

export interface Field {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}
export type Schema = readonly Field[];

/**
 * n values. `data` by kind: int32, date: Int32Array(n) · float64, a decimal of up to 15 digits (its unscaled number): Float64Array(n) · any other decimal:
 * Int32Array(4n) · integer, int64, timestamp:
 * Int32Array(2n), the low lane first · bool: Uint8Array, a bitmap, bit i of byte i >> 3 · utf8: Uint8Array of bytes with
 * `offsets` (Int32Array, n + 1, offsets[0] may be > 0), or, with a `dictionary`, Int32Array(n) of codes into it.
 * list: nothing, `offsets` into the one child · struct: nothing, a child of n values for each field.
 * `validity`: a bitmap, 1 = there; null = all there. What stands in `data` where a value is null is unspecified but in
 * range (a code of 0 only if the dictionary is not empty); what a null struct's children hold is not looked at, nulls or not. Arrays may be longer than needed; never shorter. Read only once made.
 */
export interface Column {
  readonly type: ColumnType;
  readonly length: number;
  readonly data: Int32Array | Float64Array | Uint8Array;
  readonly offsets: Int32Array | null;
  readonly validity: Uint8Array | null;
  /** A utf8 column without nulls and without a dictionary of its own; values may repeat. */
  readonly dictionary: Column | null;
  /** Of a list its items, of a struct its fields; else none. */
  readonly children: readonly Column[];
}

/** A type in words: `int32`, `uint8`, `decimal(12,2)`, `list(utf8 nullable)`, `struct(a: int32, b: utf8)`. */
export function columnTypeText(type: ColumnType): string {
  const text = (of: { readonly type: ColumnType; readonly nullable: boolean }): string =>
    `${columnTypeText(of.type)}${of.nullable ? ' nullable' : ''}`;
  const form = formOf(type);
  if (form !== null) return form;
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`;
    case 'list':
      return `list(${text(type.item)})`;
    case 'struct':
      return `struct(${type.fields.map((field) => `${field.name}: ${text(field)}`).join(', ')})`;
    default:
      return type.kind;
  }
}

/** Equal by value. */
export function sameType(a: ColumnType, b: ColumnType): boolean {
  if (formOf(a) !== formOf(b)) return false;
  if (a.kind === 'decimal' && b.kind === 'decimal') return a.precision === b.precision && a.scale === b.scale;
  if (a.kind === 'list' && b.kind === 'list') return a.item.nullable === b.item.nullable && sameType(a.item.type, b.item.type);
  if (a.kind === 'struct' && b.kind === 'struct')
    return (
      a.fields.length === b.fields.length &&
      a.fields.every((field, i) => {
        const other = b.fields[i]!;
        return field.name === other.name && field.nullable === other.nullable && sameType(field.type, other.type);
      })
    );
  return a.kind === b.kind;
}

/** A list or a struct: no key of anything, and no argument of most functions. */
export const isNested = (type: ColumnType): type is ListType | StructType => type.kind === 'list' || type.kind === 'struct';

/** What its values are outside; null: what they are computed as. */
export const formOf = (type: ColumnType): Form | null => (('as' in type ? type.as : undefined) as Form | undefined) ?? null;

/** Of a form, as a type. */
export function typeOfForm(form: Form): ColumnType {
  const { kind } = forms[form];
  return (kind === 'decimal' ? { kind, precision: 20, scale: 0, as: form } : { kind, as: form }) as ColumnType;
}

/** What it is computed as. */
export function plainType(type: ColumnType): ColumnType {
  if (formOf(type) === null) return type;
  return type.kind === 'decimal' ? { kind: 'decimal', precision: type.precision, scale: type.scale } : ({ kind: type.kind } as ColumnType);
}

/** `length` rows; columns stand in the order of the schema and all have that length. */
export interface Batch {
  readonly schema: Schema;
  readonly length: number;
  readonly columns: readonly Column[];
}

/** Rows a source aims at per batch. */
export const batchRows = 65_536;
