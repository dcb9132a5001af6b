/**
 * Frees typed arrays that nobody holds any more before they pile up. V8 counts their bytes but collects late: a task that reads
 * and drops gigabytes would hold hundreds of megabytes of garbage. Looking costs microseconds and is done now and then;
 * collecting costs milliseconds, since there is little besides the arrays. Called through the memory of a task.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MiB } from '#manager/protocol/ids.ts';

/** How often it looks. */
const everyMs = 10;
/** What a thread may have in arrays before it looks whether they are alive, however large its budget is: less costs more CPU. */
const enoughBytes = 80 * MiB;
/** Of these at least this part is new since the last collection, and of the heap inside, all of which is looked at: what is alive is not collected again and again. */
const [leastNewPart, leastNewOfHeap] = [0.5, 0.25];
/** Or this part of the limit, where that is less. */
const leastNewOfLimit = 0.25;
/** What is alive beyond enough may grow by so many times itself, below the limit: a sort that takes in its rows is not looked through for every 40 MiB of them. */
const growthOfMore = 1.5;

type Collect = (options?: { readonly type: 'minor' }) => void;
let collector: Collect | null = null;

function collect(what: 'minor' | 'all'): void {
  if (collector === null) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc') as Collect;
  }
  // With an argument, even undefined, it collects the young.
  if (what === 'all') collector();
  else collector({ type: what });
}

/** What this thread has outside of its heap, nearly all of it arrays, and inside. process.memoryUsage() takes ten times as long to say so. */
function bytesOf(): { readonly outside: number; readonly inside: number } {
  const { external_memory, used_heap_size } = getHeapStatistics();
  return { outside: external_memory, inside: used_heap_size };
}

/** Of the thread, since its last collection: what a lease keeps from task to task is alive for the next one, too. */
let aliveBytes = 0;

/** What nobody holds any more. Tens of milliseconds at most. */
export function freeAll(): void {
  collect('all');
  aliveBytes = bytesOf().outside;
}

/** Collects when the arrays of this thread pass `limitBytes`, or 80 MiB if that is less; called often. */
export function createReclaimer(limitBytes: number): () => void {
  let lookedAt = 0;
  const most = Math.min(limitBytes, enoughBytes);
  const leastNew = Math.min(leastNewOfLimit * limitBytes, leastNewPart * enoughBytes);
  return () => {
    const now = performance.now();
    if (now - lookedAt < everyMs) return;
    lookedAt = now;
    const { outside, inside } = bytesOf();
    aliveBytes = Math.min(aliveBytes, outside);
    const growth = Math.min(growthOfMore * (aliveBytes - enoughBytes), limitBytes - aliveBytes);
    const threshold = Math.max(most, aliveBytes + Math.max(leastNew, leastNewOfHeap * inside, growth));
    if (outside < threshold) return;
    // Most arrays die young, and a collection of the young costs a twentieth of a whole one.
    collect('minor');
    if (bytesOf().outside >= threshold) freeAll();
  };
}
