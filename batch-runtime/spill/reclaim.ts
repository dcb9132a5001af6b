/**
 * Frees typed arrays that nobody holds any more before they pile up. V8 counts their bytes but collects late: a task that reads
 * and drops gigabytes would hold hundreds of megabytes of garbage. Looking costs microseconds and is done now and then;
 * collecting costs milliseconds, since there is little besides the arrays. Called through the memory of a task.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How often it looks. */
const everyMs = 10;
/** At least this part of the limit is new since the last collection: what is alive is not collected again and again. */
const leastNewPart = 0.25;

type Collect = (options?: { readonly type: 'minor' }) => void;
let collector: Collect | null = null;

function collect(options?: { readonly type: 'minor' }): void {
  if (collector === null) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc') as Collect;
  }
  collector(options);
}

/** What nobody holds any more. Tens of milliseconds at most. */
export const freeAll = (): void => collect();

/** What this thread has outside of its heap, nearly all of it arrays. process.memoryUsage() takes ten times as long to say so. */
const outside = (): number => getHeapStatistics().external_memory;

/** Collects when the arrays of this thread pass `limitBytes`; called often. */
export function createReclaimer(limitBytes: number): () => void {
  let lookedAt = 0;
  let threshold = limitBytes;
  return () => {
    const now = performance.now();
    if (now - lookedAt < everyMs) return;
    lookedAt = now;
    if (outside() < threshold) return;
    // Most arrays die young, and a collection of the young costs a twentieth of a whole one.
    collect({ type: 'minor' });
    if (outside() < threshold) return;
    collect();
    threshold = Math.max(limitBytes, outside() + leastNewPart * limitBytes);
  };
}
