import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { SluiceError } from '#manager/protocol/errors.ts';
import { csvSource } from '#runtime/connectors/csv-source.ts';
import { bool, date, fieldsOf, float64, int32, int64, integer, list, type SchemaShape, timestamp, utf8 } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-csv-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

const put = (content: string | Uint8Array): string => {
  const path = join(folder, `${files++}.csv`);
  writeFileSync(path, content);
  return path;
};
const read = async (content: string | Uint8Array, schema: SchemaShape) =>
  (await scan(csvSource, { connector: 'csv', path: put(content) }, schema)).rows;

/** The error of reading it; its place must be the file's. */
async function failure(content: string | Uint8Array, schema: SchemaShape): Promise<SluiceError> {
  const path = put(content);
  try {
    await scan(csvSource, { connector: 'csv', path }, schema);
  } catch (thrown) {
    assert.equal((thrown as SluiceError).facts['path'], path);
    return thrown as SluiceError;
  }
  assert.fail('it was read');
}

test('every type is read, and an empty field is null, an empty text in quotes is not', async () => {
  const schema = {
    a: bool().nullable(),
    b: int32().nullable(),
    c: integer().nullable(),
    d: int64().nullable(),
    e: float64().nullable(),
    f: utf8().nullable(),
    g: date().nullable(),
    h: timestamp().nullable(),
  };
  const rows = await read(
    'a,b,c,d,e,f,g,h\ntrue,-7,9007199254740991,9223372036854775807,-0.125,"say ""hi"", x",1969-12-31,1970-01-01T00:00:00.000001Z\n,,,,,"",,\n,,,,,,,\n',
    schema,
  );
  assert.deepEqual(rows, [
    [true, -7, '9007199254740991', '9223372036854775807', -0.125, 'say "hi", x', -1, '1'],
    [null, null, null, null, null, '', null, null],
    [null, null, null, null, null, null, null, null],
  ]);
});

test('columns are found by name, in any order, and only those declared are read', async () => {
  assert.deepEqual(await read('x,y,z\n1,one,\n2,two,junk\n', { y: utf8(), x: int32() }), [
    ['one', 1],
    ['two', 2],
  ]);
  assert.deepEqual(await read('x,y\n1,one\n2,two\n', {}), [[], []], 'rows are counted without any column');
});

test('line ends of both kinds, a byte order mark, blank lines and a last line without an end are read', async () => {
  const wanted = [
    [1, 'a'],
    [2, 'b\nc'],
    [3, 'd'],
  ];
  const schema = { n: int32(), t: utf8() };
  assert.deepEqual(await read('n,t\r\n1,a\r\n2,"b\nc"\r\n3,d', schema), wanted);
  assert.deepEqual(await read('\ufeffn,t\n1,a\n\n2,"b\nc"\n3,d\n\n', schema), wanted);
  assert.deepEqual(await read('n,t\n', schema), []);
});

test('a record longer than what is read at once is read', async () => {
  const long = 'x"y\n'.repeat(900_000);
  const rows = await read(`n,t\n1,"${long.replaceAll('"', '""')}"\n2,z\n`, { n: int32(), t: utf8() });
  assert.equal(rows.length, 2);
  assert.equal(rows[0]![1], long);
  assert.deepEqual(rows[1], [2, 'z']);
});

test('a large file is cut into splits that have every record once, line feeds in quotes or not', async () => {
  const lines: string[] = [];
  for (let i = 0, bytes = 0; bytes < 36_000_000; i++) {
    const line = `${i},"text of ${i}\n${'"",\n'.repeat(i % 97)}",${'pad'.repeat(i % 31)}\n`;
    lines.push(line);
    bytes += line.length;
  }
  const { splits, rows } = await scan(csvSource, { connector: 'csv', path: put(`n,t,p\n${lines.join('')}`) }, { n: int32() });
  assert.ok(splits >= 3, `${splits} splits`);
  assert.equal(rows.length, lines.length);
  rows.forEach(([n], i) => {
    if (n !== i) assert.fail(`row ${i} is ${n}`);
  });
});

test('a folder and a glob are all their files, in the order of their names, small ones in one split', async () => {
  const place = join(folder, 'many');
  mkdirSync(place);
  for (const n of [3, 1, 2]) writeFileSync(join(place, `${n}.csv`), `n\n${n}\n`);
  writeFileSync(join(place, '_SUCCESS.csv'), 'junk');
  for (const path of [place, join(place, '*.csv')]) {
    assert.deepEqual(await scan(csvSource, { connector: 'csv', path }, { n: int32() }), { splits: 1, rows: [[1], [2], [3]] });
  }
  await assert.rejects(scan(csvSource, { connector: 'csv', path: join(folder, 'no*.csv') }, { n: int32() }), { code: 'FILE_MISSING' });
});

const schema = { n: int32(), t: utf8() };
const faults: readonly (readonly [string, string | Uint8Array, number, number, RegExp])[] = [
  ['too few fields', 'n,t\n1,a\n2\n', 3, 1, /has 1 field, the header 2/],
  ['too many fields', 'n,t\n1,a,b\n', 2, 5, /has 3 fields, the header 2/],
  ['an unclosed quote', 'n,t\n1,"a\n2,b\n', 2, 3, /never closed/],
  ['text behind a quote', 'n,t\n1,"a"b\n', 2, 3, /closing quote/],
  ['a quote in a field', 'n,t\n1,a"b\n', 2, 3, /unquoted field/],
  ['a bad number', 'n,t\n1,a\n\n1x,b\n', 4, 1, /column n: .*1x.* not a whole number/],
  ['a number that is too large', 'n,t\n2147483648,b\n', 2, 1, /does not fit in int32/],
  ['an empty field of a column without null', 'n,t\n1,é\n,b\n', 3, 1, /declare it \.nullable\(\)/],
  ['invalid UTF-8', new Uint8Array([...Buffer.from('n,t\n1,ab'), 0xff, 0x0a]), 2, 5, /UTF-8/],
  ['no header', '', 1, 1, /no header/],
];
for (const [name, content, line, column, what] of faults) {
  test(`${name}: fails with file, line and column`, async () => {
    const error = await failure(content, schema);
    assert.equal(error.code, 'CSV_INVALID');
    assert.deepEqual([error.facts['line'], error.facts['column']], [line, column]);
    assert.match(error.message, what);
  });
}

test('a declared column that the header lacks is told when the job is planned', async () => {
  const path = put('n,t\n1,a\n');
  const request = { source: { connector: 'csv', path }, schema: [{ name: 'q', type: { kind: 'int32' as const }, nullable: false }], predicate: null };
  await assert.rejects(csvSource.plan(request), (error: SluiceError) => error.code === 'SCHEMA_DIFFERS' && error.facts['where'] === 'q');
});

test('a file that changes after it was planned is not read', async () => {
  const path = put('n\n1\n');
  const request = { source: { connector: 'csv', path }, schema: [{ name: 'n', type: { kind: 'int32' as const }, nullable: false }], predicate: null };
  const [split] = await csvSource.plan(request);
  appendFileSync(path, '2\n');
  const reading = csvSource.read(request, split!, { job: '1', task: 0, attempt: 0 })[Symbol.asyncIterator]();
  await assert.rejects(reading.next(), { code: 'FILE_CORRUPT' });
});

test('a list is refused when the job is planned, with what to do', async () => {
  const request = { source: { connector: 'csv', path: 'any.csv' }, schema: fieldsOf({ tags: list(utf8()) }), predicate: null };
  await assert.rejects(csvSource.plan(request), { code: 'PLAN_UNSUPPORTED', message: /no list for column tags: declare it utf8\(\) and split it/ });
});
