/**
 * Frames: which rows of its partition a framed function sees from each row, as a run of row numbers. `rows` counts rows from the current
 * one; `range` compares the key: 0 is the current row with its peers, another number a distance in the key, of which there is one. Starts
 * and ends never go back within a partition, and a frame may be empty.
 */
import { type Column, type ColumnType, formOf } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { layoutOf } from '../batch/column.ts';
import { compareDoubles } from '../batch/compare.ts';
import type { Frame } from '../expression/expression.ts';
import type { WindowRows } from './rows.ts';

export interface Frames {
  /** By row: the first row it sees and the end; none where the end is not behind it. */
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** The one key of an order, for distances. */
export interface RangeKey {
  readonly column: Column;
  readonly descending: boolean;
}

export function framesOf(rows: WindowRows, frame: Frame, key: RangeKey | null): Frames {
  const from = new Int32Array(rows.length);
  const to = new Int32Array(rows.length);
  for (let p = 0; p + 1 < rows.starts.length; p++) {
    const [start, end] = [rows.starts[p]!, rows.starts[p + 1]!];
    // Of a partition that is seen in part, the rows that are there.
    const [first, behind] = [Math.max(0, start), Math.min(rows.length, end)];
    if (frame.unit === 'rows') {
      for (let i = first; i < behind; i++) {
        from[i] = frame.start === null ? start : Math.min(end, Math.max(start, i + frame.start));
        to[i] = frame.end === null ? end : Math.max(start, Math.min(end, i + frame.end + 1));
      }
      continue;
    }
    fillRange(rows, first, behind, frame.start, key, from, true);
    fillRange(rows, first, behind, frame.end, key, to, false);
  }
  return { from, to };
}

/** The rows of a partition whose key is at least (for starts) or at most (for ends) `offset` from that of each row. */
function fillRange(
  rows: WindowRows,
  start: number,
  end: number,
  offset: number | null,
  key: RangeKey | null,
  out: Int32Array,
  isStart: boolean,
): void {
  if (offset === null) {
    out.fill(isStart ? start : end, start, end);
    return;
  }
  if (offset === 0) {
    out.set((isStart ? rows.peerStart : rows.peerEnd).subarray(start, end), start);
    return;
  }
  const { column, descending } = key!;
  const sign = descending ? -1 : 1;
  const { validity } = column;
  // Nulls stand last, and see each other only.
  let known = end;
  while (known > start && validity !== null && bitAt(validity, known - 1) === 0) known--;
  for (let i = known; i < end; i++) out[i] = (isStart ? rows.peerStart : rows.peerEnd)[i]!;
  let at = start;
  for (let i = start; i < known; i++) {
    const bound = keyAt(column, i) + sign * offset;
    while (at < known) {
      const difference = compareDoubles(keyAt(column, at), bound) * sign;
      if (isStart ? difference >= 0 : difference > 0) break;
      at++;
    }
    out[i] = at;
  }
}

function keyAt({ type, data }: Column, i: number): number {
  return layoutOf(type) === 'lanes' ? data[2 * i + 1]! * 4_294_967_296 + (data[2 * i]! >>> 0) : data[i]!;
}

/** What distances can be told of. */
export const isRangeKey = (type: ColumnType): boolean =>
  ['int32', 'integer', 'float64', 'date', 'timestamp'].includes(type.kind) && formOf(type) !== 'time';
