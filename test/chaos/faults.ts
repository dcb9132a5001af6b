/**
 * What goes wrong, at whom, for how long: a list made from the seed before anything runs, so that the same seed does the same again (when
 * exactly a fault meets a job is up to the machine). Also what a job has to survive: with fewer faults than that it may not fail.
 */
import { Dice } from '../oracle/dice.ts';
import { leaseMs } from './cluster.ts';

export const faultKinds = {
  kill: 'SIGKILL; members start again on their folder and port after up to 3 s, a coordinator is resumed',
  stop: 'SIGSTOP, and SIGCONT after 1 to 15 s',
  full: 'its disk is full for 1 to 10 s',
  slow: 'its disk takes 256 KiB a second, and each write waits for it, for 2 to 10 s',
  cutTo: 'packets to it are lost, for 1 to 8 s',
  cutFrom: 'packets from it are lost, for 1 to 8 s',
} as const;
export type FaultKind = keyof typeof faultKinds;

export const targets = ['worker', 'executor', 'coordinator', 'manager'] as const;
export type Target = (typeof targets)[number];

interface Row {
  readonly kind: FaultKind;
  readonly target: Target;
  /** How often, against the others. */
  readonly weight: number;
  readonly fromMs: number;
  readonly toMs: number;
}
/** A job is gone when it is silent for a lease, and a manager that nobody reaches hears nobody: what silences all of a job stays below. */
const shortMs = Math.floor(leaseMs / 2);

const table: readonly Row[] = [
  { kind: 'kill', target: 'worker', weight: 12, fromMs: 0, toMs: 3_000 },
  { kind: 'kill', target: 'executor', weight: 8, fromMs: 0, toMs: 3_000 },
  { kind: 'kill', target: 'coordinator', weight: 6, fromMs: 0, toMs: 0 },
  { kind: 'kill', target: 'manager', weight: 6, fromMs: 0, toMs: 1_000 },
  { kind: 'stop', target: 'worker', weight: 4, fromMs: 1_000, toMs: 15_000 },
  { kind: 'stop', target: 'executor', weight: 3, fromMs: 1_000, toMs: 15_000 },
  { kind: 'stop', target: 'coordinator', weight: 2, fromMs: 1_000, toMs: shortMs },
  { kind: 'stop', target: 'manager', weight: 2, fromMs: 1_000, toMs: 15_000 },
  { kind: 'full', target: 'worker', weight: 4, fromMs: 1_000, toMs: 10_000 },
  { kind: 'full', target: 'manager', weight: 1, fromMs: 1_000, toMs: 3_000 },
  { kind: 'slow', target: 'worker', weight: 3, fromMs: 2_000, toMs: 10_000 },
  { kind: 'slow', target: 'manager', weight: 1, fromMs: 2_000, toMs: 10_000 },
  { kind: 'cutTo', target: 'worker', weight: 3, fromMs: 1_000, toMs: 8_000 },
  { kind: 'cutFrom', target: 'worker', weight: 3, fromMs: 1_000, toMs: 8_000 },
  { kind: 'cutTo', target: 'manager', weight: 1, fromMs: 1_000, toMs: shortMs },
  { kind: 'cutFrom', target: 'manager', weight: 1, fromMs: 1_000, toMs: shortMs },
];

/** Of what a run takes without faults: the last a coordinator's fault may come, so that one that runs quicker than usual meets it too. */
const latestShare = 0.7;

export interface Fault {
  readonly kind: FaultKind;
  readonly target: Target;
  /** Which of its kind, modulo how many there are. */
  readonly index: number;
  /** Since the one before. */
  readonly pauseMs: number;
  /** At a coordinator instead: since its tasks began, of what its job takes without faults. */
  readonly share: number;
  readonly forMs: number;
}

/** The faults of a seed; `possible`: kinds that this machine can do. */
export function faultsOf(seed: number, count: number, possible: readonly FaultKind[], pauseMs: number): Fault[] {
  const dice = new Dice(seed, 2);
  const lots = table.filter(({ kind }) => possible.includes(kind)).flatMap((row) => Array.from({ length: row.weight }, () => row));
  return Array.from({ length: count }, () => {
    const { kind, target, fromMs, toMs } = dice.pick(lots);
    return {
      kind,
      target,
      index: dice.below(60),
      pauseMs: target === 'coordinator' ? 0 : dice.between(0, 2 * pauseMs),
      share: (target === 'coordinator' ? dice.below(1000) / 1000 : 0) * latestShare,
      forMs: dice.between(fromMs, toMs),
    };
  });
}

/** A task that fails so often for reasons that are not lost data ends its job (schedule/scheduler.ts). */
const failuresOfATask = 4;
/** How long a running job waits for its manager (shuffle/remote.ts). */
const managerPatienceMs = 120_000;

/** What a job met while it ran. */
export interface Met {
  readonly faults: number;
  /** The longest time its manager was down or not to be reached, from the fault to its ready line. */
  readonly managerAwayMs: number;
}

/**
 * Whether a job may have ended with this error. A fault costs a task one attempt at most, so fewer than a task has may not end the job;
 * nor may a manager that is back in time, which on a busy machine is not a matter of the fault alone.
 */
export function mayFail(code: string, { faults, managerAwayMs }: Met): boolean {
  if (code === 'TASK_FAILED') return faults >= failuresOfATask;
  return (code === 'CLUSTER_UNREACHABLE' || code === 'LEDGER_UNAVAILABLE') && managerAwayMs > managerPatienceMs;
}
