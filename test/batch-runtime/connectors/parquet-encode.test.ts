import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { ByteWriter } from 'hyparquet-writer';
import type { Batch } from '#runtime/batch/batch.ts';
import { makeColumn } from '#runtime/batch/column.ts';
import { toPlain } from '#runtime/batch/dictionary.ts';
import { fromPlain, type PlainValue } from '#runtime/batch/rows.ts';
import { writeChunk } from '#runtime/connectors/parquet-encode.ts';
import { parquetSink } from '#runtime/connectors/parquet-sink.ts';
import { parquetSource } from '#runtime/connectors/parquet-source.ts';
import { bool, fieldsOf, float64, int32, int64, type SchemaShape, utf8 } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-parquet-encode-'));
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
let files = 0;

async function written(batches: readonly Batch[]): Promise<string> {
  const path = join(folder, `f${files++}`);
  const sink = { connector: 'parquet', path, overwrite: false, partitionBy: [] };
  const job = `job-${files}`;
  await parquetSink.prepare(sink, job);
  const writer = await parquetSink.createWriter(sink, batches[0]!.schema, { job, task: 0, attempt: 0 });
  for (const batch of batches) await writer.write(batch);
  await parquetSink.publish(sink, job, [await writer.finish()]);
  return path;
}

const query = async (sql: string): Promise<unknown[][]> => (await duck.runAndReadAll(sql)).getRows() as unknown[][];

test('nulls anywhere, pages and row groups: what DuckDB and the source read is what was written', async () => {
  const of: SchemaShape = { b: bool().nullable(), w: int32().nullable(), l: int64().nullable(), d: float64().nullable(), t: utf8().nullable() };
  for (const every of [1, 2, 3, 7]) {
    const rows: PlainValue[][] = Array.from({ length: 1003 }, (_, i) =>
      i % every === 0 && every > 1
        ? [null, null, null, null, null]
        : [i % 3 === 0, -i - 1, String(i * 4_294_967_297), i / 7, i % 50 === 0 ? '' : `text ${i}`],
    );
    const schema = fieldsOf(of);
    const path = await written([fromPlain(schema, rows.slice(0, 11)), fromPlain(schema, rows.slice(11))]);
    assert.deepEqual((await scan(parquetSource, { connector: 'parquet', path }, of)).rows, rows);
    const [found] = await query(
      `SELECT count(b)::INTEGER, sum(w)::INTEGER, count(l)::INTEGER, count(d)::INTEGER, count(t)::INTEGER FROM '${path}/*.parquet'`,
    );
    const there = rows.filter((row) => row[1] !== null);
    assert.deepEqual(found, [there.length, there.reduce((sum, row) => sum + Number(row[1]), 0), there.length, there.length, there.length]);
  }
});

test('long texts take several pages of one row group', async () => {
  const of = { t: utf8() };
  const rows = Array.from({ length: 40 }, (_, i) => [`${i}`.padEnd(100_000, String(i))]);
  const path = await written([fromPlain(fieldsOf(of), rows)]);
  assert.deepEqual((await scan(parquetSource, { connector: 'parquet', path }, of)).rows, rows);
  const [pages] = await query(`SELECT count(*)::INTEGER FROM '${path}/*.parquet' WHERE length(t) = 100000`);
  assert.deepEqual(pages, [40]);
});

test('codes of every width stay codes, and entries that no row has are not written', async () => {
  const of = { t: utf8() };
  for (const entries of [1, 2, 3, 17, 255, 257, 5000]) {
    const words = fromPlain(
      fieldsOf(of),
      Array.from({ length: entries }, (_, i) => [`w${i}`]),
    ).columns[0]!;
    const codes = Int32Array.from({ length: 4 * entries + 5 }, (_, i) => (i * 7919) % entries);
    const column = makeColumn({ kind: 'utf8' }, codes.length, codes, null, null, toPlain(words));
    const path = await written([{ schema: fieldsOf(of), length: codes.length, columns: [column] }]);
    const [encoding] = await query(`SELECT encodings FROM parquet_metadata('${path}/*.parquet')`);
    assert.match(String(encoding![0]), /RLE_DICTIONARY/);
    const read = (await scan(parquetSource, { connector: 'parquet', path }, of)).rows;
    assert.deepEqual(
      read,
      [...codes].map((code) => [`w${code}`]),
    );
    const [counts] = await query(`SELECT count(*)::INTEGER, count(DISTINCT t)::INTEGER FROM '${path}/*.parquet'`);
    assert.deepEqual(counts, [codes.length, new Set(codes).size]);
  }
});

test('bounds of a chunk are those of its values, apart from nulls; a NaN has none', async () => {
  const of = { w: int32().nullable(), l: int64(), d: float64(), t: utf8(), n: int32().nullable(), x: float64() };
  const rows: PlainValue[][] = [
    [3, '-5', 0, 'b', null, 1],
    [null, '9007199254740993', 0, 'é', null, 'NaN'],
    [-2147483648, '4294967296', 2.5, 'a', null, 2],
  ];
  const path = await written([fromPlain(fieldsOf(of), rows)]);
  const bounds = await query(
    `SELECT path_in_schema, stats_min_value, stats_max_value, stats_null_count::INTEGER FROM parquet_metadata('${path}/*.parquet') ORDER BY column_id`,
  );
  assert.deepEqual(bounds, [
    ['w', '-2147483648', '3', 1],
    ['l', '-5', '9007199254740993', 0],
    ['d', '-0.0', '2.5', 0],
    ['t', 'a', 'é', 0],
    ['n', null, null, 3],
    ['x', null, null, 0],
  ]);
});

test('values that zstd does not make smaller stay as they are', () => {
  const writer = new ByteWriter();
  const noise = Int32Array.from({ length: 4096 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(i, 0x85ebca6b));
  const { meta_data } = writeChunk(writer, { name: 'n', type: 'INT32', repetition_type: 'REQUIRED' }, makeColumn({ kind: 'int32' }, 4096, noise));
  assert.ok(meta_data!.total_compressed_size <= meta_data!.total_uncompressed_size);
  assert.equal(writer.offset, Number(meta_data!.total_compressed_size));
});

test('bounds of texts hold their own bytes, not those of the whole row group', () => {
  const text = 'a text like many others '.repeat(40);
  const { columns } = fromPlain(
    fieldsOf({ text: utf8() }),
    Array.from({ length: 2000 }, (_, i) => [`${i} ${text}`]),
  );
  const { meta_data } = writeChunk(new ByteWriter(1024), { name: 'text', type: 'BYTE_ARRAY', converted_type: 'UTF8' }, toPlain(columns[0]!));
  for (const bound of [meta_data?.statistics?.min_value, meta_data?.statistics?.max_value]) {
    assert(bound instanceof Uint8Array);
    assert(bound.buffer.byteLength < 2000, `a bound of ${bound.length} bytes holds ${bound.buffer.byteLength}`);
  }
});
