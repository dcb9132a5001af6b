/**
 * A thread of an executor. Started by threads.ts; this is only how its heap is set up, what it does is thread-lease.ts's.
 *
 * The columns of a task are arrays outside of the heap, by gigabytes, and what is inside is small and stays. V8 would mark all of that anew for
 * every 64 MiB of columns, 15 % of a task's time; when both count as one heap, which may have 256 MiB before the old is looked at, columns go with
 * the young, for a millisecond. How much a task may really have is kept by spill/. While such flags are set V8 takes no code that was compiled
 * without them, neither from the compile cache nor Node's own, so the first is put back as soon as this heap stands, and the second is set last.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--initial-heap-size=0');
const { serveThread } = await import('./thread-lease.ts');
setFlagsFromString('--external-memory-accounted-in-global-limit');
serveThread();
