/**
 * Sorts all it gets, or finds the first `limit` of it. Without a limit it keeps everything; with one at most the limit and
 * the rows that came since the last cut. Equal rows keep the order they came in. Rows leave once the input has ended.
 */
import assert from 'node:assert/strict';
import { type Batch, batchRows, type Schema } from '../batch/batch.ts';
import type { ColumnOrder } from '../batch/compare.ts';
import { concat } from '../batch/concat.ts';
import { sortRows } from '../batch/sort.ts';
import { take } from '../batch/take.ts';
import type { SortKey } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Operator } from './operator.ts';

/** The keys by column index. A key that is not in the schema is a programmer's mistake: plans are checked. */
export const columnOrder = (schema: Schema, keys: readonly SortKey[]): ColumnOrder[] =>
  keys.map(({ name, descending }) => {
    const column = schema.findIndex((f) => f.name === name);
    assert.ok(column >= 0, `no column ${name} to sort by`);
    return { column, descending };
  });

/** @throws MEMORY_EXCEEDED when a text column passes 2 GiB */
export function createSort(spec: Extract<StageOperator, { kind: 'sort' }>, input: Schema): Operator {
  const order = columnOrder(input, spec.keys);
  const { limit } = spec;
  let kept: Batch[] = [];
  let rows = 0;
  const sorted = (batch: Batch, count: number): Batch => take(batch, sortRows(batch, order), Math.min(count, batch.length));
  return {
    *process(element) {
      if (element.kind === 'batch') {
        if (element.batch.length === 0 || limit === 0) return;
        kept.push(element.batch);
        rows += element.batch.length;
        if (limit !== null && rows > 2 * limit + 2 * batchRows) {
          kept = [sorted(concat(input, kept), limit)];
          rows = kept[0]!.length;
        }
        return;
      }
      if (element.kind === 'end' && rows > 0) {
        const all = concat(input, kept);
        kept = [];
        const wanted = limit ?? rows;
        const ids = order.length === 0 ? Int32Array.from({ length: rows }, (_, i) => i) : sortRows(all, order);
        const count = Math.min(wanted, rows);
        for (let from = 0; from < count; from += batchRows)
          yield { kind: 'batch', batch: take(all, ids.subarray(from, Math.min(count, from + batchRows))) };
      }
      yield element;
    },
  };
}
