/**
 * An executor: registers at the manager, learns of leases by its orders long poll, and has each served, again where serving
 * broke off and the lease is still its own. It holds nothing that cannot be made again. Nobody dials it. Ports only: main.ts
 * gives it threads, the simulator what it simulates.
 */
import { hostname } from 'node:os';
import type { Clock, Log, Random } from '#manager/process/ports.ts';
import { retry } from '#manager/process/retry.ts';
import type { ManagerCalls, Orders } from '#manager/protocol/control.ts';
import { asSluiceError } from '#manager/protocol/errors.ts';
import { mint128, protocolVersion } from '#manager/protocol/ids.ts';

const pollMs = 20_000;
/** The manager may have gone first; then nobody misses the goodbye. */
const goodbyeMs = 1_000;
/** What has broken off, as when a user function has ended its thread, begins again after this. */
const againMs = 200;

export type LeaseOrder = Orders['leases'][number];

/** A lease that is being served. */
export interface Serving {
  /** True: the job has no more for it. */
  readonly ended: Promise<boolean>;
  /** Ends it; settles when it has ended. */
  stop(): Promise<void>;
}

/** What serves leases: a thread for each, or whatever can run tasks. */
export interface LeaseServer {
  begin(order: LeaseOrder): Serving;
  /** After the last lease has ended. */
  close(): Promise<void>;
}

export interface ExecutorOptions {
  readonly manager: ManagerCalls;
  readonly server: LeaseServer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly slots: number;
}

export interface Executor {
  /** Says goodbye to the manager and ends what it serves. Again: does nothing. */
  close(): Promise<void>;
}

/** Settles when it is registered. @throws UNAUTHORIZED, VERSION_UNSUPPORTED, WORKER_REFUSED */
export async function startExecutor({ manager, server, clock, random, log, slots }: ExecutorOptions): Promise<Executor> {
  const id = mint128(random);
  const incarnation = mint128(random);
  const closing = new AbortController();
  const served = new Map<string, Serving>();
  let wanted = new Map<string, LeaseOrder>();

  const register = () =>
    manager.registerExecutor(
      { executor: id, incarnation, host: hostname(), pid: process.pid, slots, protocol: protocolVersion },
      { signal: closing.signal },
    );

  const begin = (order: LeaseOrder): void => {
    const { lease, job } = order;
    const serving = server.begin(order);
    served.set(lease, serving);
    log.info({ job, lease: lease.slice(0, 8) }, 'lease begun');
    void serving.ended.then((isOver) => {
      // The lease is still ours, and the job may have more for it.
      if (!isOver && !closing.signal.aborted && served.get(lease) === serving) clock.after(againMs, () => again(lease, serving));
    });
  };

  const again = (lease: string, serving: Serving): void => {
    if (closing.signal.aborted || served.get(lease) !== serving) return;
    served.delete(lease);
    const order = wanted.get(lease);
    if (order !== undefined) begin(order);
  };

  const end = async (lease: string): Promise<void> => {
    const serving = served.get(lease);
    served.delete(lease);
    await serving?.stop();
  };

  const follow = async (): Promise<void> => {
    let after = 0;
    while (!closing.signal.aborted) {
      try {
        const orders = await manager.orders({ id, incarnation, after, load: {}, leaving: false, waitMs: pollMs }, { signal: closing.signal });
        after = orders.version;
        wanted = new Map(orders.leases.map((lease) => [lease.lease, lease]));
        for (const lease of served.keys()) if (!wanted.has(lease)) void end(lease);
        for (const lease of wanted.values()) if (!served.has(lease.lease)) begin(lease);
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
        await Promise.all([...served.keys()].map(end));
        await server.close();
      })();
      return closed;
    },
  };
}
