/**
 * What a seed plays: nine of ten the shuffle alone, under a job that is made of writers and readers (run.ts); the tenth a whole job, with
 * the coordinator and executors of the product (whole.ts).
 */
import type { FaultKind } from './faults.ts';
import { type Outcome, play } from './run.ts';
import type { Cuts } from './scenario.ts';

export const isWhole = (seed: number): boolean => seed % 10 === 0;

export async function playSeed(seed: number, permitted: readonly FaultKind[], cuts: Cuts = {}, say?: (line: string) => void): Promise<Outcome> {
  if (!isWhole(seed)) return play(seed, permitted, cuts, say);
  const { playWhole } = await import('./whole.ts');
  return playWhole(seed, permitted, cuts, say);
}
