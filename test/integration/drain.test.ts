/**
 * SIGTERM at a worker that holds data, as a host or a rolling upgrade sends it: it takes nothing new, serves what it holds until
 * nobody needs it or its time is up, and ends with exit code 0; what was not read by then is served by its next start.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ShuffleDriver, ShuffleHandle } from '#runtime/shuffle/spi.ts';
import { type Cluster, openJob, startCluster } from '../contract/cluster.ts';
import { attempt, multiset, payload, readAll, request, seenOf } from '../contract/shuffle.ts';

const bin = fileURLToPath(new URL('../../batch-runtime/cli/bin.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-drain-'));
const children: ChildProcess[] = [];
let cluster: Cluster;
before(async () => {
  cluster = await startCluster(0);
});
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await cluster.close();
  rmSync(folder, { recursive: true });
});

interface Process {
  readonly child: ChildProcess;
  readonly worker: string;
  readonly ended: Promise<number | null>;
}

async function startWorker(name: string, drainTimeoutMs: number, ...more: string[]): Promise<Process> {
  const flags = ['--manager-url', cluster.manager.url, '--secret-file', cluster.manager.secretFile, '--port', '0', '--log-level', 'silent'];
  const own = ['--data-dirs', join(folder, name), '--drain-timeout-ms', String(drainTimeoutMs), ...more];
  const child = spawn(process.execPath, [bin, 'worker', ...flags, ...own], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { child, worker: (JSON.parse(line) as { worker: string }).worker, ended };
}

const blocks = [0, 1, 2].map((partition) => ({ partition, records: partition + 1, payload: payload(50_000, partition) }));
const expected = multiset(blocks.map((block) => seenOf(0, block)));
async function written(driver: ShuffleDriver, name: string): Promise<ShuffleHandle> {
  const handle = await driver.open(request(name, 1, 3));
  assert.equal((await attempt(driver, handle, 0, 0, blocks)).won, true);
  return handle;
}
const stateOf = async (worker: string) => (await cluster.client.status({})).workers.find((one) => one.worker === worker)?.state;
async function until(right: () => Promise<boolean>): Promise<void> {
  while (!(await right())) await sleep(50);
}
const within = (ended: Promise<number | null>, ms: number) => Promise.race([ended, sleep(ms, 'goes on' as const, { ref: false })]);

test('at SIGTERM a worker stays readable, gets nothing new, and ends as soon as its data is released', { timeout: 240_000 }, async () => {
  const leaving = await startWorker('leaving', 50_000);
  const world = await openJob(cluster);
  const [driver, another] = [world.driver(), world.driver()];
  const handle = await written(driver, 'a');
  leaving.child.kill('SIGTERM');
  await until(async () => (await stateOf(leaving.worker)) === 'draining');
  const staying = await startWorker('staying', 0);
  // What is new goes elsewhere, also through a connection that was open before.
  const next = await driver.open(request('b', 1, 3));
  for (const { replicas } of (await world.view(next)).layout.locations) assert.equal(replicas[0]!.worker, staying.worker);
  assert.equal((await attempt(driver, next, 0, 0, blocks)).won, true);
  // What it holds is read, also by a process that connects now.
  for (const reader of [driver, another]) assert.deepEqual(multiset(await readAll(reader, handle)), expected);
  assert.equal(await within(leaving.ended, 500), 'goes on');
  await driver.release(handle);
  assert.equal(await within(leaving.ended, 15_000), 0);
  assert.deepEqual(multiset(await readAll(another, next)), expected);
  staying.child.kill('SIGTERM');
  assert.equal(await within(staying.ended, 15_000), 0);
  await world.close();
});

test('when its time is up it ends, and its next start serves what it held; a second SIGTERM does not wait', { timeout: 240_000 }, async () => {
  const first = await startWorker('again', 300);
  const world = await openJob(cluster);
  const driver = world.driver();
  const handle = await written(driver, 'a');
  first.child.kill('SIGTERM');
  assert.equal(await within(first.ended, 15_000), 0);
  const second = await startWorker('again', 50_000);
  assert.equal(second.worker, first.worker);
  assert.deepEqual(multiset(await readAll(driver, handle)), expected);
  second.child.kill('SIGTERM');
  await until(async () => (await stateOf(second.worker)) === 'draining');
  second.child.kill('SIGTERM');
  assert.equal(await within(second.ended, 15_000), 0);
  await world.close();
});

test('shards drain each for itself, and end together', { timeout: 240_000 }, async () => {
  const world = await openJob(cluster);
  const driver = world.driver();
  const host = await startWorker('shards', 50_000, '--shards', '2').catch(() => assert.fail('the shards do not start'));
  await until(async () => (await cluster.client.status({})).workers.filter(({ state }) => state === 'live').length === 2);
  const handle = await written(driver, 'a');
  host.child.kill('SIGTERM');
  await until(async () => (await cluster.client.status({})).workers.every(({ state }) => state !== 'live'));
  assert.deepEqual(multiset(await readAll(driver, handle)), expected);
  assert.equal(await within(host.ended, 500), 'goes on');
  await driver.release(handle);
  assert.equal(await within(host.ended, 15_000), 0);
  await world.close();
});
