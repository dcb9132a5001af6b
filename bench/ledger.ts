/**
 * What the ledger costs at scale: one shuffle of many maps and partitions over workers that only exist by name, every map
 * committed over HTTP, then the manager started again from its journal. Run as `npm run bench -- ledger`; the figures it
 * is held against are in docs/BENCHMARKS.md, and whether the layout is right decides the exit code.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { ManagerConfig } from '#manager/config.ts';
import { type RunningManager, startManager } from '#manager/main.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { readSecret } from '#manager/process/secret.ts';
import type { Layout } from '#manager/protocol/control.ts';
import { mint128, protocolVersion } from '#manager/protocol/ids.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { type Finding, type Flags, runProgram } from './harness.ts';

const flagTable = {
  maps: { default: 10000, sentence: 'map tasks, each committed once' },
  partitions: { default: 10000, sentence: 'partitions of the shuffle' },
  workers: { default: 20, sentence: 'workers that are registered' },
  senders: { default: 16, sentence: 'commits under way at once' },
} as const;

const keys = ['maps', 'partitions', 'workers', 'heapMB', 'journalMB', 'layoutKB', 'restartMs', 'commitsPerSecond', 'right'];

/** @returns the exit code */
export function ledger(argv: readonly string[]): Promise<number> {
  return runProgram('npm run bench -- ledger', argv, flagTable, keys, measure);
}

async function measure(flags: Flags<typeof flagTable>): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ledger-'));
  const { config } = loadConfig(ManagerConfig, '', { flags: { port: 0, dataDir: folder, logLevel: 'error', leaseMs: 600_000 } });
  let manager: RunningManager | undefined;
  let client: ManagerClient | undefined;
  try {
    manager = await startManager(config, 'bench');
    client = await connect(manager);
    const workers = await registerWorkers(client, flags.workers);
    const { job } = await client.openJob({ name: 'warm', url: '', slots: 0 });
    await client.closeJob({ job });
    const heapBefore = heapBytes();

    const opened = await openBig(client, flags);
    const startedAt = performance.now();
    await commitAll(client, opened, flags);
    const seconds = (performance.now() - startedAt) / 1000;
    const answer = await rawLayout(manager, opened.shuffle);
    const layout = JSON.parse(answer) as Layout;
    const heapAfter = heapBytes();
    const journalMB = folderBytes(join(folder, 'journal')) / 1e6;

    await client.close();
    await manager.close();
    const restartedAt = performance.now();
    manager = await startManager(config, 'bench');
    client = await connect(manager);
    const again = await client.layout({ shuffle: opened.shuffle, after: -1, waitMs: 0 });
    const restartMs = performance.now() - restartedAt;

    const right = isRight(layout, flags) && JSON.stringify(again) === answer;
    const result = {
      maps: flags.maps,
      partitions: flags.partitions,
      workers: workers.length,
      heapMB: round((heapAfter - heapBefore) / 1e6),
      journalMB: round(journalMB),
      layoutKB: round(answer.length / 1000),
      restartMs: round(restartMs),
      commitsPerSecond: round(flags.maps / seconds),
      right,
    };
    console.table([result]);
    return { right, result };
  } finally {
    await client?.close();
    await manager?.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const round = (value: number): number => Math.round(value * 100) / 100;

const connect = (manager: RunningManager): Promise<ManagerClient> =>
  connectManager({ urls: [manager.url], clock: systemClock, random: systemRandom, token: tokenOf(manager) });

const tokenOf = (manager: RunningManager) => tokenSource(readSecret(manager.secretFile), systemClock.wall);

async function registerWorkers(client: ManagerClient, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => mint128(systemRandom)).sort();
  for (const [index, worker] of ids.entries()) {
    const address = { host: '127.0.0.1', port: 1024 + index, hostLabel: `host-${index}`, pid: index };
    await client.registerWorker({ worker, incarnation: mint128(systemRandom), protocol: protocolVersion, ...address });
  }
  return ids;
}

async function openBig(client: ManagerClient, flags: Flags<typeof flagTable>): Promise<Layout> {
  const { job } = await client.openJob({ name: 'big', url: '', slots: 0 });
  const facts = { order: 0, level: 'received', deterministic: true, replicas: 1, bytesHint: 0, schema: '' } as const;
  return client.openShuffle({ job, name: 'exchange', spec: { maps: flags.maps, partitions: flags.partitions, ...facts } });
}

/** Attempts are numbered as an engine does that never uses one twice: map and a small counter. */
const attemptOf = (map: number): number => map % 3;

async function commitAll(client: ManagerClient, opened: Layout, flags: Flags<typeof flagTable>): Promise<void> {
  const view = viewLayout(opened);
  let next = 0;
  const send = async () => {
    for (let map = next++; map < flags.maps; map = next++) {
      const cells = view.targets(map).map(({ id, replicas }) => ({
        location: id,
        incarnations: replicas.map((replica) => replica.incarnation),
        manifestHash: new BigUint64Array(systemRandom.fill(new Uint8Array(8)).buffer)[0]?.toString() as string,
      }));
      await client.commit({ shuffle: opened.shuffle, map, attempt: attemptOf(map), cells });
    }
  };
  await Promise.all(Array.from({ length: flags.senders }, send));
}

/** The bytes of the whole answer since 0, as they leave the server. */
async function rawLayout(manager: RunningManager, shuffle: string): Promise<string> {
  const response = await fetch(`${manager.url}/v1/shuffles/layout`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${tokenOf(manager)()}` },
    body: JSON.stringify({ shuffle, after: 0, waitMs: 0 }),
  });
  return response.text();
}

function isRight(layout: Layout, flags: Flags<typeof flagTable>): boolean {
  const view = viewLayout(layout);
  if (!layout.sealed || view.vacant().length > 0) return false;
  for (let map = 0; map < flags.maps; map++) {
    const held = view.holders(map);
    if (held === null || held.some(({ attempt }) => attempt !== attemptOf(map))) return false;
    if (held.reduce((sum, { location }) => sum + location.partitionTo - location.partitionFrom, 0) !== flags.partitions) return false;
  }
  return true;
}

/** Used and external memory after a collection. */
function heapBytes(): number {
  if (typeof globalThis.gc !== 'function') {
    setFlagsFromString('--expose-gc');
    globalThis.gc = runInNewContext('gc') as typeof globalThis.gc;
  }
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const folderBytes = (folder: string): number => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
