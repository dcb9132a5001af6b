/**
 * Rows put aside by the hash of their keys: a level of a grace join or of an aggregate that does not fit. Batches are kept up to a
 * buffer, then gathered partition by partition and written in one go. Each level looks at the key hash anew, so rows that share
 * a partition of the exchange, or of the level above, spread again; equal keys stay together at every level.
 */
import { KiB, MiB } from '#manager/protocol/ids.ts';
import type { Batch, Schema } from '../batch/batch.ts';
import { batchBytes } from '../batch/column.ts';
import { concat } from '../batch/concat.ts';
import { hashKeys } from '../batch/hash.ts';
import { take } from '../batch/take.ts';
import type { Scratch } from './scratch.ts';
import { createSpillFile, type SpillFile } from './spill-file.ts';

/** How a level spreads rows in a memory of so many bytes. */
export function partitionSizes(memoryBytes: number): Pick<PartitionsOptions, 'partitions' | 'bufferBytes' | 'blockBytes'> {
  const large = memoryBytes >= 64 * MiB;
  return {
    partitions: large ? 64 : 16,
    bufferBytes: Math.min(32 * MiB, Math.floor(memoryBytes / 8)),
    blockBytes: large ? 256 * KiB : 32 * KiB,
  };
}

export interface PartitionsOptions {
  readonly scratch: Scratch;
  readonly schema: Schema;
  /** Columns of the keys; none: all rows are in partition 0. */
  readonly keys: readonly number[];
  readonly level: number;
  readonly partitions: number;
  /** Bytes of batches kept before they are written; about three times that is held while writing. */
  readonly bufferBytes: number;
  readonly blockBytes: number;
}

export interface Partitions {
  write(batch: Batch): void;
  /** The rows of all partitions, each a part of the file, once all is written. Whoever has it closes it. */
  finish(): SpillFile;
}

export function createPartitions(options: PartitionsOptions): Partitions {
  const { scratch, schema, keys, level, partitions, bufferBytes, blockBytes } = options;
  const file = createSpillFile(scratch, schema, blockBytes);
  let kept: Batch[] = [];
  let keptBytes = 0;

  const flush = (): void => {
    if (kept.length === 0) return;
    const all = concat(schema, kept);
    kept = [];
    keptBytes = 0;
    if (keys.length === 0) {
      file.write(0, all);
      return;
    }
    const hashes = hashKeys(
      keys.map((c) => all.columns[c]!),
      all.length,
    );
    const { rows, ends } = rowsByPartition(hashes, level, partitions);
    for (let partition = 0, from = 0; partition < partitions; partition++) {
      const to = ends[partition]!;
      if (to > from) file.write(partition, take(all, rows.subarray(from, to)));
      from = to;
    }
  };

  return {
    write(batch) {
      if (batch.length === 0) return;
      kept.push(batch);
      keptBytes += batchBytes(batch);
      if (keptBytes >= bufferBytes) flush();
    },
    finish() {
      flush();
      return file;
    },
  };
}

/** The partition of a key hash at a level: the hash mixed with the level, so that no level sees the bits of another. */
function partitionAt(hash: number, level: number, partitions: number): number {
  let h = hash ^ Math.imul(level + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return Math.floor((((h ^ (h >>> 16)) >>> 0) * partitions) / 4_294_967_296);
}

/** Row numbers by partition, order kept within one (a counting sort); rows of partition p end at ends[p]. */
function rowsByPartition(hashes: Uint32Array, level: number, partitions: number): { rows: Int32Array; ends: Int32Array } {
  const n = hashes.length;
  const partitionOf = new Int32Array(n);
  const ends = new Int32Array(partitions);
  for (let i = 0; i < n; i++) {
    const partition = partitionAt(hashes[i]!, level, partitions);
    partitionOf[i] = partition;
    ends[partition]!++;
  }
  let start = 0;
  for (let p = 0; p < partitions; p++) {
    const count = ends[p]!;
    ends[p] = start;
    start += count;
  }
  const rows = new Int32Array(n);
  for (let i = 0; i < n; i++) rows[ends[partitionOf[i]!]!++] = i;
  return { rows, ends };
}
