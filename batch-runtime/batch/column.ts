/**
 * Making columns, and the few questions every kernel asks of one. All columns made here have one hidden class.
 * Not the kernels themselves: those read the arrays.
 */

import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, type Column, type ColumnType, columnTypeText, type ListType, type Schema, type SimpleKind, type StructType } from './batch.ts';
import { bitAt, bitmapBytes, countBits } from './bitmap.ts';
import { narrowDigits } from './decimal.ts';

/** How a kind stands in `data`: one int32 · two int32 lanes, the low one first · four of them · a float64 · a bit · bytes with offsets · offsets into a child · children. */
export type Layout = 'word' | 'lanes' | 'wide' | 'double' | 'bits' | 'bytes' | 'list' | 'struct';

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
export function layoutOf(type: ColumnType): Layout {
  if (type.kind === 'decimal') return type.precision <= narrowDigits ? 'double' : 'wide';
  return type.kind === 'list' || type.kind === 'struct' ? type.kind : layouts[type.kind];
}
/** int32 words a value of these takes. */
export const wordsOf = { word: 1, lanes: 2, wide: 4 } as const;

export const makeColumn = (
  type: ColumnType,
  length: number,
  data: Column['data'],
  validity: Uint8Array | null = null,
  offsets: Int32Array | null = null,
  dictionary: Column | null = null,
  children: readonly Column[] = noChildren,
): Column => ({ type, length, data, offsets, validity, dictionary, children });

/** The same values, other nulls. */
export const withValidity = (column: Column, validity: Uint8Array | null): Column =>
  makeColumn(column.type, column.length, column.data, validity, column.offsets, column.dictionary, column.children);

/** Lists of items; list i is those from offsets[i] up to offsets[i + 1]. */
export const makeList = (type: ColumnType, length: number, offsets: Int32Array, validity: Uint8Array | null, items: Column): Column =>
  makeColumn(type, length, noBytes, validity, offsets, null, [items]);
/** Structs of fields, each a column of that length. */
export const makeStruct = (type: ColumnType, length: number, validity: Uint8Array | null, fields: readonly Column[]): Column =>
  makeColumn(type, length, noBytes, validity, null, null, fields);

/** What an operator says that is given a list or a struct for a key; plans refuse it before. */
export function notOrdered(type: ColumnType): never {
  throw new SluiceError('INTERNAL', { what: `a ${columnTypeText(type)} has no order` });
}

export const makeBatch = (schema: Schema, length: number, columns: readonly Column[]): Batch => ({ schema, length, columns });

const noChildren: readonly Column[] = Object.freeze([]);
const noBytes = new Uint8Array(0);

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
  return withValidity(column, new Uint8Array(bitmapBytes(length)));
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
    case 'list':
      return makeList(type, length, new Int32Array(length + 1), null, emptyColumn((type as ListType).item.type));
    case 'struct':
      return makeStruct(
        type,
        length,
        null,
        (type as StructType).fields.map((field) => allocateColumn(field.type, length)),
      );
  }
}

export const isNull = (column: Column, i: number): boolean => column.validity !== null && bitAt(column.validity, i) === 0;

export const nullCount = (column: Column): number => (column.validity === null ? 0 : column.length - countBits(column.validity, column.length));

/** Bytes of the values' arrays and of what is in them (a dictionary counted apart, once): what a memory budget counts. */
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
    case 'list': {
      const items = column.children[0]!;
      const used = column.offsets![n]! - column.offsets![0]!;
      // Of a slice the share of the items that it names.
      return validity + 4 * (n + 1) + (items.length === 0 ? 0 : Math.ceil((columnBytes(items) / items.length) * used));
    }
    case 'struct':
      return column.children.reduce((sum, child) => sum + columnBytes(child), validity);
  }
}

/** Bytes of a batch with each distinct dictionary counted once. */
export function batchBytes(batch: Batch): number {
  let bytes = 0;
  const seen: Column[] = [];
  const addDictionaries = (column: Column): void => {
    if (column.dictionary !== null && !seen.includes(column.dictionary)) {
      seen.push(column.dictionary);
      bytes += columnBytes(column.dictionary);
    }
    column.children.forEach(addDictionaries);
  };
  for (const column of batch.columns) {
    bytes += columnBytes(column);
    addDictionaries(column);
  }
  return bytes;
}
