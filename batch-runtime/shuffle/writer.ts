/**
 * Batches to payloads: keeps batches up to a budget, then sorts their row numbers by partition, gathers each block's
 * rows once and hands its payload to the shuffle. Large blocks are the aim: metadata costs about 60 bytes per column and
 * block. There is never a builder per partition. Called by execute/task.ts.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB, maxBlockBytes } from '#manager/protocol/ids.ts';
import type { Batch, Schema } from '../batch/batch.ts';
import { batchBytes } from '../batch/column.ts';
import { concat } from '../batch/concat.ts';
import { Compactor } from '../batch/dictionary.ts';
import { createBatchEncoder } from '../batch/ipc.ts';
import { slice } from '../batch/slice.ts';
import { take } from '../batch/take.ts';
import type { Distribution } from '../graph/stage.ts';
import { createPartitioner, type Partitioning } from './partitioner.ts';
import type { Committed, ShuffleWriter } from './spi.ts';

export type { RangeBounds } from '../operators/sample.ts';

/** Payloads aim at this size. */
const blockBytes = 256 * KiB;
export const defaultBufferBytes = 32 * MiB;

export interface BatchWriter {
  /** Keeps the batch, or writes what is kept; the batch must not change afterwards. @throws as ShuffleWriter.write */
  write(batch: Batch): Promise<void>;
  /** Writes the rest and commits. */
  commit(): Promise<Committed>;
  /** Bytes written so far, by partition. */
  readonly partitionBytes: ReadonlyMap<number, number>;
  /** Forgets what is kept and drops what was written. */
  abort(): Promise<void>;
}

export interface BatchWriterOptions extends Partitioning {
  readonly schema: Schema;
  readonly distribution: Distribution;
  /** Bytes of batches kept before they are written, 32 MiB when left out; about three times that is held while writing. */
  readonly bufferBytes?: number;
}

/**
 * Row order within a partition is that of the batches.
 * @throws VALUE_OUT_OF_RANGE from write or commit when one row alone is larger than a block may be
 */
export function createBatchWriter(writer: ShuffleWriter, options: BatchWriterOptions): BatchWriter {
  const { schema, distribution, bufferBytes = defaultBufferBytes } = options;
  const partitioner = createPartitioner(distribution, schema, options);
  const encoder = createBatchEncoder(schema);
  const compactor = new Compactor();
  const partitionBytes = new Map<number, number>();
  let kept: Batch[] = [];
  let keptBytes = 0;

  const writeBlock = async (partition: number, batch: Batch): Promise<void> => {
    const block = compactor.compact(batch);
    if (encoder.size(block) <= maxBlockBytes) {
      const payload = encoder.encode(block);
      partitionBytes.set(partition, (partitionBytes.get(partition) ?? 0) + payload.length);
      await writer.write(partition, payload, block.length);
      return;
    }
    if (block.length === 1)
      throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `A row of ${encoder.size(block)} bytes is larger than a block may be (${maxBlockBytes})` });
    const half = block.length >> 1;
    await writeBlock(partition, slice(block, 0, half));
    await writeBlock(partition, slice(block, half, block.length));
  };

  const flush = async (): Promise<void> => {
    if (kept.length === 0) return;
    const all = concat(schema, kept);
    const rowsPerBlock = Math.max(1, Math.floor((blockBytes * all.length) / batchBytes(all)));
    kept = [];
    keptBytes = 0;
    if (partitioner.constant !== null) {
      for (let from = 0; from < all.length; from += rowsPerBlock)
        await writeBlock(partitioner.constant, slice(all, from, Math.min(all.length, from + rowsPerBlock)));
      return;
    }
    const partitionOf = new Int32Array(all.length);
    partitioner.assign(all, partitionOf);
    const { rows, ends } = rowsByPartition(partitionOf, options.partitions);
    let from = 0;
    for (let partition = 0; partition < options.partitions; partition++) {
      for (const end = ends[partition]!; from < end; ) {
        const to = Math.min(end, from + rowsPerBlock);
        await writeBlock(partition, take(all, rows.subarray(from, to)));
        from = to;
      }
    }
  };

  return {
    partitionBytes,
    async write(batch) {
      if (batch.length === 0) return;
      kept.push(batch);
      keptBytes += batchBytes(batch);
      if (keptBytes >= bufferBytes) await flush();
    },
    async commit() {
      await flush();
      return writer.commit();
    },
    async abort() {
      kept = [];
      keptBytes = 0;
      await writer.abort();
    },
  };
}

/** Row numbers sorted by partition, order kept within one (a counting sort); rows of partition p end at ends[p]. */
function rowsByPartition(partitionOf: Int32Array, partitions: number): { rows: Int32Array; ends: Int32Array } {
  const ends = new Int32Array(partitions);
  for (let i = 0; i < partitionOf.length; i++) ends[partitionOf[i]!]!++;
  let start = 0;
  for (let p = 0; p < partitions; p++) {
    const count = ends[p]!;
    ends[p] = start;
    start += count;
  }
  // Each start moves on as its rows are placed and so becomes the end.
  const rows = new Int32Array(partitionOf.length);
  for (let i = 0; i < partitionOf.length; i++) rows[ends[partitionOf[i]!]!++] = i;
  return { rows, ends };
}
