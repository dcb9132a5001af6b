import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { inspectFile } from '#runtime/connectors/inspect.ts';
import { sourceOf } from '#runtime/connectors/table.ts';
import { typeText } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-inspect-'));
after(() => rmSync(folder, { recursive: true }));
const data = fileURLToPath(new URL('../data/', import.meta.resolve('vega-datasets')));
const put = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const typesOf = async (path: string): Promise<string[]> => (await inspectFile(path)).columns.map((column) => `${column.name} ${typeText(column)}`);

test('types of CSV are the narrowest that take every value, and no number loses its zeros', async () => {
  const path = put(
    'a.csv',
    'b,i,n,l,x,d,at,s,zip,none\ntrue,1,3000000000,9223372036854775807,1.5,2024-01-31,2024-01-31T10:00:00Z,a,01234,\nfalse,,1,1,2,2024-02-01,2024-01-31T10:00:01Z,1,98101,\n',
  );
  const expected = [
    'b bool',
    'i int32 nullable',
    'n integer',
    'l int64',
    'x float64',
    'd date',
    'at timestamp',
    's utf8',
    'zip utf8',
    'none utf8 nullable',
  ];
  assert.deepEqual(await typesOf(path), expected);
  const { columns, guessedFrom, source } = await inspectFile(path);
  assert.equal(guessedFrom, 2);
  assert.match(columns[8]!.note, /begin with 0/);
  assert.match(columns[1]!.note, /1 nulls seen/);
  // What is guessed can be read.
  assert.equal((await scan(sourceOf(source), source, columns)).rows.length, 2);
});

test('types of NDJSON go by what JSON says too: text in quotes is no number, a missing key is a null', async () => {
  const path = put('a.ndjson.gz', gzipSync('{"n":1,"s":"12","at":"2024-01-31T10:00:00Z"}\n\n{"n":2.5,"deep":{"a":1}}\n{"n":3,"s":"x"}\n'));
  assert.deepEqual(await typesOf(path), ['n float64', 's utf8 nullable', 'at timestamp nullable', 'deep struct(a: int32) nullable']);
  const { columns, source } = await inspectFile(path);
  assert.equal((await scan(sourceOf(source), source, columns)).rows.length, 3);
});

test('Parquet says its own types', async () => {
  assert.deepEqual(await typesOf(`${data}flights-3m.parquet`), [
    'date localTimestamp nullable',
    'delay int64 nullable',
    'distance int64 nullable',
    'origin utf8 nullable',
    'destination utf8 nullable',
  ]);
});

test('Arrow says its own types, and which of them cannot be read', async () => {
  const { columns, source, guessedFrom } = await inspectFile(fileURLToPath(new URL('../../fixtures/arrow/plain.arrow', import.meta.url)));
  assert.equal(guessedFrom, null);
  const of = (name: string) => columns.find((column) => column.name === name)!;
  assert.deepEqual(
    ['i8', 'u64', 'vs', 'dec', 'coded'].map((name) => `${typeText(of(name))}: ${of(name).note}`),
    ['int8 nullable: ', 'uint64 nullable: ', 'utf8 nullable: ', 'decimal(9,2) nullable: ', 'utf8 nullable: '],
  );
  assert.equal(of('map').note, 'map: cannot be read');
  const readable = columns.filter(({ readable: is }) => is);
  assert.equal((await scan(sourceOf(source), source, readable)).rows.length, 3);
});

test('what cannot be read says why', async () => {
  await assert.rejects(inspectFile(put('a.txt', 'x')), { code: 'PLAN_UNSUPPORTED', message: /\.parquet, \.csv/ });
  await assert.rejects(inspectFile(join(folder, 'nowhere.csv')), { code: 'FILE_MISSING' });
  await assert.rejects(inspectFile(put('empty.csv', '')), { code: 'CSV_INVALID' });
});

test('records that cannot be read are left out and counted, the first few with their lines', async () => {
  const json = await inspectFile(put('bad.ndjson', '{"a":1}\n[1]\n{"a":2}\n{"a":\n'));
  assert.equal(json.guessedFrom, 2);
  assert.equal(json.bad.count, 2);
  assert.match(json.bad.report().join('\n'), /bad\.ndjson:2:1: a record is an object.*\n.*bad\.ndjson:4:1: /);
  assert.deepEqual(await typesOf(put('bad.csv', 'a,b\n1,2\n1\n3,4,5\n6,7\n')), ['a int32', 'b int32']);
  const csv = await inspectFile(join(folder, 'bad.csv'));
  assert.deepEqual([csv.guessedFrom, csv.bad.count], [2, 2]);
  assert.match(csv.bad.report()[1]!, /bad\.csv:3:/);
});

test('arrays and objects of NDJSON are lists and structs, what is now one and now the other its JSON', async () => {
  const path = put(
    'deep.ndjson',
    '{"l":[1,null],"s":{"a":"x","n":[]},"m":[1],"e":[],"o":[{"b":1}]}\n{"l":[2.5],"s":{"a":"y"},"m":{"a":1},"e":[],"o":[{"b":2,"c":true},{}]}\n',
  );
  assert.deepEqual(await typesOf(path), [
    'l list(float64 nullable)',
    's struct(a: utf8, n: utf8 nullable)',
    'm utf8',
    'e utf8',
    'o list(struct(b: int32 nullable, c: bool nullable))',
  ]);
  const { columns, source } = await inspectFile(path);
  assert.equal((await scan(sourceOf(source), source, columns)).rows.length, 2);
});
