/**
 * When a running task takes so long that another executor should try it too: by what tasks of its stage have taken for their
 * bytes. A large share is expected to take long and is no straggler. Pure; called by scheduler.ts.
 */
import type { Millis } from '#manager/process/ports.ts';

/** A task that is done. */
export interface Finished {
  readonly ms: Millis;
  /** 0 = not known. */
  readonly bytes: number;
}

/** Share of a stage's tasks that must be done before the others are judged by them. */
const doneShare = 0.75;
/** Times what a task should take. */
const multiple = 2;
/** Below this a second attempt costs more than it saves. */
const leastMs: Millis = 2_000;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/**
 * How long a task of so many bytes may run before it is a straggler; null while too few are done to say.
 * Expected is the median time, or the median time for a byte times its bytes when that is longer.
 */
export function patienceMs(finished: readonly Finished[], tasks: number): ((bytes: number) => Millis) | null {
  if (finished.length === 0 || finished.length < tasks * doneShare) return null;
  const typical = median(finished.map(({ ms }) => ms));
  const perByte = median(finished.flatMap(({ ms, bytes }) => (bytes > 0 ? [ms / bytes] : [])));
  return (bytes) => Math.max(leastMs, multiple * Math.max(typical, perByte * bytes));
}
