/**
 * Puts batches of one schema end to end. Dictionaries stay: shared ones as they are, different ones merged while that
 * pays, else the column becomes plain.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Batch, Column, ColumnType, ListType, Schema, StructType } from './batch.ts';
import { bitmapBytes, copyBits, setBits } from './bitmap.ts';
import { emptyColumn, layoutOf, makeBatch, makeColumn, makeList, makeStruct, wordsOf } from './column.ts';
import { toPlain } from './dictionary.ts';
import { Interner } from './interner.ts';
import { sliceColumn } from './slice.ts';
import { maxColumnBytes } from './take.ts';

/**
 * @param batches  columns agree with the schema by position and type
 * @returns        all rows in order; owns its arrays unless there is just one batch, which is returned itself
 * @throws         MEMORY_EXCEEDED when a text column would pass 2 GiB
 */
export function concat(schema: Schema, batches: readonly Batch[]): Batch {
  if (batches.length === 1) return batches[0]!;
  let length = 0;
  for (const batch of batches) length += batch.length;
  return makeBatch(
    schema,
    length,
    schema.map((field, c) =>
      concatColumns(
        field.type,
        batches.map((b) => b.columns[c]!),
        length,
      ),
    ),
  );
}

export function concatColumns(type: ColumnType, columns: readonly Column[], length: number): Column {
  if (columns.length === 0) return emptyColumn(type);
  if (columns.length === 1) return columns[0]!;
  const validity = concatValidity(columns, length);
  if (type.kind === 'utf8') {
    const filled = columns.filter((c) => c.length > 0);
    if (filled.length > 0 && filled.every((c) => c.dictionary !== null)) {
      const merged = concatCodes(type, filled, length, validity);
      if (merged !== null) return merged;
    }
    return concatBytes(type, filled.map(toPlain), length, validity);
  }
  let at = 0;
  switch (layoutOf(type)) {
    case 'list':
      return concatLists(type as ListType, columns, length, validity);
    case 'struct':
      return makeStruct(
        type,
        length,
        validity,
        (type as StructType).fields.map((field, f) =>
          concatColumns(
            field.type,
            columns.map((c) => c.children[f]!),
            length,
          ),
        ),
      );
    case 'double': {
      const data = new Float64Array(length);
      for (const c of columns) {
        data.set((c.data as Float64Array).subarray(0, c.length), at);
        at += c.length;
      }
      return makeColumn(type, length, data, validity);
    }
    case 'bits': {
      const data = new Uint8Array(bitmapBytes(length));
      for (const c of columns) {
        copyBits(c.data as Uint8Array, 0, data, at, c.length);
        at += c.length;
      }
      return makeColumn(type, length, data, validity);
    }
    default: {
      const width = wordsOf[layoutOf(type) as keyof typeof wordsOf];
      const data = new Int32Array(width * length);
      for (const c of columns) {
        data.set((c.data as Int32Array).subarray(0, width * c.length), at);
        at += width * c.length;
      }
      return makeColumn(type, length, data, validity);
    }
  }
}

function concatValidity(columns: readonly Column[], length: number): Uint8Array | null {
  if (columns.every((c) => c.validity === null)) return null;
  const validity = new Uint8Array(bitmapBytes(length));
  let at = 0;
  for (const c of columns) {
    if (c.validity === null) setBits(validity, at, c.length);
    else copyBits(c.validity, 0, validity, at, c.length);
    at += c.length;
  }
  return validity;
}

function concatLists(type: ListType, columns: readonly Column[], length: number, validity: Uint8Array | null): Column {
  const offsets = new Int32Array(length + 1);
  const parts: Column[] = [];
  let row = 0;
  let at = 0;
  for (const c of columns) {
    const from = c.offsets!;
    const [first, last] = [from[0]!, from[c.length]!];
    if (at + last - first > maxColumnBytes)
      throw new SluiceError('MEMORY_EXCEEDED', { budgetBytes: maxColumnBytes, what: 'the items of the lists of one column' });
    for (let i = 1; i <= c.length; i++) offsets[row + i] = from[i]! - first + at;
    parts.push(sliceColumn(c.children[0]!, first, last));
    row += c.length;
    at += last - first;
  }
  return makeList(type, length, offsets, validity, concatColumns(type.item.type, parts, at));
}

function concatBytes(type: ColumnType, columns: readonly Column[], length: number, validity: Uint8Array | null): Column {
  let total = 0;
  for (const c of columns) total += c.offsets![c.length]! - c.offsets![0]!;
  if (total > maxColumnBytes) throw new SluiceError('MEMORY_EXCEEDED', { budgetBytes: maxColumnBytes, what: `${total} bytes of text in one column` });
  const data = new Uint8Array(total);
  const offsets = new Int32Array(length + 1);
  let row = 0;
  let at = 0;
  for (const c of columns) {
    const from = c.offsets!;
    const shift = at - from[0]!;
    for (let i = 1; i <= c.length; i++) offsets[row + i] = from[i]! + shift;
    data.set((c.data as Uint8Array).subarray(from[0], from[c.length]), at);
    row += c.length;
    at += from[c.length]! - from[0]!;
  }
  return makeColumn(type, length, data, validity, offsets);
}

/** Null when merging the dictionaries would cost more than it keeps. */
function concatCodes(type: ColumnType, columns: readonly Column[], length: number, validity: Uint8Array | null): Column | null {
  const first = columns[0]!.dictionary!;
  const codes = new Int32Array(length);
  let at = 0;
  if (columns.every((c) => c.dictionary === first)) {
    for (const c of columns) {
      codes.set((c.data as Int32Array).subarray(0, c.length), at);
      at += c.length;
    }
    return makeColumn(type, length, codes, validity, null, first);
  }
  const dictionaries = new Set(columns.map((c) => c.dictionary!));
  let entries = 0;
  for (const d of dictionaries) entries += d.length;
  if (2 * entries > length) return null;
  const interner = new Interner();
  const remaps = new Map<Column, Int32Array>();
  for (const d of dictionaries) {
    const remap = new Int32Array(d.length);
    for (let e = 0; e < d.length; e++) remap[e] = interner.intern(d.data as Uint8Array, d.offsets![e]!, d.offsets![e + 1]!);
    remaps.set(d, remap);
  }
  for (const c of columns) {
    const remap = remaps.get(c.dictionary!)!;
    const data = c.data as Int32Array;
    // Behind an empty dictionary all rows are null and have no code to map.
    if (remap.length > 0) for (let i = 0; i < c.length; i++) codes[at + i] = remap[data[i]!]!;
    at += c.length;
  }
  return makeColumn(type, length, codes, validity, null, interner.toColumn());
}
