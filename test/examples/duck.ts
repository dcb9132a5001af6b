/** What the examples' tests share: DuckDB over the same files, rows as text with floats by 12 digits, and a job run to its rows. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import type { TProperties } from 'typebox';
import type { Job } from '#runtime/job.ts';
import { type RunOptions, run } from '#runtime/run.ts';

export const data = fileURLToPath(new URL('../data/', import.meta.resolve('vega-datasets')));
export const folder = mkdtempSync(join(tmpdir(), 'sluice-example-'));
const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
const duck = await instance.connect();
after(() => {
  duck.closeSync();
  instance.closeSync();
  rmSync(folder, { recursive: true });
});

const asText = (values: readonly unknown[]): string =>
  JSON.stringify(values.map((value) => (typeof value === 'number' ? Number(value.toPrecision(12)) : value === null ? null : String(value))));

/** Numbers DuckDB counts in 64 bits are asked for as DOUBLE. */
export const rowsOf = async (sql: string): Promise<string[]> => (await duck.runAndReadAll(sql)).getRows().map(asText);

export async function returned<P extends TProperties, R>(job: Job<P, R>, params: NonNullable<RunOptions['params']>): Promise<string[]> {
  await using running = await run(job, { params, shuffle: 'memory' });
  const rows: string[] = [];
  for await (const row of running.rows()) rows.push(asText(Object.values(row as object)));
  await running.done();
  return rows;
}
