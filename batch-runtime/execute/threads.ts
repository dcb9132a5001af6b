/**
 * Serves each lease of an executor in a thread of its own. While there is nothing to do, one thread is kept ready with the engine
 * loaded, so that a lease begins at once. Used by main.ts.
 */
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { Clock, Log } from '#manager/process/ports.ts';
import { asSluiceError, type ErrorJson } from '#manager/protocol/errors.ts';
import type { MemoryLimit } from '../spill/memory.ts';
import type { LeaseOrder, LeaseServer, Serving } from './executor.ts';
import { sibling } from './sibling.ts';

/** The first message to a thread. */
export interface ThreadOrder {
  readonly order: LeaseOrder;
  readonly memory: MemoryLimit | null;
}

/** What a thread gets to end by itself when its lease is taken away. */
const patienceMs = 1_000;
/** How long after a lease the next thread is loaded: an embedded cluster is gone by then. */
const spareAfterMs = 2_000;

/** @param memory  of each task; null: it has no bounds */
export function createThreads(clock: Clock, log: Log, memory: MemoryLimit | null = null): LeaseServer {
  let spare: Worker | null = takeWarmed() ?? newThread();
  let running = 0;
  let isClosed = false;

  /** Only when nothing else has begun or ended meanwhile: what loads beside a running task takes its time. */
  const loadSpare = (): void => {
    if (!isClosed && running === 0) spare ??= newThread();
  };

  return {
    begin(order: LeaseOrder): Serving {
      const { job } = order;
      const worker = spare ?? newThread();
      spare = null;
      running++;
      let isOver = false;
      const ended = new Promise<boolean>((resolve) => {
        worker.on('message', (said: { error: ErrorJson | null }) => {
          isOver = said.error === null;
          if (said.error !== null) log.warn({ job, code: said.error.code }, said.error.message);
        });
        worker.once('error', (thrown) => log.error({ job, what: asSluiceError(thrown).message }, 'a thread failed'));
        worker.once('exit', () => {
          running--;
          clock.after(spareAfterMs, loadSpare);
          resolve(isOver);
        });
      });
      worker.postMessage({ order, memory } satisfies ThreadOrder);
      return {
        ended,
        async stop() {
          worker.postMessage('stop');
          const timer = clock.after(patienceMs, () => void worker.terminate());
          await ended;
          timer.cancel();
        },
      };
    },
    async close() {
      isClosed = true;
      await spare?.terminate();
    },
  };
}

let warmed: Worker | null = null;

/** Lets the first thread load before the executor is configured. */
export function warmThread(): void {
  warmed ??= newThread();
}

function takeWarmed(): Worker | null {
  const taken = warmed;
  warmed = null;
  return taken;
}

/** For threads that start from now on, whose heap begins like this; thread.ts says what for. */
const threadHeap = ['--initial-heap-size=256', '--max-semi-space-size=4'];

function newThread(): Worker {
  for (const flag of threadHeap) setFlagsFromString(flag);
  const worker = new Worker(sibling(import.meta.url, './thread'));
  worker.unref();
  return worker;
}
