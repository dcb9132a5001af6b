/**
 * Runs a job for run(): makes its plan, finds or starts a cluster, opens the coordinator and its door, and gives the rows, the
 * events and the report. Everything it started ends with it, whatever happens. Called by run.ts.
 */
import { networkInterfaces, tmpdir } from 'node:os';
import { resolve as resolvePath } from 'node:path';
import type { TProperties } from 'typebox';
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { silent } from '#manager/process/ports.ts';
import { asSluiceError, SluiceError, toJson } from '#manager/protocol/errors.ts';
import { mint128 } from '#manager/protocol/ids.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { rowsOf } from './batch/rows.ts';
import { type EmbeddedCluster, startEmbedded } from './embedded.ts';
import { adapters } from './execute/adapters.ts';
import { graphOf } from './execute/job-module.ts';
import { serveLease } from './execute/lease.ts';
import type { Graph } from './graph/plan.ts';
import { broadcastWithin } from './graph/sizes.ts';
import type { AnyJob, Job } from './job.ts';
import type { Run, RunOptions } from './run.ts';
import { Coordinator, type Ground } from './schedule/coordinator.ts';
import type { JobReport } from './schedule/events.ts';
import { type BegunEntry, noLog, openJobLog, readJobLog, type ShuffleWishes, standing } from './schedule/job-log.ts';
import { keepJob } from './schedule/keep.ts';
import { readResult } from './schedule/result.ts';
import { type CoordinatorServer, openCoordinatorServer } from './schedule/server.ts';
import { openDriver } from './shuffle/drivers.ts';
import { createMemoryShuffle } from './shuffle/memory.ts';
import type { ShuffleDriver } from './shuffle/spi.ts';
import { embeddedBudget } from './spill/budget.ts';

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
  const begun = await begunOf(options);
  const module = options.module ?? begun?.module ?? job.module;
  const params = begun?.params ?? options.params ?? {};
  const graph = begun === null ? graphOf(job, params, module) : sameGraph(job, begun, module, options.resume ?? 0);
  const coordinator = new Coordinator({
    graph,
    module,
    params,
    folder: begun?.folder ?? process.cwd(),
    staging: begun?.staging ?? mint128(systemRandom),
    shuffle: wishesOf(options),
    partitions: options.partitions ?? null,
    optimized: options.optimize ?? true,
    sample: options.sample ?? null,
    ...(options.memoryBudgetBytes === undefined ? {} : { broadcastBytes: broadcastWithin(options.memoryBudgetBytes) }),
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
      if (succeeded !== true) await coordinator.giveUp();
      coordinator.close();
      logs = (await world?.close(failed)) ?? null;
      // Now that no attempt of it can run any more; what was published is not staged.
      if (succeeded !== true) await coordinator.discard();
    })();
    return closing;
  };
  try {
    if (begun === null) {
      await coordinator.plan();
      await coordinator.prepare();
    }
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
      yield* readResult(coordinator, driver);
    },
    async *rows() {
      await coordinator.finished;
      for await (const batch of readResult(coordinator, driver)) yield* rowsOf(batch) as Iterable<R>;
    },
    done: () => report,
    close,
    get logs() {
      return logs;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** What the log of the job says that is to go on; null for a new one. @throws USAGE, CLUSTER_UNREACHABLE, JOB_UNKNOWN, JOB_NOT_RESUMABLE */
async function begunOf({ resume, cluster, token = '' }: RunOptions): Promise<BegunEntry | null> {
  if (resume === undefined) return null;
  if (cluster === undefined)
    throw new SluiceError('USAGE', { what: 'only a job of a cluster can be resumed: an embedded run ends with its process' });
  const manager = await connect(cluster, token);
  try {
    const [begun] = await readJobLog(manager, resume);
    return begun;
  } finally {
    await manager.close();
  }
}

/** @throws JOB_NOT_RESUMABLE when the module is not as it was when the job was started */
function sameGraph(job: AnyJob, { params, digest }: BegunEntry, module: string, id: number): Graph {
  const differs = (what: string): SluiceError =>
    new SluiceError('JOB_NOT_RESUMABLE', { job: id, what: `${module} builds another graph than when it was started${what}` });
  let graph: Graph;
  try {
    graph = graphOf(job, params, module);
  } catch (thrown) {
    throw differs(` (${asSluiceError(thrown).message})`);
  }
  if (graph.digest !== digest) throw differs('');
  return graph;
}

const wishesOf = ({ replicas, level }: RunOptions): ShuffleWishes => ({
  ...(replicas === undefined ? {} : { replicas }),
  ...(level === undefined ? {} : { level }),
});

/** The module of a job that is to go on, as its log has it. @throws as begunOf */
export const moduleToResume = async (options: RunOptions): Promise<string> => (await begunOf(options))?.module ?? '';

const connect = (urls: string, credential: string): Promise<ManagerClient> =>
  connectManager({ urls: urls.split(','), token: tokenSource(credential, () => systemClock.wall()), clock: systemClock, random: systemRandom });

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
    log: noLog,
    attach() {
      const lease = mint128(systemRandom);
      // The task's own close must not end the shuffles that the rows are read from.
      const shared: ShuffleDriver = { ...bound(driver), close: async () => {} };
      const memory = { budgetBytes: options.memoryBudgetBytes ?? embeddedBudget(1), folder: tmpdir() };
      served = serveLease({
        link: coordinator,
        lease,
        slots: 1,
        memory,
        clock: systemClock,
        openDriver: async () => shared,
        signal: abort.signal,
      }).catch((thrown) => coordinator.fail(asSluiceError(thrown)));
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
      const { memoryBudgetBytes } = options;
      embedded = await startEmbedded({
        workers: local ? 0 : (options.workers ?? options.replicas ?? 1),
        executors,
        dataDir: null,
        forOneRun: true,
        port: 0,
        restart: true,
        died,
        ...(memoryBudgetBytes === undefined ? {} : { memoryBudgetBytes }),
      });
    }
    const url = embedded?.url ?? options.cluster ?? '';
    const credential = embedded?.secret ?? options.token ?? '';
    manager = await connect(url, credential);
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
    const door = { url: `http://${own}:${server.port}`, slots };
    const before = status.jobs.find(({ job }) => job === options.resume)?.epoch ?? 1;
    const opened =
      options.resume === undefined
        ? { epoch: 1, ...(await manager.openJob({ name, ...door })) }
        : { job: options.resume, ...(await manager.resumeJob({ job: options.resume, ...door, after: before, taker: mint128(systemRandom) })) };
    const { job, epoch } = opened;
    token.value = opened.token;
    const stop = new AbortController();
    let log = noLog;
    // Nobody else writes to it any more.
    const entries = options.resume === undefined ? null : await readJobLog(manager, job);
    if (embedded === null) {
      log = openJobLog({ manager, clock: systemClock, random: systemRandom, job, epoch, length: entries?.length ?? 0, signal: stop.signal });
      coordinator.emit({ type: 'opened', id: job, epoch, done: standing(entries ?? []).filter(({ kind }) => kind === 'ended').length });
      if (entries !== null) {
        coordinator.restore(entries, epoch);
        await coordinator.prepare();
      }
    }
    const descriptor = local
      ? { driver: 'local' as const, folder: resolvePath(embedded?.folder ?? '', 'shuffle') }
      : { driver: 'remote' as const, managerUrls: url.split(','), job, token: opened.token };
    driver = openDriver({ ...descriptor, ...(entries === null ? wishesOf(options) : entries[0].shuffle) }, ports);
    const keeping = { promise: Promise.resolve() };
    const client = manager;
    return {
      job,
      driver,
      descriptor,
      slots,
      log,
      attach() {
        keeping.promise = keepJob({ manager: client, clock: systemClock, job, epoch, slots, coordinator, signal: stop.signal });
      },
      async close(failed) {
        stop.abort();
        await keeping.promise;
        // Not that of a coordinator that has taken the job over.
        await client.closeJob({ job, epoch }).catch(() => {});
        return undo(failed);
      },
    };
  } catch (thrown) {
    await undo(false);
    throw thrown;
  }
}

/** An address of this machine that others can dial. */
const ownAddress = (): string =>
  Object.values(networkInterfaces())
    .flat()
    .find((one) => one !== undefined && !one.internal && one.family === 'IPv4')?.address ?? '127.0.0.1';
