// The pages of docs/ against the tables in the code: `npm run docs` mends a difference.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { errors } from '#manager/protocol/errors.ts';
import { simulatedRows } from '../simulation/matrix.ts';
import { real, recorded } from './exactness.ts';
import { configTables, pages } from './pages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

for (const [name, text] of Object.entries(pages())) test(`docs/${name} is what the tables say`, () => assert.equal(read(`docs/${name}`), text));

test('the tests that EXACTNESS names are there, and every row of the matrix that is marked S was reached in the last long run', () => {
  for (const { file, name } of Object.values(real).flat()) assert.ok(read(file).includes(name), `${file}: ${name}`);
  const { wrong, stuck, rows } = recorded();
  assert.deepEqual([wrong, stuck], [0, 0]);
  for (const row of simulatedRows) assert.ok((rows[row] ?? 0) > 0, `row ${row}`);
});

test('a process has at most 25 configuration keys', () => {
  for (const { name, keys } of configTables()) assert.ok(keys.length <= 25, `${name} has ${keys.length}`);
});

test('PROTOCOL names the errors of the wire with their numbers', () => {
  const page = read('docs/PROTOCOL.md');
  for (const [code, { wire }] of Object.entries(errors)) if (wire > 0) assert.ok(page.includes(`| ${wire} | ${code} |`), `${wire} ${code}`);
});

test('the data plane has at most twelve messages, and PROTOCOL has each with its number', () => {
  const source = read('shuffle-worker/protocol/frames.ts');
  const table = source.slice(source.indexOf('const messages = {'), source.indexOf('const blocksType'));
  const inCode = [...table.matchAll(/^ {2}(\w+): \{\s*type: (\d+)/gm)].map(([, name, type]) => [Number(type), snake(name!)] as const);
  inCode.push([Number(/const blocksType = (\d+)/.exec(source)?.[1]), 'BLOCKS']);
  const page = read('docs/PROTOCOL.md');
  const rows = page.slice(page.indexOf('| type | name | from |')).matchAll(/^\| ([\d, ]+) \| ([A-Z_, ]+) \| (?:client|worker|both) \|/gm);
  const inPage = [...rows].flatMap(([, types, names]) => types!.split(', ').map((type, i) => [Number(type), names!.split(', ')[i]!] as const));
  const byNumber = (all: (readonly [number, string])[]) => all.toSorted((x, y) => x[0] - y[0]);
  assert.deepEqual(byNumber(inPage), byNumber(inCode));
  assert.ok(inCode.length <= 12);
});

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

test('what a page links to is there', () => {
  const folder = join(root, 'docs');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md'))) {
    const text = readFileSync(join(folder, name), 'utf8');
    for (const [, path] of text.matchAll(/\]\(([^)#:]+)\)/g)) assert.ok(existsSync(join(folder, dirname(name), path!)), `${name}: ${path}`);
  }
});
