// The simulator in npm test: three hundred seeds, the same seed again, what it loads, and that it notices the first ten mutants.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { allFaults } from './faults.ts';
import { mutants } from './mutant-table.ts';
import { play } from './run.ts';

const program = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url));
// Their own speed, not that of counting lines.
const env = { ...process.env, NODE_V8_COVERAGE: '' };
const resultOf = (stdout: string): Record<string, unknown> => JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;

test('three hundred seeds: nothing wrong, nothing stuck, every fault reached', () => {
  const { status, stdout } = spawnSync(process.execPath, [program('simulate.ts'), '--seeds', '300', '--from', '1'], { encoding: 'utf8', env });
  assert.equal(status, 0, stdout);
  const { from, seeds, faults, wrong, stuck } = resultOf(stdout) as { faults: Record<string, number> } & Record<string, unknown>;
  assert.deepEqual({ from, seeds, wrong, stuck }, { from: 1, seeds: 300, wrong: 0, stuck: 0 });
  assert.deepEqual(
    allFaults.filter((kind) => !(faults[kind]! > 0)),
    [],
  );
});

test('a seed is one run: played again it does the same', async () => {
  for (const seed of [7, 8, 9]) {
    const [first, again] = [await play(seed), await play(seed)];
    assert.equal(again.traceHash, first.traceHash);
    assert.equal(again.events, first.events);
  }
  assert.notEqual((await play(7)).traceHash, (await play(8)).traceHash);
});

test('a wrong flag is answered with the usage', () => {
  const { status, stderr } = spawnSync(process.execPath, [program('simulate.ts'), '--faults', 'nonsense'], { encoding: 'utf8', env });
  assert.equal(status, 2);
  assert.match(stderr, /--faults LIST/);
});

test('it loads no server, no client, no socket and no file', () => {
  const watch = `
    import { registerHooks } from 'node:module';
    const seen = new Set();
    registerHooks({ resolve(specifier, context, next) { const found = next(specifier, context); seen.add(found.url); return found; } });
    const { play } = await import(${JSON.stringify(new URL('./run.ts', import.meta.url).href)});
    await play(1);
    console.log(JSON.stringify([...seen]));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', watch], { encoding: 'utf8', env });
  assert.equal(status, 0, stderr);
  const seen = JSON.parse(stdout) as string[];
  assert.ok(seen.some((url) => url.endsWith('/shuffle-worker/worker.ts')) && seen.some((url) => url.endsWith('/shuffle-manager/manager.ts')));
  const adapter = /^node:(fs|fs\/promises|net|http|https|http2|tls|child_process)$|\/node_modules\/(fastify|undici|@fastify|pino)\//;
  assert.deepEqual(
    seen.filter((url) => adapter.test(url)),
    [],
  );
});

test('the first ten mutants are noticed', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program('mutants.ts')], { encoding: 'utf8', env });
  assert.equal(status, 0, stdout + stderr);
  const { total, killed } = resultOf(stdout);
  assert.deepEqual([total, killed], [mutants.length, mutants.length]);
  assert.ok(mutants.length >= 10);
});
