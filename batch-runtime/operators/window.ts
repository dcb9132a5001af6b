/**
 * Window functions: its input comes in order of the partition keys and then of the order keys; it gives the same rows in the same order
 * with a column for each function. Partitions that have ended are worked out together, some tens of thousands of rows at a time, so it
 * keeps one batch and the partition that is not over.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { aggregates } from '../aggregate/table.ts';
import { type Batch, batchRows, type Column, type Schema } from '../batch/batch.ts';
import { batchBytes, makeBatch } from '../batch/column.ts';
import { type ColumnOrder, rowComparator } from '../batch/compare.ts';
import { concat } from '../batch/concat.ts';
import { slice } from '../batch/slice.ts';
import { compileProjection } from '../expression/compile.ts';
import type { Expression, WindowFunction } from '../expression/expression.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import { type Share, unbounded } from '../spill/memory.ts';
import { framesOf, type RangeKey } from '../window/frame.ts';
import { countsOf, framed } from '../window/framed.ts';
import { rankings } from '../window/ranking.ts';
import { type WindowRows, windowRows } from '../window/rows.ts';
import type { Operator } from './operator.ts';
import { columnOrder } from './sort.ts';

type Spec = Extract<StageOperator, { kind: 'window' }>;

/** Beside the rows: places of partitions, peers and frames, and the results. */
const scratchBytes = 64;

/**
 * @throws MEMORY_EXCEEDED when one partition does not fit its share · VALUE_OUT_OF_RANGE when a sum does not fit its type · whatever the
 *         expressions throw
 */
export function createWindow(spec: Spec, input: Schema, functions: readonly UserFunction[], share: Share = unbounded().open()): Operator {
  const keys = columnOrder(
    input,
    spec.partitionBy.map((name) => ({ name, descending: false })),
  );
  const order = columnOrder(input, spec.orderBy);
  const compute = createCompute(spec, input, functions, keys, order);
  let kept: Batch[] = [];
  let rows = 0;
  let bytes = 0;

  const keep = (batches: Batch[]): void => {
    kept = batches;
    rows = batches.reduce((sum, { length }) => sum + length, 0);
    bytes = batches.reduce((sum, batch) => sum + batchBytes(batch), 0);
  };
  function* give(all: Batch): Generator<Batch> {
    if (all.length === 0) return;
    const result = compute(all);
    for (let from = 0; from < all.length; from += batchRows) yield slice(result, from, Math.min(all.length, from + batchRows));
  }
  /** Gives the partitions that are over. */
  function* ended(): Generator<Batch> {
    const all = concat(input, kept);
    const from = lastStart(all, keys);
    keep(from === all.length ? [] : [slice(all, from, all.length)]);
    yield* give(slice(all, 0, from));
  }

  return {
    *process(element) {
      if (element.kind === 'batch') {
        if (element.batch.length === 0) return;
        // The last partition that is kept is over when another key comes.
        const before = rows;
        kept.push(element.batch);
        rows += element.batch.length;
        bytes += batchBytes(element.batch);
        const fits = share.hold(2 * bytes + scratchBytes * rows);
        if (keys.length > 0 && (!fits || rows >= batchRows) && (before === 0 || !sameKeys(kept, keys))) {
          for (const batch of ended()) yield { kind: 'batch', batch };
        }
        if (!share.hold(2 * bytes + scratchBytes * rows) && rows > batchRows)
          throw new SluiceError('MEMORY_EXCEEDED', {
            budgetBytes: Math.floor(share.limitBytes),
            what: `one partition of ${spec.uid}, which has ${bytes} bytes so far: give executors a larger --memory-budget, or partition by more`,
          });
        return;
      }
      if (element.kind === 'end') {
        const all = concat(input, kept);
        keep([]);
        for (const batch of give(all)) yield { kind: 'batch', batch };
        share.hold(0);
      }
      yield element;
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

/** From rows of whole partitions to the same with the results. */
function createCompute(spec: Spec, input: Schema, functions: readonly UserFunction[], keys: readonly ColumnOrder[], order: readonly ColumnOrder[]) {
  const expressions: Expression[] = [];
  const place = (expression: Expression | null): number => (expression === null ? -1 : expressions.push(expression) - 1);
  const places = spec.functions.map(({ argument, more = [], filter }) => ({
    argument: place(argument),
    more: more.map(place),
    filter: place(filter),
  }));
  const project = compileProjection(input, expressions, functions);

  const resultOf = (of: WindowFunction, at: (typeof places)[number], rows: WindowRows, columns: readonly Column[], key: RangeKey | null): Column => {
    const argument = at.argument < 0 ? null : columns[at.argument]!;
    const more = at.more.map((c) => columns[c]!);
    const ranking = Object.hasOwn(rankings, of.fn) ? rankings[of.fn] : undefined;
    if (ranking !== undefined) return ranking.compute(rows, argument, more, of.options ?? []);
    const validity = aggregates[of.fn]!.nulls === 'keep' ? null : (argument?.validity ?? null);
    const counts = countsOf(rows.length, validity, at.filter < 0 ? null : columns[at.filter]!);
    return framed({ of, rows, frames: framesOf(rows, of.frame, key), argument, more, counts });
  };

  return (batch: Batch): Batch => {
    const rows = windowRows(batch.columns, batch.length, keys, order);
    const columns = project(batch);
    const [first] = order;
    const key = first === undefined ? null : { column: batch.columns[first.column]!, descending: first.descending };
    const results = spec.functions.map((of, f) => resultOf(of, places[f]!, rows, columns, key));
    return makeBatch(spec.schema, batch.length, [...batch.columns, ...results]);
  };
}
