import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Schema } from '#runtime/batch/batch.ts';
import { fromPlain, type PlainValue } from '#runtime/batch/rows.ts';
import type { Written } from '#runtime/connectors/connector.ts';
import { parquetSink } from '#runtime/connectors/parquet-sink.ts';
import { parquetSource } from '#runtime/connectors/parquet-source.ts';
import { bool, date, fieldsOf, float64, int32, int64, integer, type SchemaShape, timestamp, utf8 } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-parquet-sink-'));
let instance: DuckDBInstance;
let duck: DuckDBConnection;
before(async () => {
  instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  duck = await instance.connect();
});
after(() => {
  duck.closeSync();
  instance.closeSync();
  rmSync(folder, { recursive: true });
});
let jobs = 0;

const columns = {
  a: bool().nullable(),
  b: int32().nullable(),
  c: integer().nullable(),
  d: int64().nullable(),
  e: float64().nullable(),
  f: utf8().nullable(),
  g: date().nullable(),
  h: timestamp().nullable(),
};
const nothing: PlainValue[] = [null, null, null, null, null, null, null, null];
const rows: PlainValue[][] = [
  [true, -2_147_483_648, '9007199254740991', '-9223372036854775808', 0.1, 'é "x", y', -1, '-1'],
  nothing,
  [false, 0, '0', '0', 'NaN', '', 0, '0'],
  [true, 7, '-7', '9223372036854775807', '-Infinity', '😀', 2_932_896, '1234567890123456'],
];

async function write(
  name: string,
  tasks: readonly (readonly (readonly PlainValue[])[])[],
  of: SchemaShape,
  partitionBy: readonly string[] = [],
): Promise<string> {
  const schema: Schema = fieldsOf(of);
  const path = join(folder, name);
  const sink = { connector: 'parquet', path, overwrite: false, partitionBy };
  const job = `job-${jobs++}`;
  await parquetSink.prepare(sink, job);
  const written: Written[] = [];
  for (const [task, some] of tasks.entries()) {
    const writer = await parquetSink.createWriter(sink, schema, { job, task, attempt: 0 });
    for (const row of some) await writer.write(fromPlain(schema, [row]));
    written.push(await writer.finish());
  }
  await parquetSink.publish(sink, job, JSON.parse(JSON.stringify(written)) as Written[]);
  assert.equal(
    written.reduce((sum, one) => sum + one.rows, 0),
    tasks.flat().length,
  );
  return path;
}

test('every type is written as DuckDB has it, and read back by the source', async () => {
  const path = await write('types', [rows.slice(0, 2), rows.slice(2)], columns);
  const described = await duck.runAndReadAll(`DESCRIBE SELECT * FROM '${path}/*.parquet'`);
  const types = described.getRows().map((row) => row[1]);
  assert.deepEqual(types, ['BOOLEAN', 'INTEGER', 'BIGINT', 'BIGINT', 'DOUBLE', 'VARCHAR', 'DATE', 'TIMESTAMP WITH TIME ZONE']);
  const reader = await duck.runAndReadAll(
    `SELECT a, b, c::VARCHAR, d::VARCHAR, e::VARCHAR, f, g - DATE '1970-01-01', epoch_us(h)::VARCHAR FROM '${path}/*.parquet'`,
  );
  const plain = reader.getRows().map((row) => row.map((value) => (typeof value === 'bigint' ? Number(value) : value)));
  assert.deepEqual(plain[0], [true, -2_147_483_648, '9007199254740991', '-9223372036854775808', '0.1', 'é "x", y', -1, '-1']);
  assert.deepEqual(plain[1], nothing);
  assert.deepEqual((await scan(parquetSource, { connector: 'parquet', path }, columns)).rows, rows);
});

test('columns that hold no null say so', async () => {
  const path = await write('required', [[['x', 1]]], { t: utf8(), n: int32() });
  const reader = await duck.runAndReadAll(`SELECT name, repetition_type FROM parquet_schema('${path}/*.parquet') WHERE name <> 'schema'`);
  assert.deepEqual(reader.getRows(), [
    ['t', 'REQUIRED'],
    ['n', 'REQUIRED'],
  ]);
});

test('partitioned columns leave the files for the folder names, whatever their values are', async () => {
  const of = { n: int32(), state: utf8().nullable(), day: date() };
  const values: PlainValue[][] = ['CA', null, '', 'a/b', '%', 'x=y', ' ', '..', '😀'].map((state, i) => [i, state, i % 2]);
  const path = await write('partitioned', [values.slice(0, 4), values.slice(2)], of, ['state', 'day']);
  assert.ok(readdirSync(path).includes('state=CA'));
  assert.equal(globSync(`${path}/state=CA/day=1970-01-01/*.parquet`).length, 1);
  const { rows: read } = await scan(parquetSource, { connector: 'parquet', path }, of);
  const sorted = (list: readonly (readonly PlainValue[])[]): string[] => list.map((row) => JSON.stringify(row)).sort();
  assert.deepEqual(sorted(read), sorted([...values.slice(0, 4), ...values.slice(2)]));
  const files = `'${path}/**/*.parquet', hive_partitioning = true, hive_types_autocast = false`;
  const reader = await duck.runAndReadAll(`SELECT n, state FROM read_parquet(${files}) WHERE n IN (0, 1, 3, 8) ORDER BY n, state`);
  const pairs = reader.getRows().map(([n, state]) => `${n} ${state}`);
  assert.deepEqual([...new Set(pairs)], ['0 CA', '1 null', '3 a/b', '8 😀']);
});

test('an output without rows has a file with its columns', async () => {
  const path = await write('empty', [[], []], columns);
  assert.deepEqual(readdirSync(path), ['part-00000.parquet']);
  assert.deepEqual((await scan(parquetSource, { connector: 'parquet', path }, columns)).rows, []);
});

test('more rows than a row group holds are several, and all are there', async () => {
  const of = { n: int32(), t: utf8() };
  const schema: Schema = fieldsOf(of);
  const path = join(folder, 'groups');
  const sink = { connector: 'parquet', path, overwrite: false, partitionBy: [] };
  await parquetSink.prepare(sink, 'groups');
  const writer = await parquetSink.createWriter(sink, schema, { job: 'groups', task: 0, attempt: 0 });
  let next = 0;
  for (let b = 0; b < 5; b++) {
    await writer.write(
      fromPlain(
        schema,
        Array.from({ length: 30_000 }, () => [next, `t${next++ % 1000}`]),
      ),
    );
  }
  await parquetSink.publish(sink, 'groups', [await writer.finish()]);
  const metadata = await duck.runAndReadAll(`SELECT count(DISTINCT row_group_id) FROM parquet_metadata('${path}/*.parquet')`);
  assert.equal(Number(metadata.getRows()[0]![0]), 2);
  const sums = await duck.runAndReadAll(`SELECT count(*)::INTEGER, sum(n)::DOUBLE, count(DISTINCT t)::INTEGER FROM '${path}/*.parquet'`);
  assert.deepEqual(sums.getRows()[0], [150_000, (150_000 * 149_999) / 2, 1000]);
});

test('an attempt that is given up leaves nothing', async () => {
  const path = join(folder, 'given-up');
  const sink = { connector: 'parquet', path, overwrite: false, partitionBy: [] };
  await parquetSink.prepare(sink, 'up');
  const schema: Schema = fieldsOf(columns);
  const first = await parquetSink.createWriter(sink, schema, { job: 'up', task: 0, attempt: 0 });
  await first.write(fromPlain(schema, rows));
  await first.abort();
  const second = await parquetSink.createWriter(sink, schema, { job: 'up', task: 0, attempt: 1 });
  await second.write(fromPlain(schema, rows));
  await parquetSink.publish(sink, 'up', [await second.finish()]);
  assert.equal((await scan(parquetSource, { connector: 'parquet', path }, columns)).rows.length, rows.length);
});

test('a sink whose every column goes to folder names is refused', async () => {
  await assert.rejects(write('all', [[['x']]], { t: utf8() }, ['t']), { code: 'PLAN_UNSUPPORTED' });
});
