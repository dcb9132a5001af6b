/**
 * What a thread of an executor does: waits for its lease, serves it, says how that ended, and ends. Loaded by thread.ts.
 */
import { parentPort } from 'node:worker_threads';
import { systemClock } from '#manager/process/clock.ts';
import { asSluiceError, toJson } from '#manager/protocol/errors.ts';
import { createCoordinatorLink } from '../schedule/link.ts';
import { type DriverDescriptor, openDriver } from '../shuffle/drivers.ts';
import { adapters } from './adapters.ts';
import { serveLease } from './lease.ts';
import type { ThreadOrder } from './threads.ts';

export function serveThread(): void {
  parentPort?.once('message', async ({ order, memory }: ThreadOrder) => {
    const abort = new AbortController();
    parentPort?.once('message', () => abort.abort());
    const ports = adapters();
    const link = createCoordinatorLink(order.url, order.token);
    try {
      await serveLease({
        link,
        lease: order.lease,
        slots: order.slots,
        memory,
        clock: systemClock,
        openDriver: async ({ driver }) => openDriver(driver as DriverDescriptor, ports),
        signal: abort.signal,
      });
      parentPort?.postMessage({ ended: true, error: null });
    } catch (error) {
      parentPort?.postMessage({ ended: true, error: abort.signal.aborted ? null : toJson(asSluiceError(error)) });
    } finally {
      await link.close();
      await ports.close();
      parentPort?.close();
    }
  });
}
