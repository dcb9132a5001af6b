/** Window functions that speak of a row's place in its partition: one row each, what it means and how it is worked out. */
import type { Column, ColumnType } from '../batch/batch.ts';
import { makeColumn } from '../batch/column.ts';
import { concatColumns } from '../batch/concat.ts';
import { highLane, lowLane } from '../batch/lanes.ts';
import { takeOrNull } from '../batch/take.ts';
import type { AggregateOption, Expression } from '../expression/expression.ts';
import { wrong } from '../expression/functions/row.ts';
import type { WindowRows } from './rows.ts';

export interface RankingRow {
  /** One sentence for the reader of a plan or of docs. */
  readonly doc: string;
  /** True: the result may be null. */
  readonly nullable: boolean;
  /** @throws EXPRESSION_TYPE */
  resolve(fn: string, argument: Expression | null, more: readonly Expression[], options: readonly AggregateOption[]): ColumnType;
  compute(rows: WindowRows, argument: Column | null, more: readonly Column[], options: readonly AggregateOption[]): Column;
}

const integer = { kind: 'integer' } as const;
const float64 = { kind: 'float64' } as const;

function integers(rows: WindowRows, of: (i: number, start: number, end: number) => number): Column {
  const data = new Int32Array(2 * rows.length);
  for (let i = 0; i < rows.length; i++) {
    const p = rows.partition[i]!;
    const value = of(i, rows.starts[p]!, rows.starts[p + 1]!);
    data[2 * i] = lowLane(value);
    data[2 * i + 1] = highLane(value);
  }
  return makeColumn(integer, rows.length, data);
}

function doubles(rows: WindowRows, of: (i: number, start: number, end: number) => number): Column {
  const data = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const p = rows.partition[i]!;
    data[i] = of(i, rows.starts[p]!, rows.starts[p + 1]!);
  }
  return makeColumn(float64, rows.length, data);
}

const place = (doc: string, type: ColumnType, compute: (rows: WindowRows) => Column): RankingRow => ({
  doc,
  nullable: false,
  resolve: () => type,
  compute,
});

const shifted = (doc: string, sign: 1 | -1): RankingRow => ({
  doc,
  nullable: true,
  resolve: (fn, argument, more, [offset]) => {
    if (argument === null) return wrong(`${fn} of nothing`);
    if (!Number.isSafeInteger(offset)) return wrong(`${fn} goes a whole number of rows, not ${String(offset)}`);
    const [fallback] = more;
    if (fallback !== undefined && fallback.type.kind !== argument.type.kind)
      return wrong(`${fn} of a ${argument.type.kind} cannot give a ${fallback.type.kind} beyond the partition`);
    return argument.type;
  },
  compute: (rows, argument, [fallback], [offset]) => {
    const n = rows.length;
    const from = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const p = rows.partition[i]!;
      const at = i + sign * Number(offset);
      from[i] = at >= rows.starts[p]! && at < rows.starts[p + 1]! ? at : fallback === undefined ? -1 : n + i;
    }
    const source = fallback === undefined ? argument! : concatColumns(argument!.type, [argument!, fallback], 2 * n);
    return takeOrNull(source, from);
  },
});

/** Rows by the name of their function. */
export const rankings: Readonly<Record<string, RankingRow>> = {
  rowNumber: place('The number of the row in its partition, from 1; of equal ones the earlier comes first.', integer, (rows) =>
    integers(rows, (i, start) => i - start + 1),
  ),
  rank: place('The number of the first row that is equal in the order: equal rows have the same, then some are left out.', integer, (rows) =>
    integers(rows, (i, start) => rows.peerStart[i]! - start + 1),
  ),
  denseRank: place('As rank, and none is left out.', integer, (rows) => {
    let rank = rows.peersBefore;
    return integers(rows, (i, start) => {
      if (i === start) rank = 0;
      if (rows.peerStart[i] === i) rank++;
      return rank;
    });
  }),
  percentRank: place('(rank - 1) / (rows - 1); 0 for a single row.', float64, (rows) =>
    doubles(rows, (i, start, end) => (end - start < 2 ? 0 : (rows.peerStart[i]! - start) / (end - start - 1))),
  ),
  cumeDist: place('The share of the rows that are not behind it in the order.', float64, (rows) =>
    doubles(rows, (i, start, end) => (rows.peerEnd[i]! - start) / (end - start)),
  ),
  ntile: {
    doc: 'The partition in so many parts that differ by a row at most, the larger ones first; the number of the part, from 1.',
    nullable: false,
    resolve: (fn, _argument, _more, [parts]) =>
      Number.isSafeInteger(parts) && Number(parts) > 0 ? integer : wrong(`${fn} takes a number of parts, not ${String(parts)}`),
    compute: (rows, _argument, _more, [parts]) =>
      integers(rows, (i, start, end) => {
        const size = Math.floor((end - start) / Number(parts));
        const larger = (end - start) % Number(parts);
        const at = i - start;
        const edge = larger * (size + 1);
        return at < edge ? Math.floor(at / (size + 1)) + 1 : larger + Math.floor((at - edge) / Math.max(1, size)) + 1;
      }),
  },
  lag: shifted('The value so many rows before, in the order; beyond the partition the default, or null.', -1),
  lead: shifted('The value so many rows behind, in the order; beyond the partition the default, or null.', 1),
};
