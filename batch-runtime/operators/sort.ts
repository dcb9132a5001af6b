/**
 * Sorts all it gets, or finds the first `limit` of it. Without a limit it keeps everything; with one at most the limit and
 * the rows that came since the last cut. What does not fit its memory is put aside as sorted runs, which are merged at the end.
 * Equal rows keep the order they came in. Rows leave once the input has ended.
 */
import assert from 'node:assert/strict';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import { type Batch, batchRows, type Schema } from '../batch/batch.ts';
import { batchBytes } from '../batch/column.ts';
import type { ColumnOrder } from '../batch/compare.ts';
import { concat } from '../batch/concat.ts';
import { slice } from '../batch/slice.ts';
import { sortRows } from '../batch/sort.ts';
import { take } from '../batch/take.ts';
import type { SortKey } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import { type Share, unbounded } from '../spill/memory.ts';
import { createSpillFile, type SpillFile } from '../spill/spill-file.ts';
import { mergeRuns } from './merge-runs.ts';
import type { Operator } from './operator.ts';

/** The keys by column index. A key that is not in the schema is a programmer's mistake: plans are checked. */
export const columnOrder = (schema: Schema, keys: readonly SortKey[]): ColumnOrder[] =>
  keys.map(({ name, descending }) => {
    const column = schema.findIndex((f) => f.name === name);
    assert.ok(column >= 0, `no column ${name} to sort by`);
    return { column, descending };
  });

/** Besides the rows themselves twice, while they are put together: numbers and prefixes of sortRows. */
const scratchBytes = 16;

/**
 * @throws MEMORY_EXCEEDED when a text column passes 2 GiB · NO_SPACE, DISK_FAILED
 * Memory: its share; where that is small, one block of at least 4 KiB for each run that is merged.
 */
export function createSort(spec: Extract<StageOperator, { kind: 'sort' }>, input: Schema, share: Share = unbounded().open()): Operator {
  const order = columnOrder(input, spec.keys);
  const { limit } = spec;
  let kept: Batch[] = [];
  let rows = 0;
  let bytes = 0;
  let runs: SpillFile | null = null;

  const keep = (batches: Batch[]): void => {
    kept = batches;
    rows = batches.reduce((sum, { length }) => sum + length, 0);
    bytes = batches.reduce((sum, batch) => sum + batchBytes(batch), 0);
  };
  /** What is kept, in order and in pieces of about `pieceRows` rows; nothing is kept then. */
  function* sorted(pieceRows: number): Generator<Batch> {
    const all = concat(input, kept);
    keep([]);
    const ids = order.length === 0 ? Int32Array.from({ length: all.length }, (_, i) => i) : sortRows(all, order);
    const count = Math.min(limit ?? all.length, all.length);
    for (let from = 0; from < count; from += pieceRows) yield take(all, ids.subarray(from, Math.min(count, from + pieceRows)));
  }
  const blockBytes = (): number => Math.min(256 * KiB, Math.max(4 * KiB, Math.floor(share.limitBytes / 64)));
  /** A block of a run is there twice while it is read. */
  const fanIn = (): number => Math.max(2, Math.floor(share.limitBytes / (4 * blockBytes())));
  const outBytes = (): number => Math.min(2 * MiB, Math.max(4 * KiB, Math.floor(share.limitBytes / 16)));

  const spill = (): void => {
    runs ??= createSpillFile(share.scratch, input, blockBytes());
    const run = runs.parts;
    const pieceRows = Math.max(1, Math.floor((MiB * rows) / Math.max(1, bytes)));
    for (const piece of sorted(pieceRows)) runs.write(run, piece);
    share.hold(0);
  };
  /** The runs in as few files as can be merged at once. */
  const merged = (of: SpillFile): SpillFile => {
    let file = of;
    while (file.parts > fanIn()) {
      const wider = createSpillFile(share.scratch, input, blockBytes());
      for (let from = 0; from < file.parts; from += fanIn()) {
        let left = limit ?? Number.POSITIVE_INFINITY;
        for (const batch of mergeRuns(file, from, Math.min(file.parts, from + fanIn()), input, order, outBytes())) {
          wider.write(from / fanIn(), slice(batch, 0, Math.min(left, batch.length)));
          left -= batch.length;
          if (left <= 0) break;
        }
      }
      file.close();
      file = wider;
    }
    return file;
  };

  return {
    *process(element) {
      if (element.kind === 'batch') {
        if (element.batch.length === 0 || limit === 0) return;
        kept.push(element.batch);
        rows += element.batch.length;
        bytes += batchBytes(element.batch);
        if (limit !== null && rows > 2 * limit + 2 * batchRows) keep([...sorted(limit)]);
        if (!share.hold(2 * bytes + scratchBytes * rows)) spill();
        return;
      }
      if (element.kind === 'end' && runs === null && rows > 0) {
        for (const batch of sorted(batchRows)) yield { kind: 'batch', batch };
        share.hold(0);
      } else if (element.kind === 'end' && runs !== null) {
        if (rows > 0) spill();
        const file = merged(runs);
        share.hold(2 * blockBytes() * file.parts + 3 * outBytes());
        let left = limit ?? Number.POSITIVE_INFINITY;
        for (const batch of mergeRuns(file, 0, file.parts, input, order, outBytes())) {
          yield { kind: 'batch', batch: slice(batch, 0, Math.min(left, batch.length)) };
          left -= batch.length;
          if (left <= 0) break;
        }
        file.close();
        share.hold(0);
      }
      yield element;
    },
  };
}
