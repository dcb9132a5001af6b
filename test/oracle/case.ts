/**
 * One random job as plain JSON: what data it reads, the verbs in order, what it gives. Made from a seed by generate.ts; job.ts
 * makes the tables of it, sql.ts the same question to DuckDB. Neither knows the other, so they can only agree by being right.
 */
import type { JoinKind } from '#runtime/graph/plan.ts';

/** What random expressions compute with. */
export type ComputedKind = 'bool' | 'int32' | 'integer' | 'int64' | 'float64' | 'utf8' | 'date' | 'timestamp';
/** Decimals of 12, 30 and 38 digits; what is computed of them is cast to one of these. */
export type DecimalKind = 'decimal' | 'wide' | 'total' | 'wideTotal';
/** What is carried through all verbs, compared, grouped, joined and sorted by, and computed with only by `when`, but for decimals. */
export type CarriedKind = DecimalKind | 'int8' | 'uint16' | 'uint32' | 'uint64' | 'float32' | 'bytes' | 'time' | 'localTimestamp' | 'localNs';
export type Kind = ComputedKind | CarriedKind;

/** An expression; calls have the method of the fluent API as their name. Literals at rest: int64, timestamp and decimals as text, date as ISO text. */
export type Expr =
  /** `side`: in the condition of a join. */
  | { readonly op: 'column'; readonly name: string; readonly kind: Kind; readonly side?: 'left' | 'right' }
  | { readonly op: 'literal'; readonly value: boolean | number | string | null; readonly kind: Kind }
  | {
      readonly op: 'call';
      readonly fn: string;
      readonly args: readonly Expr[];
      readonly kind: Kind;
      readonly option?: string | number;
      /** Of a row of the function table: what is written down behind the arguments, and its SQL with $1 for the first of them. */
      readonly more?: readonly (string | number)[];
      readonly sql?: string;
    };

export interface Named {
  readonly name: string;
  readonly expr: Expr;
}

export interface AggregateSpec {
  readonly name: string;
  readonly fn: AggregateName | RankingName;
  readonly arg: Expr | null;
  readonly filter: Expr | null;
  /** The share of a quantile, the parts of ntile, the rows of lag and lead. */
  readonly option?: number;
  /** Of first and last: the key. Of lag and lead: what is there beyond the partition. */
  readonly by?: Expr;
  readonly frame?: Frame;
}
export type AggregateName =
  | 'count'
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'countDistinct'
  | 'median'
  | 'quantile'
  | 'variance'
  | 'variancePop'
  | 'stddev'
  | 'stddevPop'
  | 'first'
  | 'last';
export type RankingName = 'rank' | 'denseRank' | 'rowNumber' | 'percentRank' | 'cumeDist' | 'ntile' | 'lag' | 'lead';

/** Bounds as distances from the current row, null for all there are. */
export interface Frame {
  readonly unit: 'rows' | 'range';
  readonly bounds: readonly [number | null, number | null];
}

export interface Key {
  readonly name: string;
  readonly descending: boolean;
}

/** A column of a source. `sql` computes it from `i`, the number of the row, and nothing else. */
export interface SourceColumn {
  readonly name: string;
  readonly kind: Kind;
  readonly nullable: boolean;
  readonly sql: string;
}

export interface SourceTable {
  readonly format: 'parquet' | 'csv' | 'values';
  readonly rows: number;
  /** Rows are cut into so many files. */
  readonly files: number;
  /** What COPY is told besides: row group size, compression, version. */
  readonly options: string;
  readonly columns: readonly SourceColumn[];
  /** Columns that only an `open` right behind it reads; Parquet has them. */
  readonly nested?: NestedSource;
}

/** A struct of `a`, an int32, and `b`, a list of texts; and a list of int32. Anything in them may be null. */
export interface NestedSource {
  readonly struct: { readonly name: string; readonly sql: string };
  readonly list: { readonly name: string; readonly sql: string };
}
export interface Carry {
  readonly verb: 'none' | 'repartition' | 'orderBy' | 'filter';
  readonly key: string;
}

/** A verb; `input` and the like are steps before it. */
export type Step =
  | { readonly op: 'read'; readonly source: number }
  | { readonly op: 'filter'; readonly input: number; readonly condition: Expr }
  | { readonly op: 'derive'; readonly input: number; readonly columns: readonly Named[] }
  | { readonly op: 'select'; readonly input: number; readonly names: readonly string[]; readonly columns: readonly Named[] }
  | { readonly op: 'drop'; readonly input: number; readonly names: readonly string[] }
  | { readonly op: 'rename'; readonly input: number; readonly names: Readonly<Record<string, string>> }
  | { readonly op: 'dropNulls'; readonly input: number; readonly names: readonly string[] }
  /** Without aggregates it is a DISTINCT of the keys; without keys one row. */
  | {
      readonly op: 'aggregate';
      readonly input: number;
      readonly keys: readonly string[];
      readonly computed: readonly Named[];
      readonly aggregates: readonly AggregateSpec[];
    }
  | {
      readonly op: 'join';
      readonly left: number;
      readonly right: number;
      readonly how: JoinKind;
      readonly on: readonly (readonly [string, string])[];
      readonly prefix: string;
      /** Names of the columns it goes by, left and right; null: it is no as-of join. */
      readonly asOf: readonly [string, string] | null;
      /** Which pairs count; without keys and condition it is a cross join. */
      readonly where: Expr | null;
    }
  /** Both have the same columns. */
  | { readonly op: 'union' | 'intersect' | 'except'; readonly left: number; readonly right: number }
  /** A column for each function, over the same partitions in the same order; without an order over all of the partition. */
  | {
      readonly op: 'window';
      readonly input: number;
      readonly partitionBy: readonly string[];
      readonly orderBy: readonly Key[];
      readonly functions: readonly AggregateSpec[];
    }
  | {
      readonly op: 'subtotals';
      readonly input: number;
      readonly verb: 'rollup' | 'cube' | 'groupingSets';
      /** Of groupingSets. */
      readonly sets: readonly (readonly string[])[];
      readonly keys: readonly string[];
      readonly id: string;
      readonly aggregates: readonly AggregateSpec[];
    }
  | { readonly op: 'unpivot'; readonly input: number; readonly names: readonly string[]; readonly name: string; readonly value: string }
  /** Struct and list of a source are carried, then become plain columns; with `item` a row for each value of the list. */
  | {
      readonly op: 'open';
      readonly input: number;
      readonly struct: string;
      readonly list: string;
      readonly carry: Carry;
      readonly at: number;
      readonly wanted: number;
      readonly made: { readonly field: string; readonly tag: string; readonly length: string; readonly has: string };
      readonly item: string | null;
      readonly place: string | null;
      readonly outer: boolean;
    }
  /** A row for each part of a text. */
  | {
      readonly op: 'split';
      readonly input: number;
      readonly text: string;
      readonly by: string;
      readonly name: string;
      readonly place: string | null;
      readonly outer: boolean;
    }
  /** The values of a column as a list for each group, which comes apart again, and how many they are. */
  | {
      readonly op: 'gather';
      readonly input: number;
      readonly keys: readonly string[];
      readonly column: string;
      readonly name: string;
      readonly count: string;
    }
  /** A column of the names for each of the values of `key`. */
  | {
      readonly op: 'pivot';
      readonly input: number;
      readonly keys: readonly string[];
      readonly key: string;
      readonly values: readonly (string | number | boolean)[];
      readonly names: readonly string[];
      readonly aggregate: AggregateSpec;
    }
  /** Without names by all columns; with names the input is in a total order, and the first row of each stays. */
  | { readonly op: 'distinct'; readonly input: number; readonly names: readonly string[] }
  /** What depends on the order of rows in a group; the input is in a total order. */
  | {
      readonly op: 'inOrder';
      readonly input: number;
      readonly keys: readonly string[];
      readonly column: string;
      readonly text: string | null;
      readonly separator: string;
      readonly at: number;
      readonly made: { readonly first: string; readonly last: string; readonly one: string; readonly length: string; readonly joined: string };
    }
  /** The rows whose place in their partition is not behind `count`. */
  | {
      readonly op: 'topGroups';
      readonly input: number;
      readonly fn: 'rowNumber' | 'rank' | 'denseRank';
      readonly partitionBy: readonly string[];
      readonly orderBy: readonly Key[];
      readonly count: number;
    }
  /** How many values of a column differ, exactly, and whether the sketches are as near as they promise. */
  | {
      readonly op: 'approximate';
      readonly input: number;
      readonly keys: readonly string[];
      readonly column: string;
      /** A number. */
      readonly number: string;
      readonly share: number;
      readonly made: { readonly exact: string; readonly nearCount: string; readonly nearQuantile: string };
    }
  /** A sample and what is not in it, together again: with `by` all rows, without it the different ones. */
  | { readonly op: 'sample'; readonly input: number; readonly by: string | null; readonly fraction: number; readonly seed: number }
  /** By a function of TypeScript; `column` is a whole number, and `columns` are all of the input. */
  | {
      readonly op: 'rows';
      readonly input: number;
      readonly verb: 'map' | 'flatMap' | 'filterRows' | 'deriveRows';
      readonly column: string;
      readonly columns: readonly { readonly name: string; readonly kind: Kind }[];
      readonly divisor: number;
      /** What it adds; filterRows adds nothing. */
      readonly name: string;
      readonly isAsync: boolean;
      readonly ordered: boolean;
    }
  | { readonly op: 'repartition'; readonly input: number; readonly keys: readonly string[] }
  | { readonly op: 'orderBy'; readonly input: number; readonly keys: readonly Key[] }
  | { readonly op: 'limit'; readonly input: number; readonly count: number };

export interface OutColumn {
  readonly name: string;
  readonly kind: Kind;
  /** An average: compared to 12 digits. */
  readonly inexact: boolean;
}

/** What is compared. Where `limit` cuts rows that no order tells apart, any of `of` will do and the keys alone are compared. */
export interface Output {
  readonly step: number;
  readonly to: 'result' | 'parquet' | 'csv';
  readonly partitionBy: readonly string[];
  readonly columns: readonly OutColumn[];
  /** The rows come in this order; empty: in any. */
  readonly order: readonly Key[];
  /** The step is a limit that may keep any rows of its input: so many of them. */
  readonly any: number | null;
}

export interface Case {
  readonly seed: number;
  readonly number: number;
  readonly sources: readonly SourceTable[];
  readonly steps: readonly Step[];
  readonly outputs: readonly Output[];
  readonly partitions: number;
  /** False: every join moves both sides. */
  readonly broadcast: boolean;
  /** Sources give batches of so many rows at most; null: as they come. */
  readonly batchRows: number | null;
  /** Of both executors: twice as many tasks read a shuffle. */
  readonly slots: number;
}

export const inputsOf = (step: Step): readonly number[] => (step.op === 'read' ? [] : 'left' in step ? [step.left, step.right] : [step.input]);

/** The steps that outputs need. */
export function used(one: Case): ReadonlySet<number> {
  const wanted = new Set(one.outputs.map(({ step }) => step));
  for (let at = one.steps.length - 1; at >= 0; at--) if (wanted.has(at)) for (const input of inputsOf(one.steps[at]!)) wanted.add(input);
  return wanted;
}
