/**
 * What a row of the aggregate table is: its types, what it makes of nulls and of the order of rows, what travels between its two
 * phases, and its accumulator. The rows are in the files beside this one; table.ts puts them together.
 */
import type { Column, ColumnType, Field } from '../batch/batch.ts';
import type { Aggregate, AggregateOption, Expression } from '../expression/expression.ts';

/** The state of one aggregate for all groups of a table. */
export interface Accumulator {
  /** Bytes held, for budgets. */
  readonly bytes: number;
  /** Makes room for groups [0, groups). */
  grow(groups: number): void;
  /**
   * Adds row i to group[i]; -1 is a row that is left out. The argument is null for count(), and its nulls have group -1 unless the
   * row says that it keeps them. `more` are the aggregate's further arguments.
   */
  update(group: Int32Array, length: number, argument: Column | null, more: readonly Column[]): void;
  /** Adds states of another phase; `columns` as `fields` names them. */
  merge(group: Int32Array, length: number, columns: readonly Column[]): void;
  /** The states of the first `groups` groups, as `fields` names them. */
  partial(groups: number): Column[];
  /** The result column. @throws VALUE_OUT_OF_RANGE */
  final(groups: number): Column;
}

export interface AggregateRow {
  /** One sentence for the reader of a plan or of docs. */
  readonly doc: string;
  /** What it gives over no values. */
  readonly empty: 'zero' | 'null';
  /** What it gives over a single value; by default it is a value. */
  readonly lone?: 'null' | 'value';
  /** Over nulls alone it is no null. */
  readonly ofNulls?: 'value';
  /** keep: it sees the rows in which its argument is null. */
  readonly nulls: 'skip' | 'keep';
  /** Its argument may be a list or a struct. */
  readonly nested?: true;
  /** What depends on the order of rows: nothing, the last bits of a float, the result. */
  order(aggregate: Aggregate): 'nothing' | 'bits' | 'result';
  /** The type its argument is cast to. */
  readonly takes?: ColumnType;
  /** Its state grows with every value, so rows move to where their group is, not states. */
  readonly keeps?: 'values';
  /** The type of its result. @throws EXPRESSION_TYPE */
  resolve(fn: string, argument: Expression | null, more: readonly Expression[], options: readonly AggregateOption[]): ColumnType;
  /** The columns in which its state travels. */
  fields(aggregate: Aggregate): readonly Field[];
  create(aggregate: Aggregate): Accumulator;
}
export type AggregateRows = Readonly<Record<string, AggregateRow>>;
