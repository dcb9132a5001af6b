/**
 * Looks for the smallest world in which a seed still goes wrong in the same way: fewer faults, workers, executors, shuffles, maps and
 * blocks, one step after the other as long as a step helps and there is time. What it answers is a value that plays again.
 */
import type { FaultKind } from './faults.ts';
import type { Outcome } from './run.ts';
import { type Cuts, cutScenario, scenarioOf } from './scenario.ts';

export interface ShrinkOptions {
  readonly seed: number;
  readonly permitted: readonly FaultKind[];
  /** How it ended, and what struck. */
  readonly outcome: Pick<Outcome, 'verdict' | 'fired'>;
  readonly play: (cuts: Cuts) => Promise<Pick<Outcome, 'verdict' | 'fired'>>;
  /** Asked before each play: whether there is time for it. */
  readonly mayGoOn: () => boolean;
}

export interface Shrunk {
  readonly cuts: Cuts;
  /** What still strikes. */
  readonly fired: readonly string[];
  readonly plays: number;
}

/** Cost: a few plays for each fault that is left and each size that halves. */
export async function shrink({ seed, permitted, outcome, play, mayGoOn }: ShrinkOptions): Promise<Shrunk> {
  const scenario = scenarioOf(seed, permitted);
  let cuts: Cuts = {};
  let { fired } = outcome;
  let plays = 0;
  /** Keeps what still goes wrong. */
  const attempt = async (smaller: Cuts): Promise<boolean> => {
    if (!mayGoOn()) return false;
    plays++;
    const again = await play({ ...cuts, ...smaller });
    if (again.verdict !== outcome.verdict) return false;
    cuts = { ...cuts, ...smaller };
    fired = again.fired;
    return true;
  };
  const fewerFaults = async (): Promise<boolean> => {
    let helped = false;
    for (let size = fired.length; size >= 1; size = Math.floor(size / 2)) {
      for (let from = 0; from < fired.length; ) {
        const only = fired.filter((_, i) => i < from || i >= from + size);
        if (await attempt({ only })) helped = true;
        else from += size;
      }
    }
    return helped;
  };
  const fewerShuffles = async (): Promise<boolean> => {
    let helped = false;
    for (const out of cuts.shuffles ?? scenario.shuffles.keys()) {
      const left = (cuts.shuffles ?? [...scenario.shuffles.keys()]).filter((one) => one !== out);
      if (left.length > 0 && (await attempt({ shuffles: left }))) helped = true;
    }
    return helped;
  };
  const fewer = async (what: 'workers' | 'executors' | 'maps' | 'blocks', now: number): Promise<boolean> => {
    let helped = false;
    for (let size = now; size > 1; ) {
      const half = Math.floor(size / 2);
      if (await attempt({ [what]: half })) size = half;
      else if (half < size - 1 && (await attempt({ [what]: size - 1 }))) size--;
      else break;
      helped = true;
    }
    return helped;
  };
  const largest = (): { maps: number; blocks: number } => {
    const { shuffles } = cutScenario(scenario, cuts);
    return {
      maps: Math.max(...shuffles.map(({ maps }) => maps)),
      blocks: Math.max(...shuffles.flatMap((plan) => plan.blocks.map((all) => all.length))),
    };
  };
  for (let helped = true; helped && mayGoOn(); ) {
    helped = await fewerFaults();
    helped = (await fewerShuffles()) || helped;
    helped = (await fewer('workers', cuts.workers ?? scenario.workers)) || helped;
    helped = (await fewer('executors', cuts.executors ?? scenario.executors)) || helped;
    helped = (await fewer('maps', largest().maps)) || helped;
    helped = (await fewer('blocks', largest().blocks)) || helped;
  }
  return { cuts, fired, plays };
}
