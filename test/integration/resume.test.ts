/**
 * `kill -9` of the coordinator, which is the process of `sluice run`, and `--resume` from another one: the result is right, what
 * was done is not done again, and a coordinator that was only asleep publishes nothing.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type EmbeddedCluster, startEmbedded } from '#runtime/embedded.ts';
import { finished, type Run, rowsOf, stageDone, startRun, tasksDone, typed } from './runs.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const module = join(root, 'test/fixtures/jobs/late.ts');
/** Row groups of the example's file. */
const maps = 11;
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
let cluster: EmbeddedCluster;
let expected: { readonly hash: string; readonly rows: readonly unknown[] };
after(async () => {
  await cluster.close(false);
  rmSync(folder, { recursive: true });
});

const start = (...args: string[]): Run => startRun({ XDG_STATE_HOME: folder, SLUICE_TOKEN: cluster.secret }, ...args);
const idOf = ({ events }: Run): number => typed(events, 'opened')[0]!.id;
const outOf = (path: string): string[] =>
  readdirSync(path)
    .flatMap((name) => readFileSync(join(path, name), 'utf8').trim().split('\n').slice(1))
    .sort();

before(async () => {
  cluster = await startEmbedded({ workers: 2, executors: 2, dataDir: null, port: 0, died: () => {} });
  const alone = start(module, '--shuffle', 'memory');
  const { resultHash } = await finished(alone);
  expected = { hash: resultHash, rows: rowsOf(alone.events) };
});

const there = (): string[] => ['--cluster', cluster.url];
const resume = (id: number, ...args: string[]): Run => start('--resume', String(id), ...there(), ...args);
const mapsDone = (atLeast: number) => tasksDone(maps, atLeast);
const mapStageDone = stageDone(maps);

async function killed(run: Run): Promise<number> {
  run.child.kill('SIGKILL');
  await run.ended;
  return idOf(run);
}

test('killed while maps write: maps that had ended do not run again', { timeout: 120_000 }, async () => {
  const first = start(module, ...there(), '--param', 'mapMs=100');
  await first.until(mapsDone(3));
  const second = resume(await killed(first));
  const done = await finished(second);
  assert.equal(done.resultHash, expected.hash);
  assert.deepEqual(rowsOf(second.events), expected.rows);
  const [opened] = typed(second.events, 'opened');
  assert.ok(opened!.epoch === 2 && opened!.done >= 3, `${opened!.done} tasks are known to be done`);
  assert.equal(typed(second.events, 'retry').length, 0);
});

test('killed after a stage is done: none of its tasks runs again', { timeout: 120_000 }, async () => {
  const first = start(module, ...there(), '--param', 'readMs=20');
  await first.until(mapStageDone);
  const second = resume(await killed(first), module);
  const done = await finished(second);
  assert.deepEqual([done.resultHash, done.tasksRerun], [expected.hash, 0]);
  assert.deepEqual(rowsOf(second.events), expected.rows);
  const begun = typed(second.events, 'stage').filter(({ state }) => state === 'started');
  assert.ok(begun.length > 0);
  for (const { tasks } of begun) assert.notEqual(tasks, maps, 'a stage that was done has begun again');
});

test('killed three times, twice as it goes on: the output is whole and stands there once', { timeout: 120_000 }, async () => {
  const out = join(folder, 'thrice');
  let run = start(module, ...there(), '--param', 'mapMs=60', '--param', 'readMs=3', '--param', `out=${out}`);
  await run.until(mapsDone(2));
  const id = await killed(run);
  for (const moment of [mapsDone(6), mapStageDone]) {
    run = resume(id);
    await run.until(moment);
    await killed(run);
  }
  run = resume(id);
  await finished(run);
  assert.deepEqual(rowsOf(run.events), expected.rows);
  assert.equal(typed(run.events, 'opened')[0]!.epoch, 4);
  assert.equal(outOf(out).length, expected.rows.length);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('sluice-')),
    [],
    'nothing staged is left',
  );
  await assertRefused(resume(id), 1, /error JOB_UNKNOWN/);
});

test("a coordinator that was asleep when another one took its job is fenced; the output is the other one's", { timeout: 120_000 }, async () => {
  const out = join(folder, 'zombie');
  const first = start(module, ...there(), '--param', 'readMs=5', '--param', `out=${out}`);
  await first.until(mapStageDone);
  first.child.kill('SIGSTOP');
  const second = resume(idOf(first));
  await finished(second);
  assert.deepEqual(rowsOf(second.events), expected.rows);
  const before = outOf(out);
  assert.equal(before.length, expected.rows.length);
  first.child.kill('SIGCONT');
  await assertRefused(first, 1, /error (FENCED|JOB_UNKNOWN)/);
  assert.deepEqual(outOf(out), before);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('sluice-')),
    [],
  );
});

test('what cannot be resumed says why', { timeout: 60_000 }, async () => {
  await assertRefused(start('--resume', '1'), 2, /--resume needs --cluster/);
  await assertRefused(start('--resume', 'x', ...there()), 2, /--resume/);
  await assertRefused(start('--resume', '1', '--param', 'a=1', ...there()), 2, /goes on as it was started/);
  await assertRefused(resume(9999), 1, /error JOB_UNKNOWN/);
  const first = start(module, ...there(), '--param', 'readMs=5');
  await first.until(mapStageDone);
  const id = await killed(first);
  await assertRefused(resume(id, join(root, 'test/fixtures/jobs/words.ts')), 1, /error JOB_NOT_RESUMABLE: .*another graph/);
  // It was not harmed.
  assert.equal((await finished(resume(id))).resultHash, expected.hash);
});

async function assertRefused(run: Run, code: number, words: RegExp): Promise<void> {
  const end = await run.ended;
  assert.match(end.stderr, words);
  assert.equal(end.code, code);
}
