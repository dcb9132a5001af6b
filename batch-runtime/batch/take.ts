/**
 * Gathers rows by number. Dictionaries are shared, not copied. Called by every operator that reorders or drops rows
 * and by the shuffle's writer; the one place where row order becomes bytes.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Batch, Column } from './batch.ts';
import { bitmapBytes } from './bitmap.ts';
import { layoutOf, makeBatch, makeColumn, makeList, makeStruct, nullColumn, withValidity } from './column.ts';

/** Offsets are 32 bits wide, so a column holds less than 2 GiB of text. */
export const maxColumnBytes = 2 ** 31 - 1;

/**
 * @param rows   row numbers of `batch`, in any order, repeats allowed; the first `count` are used
 * @returns      count rows; owns its arrays except dictionaries
 * Cost          O(count x columns)
 */
export function take(batch: Batch, rows: Int32Array, count: number = rows.length): Batch {
  const columns: Column[] = [];
  for (const column of batch.columns) columns.push(takeColumn(column, rows, count));
  return makeBatch(batch.schema, count, columns);
}

export function takeColumn(column: Column, rows: Int32Array, count: number = rows.length): Column {
  const validity = column.validity === null ? null : takeBits(column.validity, rows, count);
  const { type } = column;
  if (column.dictionary !== null)
    return makeColumn(type, count, takeWords(column.data as Int32Array, rows, count), validity, null, column.dictionary);
  switch (layoutOf(type)) {
    case 'word':
      return makeColumn(type, count, takeWords(column.data as Int32Array, rows, count), validity);
    case 'lanes':
      return makeColumn(type, count, takeLanes(column.data as Int32Array, rows, count), validity);
    case 'wide':
      return makeColumn(type, count, takeWide(column.data as Int32Array, rows, count), validity);
    case 'double':
      return makeColumn(type, count, takeDoubles(column.data as Float64Array, rows, count), validity);
    case 'bits':
      return makeColumn(type, count, takeBits(column.data as Uint8Array, rows, count), validity);
    case 'bytes':
      return takeBytes(column, rows, count, validity);
    case 'list':
      return takeLists(column, rows, count, validity);
    case 'struct':
      return makeStruct(
        type,
        count,
        validity,
        column.children.map((child) => takeColumn(child, rows, count)),
      );
  }
}

/** As takeColumn, and row number -1 gives null: the build side of a left join. */
export function takeOrNull(column: Column, rows: Int32Array, count: number = rows.length): Column {
  if (column.length === 0) return nullColumn(column.type, count);
  const there = new Uint8Array(bitmapBytes(count));
  const clamped = new Int32Array(count);
  let missing = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    if (row < 0) missing++;
    else {
      clamped[i] = row;
      there[i >> 3]! |= 1 << (i & 7);
    }
  }
  const taken = takeColumn(column, clamped, count);
  if (missing === 0) return taken;
  if (taken.validity !== null) for (let b = 0; b < there.length; b++) there[b]! &= taken.validity[b]!;
  return withValidity(taken, there);
}

function takeWords(source: Int32Array, rows: Int32Array, count: number): Int32Array {
  const out = new Int32Array(count);
  for (let i = 0; i < count; i++) out[i] = source[rows[i]!]!;
  return out;
}

function takeLanes(source: Int32Array, rows: Int32Array, count: number): Int32Array {
  const out = new Int32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const at = 2 * rows[i]!;
    out[2 * i] = source[at]!;
    out[2 * i + 1] = source[at + 1]!;
  }
  return out;
}

function takeWide(source: Int32Array, rows: Int32Array, count: number): Int32Array {
  const out = new Int32Array(4 * count);
  for (let i = 0; i < count; i++) {
    const at = 4 * rows[i]!;
    for (let lane = 0; lane < 4; lane++) out[4 * i + lane] = source[at + lane]!;
  }
  return out;
}

function takeDoubles(source: Float64Array, rows: Int32Array, count: number): Float64Array {
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) out[i] = source[rows[i]!]!;
  return out;
}

function takeBits(source: Uint8Array, rows: Int32Array, count: number): Uint8Array {
  const out = new Uint8Array(bitmapBytes(count));
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    out[i >> 3]! |= ((source[row >> 3]! >> (row & 7)) & 1) << (i & 7);
  }
  return out;
}

function takeBytes(column: Column, rows: Int32Array, count: number, validity: Uint8Array | null): Column {
  const source = column.data as Uint8Array;
  const from = column.offsets!;
  const offsets = new Int32Array(count + 1);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    total += from[row + 1]! - from[row]!;
    offsets[i + 1] = total;
  }
  if (total > maxColumnBytes) throw new SluiceError('MEMORY_EXCEEDED', { budgetBytes: maxColumnBytes, what: `${total} bytes of text in one column` });
  const out = new Uint8Array(total);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    const start = from[row]!;
    const stop = from[row + 1]!;
    if (stop - start > 80) {
      out.set(source.subarray(start, stop), at);
      at += stop - start;
    } else for (let j = start; j < stop; j++) out[at++] = source[j]!;
  }
  return makeColumn(column.type, count, out, validity, offsets);
}

function takeLists(column: Column, rows: Int32Array, count: number, validity: Uint8Array | null): Column {
  const from = column.offsets!;
  const offsets = new Int32Array(count + 1);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    // What a null has is nobody's.
    if (validity === null || ((validity[i >> 3]! >> (i & 7)) & 1) === 1) total += from[row + 1]! - from[row]!;
    if (total > maxColumnBytes)
      throw new SluiceError('MEMORY_EXCEEDED', { budgetBytes: maxColumnBytes, what: 'the items of the lists of one batch' });
    offsets[i + 1] = total;
  }
  const items = new Int32Array(total);
  for (let i = 0; i < count; i++) {
    const start = from[rows[i]!]!;
    const to = offsets[i + 1]!;
    for (let at = offsets[i]!, item = start; at < to; at++, item++) items[at] = item;
  }
  return makeList(column.type, count, offsets, validity, takeColumn(column.children[0]!, items));
}
