/**
 * Many values of each group in one cell: how aggregates that keep values send their state on. A cell is the values one behind the
 * other: 4 bytes of a word, 8 of lanes or a double, 16 of a wide decimal, 1 of a bool, a length of 4 bytes and the bytes of text. It is
 * a state between two phases of one job, never a value that somebody reads.
 */
import type { Column, ColumnType } from '../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../batch/bitmap.ts';
import { layoutOf, makeColumn } from '../batch/column.ts';
import { toPlain } from '../batch/dictionary.ts';
import { takeColumn } from '../batch/take.ts';

export const packedType: ColumnType = { kind: 'utf8' };

/** Row numbers by group, order kept within one; those of group g end at ends[g]. What is in no group (-1) is left out. */
export function rowsByGroup(group: Int32Array, length: number, groups: number): { readonly rows: Int32Array; readonly ends: Int32Array } {
  const ends = new Int32Array(groups);
  let count = 0;
  for (let i = 0; i < length; i++) {
    const g = group[i]!;
    if (g < 0) continue;
    ends[g]!++;
    count++;
  }
  let start = 0;
  for (let g = 0; g < groups; g++) {
    const size = ends[g]!;
    ends[g] = start;
    start += size;
  }
  const rows = new Int32Array(count);
  for (let i = 0; i < length; i++) {
    const g = group[i]!;
    if (g >= 0) rows[ends[g]!++] = i;
  }
  return { rows, ends };
}

/** Bytes of a value; text has its own. */
const widthOf = (type: ColumnType): number => {
  const layout = layoutOf(type);
  return layout === 'word' ? 4 : layout === 'bits' ? 1 : layout === 'wide' ? 16 : 8;
};

/** @param values  without nulls, value i of group[i] */
export function pack(values: Column, group: Int32Array, groups: number): Column {
  const { rows, ends } = rowsByGroup(group, values.length, groups);
  const sorted = toPlain(takeColumn(values, rows));
  const offsets = new Int32Array(groups + 1);
  if (layoutOf(values.type) === 'bytes') {
    const from = sorted.offsets!;
    const source = sorted.data as Uint8Array;
    const data = new Uint8Array(from[sorted.length]! - from[0]! + 4 * sorted.length);
    const view = new DataView(data.buffer);
    let at = 0;
    for (let g = 0, i = 0; g < groups; g++) {
      for (; i < ends[g]!; i++) {
        const length = from[i + 1]! - from[i]!;
        view.setUint32(at, length, true);
        data.set(source.subarray(from[i]!, from[i + 1]!), at + 4);
        at += 4 + length;
      }
      offsets[g + 1] = at;
    }
    return makeColumn(packedType, groups, data, null, offsets);
  }
  const width = widthOf(values.type);
  for (let g = 0; g < groups; g++) offsets[g + 1] = width * ends[g]!;
  let data: Uint8Array;
  if (layoutOf(values.type) === 'bits') {
    data = new Uint8Array(sorted.length);
    for (let i = 0; i < sorted.length; i++) data[i] = bitAt(sorted.data as Uint8Array, i);
  } else data = new Uint8Array(sorted.data.buffer, sorted.data.byteOffset, width * sorted.length);
  return makeColumn(packedType, groups, data, null, offsets);
}

/** The values in cells, and the group of each. */
export function unpack(cells: Column, type: ColumnType, group: Int32Array): { readonly values: Column; readonly group: Int32Array } {
  const plain = toPlain(cells);
  const offsets = plain.offsets!;
  const source = plain.data as Uint8Array;
  const n = plain.length;
  const [start, stop] = [offsets[0]!, offsets[n]!];
  const layout = layoutOf(type);
  if (layout === 'bytes') return unpackText(plain, type, group);
  const width = widthOf(type);
  const count = (stop - start) / width;
  const owner = new Int32Array(count);
  for (let i = 0; i < n; i++) owner.fill(group[i]!, (offsets[i]! - start) / width, (offsets[i + 1]! - start) / width);
  if (layout === 'bits') {
    const bits = new Uint8Array(bitmapBytes(count));
    for (let i = 0; i < count; i++) if (source[start + i] === 1) setBit(bits, i);
    return { values: makeColumn(type, count, bits), group: owner };
  }
  // Cells begin anywhere; numbers do not.
  const bytes = source.slice(start, stop);
  const data = layout === 'double' ? new Float64Array(bytes.buffer, 0, count) : new Int32Array(bytes.buffer, 0, (stop - start) / 4);
  return { values: makeColumn(type, count, data), group: owner };
}

function unpackText(cells: Column, type: ColumnType, group: Int32Array): { readonly values: Column; readonly group: Int32Array } {
  const offsets = cells.offsets!;
  const source = cells.data as Uint8Array;
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const owner: number[] = [];
  const ends: number[] = [0];
  const data = new Uint8Array(offsets[cells.length]! - offsets[0]!);
  let used = 0;
  for (let i = 0; i < cells.length; i++) {
    for (let at = offsets[i]!; at < offsets[i + 1]!; ) {
      const length = view.getUint32(at, true);
      data.set(source.subarray(at + 4, at + 4 + length), used);
      used += length;
      at += 4 + length;
      owner.push(group[i]!);
      ends.push(used);
    }
  }
  return { values: makeColumn(type, owner.length, data.subarray(0, used), null, Int32Array.from(ends)), group: Int32Array.from(owner) };
}
