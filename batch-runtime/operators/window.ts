/**
 * Window functions: its input comes in order of the partition keys and then of the order keys; it gives the same rows in the same order
 * with a column for each function. Partitions that have ended are worked out together, some tens of thousands of rows at a time, so it
 * keeps one batch and the partition that is not over; one that does not fit goes to disk (window/large.ts).
 */
import { aggregates } from '../aggregate/table.ts';
import { type Batch, batchRows, type Column, type Schema } from '../batch/batch.ts';
import { batchBytes, makeBatch } from '../batch/column.ts';
import { type ColumnOrder, rowComparator } from '../batch/compare.ts';
import { concat } from '../batch/concat.ts';
import { slice } from '../batch/slice.ts';
import type { Element } from '../element.ts';
import { compileProjection } from '../expression/compile.ts';
import type { Expression } from '../expression/expression.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import { type Share, unbounded } from '../spill/memory.ts';
import { framesOf } from '../window/frame.ts';
import { countsOf, framed } from '../window/framed.ts';
import { createLargePartition, type LargePartition, type Values } from '../window/large.ts';
import { rankings } from '../window/ranking.ts';
import { windowRows } from '../window/rows.ts';
import type { Operator } from './operator.ts';
import { columnOrder } from './sort.ts';

type Spec = Extract<StageOperator, { kind: 'window' }>;

/** Beside the rows: places of partitions, peers and frames, and the results. */
const scratchBytes = 64;

/** A partition of so few bytes is worked out whatever the budget. */
const leastBytes = 64 * 1024;

/**
 * @throws MEMORY_EXCEEDED when one frame does not fit its share · NO_SPACE, DISK_FAILED · VALUE_OUT_OF_RANGE when a sum does not fit its type · whatever the
 *         expressions throw
 */
export function createWindow(spec: Spec, input: Schema, functions: readonly UserFunction[], share: Share = unbounded().open()): Operator {
  const keys = columnOrder(
    input,
    spec.partitionBy.map((name) => ({ name, descending: false })),
  );
  const order = columnOrder(input, spec.orderBy);
  const values = valuesIn(spec, input, functions);
  let kept: Batch[] = [];
  let rows = 0;
  let bytes = 0;
  /** The partition that is not over, when it does not fit. */
  let large: { readonly first: Batch; readonly partition: LargePartition } | null = null;

  const keep = (batches: Batch[]): void => {
    kept = batches;
    rows = batches.reduce((sum, { length }) => sum + length, 0);
    bytes = batches.reduce((sum, batch) => sum + batchBytes(batch), 0);
  };
  function* give(all: Batch): Generator<Batch> {
    if (all.length === 0) return;
    const result = compute(spec, all, values(all), keys, order);
    for (let from = 0; from < all.length; from += batchRows) yield slice(result, from, Math.min(all.length, from + batchRows));
  }
  /** Gives the partitions that are over. */
  function* ended(): Generator<Batch> {
    const all = concat(input, kept);
    const from = lastStart(all, keys);
    keep(from === all.length ? [] : [slice(all, from, all.length)]);
    yield* give(slice(all, 0, from));
  }

  /** Adds to the partition that does not fit; gives the rest of the batch, once another partition begins. */
  function* addLarge(batch: Batch): Generator<Batch, Batch> {
    const { first, partition } = large!;
    const compare = rowComparator(first.columns, batch.columns, keys);
    let [own, end] = [0, batch.length];
    while (own < end) {
      const middle = (own + end) >> 1;
      if (compare(0, middle) === 0) own = middle + 1;
      else end = middle;
    }
    partition.add(slice(batch, 0, own));
    if (own === batch.length) return slice(batch, own, own);
    large = null;
    yield* partition.finish();
    return slice(batch, own, batch.length);
  }
  function* take(batch: Batch): Generator<Batch> {
    // The last partition that is kept is over when another key comes.
    const before = rows;
    kept.push(batch);
    rows += batch.length;
    bytes += batchBytes(batch);
    const fits = (): boolean => share.hold(2 * bytes + scratchBytes * rows) || bytes <= leastBytes;
    if (keys.length > 0 && (!fits() || rows >= batchRows) && (before === 0 || !sameKeys(kept, keys))) yield* ended();
    if (fits()) return;
    const partition = createLargePartition({ ...spec, input, order, functions: spec.functions, values, share });
    large = { first: slice(kept[0]!, 0, 1), partition };
    for (const each of kept) partition.add(each);
    keep([]);
    share.hold(0);
  }
  function* taken(element: Element): Generator<Batch> {
    if (element.kind === 'batch') {
      const rest = large === null ? element.batch : yield* addLarge(element.batch);
      if (rest.length > 0) yield* take(rest);
    } else if (element.kind === 'end') {
      if (large !== null) yield* large.partition.finish();
      const all = concat(input, kept);
      keep([]);
      yield* give(all);
      share.hold(0);
    }
  }

  return {
    *process(element) {
      for (const batch of taken(element)) yield { kind: 'batch', batch };
      if (element.kind !== 'batch') yield element;
    },
  };
}

/** Whether all that is kept is one partition still. */
function sameKeys(kept: readonly Batch[], keys: readonly ColumnOrder[]): boolean {
  const [first, last] = [kept[0]!, kept.at(-1)!];
  return rowComparator(first.columns, last.columns, keys)(0, last.length - 1) === 0;
}

/** Where the last partition begins. */
function lastStart(batch: Batch, keys: readonly ColumnOrder[]): number {
  const compare = rowComparator(batch.columns, batch.columns, keys);
  let at = batch.length - 1;
  // Partitions are in order: the first row that is equal to the last one, by halves.
  for (let low = 0; low < at; ) {
    const middle = (low + at) >> 1;
    if (compare(middle, batch.length - 1) === 0) at = middle;
    else low = middle + 1;
  }
  return Math.max(0, at);
}

/** What each function reads of rows. */
function valuesIn(spec: Spec, input: Schema, functions: readonly UserFunction[]): (batch: Batch) => readonly Values[] {
  const expressions: Expression[] = [];
  const place = (expression: Expression | null): number => (expression === null ? -1 : expressions.push(expression) - 1);
  const places = spec.functions.map(({ argument, more = [], filter }) => ({
    argument: place(argument),
    more: more.map(place),
    filter: place(filter),
  }));
  const project = compileProjection(input, expressions, functions);
  return (batch) => {
    const columns = project(batch);
    return spec.functions.map(({ fn }, f) => {
      const at = places[f]!;
      const argument = at.argument < 0 ? null : columns[at.argument]!;
      const skips = Object.hasOwn(aggregates, fn) && aggregates[fn]!.nulls === 'skip';
      const counts = countsOf(batch.length, skips ? (argument?.validity ?? null) : null, at.filter < 0 ? null : columns[at.filter]!);
      return { argument, more: at.more.map((c) => columns[c]!), counts };
    });
  };
}

/** From rows of whole partitions to the same with the results. */
function compute(spec: Spec, batch: Batch, values: readonly Values[], keys: readonly ColumnOrder[], order: readonly ColumnOrder[]): Batch {
  const rows = windowRows(batch.columns, batch.length, keys, order);
  const [first] = order;
  const key = first === undefined ? null : { column: batch.columns[first.column]!, descending: first.descending };
  const results = spec.functions.map((of, f): Column => {
    const { argument, more } = values[f]!;
    if (Object.hasOwn(rankings, of.fn)) return rankings[of.fn]!.compute(rows, argument, more, of.options ?? []);
    return framed({ of, rows, frames: framesOf(rows, of.frame, key), ...values[f]! });
  });
  return makeBatch(spec.schema, batch.length, [...batch.columns, ...results]);
}
