import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { plainValue } from '#runtime/batch/rows.ts';
import { jsonSource } from '#runtime/connectors/json-source.ts';
import { fieldsOf, int32, list, type SchemaShape, struct, utf8 } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-json-'));
after(() => rmSync(folder, { recursive: true }));
const read = (path: string, schema: SchemaShape) => scan(jsonSource, { connector: 'json', path: join(folder, path) }, schema);

test('a folder gives all its files, whatever they are called; columns are found by their keys', async () => {
  mkdirSync(join(folder, 'all'));
  writeFileSync(join(folder, 'all/a.json'), '{"n":1,"s":"x"}\n');
  writeFileSync(join(folder, 'all/b.ndjson'), '{"s":"y","more":[{}],"n":2}');
  writeFileSync(join(folder, 'all/c.jsonl'), '{"n":3}\n');
  writeFileSync(join(folder, 'all/d.txt'), 'no\n');
  assert.deepEqual((await read('all', { s: utf8().nullable(), n: int32() })).rows, [
    ['x', 1],
    ['y', 2],
    [null, 3],
  ]);
});

test('a large file is cut at lines: each record is read once, and an error knows its line in the file', async () => {
  const count = 300_000;
  const lines = Array.from({ length: count }, (_, i) => `{"n":${i},"pad":"${'x'.repeat(100)}"}\n`);
  writeFileSync(join(folder, 'large.ndjson'), lines.join(''));
  const { rows, splits } = await read('large.ndjson', { n: int32() });
  assert.ok(splits > 1);
  assert.equal(rows.length, count);
  assert.ok(rows.every(([n], i) => n === i));
  lines[count - 10] = '{"n":true}\n';
  writeFileSync(join(folder, 'large.ndjson'), lines.join(''));
  await assert.rejects(read('large.ndjson', { n: int32() }), {
    code: 'JSON_INVALID',
    message: new RegExp(`large\\.ndjson:${count - 9}:6: column n: 'true' is not`),
  });
});

test('an empty file has no rows, a file that is not there is missing', async () => {
  writeFileSync(join(folder, 'empty.json'), '');
  assert.deepEqual((await read('empty.json', { n: int32() })).rows, []);
  await assert.rejects(read('nowhere.json', { n: int32() }), { code: 'FILE_MISSING' });
});

test('a fault in a list or a struct says where, and leaves nothing of its record', async () => {
  const path = join(folder, 'nested.ndjson');
  const lines = [
    '{"l":[{"a":1,"b":["x"]}]}',
    '{"l":[{"a":2,"b":["y"]},{"a":"z","b":[]}]}',
    '{"l":[{"a":3}]}',
    '{"l":[{"a":4,"b":[null]}]}',
    '{"l":{"a":5}}',
    '{"l":[{"a":6,"b":[]}',
    '{"l":[{"a":7,"b":[]},7]}',
    '{"l":[]}',
    '{"l":null}',
    '{"l":[{"b":["w","v"],"other":{"a":[1]},"a":8}]}',
  ];
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  const columns = { l: list(struct({ a: int32(), b: list(utf8()) })).nullable() };
  const bad: string[] = [];
  const request = {
    source: { connector: 'json', path },
    schema: fieldsOf(columns),
    predicate: null,
    rejects: {
      async add(_: string, line: number, column: number, what: string) {
        bad.push(`${line}:${column} ${what}`);
      },
    },
  };
  const rows: unknown[] = [];
  for (const split of await jsonSource.plan(request))
    for await (const batch of jsonSource.read(request, split, { job: 'j', task: 0, attempt: 0 }))
      for (let i = 0; i < batch.length; i++) rows.push(plainValue(batch.columns[0]!, i));
  assert.deepEqual(rows, [[{ a: 1, b: ['x'] }], [], null, [{ a: 8, b: ['w', 'v'] }]]);
  assert.deepEqual(bad, [
    "2:30 column l[].a: 'z' is not a whole number",
    '3:13 column l[].b: it is missing, declare it .nullable()',
    '4:19 column l[].b[]: it is null, declare it .nullable()',
    '5:6 column l: an array is wanted',
    '6:21 the record is cut off',
    '7:22 column l[]: an object is wanted',
  ]);
});
