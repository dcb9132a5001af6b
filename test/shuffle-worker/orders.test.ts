import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silent } from '#manager/process/ports.ts';
import type { ManagerCalls, Orders, Request } from '#manager/protocol/control.ts';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { protocolVersion } from '#manager/protocol/ids.ts';
import { OrderFollower } from '#worker/orders.ts';
import { hex } from '../shuffle-manager/world.ts';
import { ManualClock, seededRandom, settle } from './world.ts';

type Reply = Partial<Orders> | ErrorCode | (() => ErrorCode);

/** A manager that answers polls as it is told, and notes what it is asked. */
function follow(replies: Reply[], announced: string[] = []) {
  const clock = new ManualClock();
  const told: { registered: number; held: number; polls: Request<'orders'>[]; released: string[]; drains: number; overQuota: number[][] } = {
    registered: 0,
    held: 0,
    polls: [],
    released: [],
    drains: 0,
    overQuota: [],
  };
  const stored = { now: [] as { job: number; bytes: number }[] };
  const failing: { register: ErrorCode | null } = { register: null };
  const manager = {
    async registerWorker() {
      if (failing.register) throw new SluiceError(failing.register);
      told.registered++;
      return { cluster: hex(1), term: 1, leaseMs: 1000 };
    },
    async announce({ held }: Request<'announce'>) {
      told.held += held.length;
      return { kept: held.length, released: announced };
    },
    async orders(request: Request<'orders'>, options?: { signal?: AbortSignal }) {
      told.polls.push(request);
      const next = request.leaving ? {} : replies.shift();
      const reply = typeof next === 'function' ? next() : next;
      if (reply === undefined)
        return await new Promise((_, reject) => options?.signal?.addEventListener('abort', () => reject(options.signal!.reason)));
      if (typeof reply === 'string') throw new SluiceError(reply, { what: 'newer' });
      return { version: 1, term: 1, released: [], leases: [], drain: false, overQuota: [], ...reply };
    },
  } as unknown as ManagerCalls;
  const follower = new OrderFollower({
    manager,
    clock,
    random: seededRandom(1),
    log: silent,
    self: { worker: hex(1), incarnation: hex(2), host: 'h', port: 1, hostLabel: 'l', pid: 1, protocol: protocolVersion },
    load: () => ({ cells: 3 }),
    held: () => [{ shuffle: '1', map: 0, attempt: 0, location: 0, manifestHash: '9' }],
    release: (texts) => told.released.push(...texts),
    drain: () => void told.drains++,
    stored: () => stored.now,
    overQuota: (jobs) => told.overQuota.push(jobs.map(({ job }) => job)),
  });
  return { clock, told, follower, failing, stored };
}

test('it registers, announces what it holds, and follows from the version it has', async () => {
  const { told, follower } = follow(
    [
      { version: 7, released: ['3', 'job:2'] },
      { version: 9, drain: true },
    ],
    ['11'],
  );
  assert.deepEqual(await follower.join(), { cluster: hex(1), term: 1, leaseMs: 1000 });
  await settle();
  assert.deepEqual([told.registered, told.held, told.drains], [1, 1, 1]);
  assert.deepEqual(told.released, ['11', '3', 'job:2']);
  assert.deepEqual(
    told.polls.map(({ after, leaving, load }) => ({ after, leaving, load })),
    [0, 7, 9].map((after) => ({ after, leaving: false, load: { cells: 3 } })),
  );
  await follower.close();
  assert.equal(await follower.ended, null);
});

test('what is stored is told with each poll, and soon after it has changed; which jobs may store no more is heard each time', async () => {
  const { clock, told, follower, stored } = follow([{ overQuota: [{ job: 4, what: 'too much' }] }, {}]);
  stored.now = [{ job: 4, bytes: 10 }];
  await follower.join();
  await settle();
  assert.deepEqual(told.overQuota, [[4], []]);
  assert.deepEqual(
    told.polls.map((poll) => poll.stored),
    [stored.now, stored.now, stored.now],
  );
  await clock.advance(5000);
  assert.equal(told.polls.length, 3);
  stored.now = [{ job: 4, bytes: 11 }];
  await clock.advance(5000);
  assert.deepEqual(
    told.polls.slice(3).map((poll) => [poll.stored, poll.waitMs]),
    [[stored.now, 0]],
  );
  await follower.close();
  stored.now = [];
  await clock.advance(5000);
  assert.equal(told.polls.length, 4);
});

test('a manager that knows it no more is told everything again, also when that fails at first', async () => {
  const replies: Reply[] = [];
  const { clock, told, follower, failing } = follow(replies);
  replies.push(() => {
    failing.register = 'CLUSTER_UNREACHABLE';
    return 'WRONG_INCARNATION';
  });
  await follower.join();
  await settle();
  assert.equal(told.registered, 1);
  failing.register = null;
  await clock.advance(5000);
  assert.deepEqual([told.registered, told.held], [2, 2]);
  await follower.close();
});

test('a manager that is away is asked again, with pauses', async () => {
  const { clock, told, follower } = follow(['CLUSTER_UNREACHABLE', 'LEDGER_UNAVAILABLE', 'CLUSTER_UNREACHABLE', {}]);
  await follower.join();
  await settle();
  assert.equal(told.polls.length, 1);
  await clock.advance(20_000);
  assert.equal(told.polls.length, 5);
  await follower.close();
});

for (const code of ['FENCED', 'UNAUTHORIZED'] as const) {
  test(`${code} ends it`, async () => {
    const { told, follower } = follow([code]);
    await follower.join();
    assert.equal((await follower.ended)?.code, code);
    assert.equal(told.polls.length, 1);
    await follower.close();
  });
}

test('a goodbye is said once, at once, and again to a manager that was started anew', async () => {
  const { told, follower, clock } = follow([]);
  await follower.join();
  await settle();
  follower.leave();
  follower.leave();
  await clock.advance(1000);
  assert.deepEqual(
    told.polls.map(({ leaving, waitMs }) => [leaving, waitMs]),
    [
      [false, 30_000],
      [true, 0],
    ],
  );
  await follower.close();
  const second = follow(['WRONG_INCARNATION']);
  second.follower.leave();
  await settle();
  await second.follower.join();
  await second.clock.advance(1000);
  assert.deepEqual(
    second.told.polls.map(({ leaving }) => leaving),
    [true, true, false, true, false],
  );
  await second.follower.close();
});

test('a start that finds no manager gives up after a while', async () => {
  const { clock, follower, failing } = follow([]);
  failing.register = 'CLUSTER_UNREACHABLE';
  const joined = assert.rejects(follower.join(), (thrown: SluiceError) => thrown.code === 'CLUSTER_UNREACHABLE');
  await clock.advance(60_000);
  await joined;
});
