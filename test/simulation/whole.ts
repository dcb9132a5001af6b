/**
 * Plays a whole job from one seed: the product's coordinator, scheduler, executors and tasks over the simulated cluster, until its
 * rows are read. What dies is started again: an executor anew, a coordinator as one that goes on with the log. Right means
 * that the rows are those of a run without a cluster, in their order. Called by simulate.ts and the tests.
 */
import type { Millis } from '#manager/process/ports.ts';
import { asSluiceError, fromJson, SluiceError, toJson } from '#manager/protocol/errors.ts';
import { mint128 } from '#manager/protocol/ids.ts';
import { rowsOf } from '#runtime/batch/rows.ts';
import { type Executor, type LeaseServer, startExecutor } from '#runtime/execute/executor.ts';
import { serveLease } from '#runtime/execute/lease.ts';
import { buildGraph } from '#runtime/job.ts';
import { Coordinator } from '#runtime/schedule/coordinator.ts';
import { openJobLog, readJobLog } from '#runtime/schedule/job-log.ts';
import { keepJob } from '#runtime/schedule/keep.ts';
import type { CoordinatorLink } from '#runtime/schedule/messages.ts';
import { readResult } from '#runtime/schedule/result.ts';
import { createRemoteShuffle } from '#runtime/shuffle/remote.ts';
import type { ShuffleDriver } from '#runtime/shuffle/spi.ts';
import job from './chained.ts';
import { Cluster } from './cluster.ts';
import { allFaults, type FaultKind, Faults, type Rate } from './faults.ts';
import { Oracles } from './oracles.ts';
import { type Outcome, patienceMs, stackOf, sweepMs } from './run.ts';
import { type Cuts, cutScenario, scenarioOf } from './scenario.ts';
import { SimulatedProcess, Simulation } from './simulation.ts';

const module = new URL('./chained.ts', import.meta.url).href;
const eventsAtMost = 1_000_000;
/** Errors that a coordinator or executor may end with while things go wrong; another one takes its place. */
const outages: ReadonlySet<string> = new Set(['CLUSTER_UNREACHABLE', 'DISK_FAILED', 'NO_EXECUTORS', 'NO_WORKERS']);

const coordinatorDies: Rate = { chance: 0.06, most: 3 };

/** What is at a URL: a coordinator, as long as its process lives. */
interface Door {
  readonly process: SimulatedProcess;
  readonly coordinator: Coordinator;
}

export async function playWhole(
  seed: number,
  permitted: readonly FaultKind[] = allFaults,
  cuts: Cuts = {},
  say?: (line: string) => void,
): Promise<Outcome> {
  const { rates, ...scenario } = { ...cutScenario(scenarioOf(seed, permitted), cuts), shuffles: [] };
  // Coordinators are there only here.
  const whole = permitted.includes('coordinatorKill') && seed % 3 > 0 ? new Map([...rates, ['coordinatorKill', coordinatorDies] as const]) : rates;
  const simulation = new Simulation({ seed, say });
  const faults = new Faults(simulation, whole, scenario.faultMs, scenario.only);
  const cluster = new Cluster(simulation, faults, { ...scenario, rates: whole });
  const oracles = new Oracles(cluster);
  const params = { rows: faults.integer(0, 800), shops: faults.integer(1, 30) };
  const partitions = faults.integer(1, 7);
  const expected = await alone(params);
  const unhandled = (thrown: unknown): void => simulation.violate(`not handled: ${stackOf(thrown)}`);
  process.on('unhandledRejection', unhandled);
  const doors = new Map<string, Door>();
  const counters = { coordinators: 0, executors: 0, again: 0 };
  let step = 'the cluster starts';
  let done = false;

  /** A call from an executor to a coordinator: late, or lost on the way there or back. */
  const linkTo = (caller: SimulatedProcess, url: string): CoordinatorLink => {
    const call = async (name: keyof CoordinatorLink, request: object, signal?: AbortSignal): Promise<unknown> => {
      const lost = (): SluiceError => new SluiceError('CONNECTION_LOST', { what: `the coordinator at ${url}` });
      await caller.sleep(faults.number(0.1, 0.8));
      const door = doors.get(url);
      if (door === undefined || !door.process.alive || faults.strikes('lostCall')) throw lost();
      strike(door);
      return await new Promise((resolve, reject) => {
        const hangUp = new AbortController();
        const fail = (): void => {
          hangUp.abort();
          const { lease } = request as { lease: string };
          if (name === 'poll' && door.process.alive) door.coordinator.lostLease(lease, 'its connection closed');
        };
        caller.atDeath(() => void simulation.after(faults.number(0.1, 50), door.process, fail));
        door.process.atDeath(() => void simulation.after(faults.number(0.1, 5), caller, () => reject(lost())));
        signal?.addEventListener('abort', () => {
          hangUp.abort();
          reject(signal.reason);
        });
        const made = (door.coordinator[name] as (request: object, signal: AbortSignal) => Promise<unknown>)(structuredClone(request), hangUp.signal);
        const answered = (tell: () => void): void => {
          if (!door.process.alive) return;
          if (faults.strikes('lostAnswer')) {
            faults.count('lostAnswer');
            simulation.after(1, caller, () => reject(lost()));
            if (name === 'poll') simulation.after(1, door.process, fail);
          } else simulation.after(faults.number(0.1, 0.8), caller, tell);
        };
        made.then(
          (answer) => answered(() => resolve(JSON.parse(JSON.stringify(answer)))),
          (thrown: unknown) => answered(() => reject(fromJson(JSON.parse(JSON.stringify(toJson(asSluiceError(thrown))))))),
        );
      });
    };
    return {
      join: (request, signal) => call('join', request, signal) as ReturnType<CoordinatorLink['join']>,
      poll: (request, signal) => call('poll', request, signal) as ReturnType<CoordinatorLink['poll']>,
      report: (request, signal) => call('report', request, signal) as ReturnType<CoordinatorLink['report']>,
    };
  };

  const driverOf = (owner: SimulatedProcess, id: number, token: string): ShuffleDriver => {
    const { clock, random, log } = owner;
    const manager = cluster.control.callsOf(owner, () => token);
    return createRemoteShuffle({ manager, transport: cluster.network.transport(owner), clock, random, log, job: id, token, name: owner.name });
  };

  const strike = (door: Door): void => {
    if (!faults.strikes('coordinatorKill')) return;
    simulation.after(faults.number(0, 3), door.process, () => {
      faults.count('coordinatorKill');
      simulation.tell(() => `${door.process.name}: kill`);
      end(door.process, faults.integer(0, 4) === 0);
    });
  };
  const end = (ended: SimulatedProcess, silently: boolean): void => {
    ended.kill();
    cluster.network.died(ended, silently);
    cluster.control.died(ended, silently);
  };

  const executors: (Executor | null)[] = [];
  const startExecutorAt = (at: number): void => {
    const own = new SimulatedProcess(simulation, `executor-${at}`);
    const { clock, random, log } = own;
    counters.executors++;
    const server: LeaseServer = {
      begin({ lease, url, token, job: id, slots }) {
        const abort = new AbortController();
        const served = serveLease({
          link: linkTo(own, url),
          lease,
          slots,
          clock,
          openDriver: async () => driverOf(own, id, token),
          signal: abort.signal,
        });
        const ended = served.then(
          () => true,
          (thrown: unknown) => {
            const error = asSluiceError(thrown);
            if (!abort.signal.aborted) judge(error, `${own.name} serves a lease`);
            return abort.signal.aborted;
          },
        );
        return {
          ended,
          async stop() {
            abort.abort();
            await ended;
          },
        };
      },
      close: async () => {},
    };
    const restart = (): void => {
      end(own, faults.integer(0, 4) === 0);
      executors[at] = null;
      simulation.after(faults.number(1, 500), null, () => {
        if (!done) startExecutorAt(at);
      });
    };
    watched.set(own, restart);
    startExecutor({ manager: cluster.clusterCalls(own), server, clock, random, log, slots: 1 + (at % 2) }).then(
      (executor) => {
        executors[at] = executor;
      },
      (thrown: unknown) => {
        judge(asSluiceError(thrown), `${own.name} starts`);
        restart();
      },
    );
  };
  /** Executors that live, and what kills them. */
  const watched = new Map<SimulatedProcess, () => void>();
  const arrived = cluster.network.arrived;
  cluster.network.arrived = (arrival) => {
    arrived(arrival);
    const reached = arrival.to;
    const kill = watched.get(reached);
    if (kill === undefined || !faults.strikes('executorKill')) return;
    simulation.after(faults.number(0, 3), reached, () => {
      faults.count('executorKill');
      simulation.tell(() => `${reached.name}: kill`);
      watched.delete(reached);
      kill();
    });
  };

  // A clock that is a day off takes tokens for expired.
  const tolerated = new Set([...outages, ...(faults.has('clockJump') ? ['UNAUTHORIZED'] : [])]);
  const killCaller = cluster.control.kill;
  cluster.control.kill = (caller) => {
    const kill = watched.get(caller);
    watched.delete(caller);
    if (kill === undefined) killCaller(caller);
    else kill();
  };

  const judge = (error: SluiceError, what: string): void => {
    simulation.tell(() => `${what}: ${error.code} ${error.message}`);
    if (error.remedy === 'retry' || error.remedy === 'recompute' || error.remedy === 'refresh' || tolerated.has(error.code)) return;
    // A fault costs a task an attempt at most, of which it has four.
    if (error.code === 'TASK_FAILED' && faults.fired.length >= 4) return;
    simulation.violate(`${what}: ${error.code}: ${error.message}\n${error.cause instanceof Error ? error.cause.stack : error.stack}`);
  };

  /** One coordinator, from its start to the rows. Null: it ended before, as another one has to find out. */
  const coordinate = async (own: SimulatedProcess, id: number | null): Promise<{ id: number; rows: string[] | null }> => {
    const { clock, random, log } = own;
    const manager = cluster.clusterCalls(own);
    const url = `http://${own.name}`;
    const coordinator = new Coordinator({
      graph: buildGraph(job, params),
      module,
      params,
      folder: '/',
      staging: 'simulated',
      partitions,
      broadcastBytes: 0,
      clock,
      log,
      emit: (event) => simulation.tell(() => `${own.name}: ${JSON.stringify(event)}`),
    });
    doors.set(url, { process: own, coordinator });
    const stop = new AbortController();
    const slots = 3;
    const before = id === null ? 0 : ((await manager.status({})).jobs.find(({ job }) => job === id)?.epoch ?? 1);
    const opened =
      id === null
        ? { epoch: 1, ...(await manager.openJob({ name: 'chained', url, slots })) }
        : { job: id, ...(await manager.resumeJob({ job: id, url, slots, after: before, taker: mint128(random) })) };
    const { job: number, epoch, token } = opened;
    known.id = number;
    const driver = driverOf(own, number, token);
    const entries = id === null ? null : await readJobLog(manager, number);
    if (entries === null) await coordinator.plan();
    else coordinator.restore(entries, epoch);
    await coordinator.prepare();
    const jobLog = openJobLog({ manager, clock, random, job: number, epoch, length: entries?.length ?? 0, signal: stop.signal });
    coordinator.start({ job: number, driver, descriptor: {}, slots, log: jobLog });
    const look = (): void => {
      if (stop.signal.aborted) return;
      coordinator.checkSilence();
      clock.after(1000, look);
    };
    look();
    const kept = keepJob({ manager, clock, job: number, epoch, slots, coordinator, signal: stop.signal });
    let rows: string[] | null = null;
    try {
      await coordinator.finished;
      rows = [];
      for await (const batch of readResult(coordinator, driver)) for (const row of rowsOf(batch)) rows.push(textOf(row));
      const report = await coordinator.publish();
      counters.again += report.tasksRerun;
    } catch (thrown) {
      judge(asSluiceError(thrown), own.name);
      rows = null;
      coordinator.fail(asSluiceError(thrown));
    } finally {
      stop.abort();
      coordinator.close();
      await kept;
      await driver.close();
    }
    return { id: number, rows };
  };

  const known: { id: number | null } = { id: null };
  const main = async (): Promise<void> => {
    cluster.start();
    for (let i = 0; i < scenario.executors + 1; i++) startExecutorAt(i);
    step = 'the job runs';
    let rows: string[] | null = null;
    while (rows === null) {
      const own = new SimulatedProcess(simulation, `coordinator-${++counters.coordinators}`);
      const died = new Promise<null>((resolve) => own.atDeath(() => simulation.after(faults.number(1, 3000), null, () => resolve(null))));
      const ran = coordinate(own, known.id).then(
        (end) => end.rows,
        async (thrown: unknown) => {
          const error = asSluiceError(thrown);
          // It died before it had written anything down: it begins anew.
          if (error.code === 'JOB_NOT_RESUMABLE' || error.code === 'JOB_UNKNOWN') known.id = null;
          else judge(error, own.name);
          await own.sleep(200);
          return null;
        },
      );
      rows = await Promise.race([ran, died]);
      doors.delete(`http://${own.name}`);
      if (rows === null) end(own, false);
    }
    const differs = rows.length !== expected.length ? `${rows.length} rows, not ${expected.length}` : rows.findIndex((row, i) => row !== expected[i]);
    if (differs !== -1)
      simulation.violate(`WRONG rows: ${typeof differs === 'string' ? differs : `row ${differs} is ${rows[differs]}, not ${expected[differs]}`}`);
    step = 'the job closes';
    const closer = new SimulatedProcess(simulation, 'closer');
    for (;;) {
      try {
        await cluster.clusterCalls(closer).closeJob({ job: known.id! });
        break;
      } catch {
        await closer.sleep(200);
      }
    }
    done = true;
    await Promise.all(executors.map((executor) => executor?.close()));
  };
  const outcome = (verdict: Outcome['verdict'], what: string): Outcome => ({
    seed,
    verdict,
    what,
    traceHash: simulation.traceHash,
    events: simulation.events,
    ms: simulation.now,
    faults: faults.reached,
    fired: faults.fired,
    counters: { ...counters },
  });
  try {
    main().catch((thrown: unknown) => simulation.violate(stackOf(thrown)));
    if (!(await simulation.run(() => done, { ms: scenario.faultMs + patienceMs, events: eventsAtMost }))) return outcome('stuck', step);
    const until: Millis = Math.max(simulation.now, scenario.faultMs) + sweepMs;
    const clean = await simulation.run(() => oracles.leftovers() === null, { ms: until, events: eventsAtMost });
    if (!clean) return outcome('wrong', `after the job's end ${oracles.leftovers()}`);
    return outcome('right', '');
  } catch (thrown) {
    return outcome('wrong', thrown instanceof Error && thrown.name === 'Error' ? thrown.message : stackOf(thrown));
  } finally {
    process.off('unhandledRejection', unhandled);
  }
}

const textOf = (row: object): string => JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? value.toString() : value));

const answers = new Map<string, Promise<readonly string[]>>();

/** The rows without a cluster, in their order. */
function alone(params: { readonly rows: number; readonly shops: number }): Promise<readonly string[]> {
  const key = JSON.stringify(params);
  const answer = answers.get(key) ?? runAlone(params);
  answers.set(key, answer);
  return answer;
}

async function runAlone(params: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
  const { submit } = await import('#runtime/submit.ts');
  await using run = await submit(job as never, { shuffle: 'memory', params, module });
  const rows: string[] = [];
  for await (const row of run.rows()) rows.push(textOf(row as object));
  return rows;
}
