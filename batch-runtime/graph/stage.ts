/**
 * Stages: what tasks run. A stage is a small graph of operators between exchanges; every task of it runs all of them
 * over its share of the input. Plain JSON: the executor gets the whole of it once per job and then only (stage, task,
 * attempt, share). Made by stages.ts, run by execute/task.ts.
 */
import type { Schema } from '../batch/batch.ts';
import type { PlainValue } from '../batch/rows.ts';
import type { Aggregate, Expression, WindowFunction } from '../expression/expression.ts';
import type { AsOf, JoinKind, RowCalls, SinkSpec, SortKey, SourceSpec, Unnesting } from './plan.ts';

export type StageId = number;
export type EdgeId = number;

export type Distribution =
  /** Partition = floor(hash32(keys) * partitions / 2^32). */
  | { readonly kind: 'hash'; readonly keys: readonly string[] }
  /** By bounds the coordinator makes from the samples of stage `sampledBy` (task ends carry them). */
  | { readonly kind: 'range'; readonly keys: readonly SortKey[]; readonly sampledBy: StageId }
  /** Every reader task gets everything: one partition, read by all. */
  | { readonly kind: 'broadcast' }
  /** Task i writes partition i. */
  | { readonly kind: 'forward' }
  /** All to partition 0. */
  | { readonly kind: 'single' };

/** One exchange. Blocking for now; mode and distribution are two fields, not one. */
export interface Edge {
  readonly id: EdgeId;
  readonly from: StageId;
  readonly mode: 'blocking' | 'pipelined';
  readonly distribution: Distribution;
  readonly schema: Schema;
  /** False when a re-run could give other rows, or other rows per partition (a function that says so). */
  readonly deterministic: boolean;
}

/** Operators of a stage in topological order; `input` is an index into the list. */
export type StageOperator = { readonly uid: string; readonly schema: Schema } & (
  | { readonly kind: 'scan'; readonly source: SourceSpec; readonly columns: readonly string[]; readonly predicate: Expression | null }
  | { readonly kind: 'values'; readonly rows: readonly (readonly PlainValue[])[] }
  /** Reads an edge: the task's partition range, or (broadcast) all of it. `ordered`: map by map, in order. */
  | { readonly kind: 'fetch'; readonly edge: EdgeId; readonly ordered: boolean }
  | { readonly kind: 'filter'; readonly input: number; readonly condition: Expression }
  | { readonly kind: 'project'; readonly input: number; readonly columns: readonly { readonly name: string; readonly expression: Expression }[] }
  /** partial: rows -> keys + accumulator columns · final: those -> result · complete: rows -> result at once. */
  | {
      readonly kind: 'aggregate';
      readonly input: number;
      readonly phase: 'partial' | 'final' | 'complete';
      readonly keys: readonly string[];
      readonly aggregates: readonly Aggregate[];
    }
  /** Builds a table from `build`, then streams `probe` (the left side) past it. */
  | {
      readonly kind: 'join';
      readonly probe: number;
      readonly build: number;
      readonly how: JoinKind;
      readonly probeKeys: readonly string[];
      readonly buildKeys: readonly string[];
      readonly prefix: string;
      readonly where: Expression | null;
      /** As the plan's: `build` are the `keys` of the right side. */
      readonly keysUpTo?: number;
      readonly nullsEqual?: true;
      /** As the plan's: left is the probe. */
      readonly asOf?: AsOf;
    }
  /** What comes from any input, under one schema. */
  | { readonly kind: 'union'; readonly inputs: readonly number[] }
  /** A row for each projection. */
  | {
      readonly kind: 'expand';
      readonly input: number;
      readonly projections: readonly (readonly { readonly name: string; readonly expression: Expression }[])[];
    }
  /** A row for each value of a list. */
  | ({ readonly kind: 'unnest'; readonly input: number } & Unnesting)
  /** Its input comes in order of the partition keys, then of the order keys. */
  | {
      readonly kind: 'window';
      readonly input: number;
      readonly partitionBy: readonly string[];
      readonly orderBy: readonly SortKey[];
      readonly functions: readonly WindowFunction[];
    }
  /** The first `count` rows of each group, in no order. */
  | {
      readonly kind: 'top-groups';
      readonly input: number;
      readonly keys: readonly string[];
      readonly orderBy: readonly SortKey[];
      readonly count: number;
    }
  | { readonly kind: 'sort'; readonly input: number; readonly keys: readonly SortKey[]; readonly limit: number | null }
  | { readonly kind: 'limit'; readonly input: number; readonly count: number }
  /** Runs a function over each row; waits for it where it gives promises. */
  | ({ readonly kind: 'rows'; readonly input: number } & RowCalls)
  /** The different keys, in no order; where there are more than `upTo`, one row of nulls instead of them. No key is null. */
  | { readonly kind: 'keys'; readonly input: number; readonly keys: readonly string[]; readonly upTo: number }
  /** Keeps a bounded sample of the keys for range bounds; passes everything on, or ends a branch. */
  | { readonly kind: 'sample'; readonly input: number; readonly keys: readonly SortKey[] }
  /** Ends a branch: writes an edge. */
  | { readonly kind: 'store'; readonly input: number; readonly edge: EdgeId }
  /** Ends a branch: writes a sink, published by the coordinator on success. */
  | { readonly kind: 'sink'; readonly input: number; readonly name: string; readonly sink: SinkSpec }
);

/** How many tasks, and what each gets: a split of the scan · a range of the partitions of the fetched edges · everything. */
export type Parallelism = { readonly kind: 'splits' } | { readonly kind: 'partitions' } | { readonly kind: 'single' };

export interface Stage {
  readonly id: StageId;
  readonly parallelism: Parallelism;
  readonly operators: readonly StageOperator[];
  /** Stages that must have finished before this one starts. */
  readonly after: readonly StageId[];
}

export interface StageGraph {
  readonly stages: readonly Stage[];
  readonly edges: readonly Edge[];
  /** The edge the coordinator reads for the job's returned table, in partition order; null = none. */
  readonly result: EdgeId | null;
}

/** Operators whose rows come to this one, by port. */
export const inputsOf = (operator: StageOperator): readonly number[] => {
  if (operator.kind === 'scan' || operator.kind === 'values' || operator.kind === 'fetch') return [];
  if (operator.kind === 'union') return operator.inputs;
  return operator.kind === 'join' ? [operator.probe, operator.build] : [operator.input];
};

/** Operators that end a branch: what a task of the stage runs for. */
export const endsOf = ({ operators }: Pick<Stage, 'operators'>): number[] => {
  const read = new Set(operators.flatMap(inputsOf));
  return operators.flatMap(({ kind }, index) => (kind === 'store' || kind === 'sink' || (kind === 'sample' && !read.has(index)) ? [index] : []));
};
