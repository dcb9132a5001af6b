/**
 * Which partition each row of a batch goes to. Pure: the same rows, partitions and bounds give the same numbers in every
 * process. Called by writer.ts.
 */
import assert from 'node:assert/strict';
import type { Batch, Schema } from '../batch/batch.ts';
import { rowComparator } from '../batch/compare.ts';
import { hashKeys } from '../batch/hash.ts';
import type { Distribution } from '../graph/stage.ts';
import { boundsBatch, type RangeBounds } from '../operators/sample.ts';
import { columnOrder } from '../operators/sort.ts';

/** Constant: all rows of the task go there. Else `assign` writes a partition per row. */
export type Partitioner = { readonly constant: number } | { readonly constant: null; assign(batch: Batch, out: Int32Array): void };

export interface Partitioning {
  readonly partitions: number;
  /** The writing task: its partition when forwarding. */
  readonly task: number;
  /** For a range distribution. */
  readonly bounds: RangeBounds | null;
}

/**
 * hash: floor(hash * partitions / 2^32) of the key hash (batch/hash.ts) · range: how many bounds are at or before the row ·
 * forward: the task · single, broadcast: 0.
 */
export function createPartitioner(distribution: Distribution, schema: Schema, { partitions, task, bounds }: Partitioning): Partitioner {
  switch (distribution.kind) {
    case 'single':
    case 'broadcast':
      return { constant: 0 };
    case 'forward':
      return { constant: task };
    case 'hash': {
      if (partitions === 1) return { constant: 0 };
      const columns = distribution.keys.map((name) => {
        const column = schema.findIndex((f) => f.name === name);
        assert.ok(column >= 0, `no column ${name} to partition by`);
        return column;
      });
      return {
        constant: null,
        assign(batch, out) {
          const hashes = hashKeys(
            columns.map((c) => batch.columns[c]!),
            batch.length,
          );
          // The product stays below 2^53: exact in a double.
          for (let i = 0; i < batch.length; i++) out[i] = Math.floor((hashes[i]! * partitions) / 4_294_967_296);
        },
      };
    }
    case 'range': {
      assert.ok(bounds !== null, 'a range distribution has bounds');
      assert.ok(bounds.length < partitions, `${bounds.length} bounds for ${partitions} partitions`);
      if (bounds.length === 0) return { constant: 0 };
      const order = columnOrder(schema, distribution.keys);
      const limits = boundsBatch(schema, distribution.keys, bounds);
      return {
        constant: null,
        assign(batch, out) {
          const columns = order.map((o) => batch.columns[o.column]!);
          const compare = rowComparator(
            columns,
            limits.columns,
            order.map((o, column) => ({ column, descending: o.descending })),
          );
          let last = 0;
          for (let i = 0; i < batch.length; i++) {
            // Neighbours tend to go to the same place.
            if (last > 0 && compare(i, last - 1) < 0) last = countAtOrBefore(compare, i, 0, last - 1);
            else last = countAtOrBefore(compare, i, last, limits.length);
            out[i] = last;
          }
        },
      };
    }
  }
}

/** How many bounds are at or before row i, known to lie in [least, most]. */
function countAtOrBefore(compare: (i: number, j: number) => number, i: number, least: number, most: number): number {
  if (least < most && compare(i, least) < 0) return least;
  let from = least;
  let to = most;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (compare(i, middle) >= 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
