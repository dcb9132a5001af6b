/** A small table, what a verb makes of it by the plan's reference, and what DuckDB says to the same question. */
import type { Plan } from '#runtime/graph/plan.ts';
import { type Flow, int32, job, schema, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { withDuckDb } from '../expression/functions/duckdb.ts';
import { runPlan } from '../graph/reference.ts';

const rows = [
  { a: 'p', b: 'x', v: 1, w: 10 },
  { a: 'p', b: 'y', v: 2, w: null },
  { a: 'q', b: 'x', v: null, w: 30 },
  { a: null, b: 'x', v: 4, w: null },
  { a: null, b: 'y', v: 5, w: 50 },
  { a: 'p', b: 'z', v: 6, w: 60 },
];
const facts = schema({ a: utf8().nullable(), b: utf8(), v: int32().nullable(), w: int32().nullable() });

export const read = (flow: Flow) => flow.rows(facts, rows);
export type Facts = ReturnType<typeof read>;
export const planOf = (build: (t: Facts) => unknown): Plan =>
  buildGraph(job({ name: 'test', build: (flow) => build(read(flow)) as undefined }), {}).plan;

const text = (row: Record<string, unknown>): string =>
  JSON.stringify(
    Object.entries(row).sort(([x], [y]) => (x < y ? -1 : 1)),
    (_, value) => (typeof value === 'bigint' ? Number(value) : value),
  );

/** Rows as texts, in no order. */
export const ours = (build: (t: Facts) => unknown): string[] => runPlan(planOf(build), {})['result']!.map(text).sort();
export const theirs = (sql: string): Promise<string[]> =>
  withDuckDb(async (duck) => {
    const values = rows.map(
      (row) =>
        `(${Object.values(row)
          .map((value) => (value === null ? 'NULL' : typeof value === 'string' ? `'${value}'` : String(value)))
          .join(', ')})`,
    );
    await duck.run(`create table t as select a::VARCHAR a, b, v::INTEGER v, w::INTEGER w from (values ${values.join(', ')}) t(a, b, v, w)`);
    const answer = await duck.runAndReadAll(sql);
    return answer.getRowObjects().map(text).sort();
  });
