/**
 * An aggregate over frames that all begin where their partition begins: one accumulator, to which the rows behind the last frame are
 * added, asked once for each frame. It takes its rows piece by piece, so they need not be in memory together.
 */
import { createAccumulator } from '../aggregate/table.ts';
import type { Column } from '../batch/batch.ts';
import { emptyColumn } from '../batch/column.ts';
import { concatColumns } from '../batch/concat.ts';
import { sliceColumn } from '../batch/slice.ts';
import { takeColumn } from '../batch/take.ts';
import type { WindowFunction } from '../expression/expression.ts';

/** Rows [from, from + length) of a partition, as one function sees them. */
export interface FunctionRows {
  readonly from: number;
  readonly argument: Column | null;
  readonly more: readonly Column[];
  /** As in framed.ts. */
  readonly counts: Uint8Array | null;
}

export interface Growing {
  /** The rows that are in the frames so far. */
  readonly added: number;
  /** Bytes held, for budgets. */
  readonly bytes: number;
  /** Adds the rows from `added` to `end`, which `rows` holds. */
  add(end: number, rows: FunctionRows): void;
  /** Of what was added, one row. @throws VALUE_OUT_OF_RANGE */
  result(): Column;
  /** The result of each frame [0, to[i]), which never shrink; `reach` adds all rows up to an end. @throws VALUE_OUT_OF_RANGE */
  results(to: Int32Array, reach: (end: number) => void): Column;
}

/** Results of one row that are put together at once. */
const most = 1024;

export function createGrowing(of: WindowFunction): Growing {
  const accumulator = createAccumulator(of);
  accumulator.grow(1);
  let added = 0;
  let group = new Int32Array(64);

  const add = (end: number, { from, argument, more, counts }: FunctionRows): void => {
    const n = end - added;
    if (n > group.length) group = new Int32Array(2 * n);
    for (let i = 0; i < n; i++) group[i] = counts === null || counts[added - from + i] === 1 ? 0 : -1;
    const cut = (column: Column): Column => sliceColumn(column, added - from, end - from);
    accumulator.update(group, n, argument === null ? null : cut(argument), more.map(cut));
    added = end;
  };

  return {
    get added() {
      return added;
    },
    get bytes() {
      return accumulator.bytes;
    },
    add,
    result: () => accumulator.final(1),
    results(to, reach) {
      let singles: Column[] = [];
      const whole: Column[] = [];
      const at = new Int32Array(to.length);
      let count = 0;
      const gather = (): void => {
        whole.push(concatColumns(of.type, singles, singles.length));
        singles = [];
      };
      for (let i = 0; i < to.length; i++) {
        if (count === 0 || to[i]! > added) {
          if (to[i]! > added) reach(to[i]!);
          singles.push(accumulator.final(1));
          count++;
          if (singles.length === most) gather();
        }
        at[i] = count - 1;
      }
      if (singles.length > 0) gather();
      return count === 0 ? emptyColumn(of.type) : takeColumn(concatColumns(of.type, whole, count), at);
    },
  };
}
