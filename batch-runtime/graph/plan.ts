/**
 * The plan of a job as data: nodes in topological order, each naming its inputs by index, so shared sub-plans are
 * shared by construction. Rules are pure functions Plan -> Plan; stages.ts cuts it into stages. JSON-able, except
 * that user functions stand beside it in `Graph.functions`, addressed by slot.
 */
import type { ColumnType, Schema } from '../batch/batch.ts';
import type { PlainValue } from '../batch/rows.ts';
import type { Aggregate, Expression, WindowFunction } from '../expression/expression.ts';
import type { Places } from './places.ts';

export type NodeId = number;

export type JoinKind = 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti';
/** Columns of one type, by which an as-of join orders the right rows. */
export interface AsOf {
  readonly left: string;
  readonly right: string;
}
/** Before the name of a column of the right side in a join's `where`. */
export const rightMark = '\u0000right.';

/** What a connector needs to know, as plain JSON; `connector` names the row of connectors/connector.ts's table. */
export interface SourceSpec {
  readonly connector: string;
  readonly [option: string]: unknown;
}
export interface SinkSpec {
  readonly connector: string;
  readonly [option: string]: unknown;
}

export interface SortKey {
  readonly name: string;
  readonly descending: boolean;
}

/** Which list becomes rows: its values stand in its place as `item`, and which each is (from 1) in `ordinality`. */
export interface Unnesting {
  readonly column: string;
  readonly item: string;
  readonly ordinality: string | null;
  /** A row without a value stays, with a null. */
  readonly outer: boolean;
}

/** How a row function is called. map, flatMap: rows of the schema · filterRows: which rows stay · deriveRows: columns beside the input's. */
export interface RowCalls {
  readonly verb: 'map' | 'flatMap' | 'filterRows' | 'deriveRows';
  readonly slot: number;
  /** The columns of its schema that the function gives; the others pass by it. */
  readonly gives: readonly string[];
  /** Calls that may wait at the same time, for a function that gives promises. */
  readonly concurrency: number;
  /** Rows leave in the order they came. */
  readonly ordered: boolean;
  /** A call may wait this long; 0 = for ever. */
  readonly timeoutMs: number;
  /** False: called again it may give other rows. */
  readonly deterministic: boolean;
}

/**
 * `schema` is what the node gives. Nulls sort last, ascending and descending alike (as DuckDB does). `uid`
 * names a node in errors, progress and functions: written by the user or made from kind and position.
 */
export type PlanNode = { readonly uid: string; readonly schema: Schema } & (
  | {
      readonly kind: 'scan';
      readonly name: string;
      readonly source: SourceSpec;
      /** Columns of the source to read, in order; `schema` has just these. Set by pruning. */
      readonly columns: readonly string[];
      /** Rows for which it is not true may be left out (statistics); the filter above stays. Set by pushdown. */
      readonly predicate: Expression | null;
    }
  | { readonly kind: 'values'; readonly rows: readonly (readonly PlainValue[])[] }
  | { readonly kind: 'filter'; readonly input: NodeId; readonly condition: Expression }
  /** select, derive, drop and rename all are this. */
  | { readonly kind: 'project'; readonly input: NodeId; readonly columns: readonly { readonly name: string; readonly expression: Expression }[] }
  | { readonly kind: 'aggregate'; readonly input: NodeId; readonly keys: readonly string[]; readonly aggregates: readonly Aggregate[] }
  /**
   * Gives the left columns, then the right ones without its keys, renamed by `prefix`; semi and anti the left ones alone. Null keys
   * match nothing. `where`: of the pairs whose keys are equal only those count for which it is true; it names the columns of the
   * left as they are, those of the right behind `rightMark`. Without keys every pair is one. The key columns of rows that only
   * the right side has are the right one's.
   */
  | {
      readonly kind: 'join';
      readonly left: NodeId;
      readonly right: NodeId;
      readonly how: JoinKind;
      readonly leftKeys: readonly string[];
      readonly rightKeys: readonly string[];
      readonly prefix: string;
      readonly where: Expression | null;
      /**
       * Of a semi join that only spares work: what it leaves out nobody misses. Where the right side has more than so many keys every row may pass.
       * Set by a rule.
       */
      readonly keysUpTo?: number;
      /** Null keys match each other. */
      readonly nullsEqual?: true;
      /**
       * Of the right rows with equal keys only the last whose value is at or below the left row's matches; of equal values the last that came. Nulls
       * match nothing. Only inner and left, without `where`.
       */
      readonly asOf?: AsOf;
    }
  /** A row for each projection, in order; all have the columns of the schema. */
  | {
      readonly kind: 'expand';
      readonly input: NodeId;
      readonly projections: readonly (readonly { readonly name: string; readonly expression: Expression }[])[];
    }
  /** A row for each value of a list. */
  | ({ readonly kind: 'unnest'; readonly input: NodeId } & Unnesting)
  /** The rows of all inputs, duplicates too. Their schemas have the names and types of `schema` in its order; null where one of them may be. */
  | { readonly kind: 'union'; readonly inputs: readonly NodeId[] }
  /** The same rows, spread over tasks by the hash of these keys. */
  | { readonly kind: 'repartition'; readonly input: NodeId; readonly keys: readonly string[] }
  /**
   * The input's columns, and one more for each function. Rows come in the order of the keys. `limit`: rows behind so many of their
   * partition may be left out, the filter above drops them; set by a rule.
   */
  | {
      readonly kind: 'window';
      readonly input: NodeId;
      readonly partitionBy: readonly string[];
      readonly orderBy: readonly SortKey[];
      readonly functions: readonly WindowFunction[];
      readonly limit: number | null;
    }
  /** A total order; `limit` null = all of it. */
  | { readonly kind: 'sort'; readonly input: NodeId; readonly keys: readonly SortKey[]; readonly limit: number | null }
  | { readonly kind: 'limit'; readonly input: NodeId; readonly count: number }
  /** A function over rows, by its slot among the graph's row functions. */
  | ({ readonly kind: 'rows'; readonly input: NodeId } & RowCalls)
  | { readonly kind: 'sink'; readonly input: NodeId; readonly name: string; readonly sink: SinkSpec }
);

export interface Plan {
  readonly name: string;
  readonly nodes: readonly PlanNode[];
  /** The table that `build` returned, if any. */
  readonly result: NodeId | null;
}

/** A user function of the rebuilt graph. */
export interface UserFunction {
  readonly uid: string;
  readonly argumentTypes: readonly { readonly type: ColumnType; readonly nullable: boolean }[];
  readonly result: { readonly type: ColumnType; readonly nullable: boolean };
  readonly run: (...args: never[]) => unknown;
}

/** A function over rows of the rebuilt graph; what it gives is checked against the schema of its node. */
export interface RowFunction {
  readonly uid: string;
  readonly run: (row: never, call: { readonly signal: AbortSignal }) => unknown;
}

/** What a job module builds to, in every process alike. `digest` covers the plan and each function's text. */
export interface Graph {
  readonly plan: Plan;
  readonly functions: readonly UserFunction[];
  readonly rowFunctions: readonly RowFunction[];
  /** Where each node's verb stands; not in the digest. */
  readonly places: Places;
  readonly digest: string;
}

export const inputsOf = (node: PlanNode): readonly NodeId[] => {
  if (node.kind === 'scan' || node.kind === 'values') return [];
  if (node.kind === 'union') return node.inputs;
  return node.kind === 'join' ? [node.left, node.right] : [node.input];
};
