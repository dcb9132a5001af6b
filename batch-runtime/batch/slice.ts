/**
 * A run of rows of a batch, as views of its arrays; only bitmaps that a cut does not meet on a byte are copied. The
 * slice keeps the whole batch's memory alive.
 */
import type { Batch, Column } from './batch.ts';
import { sliceBits } from './bitmap.ts';
import { layoutOf, makeBatch, makeColumn, makeList, makeStruct } from './column.ts';

/** Rows [from, to) of the batch, 0 <= from <= to <= length. */
export function slice(batch: Batch, from: number, to: number): Batch {
  if (from === 0 && to === batch.length) return batch;
  const columns: Column[] = [];
  for (const column of batch.columns) columns.push(sliceColumn(column, from, to));
  return makeBatch(batch.schema, to - from, columns);
}

export function sliceColumn(column: Column, from: number, to: number): Column {
  const { type } = column;
  const n = to - from;
  const validity = column.validity === null ? null : sliceBits(column.validity, from, to);
  if (column.dictionary !== null) return makeColumn(type, n, (column.data as Int32Array).subarray(from, to), validity, null, column.dictionary);
  switch (layoutOf(type)) {
    case 'word':
      return makeColumn(type, n, (column.data as Int32Array).subarray(from, to), validity);
    case 'lanes':
      return makeColumn(type, n, (column.data as Int32Array).subarray(2 * from, 2 * to), validity);
    case 'wide':
      return makeColumn(type, n, (column.data as Int32Array).subarray(4 * from, 4 * to), validity);
    case 'double':
      return makeColumn(type, n, (column.data as Float64Array).subarray(from, to), validity);
    case 'bits':
      return makeColumn(type, n, sliceBits(column.data as Uint8Array, from, to), validity);
    case 'bytes':
      return makeColumn(type, n, column.data, validity, column.offsets!.subarray(from, to + 1));
    case 'list':
      return makeList(type, n, column.offsets!.subarray(from, to + 1), validity, column.children[0]!);
    case 'struct':
      return makeStruct(
        type,
        n,
        validity,
        column.children.map((child) => sliceColumn(child, from, to)),
      );
  }
}
