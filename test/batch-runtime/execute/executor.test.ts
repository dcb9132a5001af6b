import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { silent } from '#manager/process/ports.ts';
import type { ManagerCalls, Orders } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { startExecutor } from '#runtime/execute/executor.ts';
import { loadJob } from '#runtime/execute/job-module.ts';
import { createThreads } from '#runtime/execute/threads.ts';
import { buildGraph } from '#runtime/job.ts';
import { Coordinator } from '#runtime/schedule/coordinator.ts';
import { noLog } from '#runtime/schedule/job-log.ts';
import { openCoordinatorServer } from '#runtime/schedule/server.ts';
import { createLocalShuffle } from '#runtime/shuffle/local.ts';
import { fixture, lease } from '../schedule/job-world.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
after(() => rmSync(folder, { recursive: true }));

/** Only what an executor asks of a manager: its registration, and orders that wait until the test gives new ones. */
function managerOf() {
  const registered: string[] = [];
  let leaving = false;
  let orders: Orders = { version: 1, term: 1, released: [], leases: [], drain: false, overQuota: [] };
  let changed = Promise.withResolvers<void>();
  const calls = {
    async registerExecutor({ executor }: { executor: string }) {
      registered.push(executor);
      return { cluster: '', term: 1, leaseMs: 10_000 };
    },
    async orders(request: { after: number; leaving: boolean }, { signal }: { signal?: AbortSignal } = {}) {
      if (request.leaving) {
        leaving = true;
        return orders;
      }
      while (request.after >= orders.version) {
        await new Promise<void>((resolve, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
          void changed.promise.then(resolve);
        });
      }
      return orders;
    },
  } as unknown as ManagerCalls;
  return {
    calls,
    registered,
    hasLeft: () => leaving,
    give(leases: Orders['leases']) {
      orders = { ...orders, version: orders.version + 1, leases };
      changed.resolve();
      changed = Promise.withResolvers();
    },
  };
}

async function coordinatorOf(name: string, params: Readonly<Record<string, unknown>>) {
  const descriptor = { driver: 'local' as const, folder: join(folder, name) };
  const coordinator = new Coordinator({
    graph: buildGraph(await loadJob(fixture(name)), params),
    module: fixture(name),
    params,
    folder,
    staging: 'test',
    partitions: null,
    clock: systemClock,
    log: silent,
    emit: () => {},
  });
  await coordinator.plan();
  await coordinator.prepare();
  const driver = createLocalShuffle(descriptor);
  coordinator.start({ job: 1, driver, descriptor, slots: 1, log: noLog });
  const server = await openCoordinatorServer('127.0.0.1', coordinator, () => 'secret');
  const order = { lease: lease(1), job: 1, url: `http://127.0.0.1:${server.port}`, token: 'secret', slots: 1 };
  return {
    coordinator,
    order,
    async close() {
      coordinator.close();
      await server.close();
      await driver.close();
    },
  };
}

test('an executor registers, serves what it is given, also after a function has ended its thread, and says goodbye', {
  timeout: 60_000,
}, async () => {
  const manager = managerOf();
  const executor = await startExecutor({
    manager: manager.calls,
    server: createThreads(systemClock, silent),
    clock: systemClock,
    random: systemRandom,
    log: silent,
    slots: 1,
  });
  assert.equal(manager.registered.length, 1);
  const words = await coordinatorOf('words', {});
  manager.give([words.order]);
  await words.coordinator.finished;
  assert.equal((await words.coordinator.publish()).rows, 3);
  await words.close();
  const exits = await coordinatorOf('exits', { marker: join(folder, 'marker') });
  manager.give([{ ...exits.order, lease: lease(2) }]);
  await exits.coordinator.finished;
  assert.deepEqual((({ rows, tasks, tasksRerun }) => ({ rows, tasks, tasksRerun }))(await exits.coordinator.publish()), {
    rows: 2,
    tasks: 1,
    tasksRerun: 1,
  });
  await exits.close();
  await executor.close();
  await executor.close();
  assert.equal(manager.hasLeft(), true);
});

test('a manager that refuses an executor ends it', async () => {
  const refuse = async () => {
    throw new SluiceError('WORKER_REFUSED', { what: 'a test' });
  };
  const manager = { ...managerOf().calls, registerExecutor: refuse } as unknown as ManagerCalls;
  await assert.rejects(
    startExecutor({ manager, server: createThreads(systemClock, silent), clock: systemClock, random: systemRandom, log: silent, slots: 1 }),
    { code: 'WORKER_REFUSED' },
  );
});
