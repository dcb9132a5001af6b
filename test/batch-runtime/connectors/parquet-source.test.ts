import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { SluiceError } from '#manager/protocol/errors.ts';
import { parquetSource } from '#runtime/connectors/parquet-source.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { bool, date, decimal, fieldsOf, float64, int32, int64, integer, type SchemaShape, timestamp, utf8 } from '#runtime/schema.ts';
import { damageEach } from './damage.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-parquet-'));
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
const write = async (select: string, options = ''): Promise<string> => {
  const path = join(folder, `${files++}.parquet`);
  await duck.run(`COPY (${select}) TO '${path}' (FORMAT parquet${options === '' ? '' : `, ${options}`})`);
  return path;
};
const read = async (path: string, schema: SchemaShape) => (await scan(parquetSource, { connector: 'parquet', path }, schema)).rows;
const failure = async (work: Promise<unknown>): Promise<SluiceError> => {
  try {
    await work;
  } catch (thrown) {
    return thrown as SluiceError;
  }
  assert.fail('it was read');
};

test('row groups are put together into splits, and splits have every row once', async () => {
  const path = await write('SELECT i::INTEGER AS n FROM range(300000) t(i)', 'ROW_GROUP_SIZE 20480');
  const { splits, rows } = await scan(parquetSource, { connector: 'parquet', path }, { n: int32() });
  assert.equal(splits, 3);
  assert.equal(rows.length, 300_000);
  rows.forEach(([n], i) => {
    if (n !== i) assert.fail(`row ${i} is ${n}`);
  });
});

test('row groups that the predicate rules out are left out of the plan', async () => {
  const path = await write('SELECT i::INTEGER AS n FROM range(100000) t(i)', 'ROW_GROUP_SIZE 10240');
  const schema = fieldsOf({ n: int32() });
  const predicate = call('gte', [columnRef(schema[0]!), literal(95_000, { kind: 'int32' })]);
  const { rows } = await scan(parquetSource, { connector: 'parquet', path }, schema, predicate);
  assert.ok(rows.length < 20_000 && rows.length >= 5000, `${rows.length} rows`);
  assert.equal(rows.at(-1)![0], 99_999);
  const none = call('gt', [columnRef(schema[0]!), literal(1_000_000, { kind: 'int32' })]);
  assert.equal((await scan(parquetSource, { connector: 'parquet', path }, schema, none)).splits, 0);
});

test('columns of folders are read, as the declared type, with null for the folder of null', async () => {
  await duck.run(
    `COPY (SELECT * FROM (VALUES (1, 'a/b', DATE '2024-01-02'), (2, NULL, DATE '2024-01-03')) v(n, state, day)) TO '${folder}/hive' (FORMAT parquet, PARTITION_BY (state, day))`,
  );
  const rows = await read(join(folder, 'hive'), { day: date(), n: int32(), state: utf8().nullable() });
  assert.deepEqual(rows.sort(), [
    [19_724, 1, 'a/b'],
    [19_725, 2, null],
  ]);
  const wrong = await failure(read(join(folder, 'hive'), { state: int32().nullable(), n: int32() }));
  assert.equal(wrong.code, 'SCHEMA_DIFFERS');
});

test('narrower and wider whole numbers are read as declared where they fit', async () => {
  const path = await write('SELECT 200::UTINYINT AS a, -5::SMALLINT AS b, 4000000000::UINTEGER AS c, 9007199254740991::BIGINT AS d, 0.5::FLOAT AS e');
  assert.deepEqual(await read(path, { a: int32(), b: int64(), c: integer(), d: integer(), e: float64() }), [
    [200, '-5', '4000000000', '9007199254740991', 0.5],
  ]);
});

test('timestamps of every unit are read as microseconds', async () => {
  const path = await write(
    "SELECT TIMESTAMP_MS '1969-12-31 23:59:59.999' AS ms, TIMESTAMP '2024-01-01 00:00:00.000001' AS us, TIMESTAMP_NS '2024-01-01 00:00:00.000001' AS ns",
  );
  assert.deepEqual(await read(path, { ms: timestamp(), us: timestamp(), ns: timestamp() }), [['-1000', '1704067200000001', '1704067200000001']]);
});

test('what differs from the declared schema is told when the job is planned', async () => {
  const path = await write("SELECT 1::BIGINT AS n, 'x' AS t, [1] AS list, 1.5::DECIMAL(4,1) AS price");
  for (const [column, type, found] of [
    ['n', int32(), 'int64'],
    ['t', int32(), 'utf8'],
    ['missing', int32(), 'no such column'],
    ['list', int32(), 'list(int32 nullable)'],
    ['price', float64(), 'decimal(4,1)'],
  ] as const) {
    const request = { source: { connector: 'parquet', path }, schema: fieldsOf({ [column]: type }), predicate: null };
    const error = await failure(parquetSource.plan(request));
    assert.equal(error.code, 'SCHEMA_DIFFERS');
    assert.deepEqual([error.facts['where'], error.facts['found'], error.facts['path']], [column, found, path]);
  }
});

test('a null where none is declared, and a number beyond integer, name column, file and row', async () => {
  const nulls = await write('SELECT CASE WHEN i = 4000 THEN NULL ELSE i::INTEGER END AS n FROM range(5000) t(i)', 'ROW_GROUP_SIZE 2048');
  const error = await failure(read(nulls, { n: int32() }));
  assert.equal(error.code, 'NULL_IN_COLUMN');
  assert.deepEqual([error.facts['column'], error.facts['path'], error.facts['row']], ['n', nulls, 4001], 'rows count from 1');
  const large = await write('SELECT 9007199254740992::BIGINT AS n');
  assert.equal((await failure(read(large, { n: integer() }))).code, 'VALUE_OUT_OF_RANGE');
  assert.deepEqual(await read(large, { n: int64() }), [['9007199254740992']]);
});

test('a damaged file is an error of the table or other rows, never a crash', async () => {
  const select = `SELECT i::INTEGER AS n, 'text ' || (i % 5) AS t, CASE WHEN i % 3 > 0 THEN i * 1000000007 END AS l, i / 7 AS f, i % 2 = 0 AS b,
    DATE '2020-01-01' + i::INTEGER AS d, TIMESTAMPTZ '2020-01-01 00:00:00Z' + INTERVAL 1 SECOND * i AS m, (i * 1.01)::DECIMAL(30, 2) AS p FROM range(40) t(i)`;
  const schema = { n: int32(), t: utf8(), l: int64().nullable(), f: float64(), b: bool(), d: date(), m: timestamp(), p: decimal(30, 2) };
  for (const options of ['COMPRESSION uncompressed', 'COMPRESSION snappy, PARQUET_VERSION v2'])
    await damageEach(readFileSync(await write(select, options)), 'parquet', (path) => read(path, schema), 7);
});

test('a file that is cut, empty, or of another format is FILE_CORRUPT with its path', async () => {
  const path = await write('SELECT 1 AS n');
  const place = (name: string): string => join(folder, name);
  writeFileSync(place('cut.parquet'), readFileSync(path));
  truncateSync(place('cut.parquet'), 40);
  writeFileSync(place('zero.parquet'), '');
  writeFileSync(place('text.parquet'), 'n\n1\n2\n3\n4\n5\n6\n');
  for (const name of ['cut', 'zero', 'text']) {
    const error = await failure(read(place(`${name}.parquet`), { n: int32() }));
    assert.equal(error.code, 'FILE_CORRUPT');
    assert.equal(error.facts['path'], place(`${name}.parquet`));
  }
  assert.equal((await failure(read(place('no*.parquet'), { n: int32() }))).code, 'FILE_MISSING');
});

test('a file that changes after it was planned is not read', async () => {
  mkdirSync(join(folder, 'changing'));
  const path = join(folder, 'changing/f.parquet');
  writeFileSync(path, readFileSync(await write('SELECT 1 AS n')));
  const request = { source: { connector: 'parquet', path }, schema: fieldsOf({ n: int32() }), predicate: null };
  const [split] = await parquetSource.plan(request);
  writeFileSync(path, readFileSync(await write('SELECT 2 AS n, 3 AS m')));
  const reading = parquetSource.read(request, split!, { job: '1', task: 0, attempt: 0 })[Symbol.asyncIterator]();
  assert.equal((await failure(reading.next() as Promise<unknown>)).code, 'FILE_CORRUPT');
});

test('no column at all still counts the rows', async () => {
  const path = await write('SELECT i AS n FROM range(70000) t(i)');
  assert.equal((await read(path, {})).length, 70_000);
});
