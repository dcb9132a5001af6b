import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { SimpleKind } from '#runtime/batch/batch.ts';
import { type PlainValue, plainValue } from '#runtime/batch/rows.ts';
import { parquetSource } from '#runtime/connectors/parquet-source.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-pages-'));
let instance: DuckDBInstance;
let connection: DuckDBConnection;
before(async () => {
  instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  connection = await instance.connect();
});
after(() => {
  connection.closeSync();
  instance.closeSync();
  rmSync(folder, { recursive: true });
});

/** The one column of a file that DuckDB writes from that SQL, and DuckDB's answer. */
async function readBack(sql: string, kind: SimpleKind, options: string): Promise<{ read: PlainValue[]; wanted: PlainValue[] }> {
  const path = join(folder, 'pages.parquet');
  await connection.run(`COPY (SELECT ${sql} AS a FROM range(3000) t(i)) TO '${path}' (FORMAT parquet, ${options})`);
  const reader = await connection.runAndReadAll(`SELECT a FROM '${path}'`);
  const wanted = reader.getRows().map(([value]) => (typeof value === 'bigint' ? String(value) : (value as PlainValue)));
  const request = { source: { connector: 'parquet', path }, schema: [{ name: 'a', type: { kind }, nullable: true }], predicate: null };
  const read: PlainValue[] = [];
  for (const split of await parquetSource.plan(request)) {
    for await (const batch of parquetSource.read(request, split, { job: '1', task: 0, attempt: 0 })) {
      for (let i = 0; i < batch.length; i++) read.push(plainValue(batch.columns[0]!, i));
    }
  }
  return { read, wanted };
}

const columns: readonly (readonly [string, string, SimpleKind])[] = [
  ['a few words', '(i % 3)::INTEGER', 'int32'],
  ['many lanes', '(i * 7000000000)::BIGINT', 'int64'],
  ['doubles with nulls', 'CASE WHEN i % 5 = 0 THEN NULL ELSE i / 8 END', 'float64'],
  ['texts', "'text ' || (i * 31 % 977)", 'utf8'],
  ['bits', 'i % 7 = 0', 'bool'],
];
for (const codec of ['uncompressed', 'snappy', 'zstd', 'gzip', 'brotli', 'lz4_raw']) {
  for (const version of ['V1', 'V2']) {
    test(`pages compressed by ${codec}, ${version}, are read as they were written`, async () => {
      for (const [name, sql, kind] of columns) {
        const { read, wanted } = await readBack(sql, kind, `COMPRESSION ${codec}, PARQUET_VERSION ${version}`);
        assert.deepEqual(read, wanted, name);
      }
    });
  }
}
