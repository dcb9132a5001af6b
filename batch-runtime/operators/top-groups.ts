/**
 * The first rows of each group in an order, before rows are sent: what a task can leave out because it has enough that come before. It
 * keeps what came since the last cut and what the cut left, cuts when that has doubled, and gives the rows as they came in, earlier ones
 * first among equal ones.
 */
import { type Batch, batchRows, type Schema } from '../batch/batch.ts';
import { batchBytes } from '../batch/column.ts';
import { rowComparator } from '../batch/compare.ts';
import { concat } from '../batch/concat.ts';
import { slice } from '../batch/slice.ts';
import { sortRows } from '../batch/sort.ts';
import { take } from '../batch/take.ts';
import type { StageOperator } from '../graph/stage.ts';
import { type Share, unbounded } from '../spill/memory.ts';
import type { Operator } from './operator.ts';
import { columnOrder } from './sort.ts';

type Spec = Extract<StageOperator, { kind: 'top-groups' }>;

/** Memory: its share; where what it keeps does not fit it gives all of it on, which is right and only more. */
export function createTopGroups(spec: Spec, input: Schema, share: Share = unbounded().open()): Operator {
  const keys = columnOrder(
    input,
    spec.keys.map((name) => ({ name, descending: false })),
  );
  const order = columnOrder(input, spec.orderBy);
  let kept: Batch[] = [];
  let rows = 0;
  let left = 0;

  const cut = (): Batch => {
    const all = concat(input, kept);
    const first = all.length === 0 ? new Int32Array(0) : firstRows(all);
    const few = first.length === all.length ? all : take(all, first);
    kept = [few];
    rows = left = few.length;
    return few;
  };
  /** In the order in which they came. */
  const firstRows = (all: Batch): Int32Array => {
    const sorted = keys.length + order.length === 0 ? Int32Array.from({ length: all.length }, (_, i) => i) : sortRows(all, [...keys, ...order]);
    const compare = keys.length === 0 ? null : rowComparator(all.columns, all.columns, keys);
    let count = 0;
    let inGroup = 0;
    for (let i = 0; i < sorted.length; i++) {
      inGroup = i > 0 && (compare === null || compare(sorted[i - 1]!, sorted[i]!) === 0) ? inGroup + 1 : 1;
      if (inGroup <= spec.count) sorted[count++] = sorted[i]!;
    }
    return sorted.slice(0, count).sort();
  };
  function* give(): Generator<Batch> {
    const few = cut();
    kept = [];
    rows = left = 0;
    share.hold(0);
    for (let from = 0; from < few.length; from += batchRows) yield slice(few, from, Math.min(few.length, from + batchRows));
  }

  return {
    *process(element) {
      if (element.kind === 'batch') {
        kept.push(element.batch);
        rows += element.batch.length;
        if (rows - left >= Math.max(left, batchRows)) cut();
        if (!share.hold(2 * kept.reduce((sum, batch) => sum + batchBytes(batch), 0))) for (const batch of give()) yield { kind: 'batch', batch };
        return;
      }
      if (element.kind === 'end') for (const batch of give()) yield { kind: 'batch', batch };
      yield element;
    },
  };
}
