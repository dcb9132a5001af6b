/**
 * The engine's part: runs a case on one of the three drivers. One manager and two workers with a small arena serve all
 * cases, and coordinator and executors are in this process, so that a case costs milliseconds; they speak to manager and workers
 * over loopback as everywhere. Processes of their own are for the end-to-end tests.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectManager } from '#manager/client.ts';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { startManager } from '#manager/main.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { silent } from '#manager/process/ports.ts';
import { readSecret } from '#manager/process/secret.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import { MiB, mint128 } from '#manager/protocol/ids.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { Source } from '#runtime/connectors/connector.ts';
import { sources } from '#runtime/connectors/table.ts';
import { adapters } from '#runtime/execute/adapters.ts';
import { serveLease } from '#runtime/execute/lease.ts';
import { explain } from '#runtime/graph/explain.ts';
import type { StageGraph } from '#runtime/graph/stage.ts';
import { buildGraph } from '#runtime/job.ts';
import { Coordinator } from '#runtime/schedule/coordinator.ts';
import { type JobLog, noLog } from '#runtime/schedule/job-log.ts';
import { planJob } from '#runtime/schedule/planning.ts';
import { type DriverDescriptor, openDriver } from '#runtime/shuffle/drivers.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
import { readBatches } from '#runtime/shuffle/reader.ts';
import type { ShuffleDriver } from '#runtime/shuffle/spi.ts';
import { WorkerConfig, workerPrefix } from '#worker/config.ts';
import { startWorker } from '#worker/main.ts';
import type { Case } from './case.ts';
import { type Cell, cellsOf } from './compare.ts';
import type { DriverName } from './drivers.ts';
import oracle from './job.ts';

/** Where a case has its files: what it reads, and what is written down in it. */
export interface Prepared {
  readonly folder: string;
  readonly values: Readonly<Record<string, readonly Record<string, unknown>[]>>;
}

export interface Engine {
  /** Runs a case; sinks write into `out`. Answers the rows of its result, in order. @throws what the job failed with */
  run(one: Case, prepared: Prepared, driver: DriverName, out: string): Promise<Cell[][]>;
  /** Regions that the workers have written to disk so far. */
  regions(): Promise<number>;
  close(): Promise<void>;
}

/** Broadcast nothing: not even a table of no rows. */
const never = -1;
const executors = 2;
const paramsOf = (one: Case, { folder, values }: Prepared, out: string) => ({
  description: JSON.stringify(one),
  folder,
  values: JSON.stringify(values),
  out,
});

/** The plan of a case and the stages it becomes. */
export async function planOf(one: Case, prepared: Prepared): Promise<{ stages: StageGraph; text: string }> {
  const graph = buildGraph(oracle, paramsOf(one, prepared, join(prepared.folder, 'out')));
  const { plan, stages } = await planJob(graph, process.cwd(), { broadcastBytes: one.broadcast ? null : never });
  return { stages, text: explain(plan, stages) };
}

/** What a job runs on. */
interface Ground {
  readonly log: JobLog;
  readonly job: number;
  readonly driver: ShuffleDriver;
  readonly descriptor: unknown;
  close(): Promise<void>;
}

export async function openEngine(): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-oracle-cluster-'));
  let cluster: Promise<Cluster> | null = null;
  const ports = adapters();
  let jobs = 0;

  const ensureCluster = (): Promise<Cluster> => {
    cluster ??= openCluster(folder);
    return cluster;
  };

  const open = async (driver: DriverName, slots: number): Promise<Ground> => {
    const opened = driver === 'remote' ? await (await ensureCluster()).openJob(slots) : null;
    const url = (await cluster)?.url ?? '';
    const shuffles = join(folder, `shuffles-${++jobs}`);
    const descriptor: DriverDescriptor | null =
      driver === 'memory'
        ? null
        : opened === null
          ? { driver: 'local', folder: shuffles }
          : { driver: 'remote', managerUrls: [url], job: opened.job, token: opened.token };
    const shuffle = descriptor === null ? createMemoryShuffle({ budgetBytes: 512 * MiB }) : openDriver(descriptor, ports);
    return {
      job: opened?.job ?? jobs,
      driver: shuffle,
      descriptor,
      log: noLog,
      async close() {
        await shuffle.close();
        await opened?.close();
        rmSync(shuffles, { recursive: true, force: true });
      },
    };
  };

  return {
    async run(one, prepared, driver, out) {
      const params = paramsOf(one, prepared, out);
      const coordinator = new Coordinator({
        graph: buildGraph(oracle, params),
        module: oracle.module,
        params,
        folder: process.cwd(),
        staging: mint128(systemRandom),
        partitions: one.partitions,
        ...(one.broadcast ? {} : { broadcastBytes: never }),
        clock: systemClock,
        log: silent,
        emit: () => {},
      });
      const stop = new AbortController();
      let served: Promise<unknown> = Promise.resolve();
      let ground: Ground | null = null;
      const whole = one.batchRows === null ? null : cutBatches(one.batchRows);
      try {
        await coordinator.plan();
        await coordinator.prepare();
        ground = await open(driver, one.slots);
        const shared = sharedBy(ground.driver);
        coordinator.start({ ...ground, slots: one.slots });
        const serve = (): Promise<void> =>
          serveLease({
            link: coordinator,
            lease: mint128(systemRandom),
            slots: Math.ceil(one.slots / executors),
            clock: systemClock,
            openDriver: async () => shared,
            signal: stop.signal,
          });
        served = Promise.all(Array.from({ length: executors }, serve)).catch((thrown) => coordinator.fail(asSluiceError(thrown)));
        await coordinator.finished;
        const rows = await resultOf(coordinator, ground.driver, one);
        await coordinator.publish();
        return rows;
      } finally {
        coordinator.fail(new SluiceError('INTERRUPTED'));
        coordinator.close();
        stop.abort();
        await served;
        await ground?.close();
        await coordinator.discard();
        whole?.();
      }
    },
    regions: async () => (await (await cluster)?.regions()) ?? 0,
    async close() {
      await ports.close();
      await (await cluster)?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The driver as executors have it: one that closes it must not end the shuffles of the others. */
const sharedBy = (driver: ShuffleDriver): ShuffleDriver => ({
  name: driver.name,
  open: (request) => driver.open(request),
  createWriter: (...given) => driver.createWriter(...given),
  createReader: (...given) => driver.createReader(...given),
  vacant: (handle) => driver.vacant(handle),
  release: (handle) => driver.release(handle),
  close: async () => {},
});

/** From here on every source gives batches of so many rows at most; answers how to end that. */
function cutBatches(rows: number): () => void {
  const table = sources as Record<string, Source>;
  const before = { ...table };
  for (const [name, source] of Object.entries(before)) {
    table[name] = {
      ...source,
      async *read(...given) {
        for await (const batch of source.read(...given)) {
          for (let from = 0; from < batch.length; from += rows) yield slice(batch, from, Math.min(batch.length, from + rows));
        }
      },
    };
  }
  return () => void Object.assign(table, before);
}

async function resultOf(coordinator: Coordinator, driver: ShuffleDriver, one: Case): Promise<Cell[][]> {
  const { result } = coordinator;
  const output = one.outputs.find(({ to }) => to === 'result');
  if (result === null || output === undefined) return [];
  const { handle, edge } = result;
  const rows: Cell[][] = [];
  for (let partition = 0; partition < handle.partitions; partition++) {
    const range = { partitionFrom: partition, partitionTo: partition + 1, mapFrom: 0, mapTo: handle.maps, ordered: true };
    for await (const batch of readBatches(driver.createReader(handle, range), edge.schema)) {
      for (const row of cellsOf(batch, output.columns)) rows.push(row);
    }
  }
  return rows;
}

/** A manager and two workers in this process. */
interface Cluster {
  readonly url: string;
  openJob(slots: number): Promise<{ readonly job: number; readonly token: string; close(): Promise<void> }>;
  regions(): Promise<number>;
  close(): Promise<void>;
}

/** An arena that a job of a few megabytes fills, and in which an eighth holds a block. */
const arenaBytes = 3 * MiB;
const workers = 2;
/** A case is over long before: nobody keeps the lease of its job. */
const leaseMs = 600_000;

async function openCluster(folder: string): Promise<Cluster> {
  const { title } = process;
  const quiet = { host: '127.0.0.1', port: 0, logLevel: 'silent' };
  const managerConfig = loadConfig(ManagerConfig, managerPrefix, { flags: { ...quiet, dataDir: join(folder, 'manager'), leaseMs } }).config;
  const manager = await startManager(managerConfig, 'oracle');
  const secret = readSecret(manager.secretFile);
  const running = await Promise.all(
    Array.from({ length: workers }, (_, i) => {
      const flags = { ...quiet, managerUrl: manager.url, dataDirs: [join(folder, `worker-${i}`)], arenaBytes, segmentBytes: 16 * MiB };
      return startWorker(loadConfig(WorkerConfig, workerPrefix, { flags }).config, secret, 'oracle');
    }),
  );
  process.title = title;
  const token = tokenSource(secret, () => systemClock.wall());
  const client = await connectManager({ urls: [manager.url], token, clock: systemClock, random: systemRandom });
  return {
    url: manager.url,
    async openJob(slots) {
      const { job, token: own } = await client.openJob({ name: 'oracle', url: 'http://127.0.0.1:1', slots });
      return { job, token: own, close: async () => void (await client.closeJob({ job })) };
    },
    async regions() {
      const texts = await Promise.all(running.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
      return texts.reduce((sum, text) => sum + Number(/^sluice_worker_regions_total\S* (\d+)/m.exec(text)?.[1]), 0);
    },
    async close() {
      await client.close();
      await Promise.all(running.map((worker) => worker.close()));
      await manager.close();
    },
  };
}
