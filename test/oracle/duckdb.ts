/** DuckDB's part: makes the data of a case, writes its files, answers it, and reads what sinks wrote. */
import { existsSync, globSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { carried, carriedKinds } from './carried.ts';
import type { CarriedKind, Case, Kind, OutColumn, Output, SourceTable } from './case.ts';
import { type Cell, cell, type Rows } from './compare.ts';
import { cellSql, outputSql, quoted, sqlType } from './sql.ts';

export interface Duck {
  /** Makes the tables of a case and, in `folder`, their files. What is written down in the job comes back as rows by source. */
  prepare(one: Case, folder: string): Promise<Readonly<Record<string, readonly Record<string, unknown>[]>>>;
  expected(one: Case, output: Output): Promise<Rows>;
  /** What a sink has written at `path`. */
  written(output: Output, path: string): Promise<Rows>;
  close(): void;
}

/** Types that a Parquet file may have for a column of that kind. */
const stored: Readonly<Record<Kind, readonly string[]>> = {
  bool: ['BOOLEAN'],
  int32: ['INTEGER'],
  integer: ['BIGINT'],
  int64: ['BIGINT'],
  float64: ['DOUBLE'],
  utf8: ['VARCHAR'],
  date: ['DATE'],
  timestamp: ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE'],
  ...(Object.fromEntries(carriedKinds.map((kind) => [kind, carried[kind].stored])) as Record<CarriedKind, readonly string[]>),
};

export async function openDuck(): Promise<Duck> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  return {
    async prepare(one, folder) {
      const values: Record<string, readonly Record<string, unknown>[]> = {};
      for (const [at, source] of one.sources.entries()) {
        const list = [...source.columns, ...Object.values(source.nested ?? {})]
          .map(({ name, sql }: { readonly name: string; readonly sql: string }) => `${sql} AS ${quoted(name)}`)
          .join(', ');
        await connection.run(`CREATE OR REPLACE TABLE source_${at} AS SELECT ${list} FROM range(${source.rows}) t(i)`);
        if (source.format === 'values') values[at] = await writtenDown(connection, at, source);
        else await copy(connection, at, source, join(folder, `source-${at}`));
      }
      return values;
    },
    expected: async (one, output) => rowsOf(connection, outputSql(one, output), output.columns),
    async written(output, path) {
      if (output.to === 'csv') {
        const columns = output.columns.map(({ name }) => `'${name}': 'VARCHAR'`).join(', ');
        const options = `header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false`;
        const from = `read_csv('${path}', ${options}, columns = {${columns}}, parallel = false)`;
        const typed = output.columns.map(({ name, kind }) => `CAST(${quoted(name)} AS ${sqlType[kind]}) AS ${quoted(name)}`).join(', ');
        return rowsOf(connection, `SELECT ${cellsSql(output)} FROM (SELECT ${typed} FROM ${from})`, output.columns);
      }
      if (!existsSync(path)) throw new Error(`there is no ${path}`);
      if (globSync(`${path}/**/*.parquet`).length === 0) return [];
      const from = `read_parquet('${path}/**/*.parquet', hive_partitioning = ${output.partitionBy.length > 0}, hive_types_autocast = false)`;
      const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${from}`);
      const types = new Map(described.getRows().map((row) => [String(row[0]), String(row[1])]));
      for (const { name, kind } of output.columns) {
        const type = types.get(name) ?? 'nothing';
        if (!output.partitionBy.includes(name) && !stored[kind].includes(type)) throw new Error(`${path} has ${type} for ${name}, which is ${kind}`);
      }
      const typed = output.columns.map(({ name, kind }) => {
        const cell = output.partitionBy.includes(name) ? `CAST(${quoted(name)} AS ${sqlType[kind]})` : quoted(name);
        return `${cell} AS ${quoted(name)}`;
      });
      return rowsOf(connection, `SELECT ${cellsSql(output)} FROM (SELECT ${typed.join(', ')} FROM ${from})`, output.columns);
    },
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

const cellsSql = ({ columns }: Output): string => columns.map(({ name, kind }) => cellSql(name, kind)).join(', ');

async function rowsOf(connection: DuckDBConnection, sql: string, columns: readonly OutColumn[]): Promise<Rows> {
  const reader = await connection.runAndReadAll(sql);
  return reader.getRows().map((row) => row.map((value, c): Cell => cell(value as string | number | boolean | bigint | null, columns[c]!)));
}

/** The rows of a small table as a user writes them down, in JSON: moments and days as ISO text, int64 as digits. */
async function writtenDown(connection: DuckDBConnection, at: number, { columns }: SourceTable): Promise<Record<string, unknown>[]> {
  const list = columns.map(({ name, kind }) => {
    const cell = quoted(name);
    if (kind === 'timestamp') return `strftime(${cell}, '%Y-%m-%dT%H:%M:%S.%fZ') AS ${cell}`;
    if (kind === 'date') return `strftime(${cell}, '%Y-%m-%d') AS ${cell}`;
    return kind === 'int64' ? `${cell}::VARCHAR AS ${cell}` : kind === 'integer' ? `${cell}::DOUBLE AS ${cell}` : cell;
  });
  const reader = await connection.runAndReadAll(`SELECT ${list.join(', ')} FROM source_${at}`);
  return reader.getRows().map((row) => Object.fromEntries(columns.map(({ name }, c) => [name, row[c]])));
}

async function copy(connection: DuckDBConnection, at: number, { format, rows, files, options }: SourceTable, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const how = format === 'csv' ? "FORMAT csv, HEADER true, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'" : `FORMAT parquet, ${options}`;
  for (let file = 0; file < files; file++) {
    const [from, to] = [Math.floor((file * rows) / files), Math.floor(((file + 1) * rows) / files)];
    await connection.run(
      `COPY (SELECT * FROM source_${at} WHERE rowid >= ${from} AND rowid < ${to}) TO '${join(folder, `${file}.${format}`)}' (${how})`,
    );
  }
}
