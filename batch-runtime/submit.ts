/**
 * Runs a job for run(): makes its plan, finds or starts a cluster, opens the coordinator and its door, and gives the rows, the
 * events and the report. Everything it started ends with it, whatever happens. Called by run.ts.
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
import type { Batch } from './batch/batch.ts';
import { rowsOf } from './batch/rows.ts';
import { type EmbeddedCluster, startEmbedded } from './embedded.ts';
import { adapters } from './execute/adapters.ts';
import { graphOf } from './execute/job-module.ts';
import { serveLease } from './execute/lease.ts';
import type { Job } from './job.ts';
import type { Run, RunOptions } from './run.ts';
import { Coordinator, type Ground } from './schedule/coordinator.ts';
import type { JobReport } from './schedule/events.ts';
import { type CoordinatorServer, openCoordinatorServer } from './schedule/server.ts';
import { openDriver } from './shuffle/drivers.ts';
import { createMemoryShuffle } from './shuffle/memory.ts';
import { readBatches } from './shuffle/reader.ts';
import type { ShuffleDriver } from './shuffle/spi.ts';

/** Where tasks run and shuffles are: made by one of two functions below, according to the driver. */
interface World extends Ground {
  /** Lets executors come; keeps what has to be kept until close. */
  attach(): void;
  close(failed: boolean): Promise<string | null>;
}

const progressEveryMs = 250;
/** What cancelled attempts get to let go of the files they stage. */
const quietMs = 1_000;

/** @throws plan errors (FILE_MISSING, SCHEMA_DIFFERS, PARAMS_INVALID, ...) and OUTPUT_NOT_EMPTY, before anything is started */
export async function submit<P extends TProperties, R>(job: Job<P, R>, options: RunOptions): Promise<Run<R>> {
  const module = options.module ?? job.module;
  const graph = graphOf(job, options.params ?? {}, module);
  const coordinator = new Coordinator({
    graph,
    module,
    params: options.params ?? {},
    folder: process.cwd(),
    staging: mint128(systemRandom),
    partitions: options.partitions ?? null,
    clock: systemClock,
    log: silent,
    emit: options.onEvent ?? (() => {}),
  });
  const interrupted = (): void => coordinator.fail(new SluiceError('INTERRUPTED'));
  options.signal?.addEventListener('abort', interrupted, { once: true });
  let world: World | null = null;
  let published: Promise<JobReport> | null = null;
  let beat: NodeJS.Timeout | undefined;
  let failed = false;
  let logs: string | null = null;
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      options.signal?.removeEventListener('abort', interrupted);
      clearInterval(beat);
      coordinator.fail(new SluiceError('INTERRUPTED'));
      const succeeded = await published?.then(
        () => true,
        () => false,
      );
      coordinator.close();
      logs = (await world?.close(failed)) ?? null;
      // Now that no attempt of it can run any more; what was published is not staged.
      if (succeeded !== true) await coordinator.discard();
    })();
    return closing;
  };
  try {
    await coordinator.plan();
    await coordinator.prepare();
    if (options.signal?.aborted) throw new SluiceError('INTERRUPTED');
    world = options.shuffle === 'memory' ? openMemory(options, coordinator) : await openCluster(options, graph.plan.name, coordinator);
    if (options.signal?.aborted) throw new SluiceError('INTERRUPTED');
  } catch (thrown) {
    const error = asSluiceError(thrown);
    failed = error.code !== 'INTERRUPTED';
    coordinator.emit({ type: 'error', error: toJson(error) });
    await close();
    throw error;
  }
  coordinator.start(world);
  beat = setInterval(() => {
    coordinator.checkSilence();
    coordinator.checkStragglers();
    coordinator.progress();
  }, progressEveryMs);
  published = (async () => {
    try {
      await coordinator.finished;
      const report = await coordinator.publish();
      coordinator.progress();
      coordinator.emit({ type: 'done', ...report });
      return report;
    } catch (thrown) {
      const error = asSluiceError(thrown);
      failed = error.code !== 'INTERRUPTED';
      coordinator.fail(error);
      await coordinator.quiet(quietMs);
      await coordinator.discard();
      coordinator.emit({ type: 'error', error: toJson(error) });
      throw error;
    } finally {
      clearInterval(beat);
    }
  })();
  published.catch(() => {});
  world.attach();
  const report = published;
  const { driver } = world;

  return {
    get schema() {
      return coordinator.resultSchema;
    },
    async *batches() {
      await coordinator.finished;
      yield* resultBatches(coordinator, driver);
    },
    async *rows() {
      await coordinator.finished;
      for await (const batch of resultBatches(coordinator, driver)) yield* rowsOf(batch) as Iterable<R>;
    },
    done: () => report,
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
  let run: string | null = null;
  let given = false;
  for (let partition = 0; ; ) {
    const { result } = coordinator;
    if (result === null || partition === result.handle.partitions) return;
    const { handle, edge } = result;
    // A result that was made anew has other rows in its partitions.
    if (run !== null && handle.id !== run) partition = 0;
    run = handle.id;
    const held: Batch[] = [];
    let bytes = 0;
    let begun = false;
    try {
      const range = { partitionFrom: partition, partitionTo: partition + 1, mapFrom: 0, mapTo: handle.maps, ordered: true };
      for await (const batch of readBatches(driver.createReader(handle, range), edge.schema)) {
        held.push(batch);
        bytes += batch.columns.reduce((sum, { data }) => sum + data.byteLength, 0);
        if (bytes < holdBackBytes) continue;
        given = begun = true;
        yield* held.splice(0);
      }
      given ||= held.length > 0;
      yield* held;
      partition++;
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (error.remedy !== 'recompute' || begun) throw error;
      await coordinator.mendResult(error);
      if (given && coordinator.result?.handle.id !== run) throw error;
    }
  }
}

/** One executor in this process, shuffles in its memory. */
function openMemory(options: RunOptions, coordinator: Coordinator): World {
  const driver = createMemoryShuffle({ budgetBytes: options.memoryBudgetBytes ?? 512 * 1024 * 1024 });
  const abort = new AbortController();
  let served: Promise<void> = Promise.resolve();
  return {
    job: process.pid,
    driver,
    descriptor: null,
    slots: 1,
    attach() {
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
async function openCluster(options: RunOptions, name: string, coordinator: Coordinator): Promise<World> {
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
      const died = (member: string, how: string): void => coordinator.emit({ type: 'warning', text: `${member} has died (${how})` });
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
    const { replicas, level } = options;
    driver = openDriver({ ...descriptor, ...(replicas === undefined ? {} : { replicas }), ...(level === undefined ? {} : { level }) }, ports);
    const stop = new AbortController();
    const keeping = { promise: Promise.resolve() };
    const client = manager;
    return {
      job: opened.job,
      driver,
      descriptor,
      slots,
      attach() {
        keeping.promise = keep(client, opened.job, slots, coordinator, stop.signal);
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

/** How long a cluster may be without any executor before the job gives up. */
const executorsPatienceMs = 5_000;

/** Keeps the job's lease, and tells the coordinator which of its slots are gone. */
async function keep(manager: ManagerClient, job: number, slots: number, coordinator: Coordinator, signal: AbortSignal): Promise<void> {
  let after = 0;
  let pauseMs = 50;
  let aloneSince: number | null = null;
  while (!signal.aborted) {
    try {
      const known = coordinator.leases();
      const answer = await manager.keepJob({ job, after, slots, waitMs: 2_000 }, { signal });
      after = answer.version;
      pauseMs = 50;
      coordinator.checkLeases(known, new Set(answer.leases.map(({ lease }) => lease)));
      // Without a slot it may be another job's turn; without an executor it never will be ours.
      const alone = answer.leases.length === 0 && (await manager.status({}, { signal })).executors.length === 0;
      aloneSince = alone ? (aloneSince ?? systemClock.now()) : null;
      if (aloneSince !== null && systemClock.now() - aloneSince > executorsPatienceMs) return coordinator.fail(new SluiceError('NO_EXECUTORS'));
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
