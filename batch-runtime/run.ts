/**
 * Runs a job: `await using r = await run(job, { params })`. Finds or starts a cluster, opens the coordinator and its door,
 * and gives the rows, the events and the report. Everything it started ends with it, whatever happens. Called by
 * applications and by `sluice run`.
 */
import { networkInterfaces } from 'node:os';
import { resolve as resolvePath } from 'node:path';
import type { TProperties } from 'typebox';
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { silent } from '#manager/process/ports.ts';
import { asSluiceError, SluiceError, toJson } from '#manager/protocol/errors.ts';
import { mint128 } from '#manager/protocol/ids.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import type { Batch, Schema } from './batch/batch.ts';
import { rowsOf } from './batch/rows.ts';
import { type EmbeddedCluster, startEmbedded } from './embedded.ts';
import { adapters } from './execute/adapters.ts';
import { serveLease } from './execute/lease.ts';
import { buildGraph, type Job } from './job.ts';
import { Coordinator } from './schedule/coordinator.ts';
import type { JobEvent, JobReport } from './schedule/events.ts';
import { type CoordinatorServer, openCoordinatorServer } from './schedule/server.ts';
import { openDriver } from './shuffle/drivers.ts';
import { createMemoryShuffle } from './shuffle/memory.ts';
import { readBatches } from './shuffle/reader.ts';
import type { ShuffleDriver } from './shuffle/spi.ts';

export interface RunOptions {
  /** Values, or text as from a command line, by the job's params. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** URL of a manager; without it an embedded cluster starts and stops. */
  readonly cluster?: string;
  /** Token or secret of that cluster. */
  readonly token?: string;
  readonly shuffle?: 'memory' | 'local' | 'remote';
  /** Of the embedded cluster. Default 2 and 2. */
  readonly executors?: number;
  readonly workers?: number;
  /** Partitions of each exchange; by default from the size of the input. */
  readonly partitions?: number;
  /** Shuffle memory of the memory driver. Default 512 MiB. */
  readonly memoryBudgetBytes?: number;
  readonly signal?: AbortSignal;
  /** The file: URL of the module whose default export the job is; by default where job() was called. */
  readonly module?: string;
  readonly onEvent?: (event: JobEvent) => void;
}

export interface Run<R> extends AsyncDisposable {
  /** Rows of the table that build returned, in its order; waits for the job's last stage. */
  rows(): AsyncIterable<R>;
  batches(): AsyncIterable<Batch>;
  /** The columns of the returned table; null when build returned none. */
  readonly schema: Schema | null;
  /** Settles when the outputs are published. @throws what the job failed with; then older outputs are untouched */
  done(): Promise<JobReport>;
  /** Cancels what runs and frees everything. Again: does nothing. */
  close(): Promise<void>;
  /** Where the logs of a failed embedded run were kept, after close(). */
  readonly logs: string | null;
}

/** Where tasks run and shuffles are: made by one of three functions below, according to the driver. */
interface World {
  readonly job: number;
  readonly driver: ShuffleDriver;
  readonly descriptor: unknown;
  readonly slots: number;
  /** Lets executors come, once the coordinator is there; frees slots and shuffles at the end. */
  attach(coordinator: Coordinator): void;
  close(failed: boolean): Promise<string | null>;
}

/** @throws plan errors (FILE_MISSING, SCHEMA_DIFFERS, PARAMS_INVALID, ...) and OUTPUT_NOT_EMPTY, before anything runs */
export async function run<P extends TProperties, R>(job: Job<P, R>, options: RunOptions = {}): Promise<Run<R>> {
  const module = options.module ?? job.module;
  const graph = buildGraph(job, options.params ?? {});
  const events = options.onEvent ?? (() => {});
  let coordinator: Coordinator | null = null;
  const current = (): Coordinator => {
    if (coordinator === null) throw new SluiceError('CONNECTION_LOST', { what: 'the coordinator is not there yet' });
    return coordinator;
  };
  const interrupted = (): void => coordinator?.fail(new SluiceError('INTERRUPTED'));
  options.signal?.addEventListener('abort', interrupted, { once: true });
  const shuffle = options.shuffle ?? 'remote';
  const world =
    shuffle === 'memory'
      ? openMemory(options)
      : await openCluster(options, graph.plan.name, current, (text) => coordinator?.emit({ type: 'warning', text }));
  let logs: string | null = null;
  let closing: Promise<void> | null = null;
  let failed = false;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      options.signal?.removeEventListener('abort', interrupted);
      coordinator?.fail(new SluiceError('INTERRUPTED'));
      coordinator?.close();
      await published.catch(() => {});
      logs = await world.close(failed);
    })();
    return closing;
  };
  let published: Promise<JobReport> = Promise.reject(new SluiceError('INTERRUPTED'));
  published.catch(() => {});
  try {
    coordinator = new Coordinator({
      job: world.job,
      graph,
      module,
      params: options.params ?? {},
      folder: process.cwd(),
      driver: world.driver,
      descriptor: world.descriptor,
      slots: world.slots,
      partitions: options.partitions ?? null,
      clock: systemClock,
      log: silent,
      emit: events,
    });
    if (options.signal?.aborted) throw new SluiceError('INTERRUPTED');
    await coordinator.plan();
    await coordinator.start();
  } catch (thrown) {
    failed = true;
    const error = asSluiceError(thrown);
    coordinator?.emit({ type: 'error', error: toJson(error) });
    await close();
    throw error;
  }
  const brain = coordinator;
  published = (async () => {
    try {
      await brain.finished;
      const report = await brain.publish();
      brain.emit({ type: 'done', ...report });
      return report;
    } catch (thrown) {
      const error = asSluiceError(thrown);
      failed = error.code !== 'INTERRUPTED';
      await brain.discard();
      brain.emit({ type: 'error', error: toJson(error) });
      throw error;
    }
  })();
  published.catch(() => {});
  world.attach(brain);

  return {
    get schema() {
      return brain.resultSchema;
    },
    async *batches() {
      await brain.finished;
      yield* resultBatches(brain, world.driver);
    },
    async *rows() {
      await brain.finished;
      for await (const batch of resultBatches(brain, world.driver)) yield* rowsOf(batch) as Iterable<R>;
    },
    done: () => published,
    close,
    get logs() {
      return logs;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Bytes of a result partition kept back until it is known to be whole, so that a lost one can be made again unseen. */
const holdBackBytes = 32 * 1024 * 1024;

async function* resultBatches(coordinator: Coordinator, driver: ShuffleDriver): AsyncGenerator<Batch> {
  const result = coordinator.result;
  if (result === null) return;
  const { handle, edge } = result;
  for (let partition = 0; partition < handle.partitions; partition++) {
    for (let given = false; ; ) {
      const held: Batch[] = [];
      let bytes = 0;
      try {
        const range = { partitionFrom: partition, partitionTo: partition + 1, mapFrom: 0, mapTo: handle.maps, ordered: true };
        for await (const batch of readBatches(driver.createReader(handle, range), edge.schema)) {
          held.push(batch);
          bytes += batch.columns.reduce((sum, { data }) => sum + data.byteLength, 0);
          if (bytes < holdBackBytes) continue;
          given = true;
          yield* held.splice(0);
        }
        yield* held;
        break;
      } catch (thrown) {
        const error = asSluiceError(thrown);
        if (error.remedy !== 'recompute' || given) throw error;
        await coordinator.mendResult(error);
      }
    }
  }
}

/** One executor in this process, shuffles in its memory. */
function openMemory(options: RunOptions): World {
  const driver = createMemoryShuffle({ budgetBytes: options.memoryBudgetBytes ?? 512 * 1024 * 1024 });
  const abort = new AbortController();
  let served: Promise<void> = Promise.resolve();
  return {
    job: process.pid,
    driver,
    descriptor: null,
    slots: 1,
    attach(coordinator) {
      const lease = mint128(systemRandom);
      // The task's own close must not end the shuffles that the rows are read from.
      const shared: ShuffleDriver = { ...bound(driver), close: async () => {} };
      served = serveLease({ link: coordinator, lease, slots: 1, clock: systemClock, openDriver: async () => shared, signal: abort.signal }).catch(
        (thrown) => coordinator.fail(asSluiceError(thrown)),
      );
    },
    async close() {
      abort.abort();
      await served;
      await driver.close();
      return null;
    },
  };
}

const bound = (driver: ShuffleDriver): ShuffleDriver => ({
  name: driver.name,
  open: (request) => driver.open(request),
  createWriter: (handle, map, attempt) => driver.createWriter(handle, map, attempt),
  createReader: (handle, range) => driver.createReader(handle, range),
  vacant: (handle) => driver.vacant(handle),
  release: (handle) => driver.release(handle),
  close: () => driver.close(),
});

/** Executors of a cluster, embedded or not; shuffles in its workers, or in a folder that all executors see. */
async function openCluster(options: RunOptions, name: string, coordinator: () => Coordinator, warn: (text: string) => void): Promise<World> {
  const local = options.shuffle === 'local';
  const executors = options.executors ?? 2;
  const token = { value: '' };
  let embedded: EmbeddedCluster | null = null;
  let manager: ManagerClient | null = null;
  let server: CoordinatorServer | null = null;
  let driver: ShuffleDriver | null = null;
  const ports = adapters();
  const undo = async (failed: boolean): Promise<string | null> => {
    await driver?.close();
    await ports.close();
    await server?.close();
    await manager?.close();
    return (await embedded?.close(failed)) ?? null;
  };
  try {
    if (options.cluster === undefined) {
      const died = (member: string, how: string): void => warn(`${member} has died (${how})`);
      embedded = await startEmbedded({ workers: local ? 0 : (options.workers ?? 2), executors, dataDir: null, port: 0, died });
    }
    const url = embedded?.url ?? options.cluster ?? '';
    const credential = embedded?.secret ?? options.token ?? '';
    const clusterToken = tokenSource(credential, () => systemClock.wall());
    manager = await connectManager({ urls: url.split(','), token: clusterToken, clock: systemClock, random: systemRandom });
    const here = new URL(url.split(',')[0] ?? '').hostname;
    const loopback = here === 'localhost' || here.startsWith('127.') || here === '[::1]';
    server = await openCoordinatorServer(loopback ? '127.0.0.1' : '0.0.0.0', coordinator, () => token.value);
    const own = loopback ? '127.0.0.1' : ownAddress();
    const status = await manager.status({});
    const slots = Math.max(
      1,
      status.executors.reduce((sum, one) => sum + one.slots, 0),
    );
    if (status.executors.length === 0) throw new SluiceError('NO_EXECUTORS');
    const opened = await manager.openJob({ name, url: `http://${own}:${server.port}`, slots });
    token.value = opened.token;
    const descriptor = local
      ? { driver: 'local' as const, folder: resolvePath(embedded?.folder ?? '', 'shuffle') }
      : { driver: 'remote' as const, managerUrls: url.split(','), job: opened.job, token: opened.token };
    driver = openDriver(descriptor, ports);
    const stop = new AbortController();
    const keeping = { promise: Promise.resolve() };
    const client = manager;
    return {
      job: opened.job,
      driver,
      descriptor,
      slots,
      attach(brain) {
        keeping.promise = keep(client, opened.job, slots, brain, stop.signal);
      },
      async close(failed) {
        stop.abort();
        await keeping.promise;
        await client.closeJob({ job: opened.job }).catch(() => {});
        return undo(failed);
      },
    };
  } catch (thrown) {
    await undo(false);
    throw thrown;
  }
}

/** Keeps the job's lease, and tells the coordinator which of its slots are gone. */
async function keep(manager: ManagerClient, job: number, slots: number, coordinator: Coordinator, signal: AbortSignal): Promise<void> {
  let after = 0;
  let pauseMs = 50;
  while (!signal.aborted) {
    try {
      const answer = await manager.keepJob({ job, after, slots, waitMs: 2_000 }, { signal });
      after = answer.version;
      pauseMs = 50;
      coordinator.checkLeases(new Set(answer.leases.map(({ lease }) => lease)));
      coordinator.progress();
    } catch (thrown) {
      if (signal.aborted) return;
      const error = asSluiceError(thrown);
      if (error.remedy === 'fail' && error.code !== 'CLUSTER_UNREACHABLE') return coordinator.fail(error);
      // A manager that restarts is waited for: tasks go on without it.
      pauseMs = Math.min(pauseMs * 2, 2_000);
      await new Promise<void>((settle) => systemClock.after(pauseMs, settle));
    }
  }
}

/** An address of this machine that others can dial. */
const ownAddress = (): string =>
  Object.values(networkInterfaces())
    .flat()
    .find((one) => one !== undefined && !one.internal && one.family === 'IPv4')?.address ?? '127.0.0.1';
