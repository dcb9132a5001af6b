/**
 * Plays many seeds over as many threads as there are cores. Each seed is played by itself, so that how many threads there are
 * changes nothing but the time; outcomes are told in the order of seeds. Used by simulate.ts.
 */
import { Worker } from 'node:worker_threads';
import type { FaultKind } from './faults.ts';
import type { Outcome } from './run.ts';

export interface ManyOptions {
  readonly seeds: readonly number[];
  readonly permitted: readonly FaultKind[];
  readonly threads: number;
  /** Told of each, in their order; true: no more. */
  readonly tell: (outcome: Outcome) => boolean;
}

export async function playMany({ seeds, permitted, threads, tell }: ManyOptions): Promise<void> {
  const early = new Map<number, Outcome>();
  let next = 0;
  let told = 0;
  let ended = false;
  const take = (outcome: Outcome): void => {
    early.set(outcome.seed, outcome);
    for (let due = early.get(seeds[told]!); due !== undefined && !ended; due = early.get(seeds[++told]!)) {
      early.delete(due.seed);
      ended = tell(due);
    }
  };
  const lane = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const thread = new Worker(new URL('./play-thread.ts', import.meta.url), { workerData: permitted });
      const go = (): void => {
        if (ended || next === seeds.length) void thread.terminate().then(() => resolve());
        else thread.postMessage(seeds[next++]);
      };
      thread.on('message', (outcome: Outcome) => {
        take(outcome);
        go();
      });
      thread.on('error', reject);
      go();
    });
  await Promise.all(Array.from({ length: Math.min(threads, seeds.length) }, lane));
}
