/**
 * Rows of whole partitions in order, as window functions see them: where each partition and each run of rows that are equal in the
 * order (peers) begins. Row numbers are those of the batch. Of a partition that is seen in part (pages.ts), places of what is not there
 * are below 0, or at `length` and beyond.
 */
import type { Column } from '../batch/batch.ts';
import type { ColumnOrder, Comparator } from '../batch/compare.ts';
import { rowComparator } from '../batch/compare.ts';

export interface WindowRows {
  readonly length: number;
  /** Where partition p begins; one more: the end. */
  readonly starts: Int32Array;
  /** The partition of each row. */
  readonly partition: Int32Array;
  /** By row: the first of its peers, and the end of them. Without an order all rows of a partition are peers. */
  readonly peerStart: Int32Array;
  readonly peerEnd: Int32Array;
  /** Runs of peers of the first row's partition that begin before it. */
  readonly peersBefore: number;
}

/** @param columns  of all rows, in order of the partition keys and then of the order keys */
export function windowRows(columns: readonly Column[], length: number, keys: readonly ColumnOrder[], order: readonly ColumnOrder[]): WindowRows {
  const partitions = runs(length, keys, columns);
  const peers = runs(length, [...keys, ...order], columns);
  const partition = new Int32Array(length);
  for (let p = 0; p + 1 < partitions.length; p++) partition.fill(p, partitions[p], partitions[p + 1]);
  const peerStart = new Int32Array(length);
  const peerEnd = new Int32Array(length);
  for (let r = 0; r + 1 < peers.length; r++) {
    peerStart.fill(peers[r]!, peers[r], peers[r + 1]);
    peerEnd.fill(peers[r + 1]!, peers[r], peers[r + 1]);
  }
  return { length, starts: partitions, partition, peerStart, peerEnd, peersBefore: 0 };
}

/** Where runs of rows equal in these keys begin, and the end. */
function runs(length: number, keys: readonly ColumnOrder[], columns: readonly Column[]): Int32Array {
  const compare: Comparator | null = keys.length === 0 ? null : rowComparator(columns, columns, keys);
  const starts = new Int32Array(length + 1);
  let count = 0;
  for (let i = 0; i < length; i++) if (i === 0 || (compare !== null && compare(i - 1, i) !== 0)) starts[count++] = i;
  if (length > 0) starts[count] = length;
  return starts.slice(0, length === 0 ? 1 : count + 1);
}
