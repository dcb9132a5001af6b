/**
 * A manager and workers in this process, over real sockets and folders, for tests of the remote shuffle. Workers are put
 * together here and not by startWorker, so that what they hold can be looked at and harmed. Also jobs with their drivers.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { type RunningManager, startManager } from '#manager/main.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { openDisk } from '#manager/process/disk.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { type DataTransport, silent } from '#manager/process/ports.ts';
import { MiB, protocolVersion } from '#manager/protocol/ids.ts';
import { type LayoutView, viewLayout } from '#manager/protocol/layout.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { createRemoteShuffle } from '#runtime/shuffle/remote.ts';
import type { ShuffleDriver, ShuffleHandle } from '#runtime/shuffle/spi.ts';
import { blockBytes, blockKinds, blockMagic, readHeader } from '#worker/protocol/block.ts';
import { createServer } from '#worker/server.ts';
import { segmentFolder } from '#worker/store/directory.ts';
import type { Store } from '#worker/store/store.ts';
import { createTransport } from '#worker/transport.ts';
import { Worker } from '#worker/worker.ts';

export interface Member {
  readonly worker: Worker;
  readonly folder: string;
  /** Ends it without a word to anyone: what it held is out of reach. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

export interface Cluster {
  readonly manager: RunningManager;
  readonly secret: string;
  readonly client: ManagerClient;
  readonly workers: Member[];
  startWorker(arenaBytes?: number): Promise<Member>;
  close(): Promise<void>;
}

export async function startCluster(workers: number, arenaBytes = 16 * MiB, segmentBytes = 16 * MiB): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-remote-'));
  const { config } = loadConfig(ManagerConfig, managerPrefix, { flags: { port: 0, logLevel: 'silent', dataDir: join(folder, 'manager') } });
  const title = process.title;
  const manager = await startManager(config, 'test');
  process.title = title;
  const secret = readFileSync(manager.secretFile, 'utf8').trim();
  const connect = () => connectManager({ urls: [manager.url], token: tokenSource(secret, Date.now), clock: systemClock, random: systemRandom });
  const client = await connect();
  const members: Member[] = [];
  const startWorker = async (bytes = arenaBytes): Promise<Member> => {
    let worker: Worker | null = null;
    const server = createServer(() => worker);
    const url = await server.listen({ host: '127.0.0.1', port: 0 });
    const own = await connect();
    const path = join(folder, `worker-${members.length}`);
    worker = await Worker.open({
      clock: systemClock,
      random: systemRandom,
      log: silent,
      manager: own,
      disks: [await openDisk(path)],
      secret,
      host: '127.0.0.1',
      port: Number(new URL(url).port),
      hostLabel: 'here',
      pid: process.pid,
      arenaBytes: bytes,
      segmentBytes,
      diskBytes: 0,
      drainTimeoutMs: 1000,
    });
    const running = worker;
    let ended = false;
    const end = async (isKilled: boolean): Promise<void> => {
      if (ended) return;
      ended = true;
      if (!isKilled) await running.close();
      await own.close();
      // Its connections are cut at once; that it cannot say goodbye any more is what takes it long.
      if (isKilled) void running.close().catch(() => {});
      await server.close();
    };
    const member = { worker: running, folder: path, kill: () => end(true), close: () => end(false) };
    members.push(member);
    return member;
  };
  for (let i = 0; i < workers; i++) await startWorker();
  return {
    manager,
    secret,
    client,
    workers: members,
    startWorker,
    async close() {
      await Promise.all(members.map((member) => member.close()));
      await client.close();
      await manager.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A job of its own, kept until close. */
export interface JobWorld {
  readonly job: number;
  readonly token: string;
  /** A driver as a process of its own would have it. */
  driver(transport?: DataTransport, silenceMs?: number, replicas?: number): ShuffleDriver;
  view(handle: ShuffleHandle): Promise<LayoutView>;
  close(): Promise<void>;
}

export async function openJob({ manager, client }: Cluster): Promise<JobWorld> {
  const { job, token } = await client.openJob({ name: 'a test', url: '', slots: 0 });
  const calls = await connectManager({ urls: [manager.url], token: () => token, clock: systemClock, random: systemRandom });
  const stop = new AbortController();
  const kept = (async () => {
    while (!stop.signal.aborted) await client.keepJob({ job, after: Number.MAX_SAFE_INTEGER, slots: 0, waitMs: 3000 }, { signal: stop.signal });
  })().catch(() => {});
  const drivers: ShuffleDriver[] = [];
  return {
    job,
    token,
    driver(transport = createTransport(), silenceMs, replicas) {
      const driver = createRemoteShuffle({
        manager: calls,
        transport,
        clock: systemClock,
        random: systemRandom,
        log: silent,
        job,
        token,
        name: 'test',
        ...(silenceMs === undefined ? {} : { silenceMs }),
        ...(replicas === undefined ? {} : { replicas }),
      });
      drivers.push(driver);
      return driver;
    },
    view: async ({ id }) => viewLayout(await client.layout({ shuffle: id, after: -1, waitMs: 0 })),
    async close() {
      for (const driver of drivers) await driver.close();
      stop.abort();
      await kept;
      await client.closeJob({ job });
      await calls.close();
    },
  };
}

/** Writes out what the workers have in memory, so that it can be harmed in their files. */
export async function flush(cluster: Cluster): Promise<void> {
  for (const { worker } of cluster.workers) await (worker.store as Store).flushAll();
}

/** Every stored data block with a payload, where it stands. A manifest, a loser or what was released may be among them. */
export async function* storedBlocks({ workers }: Cluster) {
  for (const { folder } of workers) {
    for (const name of await readdir(join(folder, segmentFolder)).catch(() => [])) {
      const path = join(folder, segmentFolder, name);
      const bytes = await readFile(path);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 4096; at + 64 <= bytes.length; ) {
        const isBlock =
          view.getUint16(at, true) === blockMagic && view.getUint8(at + 3) <= blockKinds.manifest && view.getUint8(at + 2) === protocolVersion;
        const header = isBlock ? readHeader(view, at) : null;
        if (header && header.kind === blockKinds.data && header.payloadLength > 0) yield { path, at, header };
        at += header ? blockBytes(header.payloadLength) : 8;
      }
    }
  }
}
