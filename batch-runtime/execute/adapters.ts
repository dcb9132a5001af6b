/**
 * The real ports of a process that reads and writes shuffles: sockets, clock, files. What drivers.ts needs to open a
 * driver; the simulator has its own and loads none of this.
 */

import { connectManager, type ManagerClient } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { silent } from '#manager/process/ports.ts';
import { type CallName, calls, type ManagerCalls } from '#manager/protocol/control.ts';
import { createTransport } from '#worker/transport.ts';
import type { DriverPorts } from '../shuffle/drivers.ts';

export interface Adapters extends DriverPorts {
  close(): Promise<void>;
}

/** The manager is dialled at the first call; calls wait for it. */
export function adapters(): Adapters {
  const clients: Promise<ManagerClient>[] = [];
  return {
    clock: systemClock,
    random: systemRandom,
    log: silent,
    transport: createTransport(),
    connectManager(urls, token) {
      const client = connectManager({ urls, token: () => token, clock: systemClock, random: systemRandom });
      client.catch(() => {});
      clients.push(client);
      const later = (name: CallName) => async (request: never, options?: { signal?: AbortSignal }) => (await client)[name](request, options);
      return Object.fromEntries((Object.keys(calls) as CallName[]).map((name) => [name, later(name)])) as unknown as ManagerCalls;
    },
    async close() {
      for (const client of await Promise.allSettled(clients)) if (client.status === 'fulfilled') await client.value.close();
    },
  };
}
