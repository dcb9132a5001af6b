// The pages of docs/ against the tables in the code: `npm run docs` mends a difference.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { errors } from '#manager/protocol/errors.ts';
import { configTables, pages } from './pages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

for (const [name, text] of Object.entries(pages())) test(`docs/${name} is what the tables say`, () => assert.equal(read(`docs/${name}`), text));

test('a process has at most 25 configuration keys', () => {
  for (const { name, keys } of configTables()) assert.ok(keys.length <= 25, `${name} has ${keys.length}`);
});

test('PROTOCOL names the twelve messages and the errors of the wire with their numbers', () => {
  const page = read('docs/PROTOCOL.md');
  for (const [code, { wire }] of Object.entries(errors)) if (wire > 0) assert.ok(page.includes(`| ${wire} | ${code} |`), `${wire} ${code}`);
  const messages = ['OPEN_WRITE', 'OPEN_READ', 'OPENED', 'BLOCKS', 'ACK', 'CREDIT', 'END', 'CLOSE', 'ERROR', 'PING, PONG', 'GOAWAY'];
  for (const message of messages) assert.ok(page.includes(`| ${message} |`), message);
});

test('what a page links to is there', () => {
  const folder = join(root, 'docs');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md'))) {
    const text = readFileSync(join(folder, name), 'utf8');
    for (const [, path] of text.matchAll(/\]\(([^)#:]+)\)/g)) assert.ok(existsSync(join(folder, dirname(name), path!)), `${name}: ${path}`);
  }
});
