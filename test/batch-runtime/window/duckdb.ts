/** Compares window functions with DuckDB, over partitions of edge values. */
import assert from 'node:assert/strict';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { Frame, WindowFunction } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import type { Value } from '#runtime/expression/values.ts';
import type { SortKey } from '#runtime/graph/plan.ts';
import { createSort } from '#runtime/operators/sort.ts';
import { createWindow } from '#runtime/operators/window.ts';
import { callOrRanking } from '#runtime/window/call.ts';
import { batchOf } from '../batch/columns.ts';
import { ours, sqlOf } from '../expression/functions/duckdb.ts';
import { edges, nameOf, type TypeName, typeOf } from '../expression/random.ts';
import { namedRows, run } from '../operators/run.ts';

export interface WindowCase {
  readonly fn: string;
  /** Of the argument; null: it has none. */
  readonly kind: TypeName | null;
  readonly sql: string;
  readonly options?: readonly (string | number)[];
  /** A default behind the argument, the second column. */
  readonly fallback?: true;
  readonly frame?: Frame;
  /** Of the key k, beside the number of the row. */
  readonly key?: TypeName;
  readonly descending?: boolean;
  /** Rows that are equal in k are told apart by their number: for what asks for places. */
  readonly total?: true;
  readonly without?: (value: Value) => boolean;
  readonly within?: number;
}

export const wholeFrame: Frame = { unit: 'range', start: null, end: null };
const bound = (of: number | null, isStart: boolean): string =>
  of === null ? `UNBOUNDED ${isStart ? 'PRECEDING' : 'FOLLOWING'}` : of === 0 ? 'CURRENT ROW' : of < 0 ? `${-of} PRECEDING` : `${of} FOLLOWING`;

/** @returns rows compared */
export async function compareWindow(duck: DuckDBConnection, one: WindowCase): Promise<number> {
  const { fn, kind, key = 'int32', descending = false, frame = { unit: 'range', start: null, end: 0 }, options = [] } = one;
  const schema: Schema = [
    { name: 'i', type: { kind: 'int32' }, nullable: false },
    { name: 'p', type: { kind: 'int32' }, nullable: true },
    { name: 'k', type: typeOf(key), nullable: true },
    { name: 'x', type: typeOf(kind ?? 'int32'), nullable: true },
    { name: 'y', type: typeOf(kind ?? 'int32'), nullable: true },
  ];
  const values = [null, ...edges[kind ?? 'int32'].filter((value) => !one.without?.(value))];
  const keys = [null, ...(key === 'int32' ? [1, 2, 2, 3, 5, 9, -4] : edges[key])];
  const rows = Array.from({ length: 60 }, (_, i): Value[] => [
    i,
    i % 7 === 6 ? null : i < 40 ? 0 : i % 3,
    keys[(i * 5 + (i >> 3)) % keys.length]!,
    values[(i * 3 + (i >> 2)) % values.length]!,
    values[(i * 2 + 1) % values.length]!,
  ]);
  const batch = batchOf(schema, rows);
  const orderBy: SortKey[] = [{ name: 'k', descending }, ...(one.total ? [{ name: 'i', descending: false }] : [])];
  const [, , , x, y] = schema.map(columnRef);
  const call = callOrRanking(fn, { argument: kind === null ? null : x!, more: one.fallback ? [y!] : [], options, filter: null }, frame);
  const of: WindowFunction = { name: 'w', ...call, frame };
  const out: Schema = [...schema, { name: 'w', type: of.type, nullable: of.nullable }];
  const sorted = run(
    createSort({ kind: 'sort', uid: 's', input: 0, keys: [{ name: 'p', descending: false }, ...orderBy], limit: null, schema }, schema),
    [batch],
  );
  const window = createWindow({ kind: 'window', uid: 'w', input: 0, partitionBy: ['p'], orderBy, functions: [of], schema: out }, schema, []);
  const mine = namedRows(run(window, sorted.flatMap(cut))).sort((a, b) => Number(a['i']) - Number(b['i']));

  const tuples = rows.map((row) => `(${row.map((value, c) => sqlOf(value, nameOf(schema[c]!.type))).join(', ')})`);
  const order = orderBy.map(({ name }) => `${name} ${name === 'k' && descending ? 'desc' : 'asc'} nulls last`).join(', ');
  const over = `partition by p order by ${order} ${frame.unit} between ${bound(frame.start, true)} and ${bound(frame.end, false)}`;
  const sql = `${one.sql} over (${over})`;
  const typed = ['int32', 'integer', 'int64'].includes(of.type.kind) ? `(${sql})::BIGINT` : sql;
  const answer = await duck.runAndReadAll(`select ${typed} from (values ${tuples.join(', ')}) t(i, p, k, x, y) order by i`);
  answer.getRows().forEach(([given], i) => {
    const theirs = ours(given, of.type);
    const value = mine[i]!['w']!;
    const near = (a: number, b: number): boolean => one.within !== undefined && Math.abs(a - b) <= one.within * Math.max(1, Math.abs(a), Math.abs(b));
    const isSame =
      typeof value === 'number' && typeof theirs === 'number' ? Object.is(value + 0, theirs + 0) || near(value, theirs) : value === theirs;
    assert.ok(
      isSame,
      `${sql}, ${kind}, ${key}, row ${i} ${JSON.stringify(rows[i], (_, v) => (typeof v === 'bigint' ? String(v) : v))}: ${String(value)}, DuckDB ${String(theirs)}`,
    );
    assert.ok(value !== null || of.nullable, `${sql} is not nullable`);
  });
  return rows.length;
}

/** In batches that cut partitions. */
const cut = (batch: Batch): Batch[] => [0, 9, 10, 31].map((from, k, cuts) => slice(batch, from, Math.min(batch.length, cuts[k + 1] ?? batch.length)));
