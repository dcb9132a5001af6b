/**
 * Plays one seed: builds its cluster, runs its job, watches it, and says how it ended. Right means that every read was right and every
 * oracle held; wrong that one did not, or that the product threw what it should not; stuck that the job did not end though
 * nothing went wrong any more. Called by simulate.ts and the tests.
 */
import { asSluiceError } from '#manager/protocol/errors.ts';
import { Cluster } from './cluster.ts';
import { allFaults, type FaultKind, Faults } from './faults.ts';
import { Job } from './job.ts';
import { Oracles } from './oracles.ts';
import { type Cuts, cutScenario, type Scenario, scenarioOf } from './scenario.ts';
import { SimulatedProcess, Simulation } from './simulation.ts';

export interface Outcome {
  readonly seed: number;
  readonly verdict: 'right' | 'wrong' | 'stuck';
  /** What broke, or what it was doing. */
  readonly what: string;
  readonly traceHash: string;
  readonly events: number;
  /** Simulated. */
  readonly ms: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** What struck, whether it was reached or not, in the order of time. */
  readonly fired: readonly string[];
  readonly counters: Readonly<Record<string, number>>;
}

/** Long after the last fault, in simulated time; and events, in case time does not pass. */
export const patienceMs = 240_000;
const eventsAtMost = 400_000;
/** Swept, flushed, given back. */
export const sweepMs = 120_000;

export async function play(
  seed: number,
  permitted: readonly FaultKind[] = allFaults,
  cuts: Cuts = {},
  say?: (line: string) => void,
): Promise<Outcome> {
  return await playScenario(cutScenario(scenarioOf(seed, permitted), cuts), say);
}

export async function playScenario(scenario: Scenario, say?: (line: string) => void): Promise<Outcome> {
  const simulation = new Simulation({ seed: scenario.seed, say });
  const faults = new Faults(simulation, scenario.rates, scenario.faultMs, scenario.only);
  const cluster = new Cluster(simulation, faults, scenario);
  const oracles = new Oracles(cluster);
  simulation.tell(
    () => `seed ${scenario.seed}: ${JSON.stringify({ ...scenario, rates: [...scenario.rates.keys()], shuffles: scenario.shuffles.length })}`,
  );
  const unhandled = (thrown: unknown): void => simulation.violate(`not handled: ${stackOf(thrown)}`);
  process.on('unhandledRejection', unhandled);
  let job: Job | null = null;
  let step = 'the cluster starts';
  let done = false;
  const main = async (): Promise<void> => {
    const coordinator = new SimulatedProcess(simulation, 'coordinator');
    cluster.start();
    const calls = cluster.clusterCalls(coordinator);
    const opened = await insist(coordinator, () => calls.openJob({ name: 'simulated', url: 'http://coordinator', slots: 1 }));
    let keeping = true;
    const keep = async (): Promise<void> => {
      while (keeping) {
        await calls.keepJob({ job: opened.job, after: Number.MAX_SAFE_INTEGER, slots: 1, waitMs: 1000 }).catch(() => coordinator.sleep(100));
      }
    };
    void keep();
    cluster.employ(opened.job, opened.token);
    step = 'the job runs';
    job = new Job({
      simulation,
      faults,
      scenario,
      process: coordinator,
      calls: cluster.control.callsOf(coordinator, () => opened.token),
      job: opened.job,
      executors: () => cluster.executors,
      kill: (executor) => cluster.killExecutor(executor.process),
      copiesOf: (shuffle, map) => oracles.copiesOf(shuffle, map),
      replicated: (shuffle) => cluster.replicated.add(shuffle),
      released: (shuffle) => oracles.released(shuffle),
    });
    await job.run();
    step = 'the job closes';
    await insist(coordinator, () => calls.closeJob({ job: opened.job }));
    keeping = false;
    await cluster.dismiss();
    done = true;
  };
  const outcome = (verdict: Outcome['verdict'], what: string): Outcome => ({
    seed: scenario.seed,
    verdict,
    what,
    traceHash: simulation.traceHash,
    events: simulation.events,
    ms: simulation.now,
    faults: faults.reached,
    fired: faults.fired,
    counters: { ...job?.counters },
  });
  try {
    main().catch((thrown: unknown) => simulation.violate(stackOf(thrown)));
    if (!(await simulation.run(() => done, { ms: scenario.faultMs + patienceMs, events: eventsAtMost }))) return outcome('stuck', step);
    const until = Math.max(simulation.now, scenario.faultMs) + sweepMs;
    const clean = await simulation.run(() => oracles.leftovers() === null, { ms: until, events: eventsAtMost });
    if (!clean) return outcome('wrong', `after the job's end ${oracles.leftovers()}`);
    return outcome('right', '');
  } catch (thrown) {
    return outcome('wrong', thrown instanceof Error && thrown.name === 'Error' ? thrown.message : stackOf(thrown));
  } finally {
    process.off('unhandledRejection', unhandled);
  }
}

export const stackOf = (thrown: unknown): string => (thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown));

/** Until it is answered: there is a manager sooner or later. */
async function insist<T>(caller: SimulatedProcess, call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (thrown) {
      if (asSluiceError(thrown).code === 'INTERNAL') throw thrown;
      await caller.sleep(200);
    }
  }
}
