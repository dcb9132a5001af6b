/**
 * The rows of one partition that does not fit into memory: on disk in pages, any run of which can be had. Of each row it keeps one bit
 * in memory: whether it differs in the order from the one before, so that peers are known without reading.
 */
import type { Batch, Schema } from '../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../batch/bitmap.ts';
import { batchBytes } from '../batch/column.ts';
import { type ColumnOrder, rowComparator } from '../batch/compare.ts';
import { concat } from '../batch/concat.ts';
import { slice } from '../batch/slice.ts';
import type { Scratch } from '../spill/scratch.ts';
import { createSpillFile } from '../spill/spill-file.ts';
import type { WindowRows } from './rows.ts';

export interface Pages {
  /** The next rows, in order. @throws NO_SPACE, DISK_FAILED */
  append(batch: Batch): void;
  readonly length: number;
  /** Where page p begins; one more: the end. After the last append. */
  readonly starts: readonly number[];
  /** Of pages [from, to), in memory. */
  bytes(from: number, to: number): number;
  /** Rows of pages [from, to), from >= 0. */
  read(from: number, to: number): Batch;
  /** The same rows as windows see them: places in the partition are told from the first of them on, and may lie outside. */
  rows(from: number, to: number): WindowRows;
  close(): void;
}

/** @param pageBytes  in memory, at most, unless one row has more */
export function createPages(scratch: Scratch, schema: Schema, order: readonly ColumnOrder[], pageBytes: number): Pages {
  const file = createSpillFile(scratch, schema, pageBytes);
  const starts = [0];
  /** Peers that begin before each page. */
  const peersBefore = [0];
  let begins = new Uint8Array(bitmapBytes(1 << 16));
  let length = 0;
  let last: Batch | null = null;

  const markPeers = (page: Batch): void => {
    if (bitmapBytes(length + page.length) > begins.length) {
      const wider = new Uint8Array(2 * bitmapBytes(length + page.length));
      wider.set(begins);
      begins = wider;
    }
    const before = last === null ? null : rowComparator(last.columns, page.columns, order);
    const compare = rowComparator(page.columns, page.columns, order);
    let peers = 0;
    for (let i = 0; i < page.length; i++) {
      const differs = i > 0 ? compare(i - 1, i) !== 0 : before === null || before(0, 0) !== 0;
      if (!differs) continue;
      setBit(begins, length + i);
      peers++;
    }
    last = slice(page, page.length - 1, page.length);
    peersBefore.push(peersBefore.at(-1)! + peers);
  };

  return {
    append(batch) {
      const perPage = Math.max(1, Math.floor((pageBytes * batch.length) / Math.max(1, batchBytes(batch))));
      for (let from = 0; from < batch.length; from += perPage) {
        const page = slice(batch, from, Math.min(batch.length, from + perPage));
        markPeers(page);
        file.write(starts.length - 1, page);
        length += page.length;
        starts.push(length);
      }
    },
    get length() {
      return length;
    },
    starts,
    bytes(from, to) {
      let bytes = 0;
      for (let page = from; page < to; page++) bytes += file.bytes(page);
      return bytes;
    },
    read(from, to) {
      const batches: Batch[] = [];
      for (let page = from; page < to; page++) batches.push(...file.read(page));
      return concat(schema, batches);
    },
    rows(from, to) {
      const [first, end] = [starts[from]!, starts[to]!];
      const n = end - first;
      const peerStart = new Int32Array(n);
      const peerEnd = new Int32Array(n);
      let start = first;
      while (start > 0 && bitAt(begins, start) === 0) start--;
      for (let i = 0; i < n; i++) {
        if (bitAt(begins, first + i) === 1) start = first + i;
        peerStart[i] = start - first;
      }
      let behind = end;
      while (behind < length && bitAt(begins, behind) === 0) behind++;
      for (let i = n - 1; i >= 0; i--) {
        peerEnd[i] = behind - first;
        if (bitAt(begins, first + i) === 1) behind = first + i;
      }
      return {
        length: n,
        starts: Int32Array.of(-first, length - first),
        partition: new Int32Array(n),
        peerStart,
        peerEnd,
        peersBefore: peersBefore[from]!,
      };
    },
    close() {
      last = null;
      begins = new Uint8Array(0);
      file.close();
    },
  };
}
