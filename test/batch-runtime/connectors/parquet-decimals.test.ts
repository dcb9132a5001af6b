import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { decimalText } from '#runtime/batch/decimal.ts';
import { fromPlain, type PlainValue, unscaledOf } from '#runtime/batch/rows.ts';
import { decimalsOf, decimalsOfBytes, plainDecimals } from '#runtime/connectors/parquet-decimals.ts';
import { parquetSink } from '#runtime/connectors/parquet-sink.ts';
import { parquetSource } from '#runtime/connectors/parquet-source.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { decimal, fieldsOf } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-parquet-decimals-'));
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

/** Small ones, the largest of the type and nulls. */
function valuesOf(precision: number, scale: number): PlainValue[] {
  const most = 10n ** BigInt(precision) - 1n;
  const values = [0n, 1n, -1n, most, -most, most / 3n, -most / 7n].map((value) => decimalText(value, scale));
  return Array.from({ length: 500 }, (_, i) => (i % 9 === 8 ? null : values[(i * 5) % values.length]!));
}
/** DuckDB writes no 0 before the point where all digits are behind it. */
const withZero = (value: unknown): unknown => (typeof value === 'string' ? value.replace(/^(-?)\./, (_, sign) => `${sign}0.`) : value);

const sizes = [
  [4, 2],
  [9, 0],
  [15, 2],
  [16, 4],
  [18, 18],
  [19, 2],
  [38, 10],
] as const;
const shape = Object.fromEntries(sizes.map(([precision, scale]) => [`d${precision}`, decimal(precision, scale).nullable()]));
const rows = valuesOf(1, 0).map((_, i) => sizes.map(([precision, scale]) => valuesOf(precision, scale)[i]!));

test('what DuckDB writes, as INT32, INT64 and bytes, plain and by a dictionary, is read', async () => {
  for (const [name, options] of [
    ['dictionary', ''],
    ['plain', ', DICTIONARY_SIZE_LIMIT 1'],
  ] as const) {
    const path = join(folder, `${name}.parquet`);
    const columns = sizes.map(([precision, scale], c) => `column${c}::DECIMAL(${precision},${scale}) AS d${precision}`).join(', ');
    const values = rows.map((row) => `(${row.map((value) => (value === null ? 'NULL' : `'${value}'`)).join(', ')})`).join(', ');
    await duck.run(
      `COPY (SELECT ${columns} FROM (VALUES ${values}) t(${sizes.map((_, c) => `column${c}`).join(', ')})) TO '${path}' (FORMAT parquet${options})`,
    );
    assert.deepEqual((await scan(parquetSource, { connector: 'parquet', path }, shape)).rows, rows, name);
  }
});

test('what is written is read by DuckDB and by the source, with bounds', async () => {
  const path = join(folder, 'written');
  const sink = { connector: 'parquet', path, overwrite: false, partitionBy: [] };
  await parquetSink.prepare(sink, 'job');
  const writer = await parquetSink.createWriter(sink, fieldsOf(shape), { job: 'job', task: 0, attempt: 0 });
  await writer.write(fromPlain(fieldsOf(shape), rows));
  await parquetSink.publish(sink, 'job', [await writer.finish()]);
  assert.deepEqual((await scan(parquetSource, { connector: 'parquet', path }, shape)).rows, rows);
  const texts = sizes.map(([precision]) => `d${precision}::VARCHAR`).join(', ');
  const theirs = (await duck.runAndReadAll(`SELECT ${texts} FROM '${path}/*.parquet'`)).getRows();
  assert.deepEqual(
    theirs.map((row) => row.map(withZero)),
    rows,
  );
  const types = sizes.map(([precision]) => `typeof(any_value(d${precision}))`).join(', ');
  assert.deepEqual(
    (await duck.runAndReadAll(`SELECT ${types} FROM '${path}/*.parquet'`)).getRows()[0],
    sizes.map(([precision, scale]) => `DECIMAL(${precision},${scale})`),
  );
  const bounds = await duck.runAndReadAll(`SELECT stats_min_value, stats_max_value FROM parquet_metadata('${path}/*.parquet') ORDER BY column_id`);
  assert.deepEqual(
    bounds.getRows().map((row) => row.map(withZero)),
    sizes.map(([precision, scale]) => [1, -1].map((sign) => decimalText(BigInt(-sign) * (10n ** BigInt(precision) - 1n), scale))),
  );
});

test('row groups whose bounds rule a decimal out are left out, and never a row that is meant', async () => {
  for (const [precision, scale] of [sizes[1], sizes[2], sizes[4], sizes[6]]) {
    const most = 10n ** BigInt(precision) - 1n;
    // 16 row groups, one value each, from the least to the most of the type.
    const values = Array.from({ length: 16 }, (_, i) => (i === 0 ? -most : i === 15 ? most : ((BigInt(i) - 8n) * most) / 8n));
    const text = (value: bigint): string => decimalText(value, scale);
    const path = join(folder, `groups-${precision}.parquet`);
    const texts = values.map((value) => `'${text(value)}'`).join(', ');
    await duck.run(
      `COPY (SELECT t::DECIMAL(${precision},${scale}) AS d FROM (SELECT unnest([${texts}]) AS t), range(2048) ORDER BY d)
       TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
    );
    const [field] = fieldsOf({ d: decimal(precision, scale) });
    for (const value of [values[0]!, 0n, most]) {
      for (const fn of ['eq', 'gte'] as const) {
        const predicate = call(fn, [columnRef(field!), literal(text(value), field!.type)]);
        const { rows: found } = await scan(parquetSource, { connector: 'parquet', path }, [field!], predicate);
        const meant = values.filter((each) => (fn === 'eq' ? each === value : each >= value));
        const seen = new Set(found.map(([d]) => d));
        for (const each of meant) assert.ok(seen.has(text(each)), `${text(each)} ${fn} ${text(value)}`);
        // A bound that was rounded may let a neighbour pass.
        assert.ok(found.length <= 2048 * (meant.length + 2), `${found.length} rows of ${fn} ${text(value)} of ${precision} digits`);
      }
    }
    // A decimal beside one with more digits behind the point is cast: bounds are, too.
    if (precision < 38) {
      const wider = { kind: 'decimal', precision: precision + 1, scale: scale + 1 } as const;
      const predicate = call('gt', [call('cast', [columnRef(field!)], wider), literal(text(values[14]!), wider)]);
      assert.equal((await scan(parquetSource, { connector: 'parquet', path }, [field!], predicate)).rows.length <= 4096, true);
    }
  }
});

test('more digits than the file says, and a page that ends early, are refused', () => {
  assert.throws(() => decimalsOf(Int32Array.of(100), 1, 2), /the decimal 100 has more than 2 digits/);
  assert.throws(() => decimalsOf(Int32Array.of(0, 2 ** 30), 2, 16), /more than 16 digits/);
  assert.throws(() => decimalsOfBytes(Uint8Array.of(1, 0), 0, 1, 2, 2), /the decimal 256 has more than 2 digits/);
  assert.throws(() => decimalsOfBytes(Uint8Array.of(1, 0), 0, 2, 2, 9), /ends early/);
  assert.throws(() => decimalsOfBytes(Uint8Array.of(9, 0, 0, 0, 1), 0, 1, 0, 9), /ends early/);
});

test('bytes with a length each, as some writers have them, of any length', () => {
  const read = decimalsOfBytes(Uint8Array.of(1, 0, 0, 0, 0xff, 2, 0, 0, 0, 1, 0), 0, 2, 0, 9);
  assert.deepEqual(read, { kind: 'doubles', doubles: Float64Array.of(-1, 256) });
  const [column] = fromPlain(fieldsOf({ d: decimal(30, 4) }), [['-12.3456'], ['99999999999999999999999999.9999']]).columns;
  const back = decimalsOfBytes(plainDecimals(column!, false), 0, 2, 16, 30);
  assert(back.kind === 'wide');
  assert.equal(unscaledOf({ ...column!, data: back.words }, 1), 10n ** 30n - 1n);
});
