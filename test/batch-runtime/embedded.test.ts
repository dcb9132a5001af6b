import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectManager } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { startEmbedded } from '#runtime/embedded.ts';

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('members are processes that have registered; who dies is told; closing leaves nothing', { timeout: 60_000 }, async () => {
  const deaths = Promise.withResolvers<[string, string]>();
  const died = (name: string, how: string): void => deaths.resolve([name, how]);
  const cluster = await startEmbedded({ workers: 0, executors: 2, dataDir: null, port: 0, died });
  assert.match(cluster.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.deepEqual(
    cluster.pids.map(({ name }) => name),
    ['manager', 'executor-1', 'executor-2'],
  );
  const token = tokenSource(cluster.secret, Date.now);
  const client = await connectManager({ urls: [cluster.url], token, clock: systemClock, random: systemRandom });
  const status = await client.status({});
  await client.close();
  assert.deepEqual(
    status.executors.map(({ pid }) => pid).sort(),
    cluster.pids
      .slice(1)
      .map(({ pid }) => pid)
      .sort(),
  );
  if (process.platform === 'linux') assert.equal(readFileSync(`/proc/${cluster.pids[0]?.pid}/comm`, 'utf8').trim(), 'sluice-manager');
  process.kill(cluster.pids[2]?.pid ?? 0, 'SIGKILL');
  assert.deepEqual(await deaths.promise, ['executor-2', 'SIGKILL']);
  assert.equal(await cluster.close(false), null);
  assert.equal(await cluster.close(true), null);
  assert.equal(existsSync(cluster.folder), false);
  for (const { pid } of cluster.pids) assert.equal(isAlive(pid), false);
});

test('for one run: a manager in this process, where the executors of one process register; its log lies with theirs, and closing frees its files', {
  timeout: 60_000,
}, async () => {
  const open = (): string[] => (process.platform === 'linux' ? readdirSync('/proc/self/fd') : []);
  const opened = open().length;
  const cluster = await startEmbedded({ workers: 0, executors: 2, dataDir: null, forOneRun: true, port: 0, died: () => {} });
  const [manager, executor] = cluster.pids;
  assert.deepEqual(manager, { name: 'manager', pid: process.pid });
  assert.equal(cluster.pids.length, 2);
  const client = await connectManager({
    urls: [cluster.url],
    token: tokenSource(cluster.secret, Date.now),
    clock: systemClock,
    random: systemRandom,
  });
  const status = await client.status({});
  await client.close();
  assert.deepEqual(
    status.executors.map(({ pid }) => pid),
    [executor?.pid, executor?.pid],
  );
  const logs = (await cluster.close(true)) ?? '';
  assert.match(readFileSync(join(logs, 'logs', 'manager.log'), 'utf8'), /manager serves/);
  rmSync(logs, { recursive: true });
  assert.equal(isAlive(executor?.pid ?? 0), false);
  while (open().length > opened) await new Promise((resolve) => setTimeout(resolve, 20));
});

test('what cannot start is an error that says why, with the logs kept; nothing is left running', { timeout: 60_000 }, async () => {
  const taken = await startEmbedded({ workers: 0, executors: 0, dataDir: null, port: 0, died: () => {} });
  const port = Number(new URL(taken.url).port);
  const options = { workers: 0, executors: 1, dataDir: null, port, died: () => {} };
  const error = await startEmbedded(options).then(
    () => assert.fail('the port is taken'),
    (thrown: Error & { code: string }) => thrown,
  );
  assert.equal(error.code, 'PORT_IN_USE');
  const logs = /\(logs: (.+)\)$/.exec(error.message)?.[1] ?? '';
  assert.deepEqual(readdirSync(join(logs, 'logs')).sort(), ['executor-1.log', 'manager.log']);
  rmSync(logs, { recursive: true });
  await taken.close(false);
});

test('with a data folder, data and logs stay', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  try {
    const first = await startEmbedded({ workers: 0, executors: 0, dataDir: folder, port: 0, died: () => {} });
    await first.close(false);
    assert.deepEqual(readdirSync(folder).sort(), ['logs', 'manager']);
    const second = await startEmbedded({ workers: 0, executors: 0, dataDir: folder, port: 0, died: () => {} });
    assert.equal(second.secret, first.secret);
    await second.close(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a member that dies is started again: the manager where it was and as the same cluster, a worker over its folder', {
  timeout: 120_000,
}, async () => {
  const deaths: string[] = [];
  const cluster = await startEmbedded({ workers: 1, executors: 1, dataDir: null, port: 0, restart: true, died: (name) => deaths.push(name) });
  const client = await connectManager({
    urls: [cluster.url],
    token: tokenSource(cluster.secret, Date.now),
    clock: systemClock,
    random: systemRandom,
  });
  /** The members' processes, when all are registered and none of them is one of `old`. */
  const registered = async (old: readonly number[]): Promise<{ cluster: string; term: number; workers: string[] }> => {
    for (;;) {
      const status = await client.status({}).catch(() => null);
      const live = status?.workers.filter(({ state }) => state === 'live') ?? [];
      const pids = [...live, ...(status?.executors ?? [])].map(({ pid }) => pid);
      if (status !== null && pids.length === 2 && !pids.some((pid) => old.includes(pid)))
        return { cluster: status.cluster, term: status.term, workers: live.map(({ worker }) => worker) };
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  try {
    const before = await registered([]);
    const old = cluster.pids.map(({ pid }) => pid);
    for (const pid of old) process.kill(pid, 'SIGKILL');
    const after = await registered(old);
    assert.deepEqual(deaths.toSorted(), ['executor-1', 'manager', 'worker-1']);
    assert.deepEqual(after, { ...before, term: before.term + 1 });
  } finally {
    await client.close();
    await cluster.close(false);
  }
  for (const { pid } of cluster.pids) assert.equal(isAlive(pid), false);
});
