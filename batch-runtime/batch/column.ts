/**
 * Making columns, and the few questions every kernel asks of one. All columns made here have one hidden class.
 * Not the kernels themselves: those read the arrays.
 */

import type { Batch, Column, ColumnType, Schema, SimpleKind } from './batch.ts';
import { bitAt, bitmapBytes, countBits } from './bitmap.ts';
import { narrowDigits } from './decimal.ts';

/** How a kind stands in `data`: one int32 · two int32 lanes, the low one first · four of them · a float64 · a bit · bytes with offsets. */
export type Layout = 'word' | 'lanes' | 'wide' | 'double' | 'bits' | 'bytes';

const layouts: Record<SimpleKind, Layout> = {
  int32: 'word',
  date: 'word',
  integer: 'lanes',
  int64: 'lanes',
  timestamp: 'lanes',
  float64: 'double',
  bool: 'bits',
  utf8: 'bytes',
};
export const layoutOf = (type: ColumnType): Layout =>
  type.kind === 'decimal' ? (type.precision <= narrowDigits ? 'double' : 'wide') : layouts[type.kind];
/** int32 words a value of these takes. */
export const wordsOf = { word: 1, lanes: 2, wide: 4 } as const;

export const makeColumn = (
  type: ColumnType,
  length: number,
  data: Column['data'],
  validity: Uint8Array | null = null,
  offsets: Int32Array | null = null,
  dictionary: Column | null = null,
): Column => ({ type, length, data, offsets, validity, dictionary });

export const makeBatch = (schema: Schema, length: number, columns: readonly Column[]): Batch => ({ schema, length, columns });

const utf8: ColumnType = { kind: 'utf8' };
export const emptyDictionary: Column = makeColumn(utf8, 0, new Uint8Array(0), null, new Int32Array(1));

/** A column of no rows. */
export const emptyColumn = (type: ColumnType): Column => allocateColumn(type, 0);
export const emptyBatch = (schema: Schema): Batch =>
  makeBatch(
    schema,
    0,
    schema.map((f) => emptyColumn(f.type)),
  );

/** `length` nulls. */
export function nullColumn(type: ColumnType, length: number): Column {
  const column = allocateColumn(type, length);
  return makeColumn(type, length, column.data, new Uint8Array(bitmapBytes(length)), column.offsets);
}

function allocateColumn(type: ColumnType, length: number): Column {
  switch (layoutOf(type)) {
    case 'word':
      return makeColumn(type, length, new Int32Array(length));
    case 'lanes':
      return makeColumn(type, length, new Int32Array(2 * length));
    case 'wide':
      return makeColumn(type, length, new Int32Array(4 * length));
    case 'double':
      return makeColumn(type, length, new Float64Array(length));
    case 'bits':
      return makeColumn(type, length, new Uint8Array(bitmapBytes(length)));
    case 'bytes':
      return makeColumn(type, length, new Uint8Array(0), null, new Int32Array(length + 1));
  }
}

export const isNull = (column: Column, i: number): boolean => column.validity !== null && bitAt(column.validity, i) === 0;

export const nullCount = (column: Column): number => (column.validity === null ? 0 : column.length - countBits(column.validity, column.length));

/** Bytes of the values' arrays (a dictionary counted apart, once): what a memory budget counts. */
export function columnBytes(column: Column): number {
  const n = column.length;
  const validity = column.validity === null ? 0 : bitmapBytes(n);
  if (column.dictionary !== null) return validity + 4 * n;
  switch (layoutOf(column.type)) {
    case 'word':
      return validity + 4 * n;
    case 'lanes':
    case 'double':
      return validity + 8 * n;
    case 'wide':
      return validity + 16 * n;
    case 'bits':
      return validity + bitmapBytes(n);
    case 'bytes':
      return validity + 4 * (n + 1) + column.offsets![n]! - column.offsets![0]!;
  }
}

/** Bytes of a batch with each distinct dictionary counted once. */
export function batchBytes(batch: Batch): number {
  let bytes = 0;
  const seen: Column[] = [];
  for (const column of batch.columns) {
    bytes += columnBytes(column);
    if (column.dictionary !== null && !seen.includes(column.dictionary)) {
      seen.push(column.dictionary);
      bytes += columnBytes(column.dictionary);
    }
  }
  return bytes;
}
