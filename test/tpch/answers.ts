/**
 * Answers to the 22 queries of TPC-H as text, for comparing: DuckDB's by the SQL of bench/etl/workloads/tpch.sql, Sluice's by the jobs of
 * examples/tpch. Decimals, counts and texts are exact, floats (averages, shares) have 12 significant digits. Rows are in the order of
 * the query.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import type { TProperties } from 'typebox';
import type { Job } from '#runtime/job.ts';
import { type RunOptions, run } from '#runtime/run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const queries = Array.from({ length: 22 }, (_, i) => `q${String(i + 1).padStart(2, '0')}`);
const tables = ['region', 'nation', 'supplier', 'customer', 'part', 'partsupp', 'orders', 'lineitem'];

/** One line per row. */
export type Answer = readonly string[];

/** Rows and a hash of their text, as digests.json keeps them. */
export const digestOf = (answer: Answer): string => `${answer.length} ${createHash('sha256').update(answer.join('\n')).digest('hex').slice(0, 32)}`;

const digits = 12;
function field(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(digits)));
  return String(value);
}

/** @param data  a folder of <table>.parquet, as tpchgen-cli makes them with that scale factor */
export async function duckdbAnswers(data: string, scale: number): Promise<ReadonlyMap<string, Answer>> {
  const texts = readFileSync(join(root, 'bench/etl/workloads/tpch.sql'), 'utf8')
    .split(/^-- TPC-H Q\d+.*$/m)
    .slice(1);
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const duck = await instance.connect();
  try {
    for (const table of tables) await duck.run(`CREATE VIEW ${table} AS SELECT * FROM read_parquet('${data}/${table}.parquet')`);
    const answers = new Map<string, Answer>();
    for (const [i, name] of queries.entries()) {
      const sql = name === 'q11' ? texts[i]!.replace('0.0001', (0.0001 / scale).toFixed(10)) : texts[i]!;
      const reader = await duck.runAndReadAll(sql);
      answers.set(
        name,
        reader.getRows().map((row) => row.map(field).join('|')),
      );
    }
    return answers;
  } finally {
    duck.closeSync();
    instance.closeSync();
  }
}

export async function sluiceAnswer(name: string, data: string, scale: number, options: RunOptions): Promise<Answer> {
  const module = pathToFileURL(join(root, 'examples/tpch', `${name}.ts`)).href;
  const { default: job } = (await import(module)) as { default: Job<TProperties, Record<string, unknown>> };
  const params = name === 'q11' ? { data, fraction: 0.0001 / scale } : { data };
  const lines: string[] = [];
  await using r = await run(job, { ...options, params, module });
  const names = r.schema?.map((column) => column.name) ?? [];
  for await (const row of r.rows()) lines.push(names.map((column) => field(row[column])).join('|'));
  await r.done();
  return lines;
}
