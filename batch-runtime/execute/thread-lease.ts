/**
 * The thread in which an executor serves leases, one after another. One that has loaded a job's module ends with that lease: the next
 * time the module is read afresh, and a function that loops or leaks ends with it. One that has run the engine alone is as good as new,
 * and better: its code is compiled. Begun by thread.ts; threads.ts sends a lease when there is one.
 */
import { parentPort } from 'node:worker_threads';
import { systemClock } from '#manager/process/clock.ts';
import type { Timer } from '#manager/process/ports.ts';
import { asSluiceError, toJson } from '#manager/protocol/errors.ts';
import { createCoordinatorLink } from '../schedule/link.ts';
import { type DriverDescriptor, openDriver } from '../shuffle/drivers.ts';
import { freeAll } from '../spill/reclaim.ts';
import { adapters } from './adapters.ts';
import { serveLease } from './lease.ts';
import type { LeaseEnd, ThreadOrder } from './threads.ts';

/** What a job has left is collected after this, unless the next one comes first: neither waits for that then, and the end of a run does not either. */
const freeAfterMs = 500;

async function serve({ order, memory }: ThreadOrder, signal: AbortSignal): Promise<LeaseEnd> {
  const ports = adapters();
  const link = createCoordinatorLink(order.url, order.token);
  let isAsNew = false;
  try {
    await serveLease({
      link,
      lease: order.lease,
      slots: order.slots,
      memory,
      clock: systemClock,
      async openDriver({ driver, hasFunctions }) {
        isAsNew = !hasFunctions;
        return openDriver(driver as DriverDescriptor, ports);
      },
      signal,
    });
    return { error: null, isAsNew };
  } catch (error) {
    return { error: signal.aborted ? null : toJson(asSluiceError(error)), isAsNew: false };
  } finally {
    await link.close();
    await ports.close();
  }
}

/** Waits for leases and serves them. */
export function serveThread(): void {
  let stopping = new AbortController();
  let freeing: Timer | null = null;
  parentPort?.on('message', async (said: ThreadOrder | 'stop') => {
    if (said === 'stop') return stopping.abort();
    freeing?.cancel();
    stopping = new AbortController();
    const end = await serve(said, stopping.signal);
    if (end.isAsNew) freeing = systemClock.after(freeAfterMs, freeAll);
    parentPort?.postMessage(end);
    if (!end.isAsNew) parentPort?.close();
  });
}
