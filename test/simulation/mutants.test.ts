// The mutants in npm test: each still has its place in the product, and the quickest ten are noticed. `npm run mutants` plays all.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mutants } from './mutant-table.ts';
import { mutate, summaryOf } from './mutants.ts';

const textOf = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test('each mutant changes one place of the product that is there', () => {
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  for (const mutant of mutants) assert.notEqual(mutate(textOf(mutant.file), mutant), textOf(mutant.file), mutant.name);
  const stale = { ...mutants[0]!, find: 'a line that nobody has written' };
  assert.throws(() => mutate(textOf(stale.file), stale), /is found 0 times/);
});

test('the seeds to kill are told, and who survived is not among them', () => {
  const killed = [5, null, 1, 9].map((seeds) => ({ name: '', seeds, what: '' }));
  assert.deepEqual(summaryOf(killed), { total: 4, killed: 3, medianSeeds: 5, maxSeeds: 9 });
});

test('the ten quickest mutants are noticed', () => {
  const program = fileURLToPath(new URL('./mutants.ts', import.meta.url));
  // Its own speed, not that of counting lines.
  const env = { ...process.env, NODE_V8_COVERAGE: '' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--quick'], { encoding: 'utf8', env });
  assert.equal(status, 0, stdout + stderr);
  const { total, killed } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { total: number; killed: number };
  assert.deepEqual([total, killed], [10, 10]);
});
