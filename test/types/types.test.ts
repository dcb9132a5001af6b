import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
const project = fileURLToPath(new URL('./tsconfig.json', import.meta.url));
const source = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

/** What the compiler says of this folder; chain.ts and verbs.ts are checked in one go. */
const checked = new Promise<{ readonly code: number; readonly text: string }>((settle) => {
  execFile(process.execPath, [tsc, '--noEmit', '-p', project, '--extendedDiagnostics'], (error, stdout) => {
    settle({ code: typeof error?.code === 'number' ? error.code : 0, text: stdout });
  });
});

test('the row type flows through every verb, and every mistake is an error: one that is not is an unused directive', async () => {
  const { code, text } = await checked;
  assert.equal(code, 0, text.slice(0, 4000));
});

test('a chain of forty verbs on a hundred columns costs the compiler at most 800,000 instantiations', async () => {
  const { text } = await checked;
  const count = Number(/^Instantiations:\s+(\d+)/m.exec(text)?.[1]);
  assert(count > 50_000, text.slice(0, 4000));
  assert(count <= 800_000, `${count} instantiations`);
  const chain = source('./chain.ts');
  assert(chain.match(/^ {2}\.(?!read)[a-zA-Z]+\(/gm)!.length >= 40);
  assert.equal(chain.match(/^ {2}\.join\(/gm)!.length, 5);
  assert.equal(chain.match(/^ {2}c\d+: /gm)!.length, 100);
});

test('the mistakes that are looked for are those users make', () => {
  const mistakes = [...source('./verbs.ts').matchAll(/@ts-expect-error (.*)/g)].map(([, what]) => what!);
  assert(mistakes.length >= 40, `${mistakes.length}`);
  for (const word of [
    'a column that is not there',
    'another type',
    'city on both sides',
    'types of keys differ',
    'null is not a number here',
    'not a name',
    'an aggregate is not a column',
    'params are frozen',
  ])
    assert(
      mistakes.some((what) => what.includes(word)),
      word,
    );
  // Each verb of a table is written at least once.
  for (const verb of [
    'select',
    'derive',
    'filter',
    'drop',
    'rename',
    'dropNulls',
    'map',
    'flatMap',
    'filterRows',
    'deriveRows',
    'join',
    'union',
    'unnest',
    'distinct',
    'intersect',
    'except',
    'groupBy',
    'aggregate',
    'orderBy',
    'limit',
    'pipe',
    'write',
  ])
    assert(source('./verbs.ts').includes(`.${verb}(`), verb);
});
