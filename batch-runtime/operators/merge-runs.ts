/**
 * Sorted runs of a spill file as one sorted stream, with one block of each run in memory. It does not pick row by row: all rows up
 * to the end of the block that ends first are sorted at once, by the same columnar sort that made the runs. Equal rows leave in
 * the order of the runs. Called by sort.ts.
 */
import type { Batch, Schema } from '../batch/batch.ts';
import { batchBytes } from '../batch/column.ts';
import { type ColumnOrder, rowComparator } from '../batch/compare.ts';
import { concat } from '../batch/concat.ts';
import { slice } from '../batch/slice.ts';
import { sortRows } from '../batch/sort.ts';
import { take } from '../batch/take.ts';
import type { SpillFile } from '../spill/spill-file.ts';

/** Where a run is: the rows from `at` on of its block have not left. */
interface Head {
  readonly blocks: Generator<Batch>;
  block: Batch;
  at: number;
}

/**
 * @param from      the first run
 * @param to        behind the last one
 * @param outBytes  bytes gathered at a time, about; it is held about three times
 */
export function* mergeRuns(
  file: SpillFile,
  from: number,
  to: number,
  schema: Schema,
  order: readonly ColumnOrder[],
  outBytes: number,
): Generator<Batch> {
  const heads: Head[] = [];
  for (let run = from; run < to; run++) {
    const blocks = file.read(run);
    const first = blocks.next();
    if (first.done !== true) heads.push({ blocks, block: first.value, at: 0 });
  }
  let pieces: Batch[] = [];
  let bytes = 0;
  const out = (): Batch => {
    const all = concat(schema, pieces);
    // A piece of one run is sorted already, and without keys the runs stand one after another.
    const sorted = pieces.length === 1 || order.length === 0 ? all : take(all, sortRows(all, order));
    pieces = [];
    bytes = 0;
    return sorted;
  };
  const put = (head: Head, end: number): void => {
    if (end === head.at) return;
    const piece = slice(head.block, head.at, end);
    pieces.push(piece);
    bytes += batchBytes(piece);
    head.at = end;
  };
  while (heads.length > 0) {
    // The run whose block ends first; of equal ends the first run's, so that what is equal in later runs waits for all of it.
    let first = 0;
    for (let i = 1; i < heads.length; i++) {
      const [a, b] = [heads[i]!.block, heads[first]!.block];
      if (rowComparator(a.columns, b.columns, order)(a.length - 1, b.length - 1) < 0) first = i;
    }
    const cut = heads[first]!;
    heads.forEach((head, i) => {
      put(head, head === cut ? head.block.length : boundOf(head, cut.block, order, i < first));
    });
    if (bytes >= outBytes) yield out();
    const next = cut.blocks.next();
    if (next.done === true) heads.splice(first, 1);
    else {
      cut.block = next.value;
      cut.at = 0;
    }
  }
  if (pieces.length > 0) yield out();
}

/** Behind the rows of the head that are below the last row of the block, or (`inclusive`) not above it. */
function boundOf({ block, at }: Head, cut: Batch, order: readonly ColumnOrder[], inclusive: boolean): number {
  const compare = rowComparator(block.columns, cut.columns, order);
  const last = cut.length - 1;
  let [low, high] = [at, block.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const difference = compare(middle, last);
    if (difference < 0 || (inclusive && difference === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}
