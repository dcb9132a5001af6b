// Lists and structs in Parquet: written and read by ourselves, by hyparquet, by DuckDB.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import type { PlainValue } from '#runtime/batch/rows.ts';
import { inspectFile } from '#runtime/connectors/inspect.ts';
import { parquetSink } from '#runtime/connectors/parquet-sink.ts';
import { parquetSource } from '#runtime/connectors/parquet-source.ts';
import { fieldsOf, float64, int32, int64, list, struct, utf8 } from '#runtime/schema.ts';
import { nestedBatch, nestedBatchArb, schemaArb } from '../batch/nested.ts';
import { withDuckDb } from '../expression/functions/duckdb.ts';
import { plainOfDuck, sqlOfPlain, sqlType } from '../expression/functions/nested-duckdb.ts';
import { damageEach } from './damage.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-parquet-nested-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

async function written(batches: readonly Batch[], schema: Schema): Promise<string> {
  const path = join(folder, String(files++));
  const spec = { connector: 'parquet', path };
  await parquetSink.prepare(spec, 'job');
  const writer = await parquetSink.createWriter(spec, schema, { job: 'job', task: 0, attempt: 0 });
  for (const batch of batches) await writer.write(batch);
  await parquetSink.publish(spec, 'job', [await writer.finish()]);
  return join(path, 'part-00000.parquet');
}
const read = async (path: string, schema: Schema): Promise<PlainValue[][]> =>
  (await scan(parquetSource, { connector: 'parquet', path }, schema)).rows;

const madeOf = (forms: boolean) =>
  schemaArb(3, 3, forms).chain((schema) => fc.array(nestedBatchArb(schema), { minLength: 1, maxLength: 3 }).map((made) => ({ schema, made })));

test('whatever is written is read back, and the file says what it is', async () => {
  await fc.assert(
    fc.asyncProperty(madeOf(true), async ({ schema, made }) => {
      const rows = made.flatMap((one) => one.rows);
      const path = await written(
        made.map(({ batch }) => batch),
        schema,
      );
      assert.deepEqual(await read(path, schema), rows);
    }),
    { numRuns: 150 },
  );
});

test('DuckDB reads what is written, and what it writes is read', async () => {
  await withDuckDb(async (duck) => {
    await fc.assert(
      fc.asyncProperty(madeOf(false), async ({ schema, made }) => {
        const rows = made.flatMap((one) => one.rows);
        const path = await written(
          made.map(({ batch }) => batch),
          schema,
        );
        const answer = await duck.runAndReadAll(`select * from read_parquet('${path}')`);
        const theirs = answer.getRows().map((row) => row.map((value, c) => plainOfDuck(value, schema[c]!.type)));
        assert.deepEqual(theirs, rows);
        if (rows.length === 0) return;
        const back = join(folder, `${files++}.parquet`);
        const values = rows.map((row, i) => `(${i}, ${row.map((value, c) => sqlOfPlain(value, schema[c]!.type)).join(', ')})`);
        const columns = schema.map(({ name, type }) => `${name}::${sqlType(type)} as ${name}`);
        await duck.run(
          `copy (select ${columns.join(', ')} from (values ${values.join(', ')}) t(i, ${schema.map(({ name }) => name).join(', ')}) order by i) to '${back}' (format parquet)`,
        );
        assert.deepEqual(await read(back, schema), rows);
      }),
      { numRuns: 60 },
    );
  });
});

test('many pages and row groups: lists never break apart', async () => {
  const schema = fieldsOf({ id: int32(), l: list(list(int64()).nullable()), s: struct({ t: list(utf8().nullable()) }).nullable() });
  const rows = Array.from({ length: 130_000 }, (_, i): PlainValue[] => [
    i,
    Array.from({ length: i % 4 }, (_, k) => (k === 2 ? null : [String(i), String(k)])),
    i % 7 === 0 ? null : { t: i % 3 === 0 ? [] : ['again', null, `t${i % 50}`] },
  ]);
  const path = await written([nestedBatch(schema, rows)], schema);
  assert.deepEqual(await read(path, schema), rows);
  // Fields of structs by name, others passed over.
  const fewer = fieldsOf({ s: struct({ t: list(utf8().nullable()) }).nullable() });
  const [first] = await read(path, fewer);
  assert.deepEqual(first, [null]);
});

test('the file says its types, and what is not of them is refused when the job is planned', async () => {
  const schema = fieldsOf({ a: list(struct({ b: float64().nullable(), c: list(utf8()) })).nullable() });
  const path = await written([nestedBatch(schema, [[[{ b: 1, c: ['x'] }]], [null]])], schema);
  assert.deepEqual(
    (await inspectFile(path)).columns.map(({ name, type, nullable }) => ({ name, type, nullable })),
    schema,
  );
  const differs = (of: Schema, message: RegExp) => assert.rejects(read(path, of), { code: 'SCHEMA_DIFFERS', message });
  await differs(fieldsOf({ a: list(int32()) }), /declared list\(int32\), file has list\(struct\(b: float64 nullable, c: list\(utf8\)\)\)/);
  await differs(fieldsOf({ a: list(struct({ d: int32() })) }), /declared list\(struct\(d: int32\)\)/);
  await differs(fieldsOf({ a: utf8() }), /declared utf8, file has list/);
  await assert.rejects(read(path, fieldsOf({ a: list(struct({ c: list(utf8()) })) })), {
    code: 'NULL_IN_COLUMN',
    message: /Column a has a null .*row 2/,
  });
});

test('a null in a list of values that are not nullable names column and row', async () => {
  const maybe = fieldsOf({ a: list(int32().nullable()), s: struct({ x: int32().nullable() }).nullable() });
  const path = await written(
    [
      nestedBatch(maybe, [
        [[1], null],
        [[2, null], { x: null }],
      ]),
    ],
    maybe,
  );
  await assert.rejects(read(path, fieldsOf({ a: list(int32()) })), { code: 'NULL_IN_COLUMN', message: /Column a\[\] has a null .*row 2/ });
  await assert.rejects(read(path, fieldsOf({ s: struct({ x: int32() }).nullable() })), {
    code: 'NULL_IN_COLUMN',
    message: /Column s\.x has a null .*row 2/,
  });
});

test('maps of other writers are lists of keys and values', async () => {
  const path = join(folder, 'map.parquet');
  await withDuckDb((duck) => duck.run(`copy (select MAP {'a': 1, 'b': 2} as m, [1, NULL]::INTEGER[] as l) to '${path}' (format parquet)`));
  const [m] = (await inspectFile(path)).columns;
  assert.equal(m!.readable, true);
  const schema = fieldsOf({ m: list(struct({ key: utf8(), value: int32().nullable() })).nullable(), l: list(int32().nullable()).nullable() });
  assert.deepEqual(await read(path, schema), [
    [
      [
        { key: 'a', value: 1 },
        { key: 'b', value: 2 },
      ],
      [1, null],
    ],
  ]);
});

test('a damaged file is an error of the table or other rows, never a crash', async () => {
  const schema = fieldsOf({ l: list(list(int32().nullable())).nullable(), s: struct({ t: utf8(), n: list(utf8()) }).nullable() });
  const rows = Array.from({ length: 200 }, (_, i): PlainValue[] => [
    i % 5 === 0 ? null : [[i, null], []],
    i % 3 === 0 ? null : { t: `t${i % 9}`, n: [`${i}`, 'x'] },
  ]);
  const good = readFileSync(await written([nestedBatch(schema, rows)], schema));
  await damageEach(good, 'parquet', (path) => read(path, schema));
});
