import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { Schema } from '#runtime/batch/batch.ts';
import { fromPlain, type PlainValue, plainValue } from '#runtime/batch/rows.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { Written } from '#runtime/connectors/connector.ts';
import { csvSink, quoted } from '#runtime/connectors/csv-sink.ts';
import { csvSource } from '#runtime/connectors/csv-source.ts';
import { bool, date, decimal, fieldsOf, float64, int32, int64, integer, list, type SchemaShape, struct, timestamp, utf8 } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-csv-sink-'));
after(() => rmSync(folder, { recursive: true }));
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
const schema: Schema = fieldsOf(columns);

/** Writes rows as tasks do, one after the other, and publishes. */
async function write(path: string, tasks: readonly (readonly (readonly PlainValue[])[])[], overwrite = false): Promise<Written[]> {
  const sink = { connector: 'csv', path, overwrite };
  const job = `job-${jobs++}`;
  await csvSink.prepare(sink, job);
  const written: Written[] = [];
  for (const [task, rows] of tasks.entries()) {
    const writer = await csvSink.createWriter(sink, schema, { job, task, attempt: 0 });
    const batch = fromPlain(schema, rows);
    for (let from = 0; from < batch.length; from += 2) await writer.write(slice(batch, from, Math.min(batch.length, from + 2)));
    written.push(await writer.finish());
  }
  await csvSink.publish(sink, job, JSON.parse(JSON.stringify(written)) as Written[]);
  return written;
}

test('decimals stand with all digits behind the point, and are read back by the source', async () => {
  const money = fieldsOf({ price: decimal(9, 2).nullable(), wide: decimal(38, 10).nullable() });
  const path = join(folder, 'decimals.csv');
  const sink = { connector: 'csv', path, overwrite: false };
  await csvSink.prepare(sink, 'decimals');
  const writer = await csvSink.createWriter(sink, money, { job: 'decimals', task: 0, attempt: 0 });
  const rows: PlainValue[][] = [
    ['1.50', '9999999999999999999999999999.9999999999'],
    [null, null],
    ['-0.01', '-0.0000000001'],
    ['0.00', '0.0000000000'],
  ];
  await writer.write(fromPlain(money, rows));
  await csvSink.publish(sink, 'decimals', [await writer.finish()]);
  assert.equal(readFileSync(path, 'utf8'), 'price,wide\n1.50,9999999999999999999999999999.9999999999\n,\n-0.01,-0.0000000001\n0.00,0.0000000000\n');
  assert.deepEqual((await scan(csvSource, { connector: 'csv', path, rejects: null }, money)).rows, rows);
});

test('values stand as they are read back: null is nothing, empty text is in quotes, times are UTC', async () => {
  const path = join(folder, 'plain.csv');
  const [written] = await write(path, [
    [
      [true, -7, '9007199254740991', '-9223372036854775808', 0.1, 'plain', 0, '1500000'],
      [null, null, null, null, null, null, null, null],
      [false, 0, '0', '0', 'NaN', '', -1, '-1'],
      [false, 0, '0', '0', '-Infinity', 'a "b", c\nd', 19_000, '0'],
    ],
  ]);
  assert.equal(
    readFileSync(path, 'utf8'),
    'a,b,c,d,e,f,g,h\n' +
      'true,-7,9007199254740991,-9223372036854775808,0.1,plain,1970-01-01,1970-01-01 00:00:01.5\n' +
      ',,,,,,,\n' +
      'false,0,0,0,NaN,"",1969-12-31,1969-12-31 23:59:59.999999\n' +
      'false,0,0,0,-Infinity,"a ""b"", c\nd",2022-01-08,1970-01-01 00:00:00\n',
  );
  assert.deepEqual([written!.rows, written!.bytes], [4, readFileSync(path).length]);
});

test('whatever is written is read back by the source', async () => {
  const int64Text = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
  const row = fc.tuple(
    fc.option(fc.boolean()),
    fc.option(fc.integer()),
    fc.option(fc.maxSafeInteger().map(String)),
    fc.option(int64Text),
    fc.option(fc.double({ noNaN: true }).map((value) => (Number.isFinite(value) ? value : String(value)))),
    fc.option(fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed())),
    fc.option(fc.integer({ min: -719_162, max: 2_932_896 })),
    fc.option(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 16n }).map(String)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 8 }), async (rows) => {
      const path = join(folder, `any-${jobs}.csv`);
      await write(path, [rows]);
      const { rows: read } = await scan(csvSource, { connector: 'csv', path }, columns);
      const batch = fromPlain(schema, rows);
      assert.deepEqual(
        read,
        rows.map((_, i) => batch.columns.map((column) => plainValue(column, i))),
      );
    }),
    { numRuns: 60 },
  );
});

test('a path without .csv is a folder of parts; a task without rows writes none, but the first says the columns', async () => {
  const one: PlainValue[] = [true, 1, '1', '1', 1, 'x', 1, '1'];
  const path = join(folder, 'parts');
  assert.equal(csvSink.single({ connector: 'csv', path }), false);
  assert.equal(csvSink.single({ connector: 'csv', path: `${path}.csv` }), true);
  await write(path, [[], [one], [], [one, one]]);
  assert.deepEqual(readdirSync(path).sort(), ['part-00000.csv', 'part-00001.csv', 'part-00003.csv']);
  assert.equal((await scan(csvSource, { connector: 'csv', path }, columns)).rows.length, 3);
});

test('an attempt that is given up leaves nothing, and only what was finished is published', async () => {
  const path = join(folder, 'again.csv');
  const sink = { connector: 'csv', path, overwrite: false };
  await csvSink.prepare(sink, 'retried');
  const batch = fromPlain(schema, [[true, 1, '1', '1', 1, 'x', 1, '1']]);
  const first = await csvSink.createWriter(sink, schema, { job: 'retried', task: 0, attempt: 0 });
  await first.write(batch);
  await first.abort();
  const lost = await csvSink.createWriter(sink, schema, { job: 'retried', task: 0, attempt: 1 });
  await lost.write(batch);
  await lost.finish();
  const second = await csvSink.createWriter(sink, schema, { job: 'retried', task: 0, attempt: 2 });
  await second.write(batch);
  const written = await second.finish();
  assert.equal(existsSync(path), false);
  await csvSink.publish(sink, 'retried', [written]);
  assert.equal(readFileSync(path, 'utf8').split('\n').length, 3);
  await assert.rejects(csvSink.prepare(sink, 'other'), { code: 'OUTPUT_NOT_EMPTY' });
});

test('a failed job leaves an older output as it was, one that succeeds replaces it', async () => {
  const path = join(folder, 'older.csv');
  writeFileSync(path, 'older');
  const sink = { connector: 'csv', path, overwrite: true };
  await csvSink.prepare(sink, 'fails');
  await csvSink.discard(sink, 'fails');
  assert.equal(readFileSync(path, 'utf8'), 'older');
  await write(path, [[]], true);
  assert.equal(readFileSync(path, 'utf8'), 'a,b,c,d,e,f,g,h\n');
});

test('text is quoted where it would not be read back as it is', () => {
  for (const text of ['', 'a,b', 'a"b', 'a\nb', 'a\rb']) assert.match(quoted(text), /^".*"$/s);
  for (const text of ['a', ' a ', "it's", 'é;|']) assert.equal(quoted(text), text);
});

test('a list or a struct is refused when the job is planned', () => {
  const check = (columns: SchemaShape) => () => csvSink.check!({ connector: 'csv', path: 'out.csv' }, fieldsOf(columns));
  check({ a: int32() })();
  assert.throws(check({ a: int32(), tags: list(utf8()) }), {
    code: 'PLAN_UNSUPPORTED',
    message: /out\.csv: CSV has no list for column tags: unnest it/,
  });
  assert.throws(check({ s: struct({ a: int32() }) }), { code: 'PLAN_UNSUPPORTED', message: /no struct for column s/ });
});
