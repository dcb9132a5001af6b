import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { fieldsOf, typeText } from '#runtime/schema.ts';
import { sluice } from './captured.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-declare-'));
after(() => rmSync(folder, { recursive: true }));
const put = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

test('types prints a declaration that is one, and a report beside it', async () => {
  const path = put('web-log.csv', 'day,"it\'s ""x""",n\n2024-01-01,a,1\n2024-01-02,,2\n');
  const { code, stdout, stderr } = await sluice('types', path);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /web-log\.csv: types are guessed from 2 rows\n {2}it's "x": 1 nulls seen/);
  const module = put('declared.ts', stdout.replace("from 'sluice'", `from '${new URL('../../../batch-runtime/schema.ts', import.meta.url).href}'`));
  const { webLog } = (await import(pathToFileURL(module).href)) as { webLog: Parameters<typeof fieldsOf>[0] };
  assert.deepEqual(
    fieldsOf(webLog).map((field) => `${field.name}: ${typeText(field)}`),
    ['day: date', 'it\'s "x": utf8 nullable', 'n: int32'],
  );
});

test('files of one table give one declaration, and their differences are said', async () => {
  const one = put('1.csv', 'a,b,c\n1,1,x\n');
  const two = put('2.csv', 'a,b,d\n1.5,x,2\n');
  const { stdout, stderr } = await sluice('types', one, two, '--name', 'both');
  assert.match(
    stdout,
    /export const both = schema\(\{\n {2}a: float64\(\),\n {2}b: utf8\(\),\n {2}c: utf8\(\)\.nullable\(\),\n {2}d: int32\(\)\.nullable\(\),\n\}\);/,
  );
  assert.match(stderr, /a is float64 in .*2\.csv and int32 before it: declared float64/);
  assert.match(stderr, /2\.csv has a column d that .*1\.csv has not/);
  assert.match(stderr, /2\.csv has no column c/);
});

test('types of an Arrow file are its own, decimals with their digits', async () => {
  const { stdout } = await sluice('types', fileURLToPath(new URL('../../fixtures/arrow/plain.arrow', import.meta.url)));
  assert.match(stdout, /import \{ bool, bytes, date, decimal, float32, .*localTimestamp, schema.*\} from 'sluice'/);
  assert.match(
    stdout,
    /\n {2}list: list\(int32\(\)\.nullable\(\)\)\.nullable\(\),\n {2}struct: struct\(\{ x: int32\(\)\.nullable\(\) \}\)\.nullable\(\),\n/,
  );
  assert.match(stdout, /\n {2}tns: localTimestamp\(\{ unit: 'ns' \}\)\.nullable\(\),\n/);
  assert.match(stdout, /\n {2}dec: decimal\(9, 2\)\.nullable\(\),\n/);
});

test('types says what is wrong with its arguments and files', async () => {
  assert.equal((await sluice('types')).code, 2);
  assert.equal((await sluice('types', put('x.csv', 'a\n1\n'), '--name', 'a b')).code, 2);
  assert.match((await sluice('types', 'nowhere.csv')).stderr, /FILE_MISSING/);
  assert.match((await sluice('types', '--help')).stdout, /Usage: sluice types FILE/);
  assert.match((await sluice('types', put('7 up.csv', 'a\n1\n'))).stdout, /const table7Up =/);
});
