/**
 * Serves the leases of a process' executors in threads, one lease at a time in each. While there is nothing to do, a thread for each executor is kept
 * ready, so that a lease begins at once: one that has served before and may serve again, or a new one with the engine loaded. Used by main.ts.
 */
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { Clock, Log } from '#manager/process/ports.ts';
import { asSluiceError, type ErrorJson } from '#manager/protocol/errors.ts';
import type { MemoryLimit } from '../spill/memory.ts';
import type { LeaseOrder, LeaseServer, Serving } from './executor.ts';
import { sibling } from './sibling.ts';

/** What a thread is told to serve; 'stop' takes it away again. */
export interface ThreadOrder {
  readonly order: LeaseOrder;
  readonly memory: MemoryLimit | null;
}

/** What a thread says when a lease is over. */
export interface LeaseEnd {
  readonly error: ErrorJson | null;
  /** It has run nothing but the engine, and waits for the next lease; otherwise it ends. */
  readonly isAsNew: boolean;
}

/** What a thread gets to end by itself when its lease is taken away. */
const patienceMs = 1_000;
/** How long after a lease the next thread is loaded: an embedded cluster is gone by then. */
const spareAfterMs = 2_000;

/**
 * @param memory     of each task; null: it has no bounds
 * @param executors  that it serves, each of which may close it
 */
export function createThreads(clock: Clock, log: Log, memory: MemoryLimit | null = null, executors = 1): LeaseServer {
  let running = 0;
  let isClosed = false;
  /** One that ends while it waits is not given the next lease. */
  const watched = (worker: Worker): Worker =>
    worker
      .on('error', (thrown) => {
        if (spares.has(worker)) log.error({ what: asSluiceError(thrown).message }, 'a thread that waited failed');
      })
      .on('exit', () => spares.delete(worker));
  const spares = new Set<Worker>();

  /** Only when nothing else has begun or ended meanwhile: what loads beside a running task takes its time. */
  const loadSpares = (): void => {
    while (!isClosed && running === 0 && spares.size < executors) spares.add(watched(warmed.pop() ?? newThread()));
  };
  const takeSpare = (): Worker | null => {
    const [spare = null] = spares;
    if (spare !== null) spares.delete(spare);
    return spare;
  };
  loadSpares();

  return {
    begin(order: LeaseOrder): Serving {
      const { job } = order;
      const worker = takeSpare() ?? watched(newThread());
      running++;
      let isOver = false;
      let hasEnded = false;
      const ended = new Promise<boolean>((resolve) => {
        const failed = (thrown: unknown): void => log.error({ job, what: asSluiceError(thrown).message }, 'a thread failed');
        const gone = (): void => over(false);
        const said = ({ error, isAsNew }: LeaseEnd): void => {
          isOver = error === null;
          if (error !== null) log.warn({ job, code: error.code }, error.message);
          if (isAsNew) over(true);
        };
        const over = (isReady: boolean): void => {
          hasEnded = true;
          running--;
          worker.off('message', said).off('exit', gone).off('error', failed);
          if (isReady && spares.size < executors && !isClosed) spares.add(worker);
          else void worker.terminate();
          clock.after(spareAfterMs, loadSpares);
          resolve(isOver);
        };
        worker.on('message', said).on('exit', gone).on('error', failed);
      });
      worker.postMessage({ order, memory } satisfies ThreadOrder);
      return {
        ended,
        async stop() {
          // It may have the next lease by now.
          if (hasEnded) return;
          worker.postMessage('stop');
          const timer = clock.after(patienceMs, () => void worker.terminate());
          await ended;
          timer.cancel();
        },
      };
    },
    async close() {
      isClosed = true;
      await Promise.all([...spares].map((spare) => spare.terminate()));
    },
  };
}

const warmed: Worker[] = [];

/** Lets the first threads load before the executors are configured. */
export function warmThreads(count: number): void {
  while (warmed.length < count) warmed.push(newThread());
}

/** For threads that start from now on, whose heap begins like this; thread.ts says what for. */
const threadHeap = ['--initial-heap-size=256', '--max-semi-space-size=4'];

function newThread(): Worker {
  for (const flag of threadHeap) setFlagsFromString(flag);
  const worker = new Worker(sibling(import.meta.url, './thread'));
  worker.unref();
  return worker;
}
