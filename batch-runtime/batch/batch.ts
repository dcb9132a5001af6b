/**
 * Columns and batches: plain structs over typed arrays in Arrow's byte layout. No classes, no row objects; kernels
 * read the arrays. apache-arrow stands at the doors only (what users hand in and take out).
 */

/** A column's type: plain data, equal by value. Rows of it: see `rowValue` in rows.ts. */
export type ColumnType =
  | { readonly kind: 'int32' }
  /** int64 at rest, kept within +-(2^53 - 1); a number in rows; beyond it VALUE_OUT_OF_RANGE. */
  | { readonly kind: 'integer' }
  /** int64; a bigint in rows. */
  | { readonly kind: 'int64' }
  | { readonly kind: 'float64' }
  /** `precision` digits, 1 to 38, `scale` of them behind the point; a Decimal in rows (decimal.ts). */
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'bool' }
  | { readonly kind: 'utf8' }
  /** Days since 1970-01-01; Temporal.PlainDate in rows. */
  | { readonly kind: 'date' }
  /** Microseconds since 1970-01-01T00:00Z; Temporal.Instant in rows. */
  | { readonly kind: 'timestamp' };
export type TypeKind = ColumnType['kind'];
/** Kinds that are a type by themselves. */
export type SimpleKind = Exclude<TypeKind, 'decimal'>;

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
 * `validity`: a bitmap, 1 = there; null = all there. What stands in `data` where a value is null is unspecified but in
 * range (a code of 0 only if the dictionary is not empty). Arrays may be longer than needed; never shorter. Read only once made.
 */
export interface Column {
  readonly type: ColumnType;
  readonly length: number;
  readonly data: Int32Array | Float64Array | Uint8Array;
  readonly offsets: Int32Array | null;
  readonly validity: Uint8Array | null;
  /** A utf8 column without nulls and without a dictionary of its own; values may repeat. */
  readonly dictionary: Column | null;
}

/** A type in words: `int32`, `decimal(12,2)`. */
export const columnTypeText = (type: ColumnType): string => (type.kind === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.kind);

/** Equal by value. */
export const sameType = (a: ColumnType, b: ColumnType): boolean =>
  a.kind === b.kind && (a.kind !== 'decimal' || b.kind !== 'decimal' || (a.precision === b.precision && a.scale === b.scale));

/** `length` rows; columns stand in the order of the schema and all have that length. */
export interface Batch {
  readonly schema: Schema;
  readonly length: number;
  readonly columns: readonly Column[];
}

/** Rows a source aims at per batch. */
export const batchRows = 65_536;
