// The simulator in npm test: three hundred seeds and those that once went wrong, the same seed again over more threads, rows of the matrix, and what it loads.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { allFaults, faultKinds } from './faults.ts';
import { playMany } from './many.ts';
import { matrix, pairsRow, rowsReached, simulatedRows } from './matrix.ts';
import { play } from './run.ts';
import { onceWrong } from './seeds.ts';
import { playWhole } from './whole.ts';

const program = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url));
// Their own speed, not that of counting lines.
const env = { ...process.env, NODE_V8_COVERAGE: '' };
const resultOf = (stdout: string): Record<string, unknown> => JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;

test('three hundred seeds and those that once went wrong: nothing wrong, nothing stuck, every row of the matrix reached', () => {
  const args = ['--single-threaded', program('simulate.ts'), '--seeds', '300', '--from', '1', '--known', '--threads', '2'];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  assert.equal(status, 0, stdout);
  const { from, seeds, rows, wrong, stuck } = resultOf(stdout) as { rows: Record<string, number> } & Record<string, unknown>;
  const known = onceWrong.filter((seed) => seed < 1 || seed > 300).length;
  assert.deepEqual({ from, seeds, wrong, stuck }, { from: 1, seeds: 300 + known, wrong: 0, stuck: 0 });
  assert.deepEqual(
    Object.entries(rows).filter(([, times]) => !(times > 0)),
    [],
  );
});

test('every row that the simulator has to play has a kind, and every kind is of a row', () => {
  const missing = simulatedRows.filter((row) => row !== pairsRow && (matrix[row]?.kinds ?? []).length === 0);
  assert.deepEqual(missing, []);
  const used = new Set<string>(Object.values(matrix).flatMap(({ kinds }) => kinds));
  assert.deepEqual(
    allFaults.filter((kind) => !used.has(kind)),
    ['drain', 'managerKill', 'executorKill', 'coordinatorKill'],
    'those of the rows that are played by real processes as well',
  );
  for (const kind of used) assert.ok(kind in faultKinds, kind);
  assert.deepEqual(rowsReached({ kill: 2, killPushing: 3 }, 7)[1], 5);
});

test('how many threads there are changes nothing: the same outcomes, told in the same order', async () => {
  const seeds = [21, 22, 23, 24];
  const runs = [1, 2].map(async (threads) => {
    const told: unknown[] = [];
    await playMany({
      seeds,
      permitted: allFaults,
      threads,
      tell: ({ seed, verdict, traceHash, fired }) => {
        told.push([seed, verdict, traceHash, fired]);
        return false;
      },
    });
    return told;
  });
  const [one, two] = await Promise.all(runs);
  assert.equal(one?.length, seeds.length);
  assert.deepEqual(two, one);
});

test('with some faults kept from striking the others strike as before', async () => {
  const seed = 55;
  const whole = await play(seed);
  assert.deepEqual((await play(seed, allFaults, { only: whole.fired })).traceHash, whole.traceHash);
  assert.deepEqual((await play(seed, allFaults, { only: [] })).fired, []);
});

test('a seed is one run: played again it does the same', async () => {
  for (const seed of [7, 8, 9]) {
    const [first, again] = [await play(seed), await play(seed)];
    assert.equal(again.traceHash, first.traceHash);
    assert.equal(again.events, first.events);
  }
  assert.notEqual((await play(7)).traceHash, (await play(8)).traceHash);
});

test('a whole job is one run, too', async () => {
  const [first, again] = [await playWhole(20), await playWhole(20)];
  assert.deepEqual([again.traceHash, again.events, again.verdict], [first.traceHash, first.events, 'right']);
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
