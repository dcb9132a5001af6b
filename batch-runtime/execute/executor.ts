/**
 * An executor: registers at the manager, learns of leases by its orders long poll, and serves each in a thread of its own.
 * While it has nothing to do, one thread is kept ready with the engine loaded, so that a lease begins at once. It holds
 * nothing that cannot be made again. Nobody dials it. Called by main.ts.
 */
import { hostname } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Clock, Log, Random } from '#manager/process/ports.ts';
import { retry } from '#manager/process/retry.ts';
import type { ManagerCalls, Orders } from '#manager/protocol/control.ts';
import { asSluiceError, type ErrorJson } from '#manager/protocol/errors.ts';
import { mint128, protocolVersion } from '#manager/protocol/ids.ts';
import { sibling } from './sibling.ts';
import type { LeaseOrder } from './thread.ts';

const pollMs = 20_000;
/** What a thread gets to end by itself when its lease is taken away. */
const patienceMs = 1_000;
/** The manager may have gone first; then nobody misses the goodbye. */
const goodbyeMs = 1_000;
/** How long after a lease the next thread is loaded: an embedded cluster is gone by then. */
const spareAfterMs = 2_000;
/** A thread that a user function has ended is made again after this. */
const againMs = 200;

export interface ExecutorOptions {
  readonly manager: ManagerCalls;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly slots: number;
}

export interface Executor {
  /** Says goodbye to the manager and ends its threads. Again: does nothing. */
  close(): Promise<void>;
}

/** Settles when it is registered. @throws UNAUTHORIZED, VERSION_UNSUPPORTED, WORKER_REFUSED */
export async function startExecutor({ manager, clock, random, log, slots }: ExecutorOptions): Promise<Executor> {
  const id = mint128(random);
  const incarnation = mint128(random);
  const closing = new AbortController();
  const threads = new Map<string, { readonly worker: Worker; readonly gone: Promise<void> }>();
  let wanted = new Map<string, Orders['leases'][number]>();
  let spare: Worker | null = takeWarmed() ?? newThread();

  const register = () =>
    manager.registerExecutor(
      { executor: id, incarnation, host: hostname(), pid: process.pid, slots, protocol: protocolVersion },
      { signal: closing.signal },
    );

  const begin = (order: Orders['leases'][number]): void => {
    const { lease, url, token, slots: given, job } = order;
    const worker = spare ?? newThread();
    spare = null;
    let finished = false;
    const gone = new Promise<void>((resolve) => {
      worker.on('message', (said: { error: ErrorJson | null }) => {
        finished = said.error === null;
        if (said.error !== null) log.warn({ job, code: said.error.code }, said.error.message);
      });
      worker.once('error', (thrown) => log.error({ job, what: asSluiceError(thrown).message }, 'a thread failed'));
      worker.once('exit', () => {
        resolve();
        if (closing.signal.aborted) return;
        // Only when nothing else has begun or ended meanwhile: what loads beside a running task takes its time.
        clock.after(spareAfterMs, () => {
          const isBusy = [...threads.values()].some((thread) => thread.worker.threadId > 0);
          if (!closing.signal.aborted && !isBusy) spare ??= newThread();
        });
        // The lease is still ours, and the job may have more for it.
        if (!finished && threads.get(lease)?.worker === worker) clock.after(againMs, () => again(lease, worker));
      });
    });
    threads.set(lease, { worker, gone });
    worker.postMessage({ lease, url, token, slots: given } satisfies LeaseOrder);
    log.info({ job, lease: lease.slice(0, 8) }, 'lease begun');
  };

  const again = (lease: string, worker: Worker): void => {
    if (closing.signal.aborted || threads.get(lease)?.worker !== worker) return;
    threads.delete(lease);
    const order = wanted.get(lease);
    if (order !== undefined) begin(order);
  };

  const end = async (lease: string): Promise<void> => {
    const thread = threads.get(lease);
    if (thread === undefined) return;
    threads.delete(lease);
    thread.worker.postMessage('stop');
    const timer = clock.after(patienceMs, () => void thread.worker.terminate());
    await thread.gone;
    timer.cancel();
  };

  const follow = async (): Promise<void> => {
    let after = 0;
    while (!closing.signal.aborted) {
      try {
        const orders = await manager.orders({ id, incarnation, after, load: {}, leaving: false, waitMs: pollMs }, { signal: closing.signal });
        after = orders.version;
        wanted = new Map(orders.leases.map((lease) => [lease.lease, lease]));
        for (const lease of threads.keys()) if (!wanted.has(lease)) void end(lease);
        for (const lease of wanted.values()) if (!threads.has(lease.lease)) begin(lease);
      } catch (thrown) {
        if (closing.signal.aborted) return;
        const error = asSluiceError(thrown);
        log.warn({ code: error.code }, error.message);
        // A manager that has lost its memory of us (restart, lease run out) is told again; all else is waited out.
        after = 0;
        await retry({ clock, random, patienceMs: 10_000, signal: closing.signal }, register).catch(() => {});
        await new Promise<void>((resolve) => clock.after(200, resolve));
      }
    }
  };

  await register();
  const following = follow();
  let closed: Promise<void> | null = null;
  return {
    close() {
      closed ??= (async () => {
        closing.abort();
        await following;
        const goodbye = new AbortController();
        const timer = clock.after(goodbyeMs, () => goodbye.abort());
        await manager.orders({ id, incarnation, after: 0, load: {}, leaving: true, waitMs: 0 }, { signal: goodbye.signal }).catch(() => {});
        timer.cancel();
        await Promise.all([...threads.keys()].map(end));
        await spare?.terminate();
      })();
      return closed;
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

function newThread(): Worker {
  const worker = new Worker(sibling(import.meta.url, './thread'));
  worker.unref();
  return worker;
}
