// The manager's calls over a manual clock and a disk in memory: jobs, slots, placement, commits, losses, returns, orders, restarts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Answer, Layout, ManagerCalls, ShuffleSpec } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { protocolVersion } from '#manager/protocol/ids.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { addWorker, hex, MemoryDisk, openWorld, settle, specOf, type World } from './world.ts';

const orders = (calls: ManagerCalls, id: number, facts: object = {}, signal?: AbortSignal) =>
  calls.orders({ id: hex(id), incarnation: hex(100 + id), after: 0, load: {}, leaving: false, waitMs: 0, ...facts }, signal ? { signal } : {});
const addExecutor = (calls: ManagerCalls, executor: number, slots = 2) =>
  calls.registerExecutor({ executor: hex(executor), incarnation: hex(100 + executor), host: 'h', pid: executor, slots, protocol: protocolVersion });

/** A world with workers 1..n and a shuffle of four maps; `grid`: over all workers. */
async function openShuffle(workers = 1, facts: Partial<ShuffleSpec> = {}) {
  const world = await openWorld();
  for (let worker = 1; worker <= workers; worker++) await addWorker(world.calls, worker);
  const { job, token } = await world.calls.openJob({ name: 'j', url: 'http://c', slots: 0 });
  const layout = await world.calls.openShuffle({ job, name: 'x', spec: specOf({ bytesHint: workers > 1 ? 1e12 : 0, ...facts }) });
  return { ...world, job, token, layout, shuffle: layout.shuffle };
}
const layoutNow = (calls: ManagerCalls, shuffle: string): Promise<Layout> => calls.layout({ shuffle, after: -1, waitMs: 0 });

/** The commit of a new attempt to where the layout says it should write. */
async function commitNew(calls: ManagerCalls, shuffle: string, map: number, attempt: number): Promise<Answer<'commit'>> {
  const view = viewLayout(await layoutNow(calls, shuffle));
  const cells = view.targets(map).map(({ id, replicas }) => ({
    location: id,
    incarnations: replicas.map((one) => one.incarnation),
    manifestHash: String(1000 + attempt),
  }));
  return calls.commit({ shuffle, map, attempt, cells });
}
async function commitAll(calls: ManagerCalls, shuffle: string): Promise<void> {
  const { spec } = await layoutNow(calls, shuffle);
  for (let map = 0; map < spec.maps; map++) await commitNew(calls, shuffle, map, map);
}
const vacantMaps = async (calls: ManagerCalls, shuffle: string) => viewLayout(await layoutNow(calls, shuffle)).vacant();
const lost = (
  calls: ManagerCalls,
  layout: Layout,
  location: number,
  because: 'missing' | 'corrupt' | 'incarnation' | 'unreachable',
  maps: number[] = [],
) => calls.lost({ shuffle: layout.shuffle, location, incarnation: layout.locations[location]!.replicas[0]!.incarnation, maps, because });
/** Whether a promise has settled by now. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => {
      done = true;
    },
    () => {
      done = true;
    },
  );
  await settle();
  return done;
}

test('hello says who this is; status who is there', async () => {
  const { calls, manager, clock, job } = await openShuffle(2);
  await addExecutor(calls, 9);
  await clock.advance(500);
  assert.deepEqual(await calls.hello({}), { protocol: protocolVersion, cluster: manager.cluster, term: 1, release: 'test' });
  await calls.keepJob({ job, after: 0, slots: 1, waitMs: 0 });
  const status = await calls.status({});
  assert.deepEqual(
    status.workers.map(({ worker, port, state, pid }) => [worker, port, state, pid]),
    [1, 2].map((number) => [hex(number), 1000 + number, 'live', number]),
  );
  assert.deepEqual(status.executors, [{ executor: hex(9), incarnation: hex(109), host: 'h', pid: 9, slots: 2, used: 1 }]);
  assert.deepEqual(status.jobs, [
    { job, name: 'j', shuffles: 1, slots: 1, url: 'http://c', ageMs: 500, expiresAt: 0, resumableUntil: 0, epoch: 1, storedBytes: 0, quotaBytes: 0 },
  ]);
  assert.equal(status.uptimeMs, 500);
});

test('opening a shuffle twice gives the same one, with another spec it is refused', async () => {
  const { calls, job, layout } = await openShuffle();
  assert.deepEqual(await calls.openShuffle({ job, name: 'x', spec: specOf() }), layout);
  await assert.rejects(calls.openShuffle({ job, name: 'x', spec: specOf({ maps: 5 }) }), { code: 'REQUEST_INVALID', message: /another spec/ });
  await assert.rejects(calls.openShuffle({ job, name: 'y', spec: specOf({ partitions: 0 }) }), { code: 'REQUEST_INVALID' });
  await assert.rejects(calls.openShuffle({ job: 77, name: 'y', spec: specOf() }), { code: 'JOB_UNKNOWN' });
  const other = await calls.openShuffle({ job, name: 'y', spec: specOf() });
  assert.notEqual(other.shuffle, layout.shuffle);
  assert.equal(other.version, 1);
});

test('without a worker a shuffle is not opened; one that comes while the call waits is used', async () => {
  const world = await openWorld(new MemoryDisk(), { workerWaitMs: 1000 });
  const { job } = await world.calls.openJob({ name: 'j', url: '', slots: 0 });
  const late = world.calls.openShuffle({ job, name: 'x', spec: specOf() });
  late.catch(() => {});
  await world.clock.advance(1000);
  await assert.rejects(late, { code: 'NO_WORKERS' });
  const waiting = world.calls.openShuffle({ job, name: 'x', spec: specOf() });
  const twin = world.calls.openShuffle({ job, name: 'x', spec: specOf() });
  assert.equal(await isDone(waiting), false);
  await addWorker(world.calls, 1);
  assert.deepEqual(await waiting, await twin);
  assert.equal((await waiting).locations[0]!.replicas[0]!.worker, hex(1));
});

test('a shuffle too large is refused, and the journal is none the worse', async () => {
  const { calls, job, disk, manager } = await openShuffle();
  await assert.rejects(calls.openShuffle({ job, name: 'huge', spec: specOf({ maps: 0xffffffff, partitions: 1 }) }), { code: 'REQUEST_INVALID' });
  await calls.openShuffle({ job, name: 'next', spec: specOf() });
  assert.deepEqual((await openWorld(disk.copy())).manager.snapshot(), manager.snapshot());
});

test('the first commit wins, and every later one is told who did, whoever asks and however often', async () => {
  const { calls, shuffle } = await openShuffle();
  const cells = [{ location: 0, incarnations: [hex(101)], manifestHash: '5' }];
  const first = await calls.commit({ shuffle, map: 0, attempt: 3, cells });
  assert.deepEqual(first, { won: true, winner: 3, version: 2, sealed: false });
  assert.deepEqual(await calls.commit({ shuffle, map: 0, attempt: 4, cells }), { won: false, winner: 3, version: 2, sealed: false });
  assert.deepEqual(await calls.commit({ shuffle, map: 0, attempt: 3, cells }), first);
  await assert.rejects(calls.commit({ shuffle, map: 1, attempt: 3, cells: [] }), { code: 'REQUEST_INVALID' });
  await assert.rejects(calls.commit({ shuffle: '99', map: 1, attempt: 3, cells }), { code: 'SHUFFLE_UNKNOWN' });
  const stale = [{ ...cells[0]!, incarnations: [hex(1)] }];
  await assert.rejects(calls.commit({ shuffle, map: 1, attempt: 3, cells: stale }), { code: 'WRONG_INCARNATION' });
  for (const map of [1, 2]) await commitNew(calls, shuffle, map, 1);
  assert.equal((await commitNew(calls, shuffle, 3, 1)).sealed, true);
  assert.equal((await layoutNow(calls, shuffle)).sealed, true);
});

test('attempts that race commit once: whatever the order, one is told it won and all agree on who', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(5), { minLength: 2, maxLength: 12 }), async (attempts) => {
      const { calls, shuffle } = await openShuffle();
      const cells = [{ location: 0, incarnations: [hex(101)], manifestHash: '5' }];
      const answers = await Promise.all(attempts.map((attempt) => calls.commit({ shuffle, map: 0, attempt, cells })));
      assert.equal(new Set(answers.map((one) => one.winner)).size, 1);
      for (const [i, answer] of answers.entries()) assert.equal(answer.won, answer.winner === attempts[i]);
      assert.equal((await layoutNow(calls, shuffle)).winners.attempts[0], answers[0]!.winner);
    }),
    { numRuns: 30 },
  );
});

test('what was seen to be missing is vacated at once, exactly those cells, and a second report changes nothing', async () => {
  const { calls, shuffle } = await openShuffle(4);
  await commitAll(calls, shuffle);
  const before = await layoutNow(calls, shuffle);
  const location = before.locations.find((one) => one.mapFrom === 0)!;
  const report = await lost(calls, before, location.id, 'missing', [0]);
  assert.equal(report.vacated, true);
  assert.deepEqual(await vacantMaps(calls, shuffle), [0]);
  const after = viewLayout(await layoutNow(calls, shuffle));
  const was = viewLayout(before);
  for (let map = 0; map < 4; map++) {
    for (const { id } of before.locations) {
      assert.equal(after.winner(map, id), map === 0 && id === location.id ? -1 : was.winner(map, id), `map ${map} location ${id}`);
    }
  }
  assert.deepEqual(await lost(calls, before, location.id, 'missing', [0]), report);
  const repaired = await commitNew(calls, shuffle, 0, 50);
  assert.deepEqual([repaired.won, repaired.winner, repaired.sealed], [true, 50, true]);
  assert.deepEqual(
    after.targets(0).map((one) => one.partitionFrom),
    [location.partitionFrom],
  );
});

test('corrupt cells of a whole location are its maps, and no others', async () => {
  const { calls, shuffle } = await openShuffle(4);
  await commitAll(calls, shuffle);
  const before = await layoutNow(calls, shuffle);
  const location = before.locations[0]!;
  await lost(calls, before, 0, 'corrupt');
  const covered = Array.from({ length: location.mapTo - location.mapFrom }, (_, i) => location.mapFrom + i);
  assert.deepEqual(await vacantMaps(calls, shuffle), covered);
  await assert.rejects(calls.lost({ shuffle, location: 99, incarnation: hex(1), maps: [], because: 'missing' }), { code: 'REQUEST_INVALID' });
});

test('a live worker out of reach is lost after three reports a second apart, and gets no new attempts of that location', async () => {
  const { calls, shuffle, clock } = await openShuffle(2);
  await commitAll(calls, shuffle);
  const layout = await layoutNow(calls, shuffle);
  const report = async () => (await lost(calls, layout, 0, 'unreachable')).vacated;
  assert.deepEqual([await report(), await report()], [false, false]);
  await clock.advance(999);
  assert.equal(await report(), false);
  await clock.advance(1);
  assert.deepEqual([await report(), await report()], [false, false]);
  assert.deepEqual(await vacantMaps(calls, shuffle), []);
  await clock.advance(1000);
  assert.equal(await report(), true);
  assert.notDeepEqual(await vacantMaps(calls, shuffle), []);
  const now = await layoutNow(calls, shuffle);
  const successor = now.locations.at(-1)!;
  assert.equal(now.locations.length, layout.locations.length + 1);
  assert.equal(successor.partitionFrom, layout.locations[0]!.partitionFrom);
  assert.notEqual(successor.replicas[0]!.worker, layout.locations[0]!.replicas[0]!.worker);
});

test('a worker that somebody does not reach has to show itself: one that does not is gone for all, one that does is not', async () => {
  const { calls, shuffle, clock, job } = await openShuffle(2);
  await commitAll(calls, shuffle);
  const layout = await layoutNow(calls, shuffle);
  const other = await calls.openShuffle({ job, name: 'other', spec: specOf({ bytesHint: 1e12 }) });
  const worker = Number.parseInt(layout.locations[0]!.replicas[0]!.worker, 16);
  const state = async () => (await calls.status({})).workers.find((one) => one.pid === worker)?.state;
  const poll = async () => {
    const { version } = await orders(calls, worker);
    return orders(calls, worker, { after: version, waitMs: 60_000 });
  };
  const first = poll();
  await settle();
  assert.equal((await lost(calls, layout, 0, 'unreachable')).vacated, false);
  // Its poll is answered at once, and it begins the next one.
  await first;
  const second = poll();
  await clock.advance(5000);
  assert.equal(await state(), 'live');
  assert.equal((await lost(calls, layout, 0, 'unreachable')).vacated, false);
  await second;
  await clock.advance(3001);
  assert.equal(await state(), 'lost', 'stopped: it does not begin another one');
  const here = other.locations.find(({ replicas }) => replicas[0]!.worker === hex(worker));
  assert.ok(here !== undefined);
  await clock.advance(1000);
  const targets = viewLayout(await layoutNow(calls, other.shuffle));
  for (let map = 0; map < 4; map++) for (const { replicas } of targets.targets(map)) assert.notEqual(replicas[0]!.worker, hex(worker));
  assert.equal((await lost(calls, layout, 0, 'unreachable')).vacated, true);
});

test('a report about an older incarnation says: look again', async () => {
  const { calls, shuffle } = await openShuffle();
  await commitAll(calls, shuffle);
  const { version } = await layoutNow(calls, shuffle);
  assert.deepEqual(await calls.lost({ shuffle, location: 0, incarnation: hex(5), maps: [], because: 'missing' }), { version, vacated: false });
  assert.deepEqual(await vacantMaps(calls, shuffle), []);
});

test('a worker whose poll is cut is gone at once: reported cells are vacated, vacant ones get a successor', async () => {
  const { calls, shuffle } = await openShuffle(2);
  await commitAll(calls, shuffle);
  const layout = await layoutNow(calls, shuffle);
  const worker = Number.parseInt(layout.locations[0]!.replicas[0]!.worker, 16);
  const hangUp = new AbortController();
  const { version } = await orders(calls, worker);
  const poll = orders(calls, worker, { after: version, waitMs: 30_000 }, hangUp.signal);
  poll.catch(() => {});
  await settle();
  hangUp.abort();
  await assert.rejects(poll, { code: 'CONNECTION_LOST' });
  assert.equal((await calls.status({})).workers.find((one) => one.pid === worker)?.state, 'lost');
  assert.equal((await lost(calls, layout, 0, 'unreachable')).vacated, true);
  const now = await layoutNow(calls, shuffle);
  for (const map of viewLayout(now).vacant()) {
    for (const target of viewLayout(now).targets(map)) assert.notEqual(target.replicas[0]!.worker, hex(worker));
  }
});

test('a loss invalidates a run that is not deterministic; a later stage attempt gets a new run, and the old one is released', async () => {
  const { calls, shuffle, job } = await openShuffle(1, { deterministic: false });
  const spec = specOf({ deterministic: false });
  await commitAll(calls, shuffle);
  await lost(calls, await layoutNow(calls, shuffle), 0, 'missing', [2]);
  assert.equal((await layoutNow(calls, shuffle)).invalidated, true);
  await assert.rejects(commitNew(calls, shuffle, 0, 9), { code: 'ATTEMPT_SUPERSEDED' });
  assert.equal((await calls.resolveShuffle({ job, name: 'x', stageAttempt: 0, spec })).shuffle, shuffle);
  const next = await calls.resolveShuffle({ job, name: 'x', stageAttempt: 1, spec });
  assert.notEqual(next.shuffle, shuffle);
  assert.equal(next.invalidated, false);
  assert.deepEqual(await calls.resolveShuffle({ job, name: 'x', stageAttempt: 1, spec }), next);
  await assert.rejects(layoutNow(calls, shuffle), { code: 'SHUFFLE_RELEASED' });
});

test('what is not deterministic is written by one stage attempt: a later one gets a new run at once, an older one sees that it is late', async () => {
  const { calls, shuffle, job } = await openShuffle(1, { deterministic: false });
  const spec = specOf({ deterministic: false });
  const at = (stageAttempt: number) => calls.resolveShuffle({ job, name: 'x', stageAttempt, spec });
  await commitNew(calls, shuffle, 0, 1);
  const cells = [{ location: 0, incarnations: [hex(101)], manifestHash: '5' }];
  const late = calls.layout({ shuffle, after: 2, waitMs: 1000 });
  late.catch(() => {});
  const next = await at(2);
  assert.notEqual(next.shuffle, shuffle);
  assert.deepEqual([next.stageAttempt, next.version, viewLayout(next).vacant()], [2, 1, [0, 1, 2, 3]]);
  // Who holds the old run hears so at the manager at once, and workers are told to sweep it.
  await assert.rejects(calls.commit({ shuffle, map: 1, attempt: 1, cells }), { code: 'SHUFFLE_RELEASED' });
  await assert.rejects(late, { code: 'SHUFFLE_RELEASED' });
  assert.ok((await orders(calls, 1)).released.includes(shuffle));
  // A writer of stage attempt 0 or 1 that comes late, and readers, get the run of attempt 2, which says so.
  for (const stageAttempt of [0, 1, 2]) assert.deepEqual(await at(stageAttempt), next);
  assert.deepEqual(await calls.openShuffle({ job, name: 'x', spec }), next);
  // Numbers larger than 32 bits are attempts too: engines count their stages in.
  const far = await at(2 ** 40);
  assert.equal(far.stageAttempt, 2 ** 40);
  await calls.release({ shuffle: far.shuffle });
  await assert.rejects(at(2 ** 40), { code: 'SHUFFLE_RELEASED' });
  await assert.rejects(at(0), { code: 'SHUFFLE_RELEASED' });
});

test('a deterministic run goes on in a later stage attempt; only its vacant cells are written again', async () => {
  const { calls, shuffle, job } = await openShuffle();
  await commitAll(calls, shuffle);
  await lost(calls, await layoutNow(calls, shuffle), 0, 'missing', [2]);
  const next = await calls.resolveShuffle({ job, name: 'x', stageAttempt: 3, spec: specOf() });
  assert.deepEqual([next.shuffle, next.stageAttempt, viewLayout(next).vacant()], [shuffle, 0, [2]]);
});

test('of several later stage attempts that come at once one opens the run', async () => {
  const { calls, job } = await openShuffle(1, { deterministic: false });
  const spec = specOf({ deterministic: false });
  const at = (stageAttempt: number) => calls.resolveShuffle({ job, name: 'x', stageAttempt, spec });
  const layouts = await Promise.all([at(1), at(1), at(1)]);
  assert.equal(new Set(layouts.map((one) => one.shuffle)).size, 1);
  assert.equal((await calls.status({})).jobs[0]!.shuffles, 1);
});

test('a worker that restarts keeps the cells it announces under its new incarnation; the others are vacant', async () => {
  const { calls, shuffle } = await openShuffle();
  await commitAll(calls, shuffle);
  const held = [0, 2].map((map) => ({ shuffle, map, attempt: map, location: 0, manifestHash: String(1000 + map) }));
  const wrong = { shuffle, map: 3, attempt: 3, location: 0, manifestHash: '1' };
  const loser = { shuffle, map: 1, attempt: 9, location: 0, manifestHash: '1001' };
  await addWorker(calls, 1, 777);
  const request = { worker: hex(1), incarnation: hex(777), held: [...held, wrong, loser, { ...wrong, shuffle: '9' }] };
  const answer = await calls.announce(request);
  assert.deepEqual(answer, { kept: 2, released: ['9'] });
  assert.deepEqual(await calls.announce(request), answer);
  const layout = await layoutNow(calls, shuffle);
  assert.deepEqual(viewLayout(layout).vacant(), [1, 3]);
  assert.equal(layout.locations[0]!.replicas[0]!.incarnation, hex(777));
  await assert.rejects(calls.announce({ ...request, incarnation: hex(101) }), { code: 'FENCED' });
  await assert.rejects(calls.announce({ ...request, worker: hex(8) }), { code: 'WRONG_INCARNATION' });
});

test('cells lost from sight count again when their worker brings them back, those seen to be missing do not', async () => {
  const { calls, shuffle, clock, job } = await openShuffle();
  await commitAll(calls, shuffle);
  const layout = await layoutNow(calls, shuffle);
  await lost(calls, layout, 0, 'missing', [1]);
  await clock.advance(9000);
  await calls.keepJob({ job, after: 0, slots: 0, waitMs: 0 });
  await clock.advance(2000);
  assert.equal((await lost(calls, layout, 0, 'unreachable')).vacated, true);
  assert.deepEqual(await vacantMaps(calls, shuffle), [0, 1, 2, 3]);
  await addWorker(calls, 1, 777);
  const held = [0, 1, 2, 3].map((map) => ({ shuffle, map, attempt: map, location: 0, manifestHash: String(1000 + map) }));
  assert.equal((await calls.announce({ worker: hex(1), incarnation: hex(777), held })).kept, 3);
  assert.deepEqual(await vacantMaps(calls, shuffle), [1]);
});

test('a worker of another cluster or version is refused', async () => {
  const { calls } = await openWorld();
  const facts = { worker: hex(1), incarnation: hex(2), host: 'h', port: 1, hostLabel: 'h', pid: 1 };
  await assert.rejects(calls.registerWorker({ ...facts, cluster: hex(5), protocol: protocolVersion }), { code: 'WORKER_REFUSED' });
  await assert.rejects(calls.registerWorker({ ...facts, protocol: 0 }), { code: 'VERSION_UNSUPPORTED', message: /version 0, this one 1/ });
  await assert.rejects(calls.registerExecutor({ executor: hex(1), incarnation: hex(2), host: 'h', pid: 1, slots: 1, protocol: 7 }), {
    code: 'VERSION_UNSUPPORTED',
  });
  const { cluster } = await calls.hello({});
  assert.deepEqual(await calls.registerWorker({ ...facts, cluster, protocol: protocolVersion }), { cluster, term: 1, leaseMs: 10_000 });
  assert.deepEqual(await calls.registerWorker({ ...facts, cluster, protocol: protocolVersion }), { cluster, term: 1, leaseMs: 10_000 });
});

test('orders wait until there is something to do, say only what is new, and answer when the wait is over', async () => {
  const { calls, shuffle, clock } = await openShuffle();
  const first = await orders(calls, 1);
  assert.deepEqual([first.term, first.released, first.leases, first.drain], [1, [], [], false]);
  const poll = orders(calls, 1, { after: first.version, waitMs: 30_000 });
  assert.equal(await isDone(poll), false);
  await calls.release({ shuffle });
  const told = await poll;
  assert.deepEqual(told.released, [shuffle]);
  assert.ok(told.version > first.version);
  const quiet = orders(calls, 1, { after: told.version, waitMs: 5000 });
  assert.equal(await isDone(quiet), false);
  await clock.advance(5000);
  assert.deepEqual([(await quiet).released, (await quiet).version], [[], told.version]);
  assert.deepEqual((await orders(calls, 1)).released, [shuffle], 'who knows nothing is told all');
});

test('orders of a replaced incarnation end FENCED, of a stranger WRONG_INCARNATION; leaving is draining', async () => {
  const { calls, shuffle } = await openShuffle(2);
  const poll = orders(calls, 1, { after: (await orders(calls, 1)).version, waitMs: 30_000 });
  poll.catch(() => {});
  await settle();
  await addWorker(calls, 1, 777);
  await assert.rejects(poll, { code: 'FENCED' });
  await assert.rejects(orders(calls, 1), { code: 'FENCED' });
  await assert.rejects(orders(calls, 8), { code: 'WRONG_INCARNATION' });
  const goodbye = await orders(calls, 2, { leaving: true, waitMs: 30_000 });
  assert.equal(goodbye.drain, true);
  const layout = await layoutNow(calls, shuffle);
  for (let map = 0; map < 4; map++) for (const { replicas } of viewLayout(layout).targets(map)) assert.equal(replicas[0]!.worker, hex(1));
});

test('release is idempotent and is not unknown', async () => {
  const { calls, shuffle, job } = await openShuffle();
  assert.deepEqual([await calls.release({ shuffle }), await calls.release({ shuffle })], [{}, {}]);
  await assert.rejects(layoutNow(calls, shuffle), { code: 'SHUFFLE_RELEASED' });
  await assert.rejects(calls.openShuffle({ job, name: 'x', spec: specOf() }), { code: 'SHUFFLE_RELEASED' });
  await assert.rejects(calls.release({ shuffle: '5' }), { code: 'SHUFFLE_UNKNOWN' });
  assert.deepEqual([await calls.closeJob({ job }), await calls.closeJob({ job })], [{}, {}]);
  await assert.rejects(calls.closeJob({ job: 50 }), { code: 'JOB_UNKNOWN' });
  assert.deepEqual((await orders(calls, 1)).released, [`job:${job}`]);
});

test('a layout is answered at once when it is newer, else when it changes or the wait is over', async () => {
  const { calls, shuffle, clock } = await openShuffle();
  const poll = calls.layout({ shuffle, after: 1, waitMs: 10_000 });
  assert.equal(await isDone(poll), false);
  await commitNew(calls, shuffle, 0, 7);
  assert.deepEqual([(await poll).version, (await poll).winners.attempts], [2, [7, -1, -1, -1]]);
  const late = calls.layout({ shuffle, after: 2, waitMs: 10_000 });
  await clock.advance(10_000);
  assert.equal((await late).version, 2);
  const cut = calls.layout({ shuffle, after: 2, waitMs: 10_000 });
  cut.catch(() => {});
  await calls.release({ shuffle });
  await assert.rejects(cut, { code: 'SHUFFLE_RELEASED' });
});

test('slots go to jobs with their token, and an executor hears of it by its orders', async () => {
  const { calls } = await openWorld();
  const a = await calls.openJob({ name: 'a', url: 'http://a', slots: 2 });
  const waiting = calls.keepJob({
    job: a.job,
    after: (await calls.keepJob({ job: a.job, after: 0, slots: 2, waitMs: 0 })).version,
    slots: 2,
    waitMs: 9000,
  });
  assert.equal(await isDone(waiting), false);
  await addExecutor(calls, 5, 2);
  const kept = await waiting;
  assert.deepEqual(
    kept.leases.map(({ executor, slots }) => [executor, slots]),
    [[hex(5), 2]],
  );
  const told = await orders(calls, 5);
  assert.deepEqual(
    told.leases.map(({ job, slots, url }) => [job, slots, url]),
    [[a.job, 2, 'http://a']],
  );
  assert.equal(told.leases[0]!.lease, kept.leases[0]!.lease);
  assert.match(told.leases[0]!.token, /^v1\.job\.1\./);
  const b = await calls.openJob({ name: 'b', url: 'http://b', slots: 2 });
  assert.deepEqual((await orders(calls, 5)).leases.map(({ job, slots }) => [job, slots]).sort(), [
    [a.job, 1],
    [b.job, 1],
  ]);
  await calls.closeJob({ job: a.job });
  assert.deepEqual(
    (await orders(calls, 5)).leases.map(({ job, slots }) => [job, slots]),
    [[b.job, 2]],
  );
  await assert.rejects(calls.keepJob({ job: a.job, after: 0, slots: 1, waitMs: 0 }), { code: 'JOB_UNKNOWN' });
});

test('an executor that is gone frees its slots', async () => {
  const { calls, clock } = await openWorld();
  const { job } = await calls.openJob({ name: 'a', url: '', slots: 2 });
  await addExecutor(calls, 5, 2);
  await orders(calls, 5, { leaving: true });
  assert.deepEqual((await calls.keepJob({ job, after: 0, slots: 2, waitMs: 0 })).leases, []);
  await addExecutor(calls, 6, 1);
  assert.equal((await calls.keepJob({ job, after: 0, slots: 2, waitMs: 0 })).leases.length, 1);
  await clock.advance(9000);
  await calls.keepJob({ job, after: 0, slots: 2, waitMs: 0 });
  await clock.advance(3000);
  assert.deepEqual((await calls.keepJob({ job, after: 0, slots: 2, waitMs: 0 })).leases, []);
  assert.deepEqual((await calls.status({})).executors, []);
});

test('a job nobody keeps is released after its lease; polls keep it, also several at once', async () => {
  const { calls, job, shuffle, clock } = await openShuffle();
  const { version } = await calls.keepJob({ job, after: 0, slots: 0, waitMs: 0 });
  const polls = [1, 2].map(() => calls.keepJob({ job, after: version, slots: 0, waitMs: 30_000 }));
  for (const poll of polls) poll.catch(() => {});
  await clock.advance(25_000);
  await addWorker(calls, 1);
  assert.equal((await calls.status({})).jobs.length, 1);
  await clock.advance(5000);
  await Promise.all(polls);
  await clock.advance(9000);
  assert.equal((await calls.status({})).jobs.length, 1);
  await clock.advance(3000);
  assert.deepEqual((await calls.status({})).jobs, []);
  await assert.rejects(layoutNow(calls, shuffle), { code: 'SHUFFLE_RELEASED' });
});

test('a manager that stood still does not take its own silence for that of others', async () => {
  const { calls, clock } = await openShuffle();
  await addExecutor(calls, 5);
  const there = async () => {
    const { jobs, workers, executors } = await calls.status({});
    return [jobs.length, workers.filter(({ state }) => state === 'live').length, executors.length];
  };
  await clock.advance(5000);
  clock.stall(60_000);
  await clock.advance(1000);
  assert.deepEqual(await there(), [1, 1, 1]);
  // Of the stall three looks count; with them they have been silent for nine seconds.
  await clock.advance(4000);
  assert.deepEqual(await there(), [0, 0, 0]);
});

test('an executor gets the token that its coordinator has, however much later it comes, and after a restart too', async () => {
  const { calls, clock, disk } = await openWorld();
  const { job, token } = await calls.openJob({ name: 'a', url: 'http://a', slots: 4 });
  const told = async (at: ManagerCalls, executor: number) => {
    await addExecutor(at, executor, 1);
    await at.keepJob({ job, after: 0, slots: 4, waitMs: 0 });
    return (await orders(at, executor)).leases.map((lease) => lease.token);
  };
  await clock.advance(5_000);
  assert.deepEqual(await told(calls, 5), [token]);
  await clock.advance(3_000);
  const restarted = await openWorld(disk, {}, clock);
  assert.deepEqual(await told(restarted.calls, 6), [token]);
});

test('while its own disk hangs a manager takes nobody for gone; whoever is silent afterwards is', async () => {
  const { clock, disk, calls } = await openWorld();
  await addWorker(calls, 1);
  const { job } = await calls.openJob({ name: 'kept', url: '', slots: 1 });
  const poll = calls.keepJob({ job, after: Number.MAX_SAFE_INTEGER, slots: 1, waitMs: 1000 });
  const { list } = disk;
  const hang = Promise.withResolvers<void>();
  disk.list = () => hang.promise.then(list);
  await clock.advance(60_000);
  await poll;
  hang.resolve();
  await clock.advance(100);
  const { jobs, workers } = await calls.status({});
  assert.deepEqual([jobs.map((one) => one.job), workers.map(({ state }) => state)], [[job], ['live']]);
  await clock.advance(12_000);
  const later = await calls.status({});
  assert.deepEqual([later.jobs, later.workers.map(({ state }) => state)], [[], ['lost']]);
});

test('the token of a job that is kept outlives an application that runs for most of a year', async () => {
  const { clock, token } = await openShuffle();
  const expires = Number(token.split('.')[3]) * 1000;
  assert.ok(expires - clock.wall() > 300 * 24 * 3_600_000);
});

test('a job of another engine lives as long as its token', async () => {
  const { calls, clock } = await openWorld();
  const { job, expiresAt } = await calls.mintToken({ name: 'spark', expiresMs: 60_000 });
  assert.equal(expiresAt, clock.wall() + 60_000);
  await clock.advance(59_000);
  assert.deepEqual(
    (await calls.status({})).jobs.map((one) => one.job),
    [job],
  );
  await clock.advance(3000);
  assert.deepEqual((await calls.status({})).jobs, []);
});

test('a job of another engine has no slots and no coordinator; when its driver dies its data is swept after the lease', async () => {
  const { calls, clock } = await openWorld();
  await addWorker(calls, 1);
  await addExecutor(calls, 5, 2);
  const { job } = await calls.openJob({ name: 'spark', url: '', slots: 0 });
  const { shuffle } = await calls.openShuffle({ job, name: 'app.0', spec: specOf() });
  for (let i = 0; i < 4; i++) {
    await clock.advance(8000);
    assert.deepEqual((await calls.keepJob({ job, after: 0, waitMs: 0 })).leases, []);
  }
  await addWorker(calls, 1);
  const { version } = await orders(calls, 1);
  await clock.advance(12_000);
  assert.deepEqual((await calls.status({})).jobs, []);
  await addWorker(calls, 1);
  assert.deepEqual((await orders(calls, 1, { after: version })).released, [`job:${job}`]);
  await assert.rejects(calls.layout({ shuffle, after: -1, waitMs: 0 }), { code: 'SHUFFLE_RELEASED' });
});

test('absent slots are as before', async () => {
  const { calls } = await openWorld();
  await addExecutor(calls, 5, 2);
  const { job } = await calls.openJob({ name: 'a', url: '', slots: 2 });
  const { leases, version } = await calls.keepJob({ job, after: 0, waitMs: 0 });
  assert.equal(leases[0]!.slots, 2);
  assert.deepEqual((await calls.keepJob({ job, after: version, waitMs: 0 })).leases, leases);
});

test('applications that share a minted job each keep their own shuffles: those of a dead one go after a lease, also over a restart', async () => {
  let world = await openWorld();
  await addWorker(world.calls, 1);
  const { job } = await world.calls.mintToken({ name: 'team', expiresMs: 3_600_000 });
  const open = async (name: string) => (await world.calls.resolveShuffle({ job, name, stageAttempt: 0, spec: specOf() })).shuffle;
  const keep = (names: string) => world.calls.keepJob({ job, after: 0, names, waitMs: 0 });
  const fateOf = (shuffle: string) =>
    layoutNow(world.calls, shuffle).then(
      () => 'open',
      (error: SluiceError) => error.code,
    );
  const [mine, his, nobodys] = [await open('a.0'), await open('b.0'), await open('c.0')];
  await keep('a.');
  await keep('b.');
  const { version } = await world.calls.keepJob({ job, after: 0, waitMs: 0 });
  const poll = world.calls.keepJob({ job, after: version + 9, names: 'a.', waitMs: 25_000 });
  await world.clock.advance(9000);
  assert.equal(await fateOf(his), 'open');
  await world.clock.advance(3000);
  assert.deepEqual([await fateOf(mine), await fateOf(his), await fateOf(nobodys)], ['open', 'SHUFFLE_RELEASED', 'open']);
  assert.ok((await orders(world.calls, 1).catch(() => addWorker(world.calls, 1).then(() => orders(world.calls, 1)))).released.includes(his));
  await world.clock.advance(13_000);
  await poll;
  await world.manager.close();
  world = await openWorld(world.disk);
  await world.clock.advance(9000);
  assert.equal(await fateOf(mine), 'open');
  await world.clock.advance(3000);
  assert.deepEqual([await fateOf(mine), await fateOf(nobodys)], ['SHUFFLE_RELEASED', 'open']);
  // The job itself is as good as its token, for the next application.
  await addWorker(world.calls, 1);
  assert.equal(await fateOf(await open('d.0')), 'open');
});

test('names that were kept are known again when the journal has refused a record', async () => {
  const { calls, clock, disk } = await openWorld();
  await addWorker(calls, 1);
  const { job } = await calls.mintToken({ name: 'team', expiresMs: 3_600_000 });
  const { shuffle } = await calls.openShuffle({ job, name: 'a.0', spec: specOf() });
  await calls.keepJob({ job, after: 0, names: 'a.', waitMs: 0 });
  disk.failWrite = new SluiceError('NO_SPACE', { what: 'test' });
  await clock.advance(12_000);
  assert.equal((await layoutNow(calls, shuffle)).shuffle, shuffle);
  disk.failWrite = null;
  await clock.advance(12_000);
  await assert.rejects(layoutNow(calls, shuffle), { code: 'SHUFFLE_RELEASED' });
});

test('a worker that is told to drain hears it at once, gets nothing new and stays readable', async () => {
  const { calls, job, shuffle } = await openShuffle(2);
  await commitAll(calls, shuffle);
  const { version } = await orders(calls, 1);
  const poll = orders(calls, 1, { after: version, waitMs: 30_000 });
  assert.equal(await isDone(poll), false);
  assert.deepEqual(await calls.drainWorker({ worker: hex(1) }), { state: 'draining' });
  assert.equal((await poll).drain, true);
  assert.deepEqual(await calls.drainWorker({ worker: hex(1) }), { state: 'draining' });
  assert.deepEqual(
    (await calls.status({})).workers.map(({ state }) => state),
    ['draining', 'live'],
  );
  assert.deepEqual(await vacantMaps(calls, shuffle), []);
  const next = await calls.openShuffle({ job, name: 'y', spec: specOf({ bytesHint: 1e12 }) });
  for (const { replicas } of next.locations) assert.equal(replicas[0]!.worker, hex(2));
  await assert.rejects(calls.drainWorker({ worker: hex(7) }), { code: 'WORKER_UNKNOWN', message: /sluice status/ });
});

test('a job that stores more than it may, over all workers, opens nothing new; workers hear of it, and when it is over', async () => {
  const { calls, manager } = await openWorld(new MemoryDisk(), { jobQuotaBytes: 100 });
  for (const worker of [1, 2]) await addWorker(calls, worker);
  const [a, b] = [await calls.openJob({ name: 'a', url: '', slots: 0 }), await calls.openJob({ name: 'b', url: '', slots: 0 })];
  const before = await calls.openShuffle({ job: a.job, name: 'x', spec: specOf() });
  const { version } = await orders(calls, 2, { stored: [{ job: a.job, bytes: 60 }] });
  const poll = orders(calls, 2, { after: version, stored: [{ job: a.job, bytes: 60 }], waitMs: 30_000 });
  await orders(calls, 1, {
    stored: [
      { job: a.job, bytes: 40 },
      { job: b.job, bytes: 100 },
    ],
  });
  assert.equal(await isDone(poll), false);
  await orders(calls, 1, {
    stored: [
      { job: a.job, bytes: 41 },
      { job: b.job, bytes: 100 },
    ],
  });
  assert.deepEqual((await poll).overQuota, [{ job: a.job, what: `job ${a.job} stores 101 bytes over all workers and may store 100` }]);
  const refused = { code: 'QUOTA_EXCEEDED', message: /stores 101 bytes .* jobQuotaBytes/ };
  await assert.rejects(calls.openShuffle({ job: a.job, name: 'y', spec: specOf() }), refused);
  await assert.rejects(calls.resolveShuffle({ job: a.job, name: 'y', stageAttempt: 0, spec: specOf() }), refused);
  // What is open can be looked at, and others go on.
  assert.deepEqual(await calls.openShuffle({ job: a.job, name: 'x', spec: specOf() }), before);
  await calls.openShuffle({ job: b.job, name: 'y', spec: specOf() });
  assert.deepEqual(
    (await calls.status({})).jobs.map(({ storedBytes, quotaBytes }) => [storedBytes, quotaBytes]),
    [
      [101, 100],
      [100, 100],
    ],
  );
  assert.equal(manager.gauges().jobsOverQuota, 1);
  await orders(calls, 1, { stored: [] });
  assert.equal(manager.gauges().jobsOverQuota, 0);
  await calls.openShuffle({ job: a.job, name: 'y', spec: specOf() });
});

test('a job that is over its quota no longer is when it is closed, or its worker is lost', async () => {
  const { calls, manager, clock } = await openWorld(new MemoryDisk(), { jobQuotaBytes: 100 });
  await addWorker(calls, 1);
  const { job } = await calls.openJob({ name: 'a', url: '', slots: 0 });
  const { job: other } = await calls.mintToken({ name: 'b', expiresMs: 1e9 });
  await orders(calls, 1, {
    stored: [
      { job, bytes: 101 },
      { job: other, bytes: 101 },
    ],
  });
  assert.equal(manager.gauges().jobsOverQuota, 2);
  await calls.closeJob({ job });
  await clock.advance(1000);
  assert.equal(manager.gauges().jobsOverQuota, 1);
  await clock.advance(12_000);
  assert.equal(manager.gauges().jobsOverQuota, 0);
});

test('a restart replays the state, raises the term and waits for those who were there', async () => {
  const first = await openShuffle(2);
  await addExecutor(first.calls, 5, 2);
  await first.calls.keepJob({ job: first.job, after: 0, slots: 2, waitMs: 0 });
  await commitAll(first.calls, first.shuffle);
  await first.manager.close();
  const { manager, calls, clock }: World = await openWorld(first.disk);
  assert.equal(manager.term, 2);
  assert.deepEqual(manager.snapshot(), first.manager.snapshot());
  assert.equal((await layoutNow(calls, first.shuffle)).sealed, true);
  // Nothing is given to others before the old ones have had their time.
  const kept = await calls.keepJob({ job: first.job, after: 0, slots: 2, waitMs: 0 });
  assert.equal(kept.leases.length, 1);
  const layout = await layoutNow(calls, first.shuffle);
  assert.equal((await lost(calls, layout, 0, 'unreachable')).vacated, false);
  await addWorker(calls, 1);
  await addWorker(calls, 2);
  await addExecutor(calls, 5, 2);
  assert.deepEqual((await calls.keepJob({ job: first.job, after: 0, slots: 2, waitMs: 0 })).leases, kept.leases);
  assert.deepEqual(await layoutNow(calls, first.shuffle), layout);
  await clock.advance(1000);
  assert.deepEqual(await vacantMaps(calls, first.shuffle), []);
});

test('after a restart a worker that does not come back is gone after a lease', async () => {
  const first = await openShuffle(2);
  await first.manager.close();
  const { calls, clock } = await openWorld(first.disk);
  await addWorker(calls, 1);
  for (let i = 0; i < 6; i++) {
    await clock.advance(2000);
    await orders(calls, 1);
    await calls.keepJob({ job: first.job, after: 0, slots: 0, waitMs: 0 });
  }
  const view = viewLayout(await layoutNow(calls, first.shuffle));
  for (let map = 0; map < 4; map++) for (const { replicas } of view.targets(map)) assert.equal(replicas[0]!.worker, hex(1));
});

test('a commit at the level received does not wait for the disk; who asks for the layout does, so that a lost one was seen by no reader', async () => {
  const { calls, shuffle, disk, manager, layout } = await openShuffle();
  const before = manager.snapshot();
  disk.failSync = new SluiceError('DISK_FAILED', { what: 'test' });
  const cells = [{ location: 0, incarnations: [layout.locations[0]!.replicas[0]!.incarnation], manifestHash: '1' }];
  const commit = calls.commit({ shuffle, map: 0, attempt: 1, cells });
  const seen = layoutNow(calls, shuffle);
  await assert.rejects(seen, { code: 'DISK_FAILED' });
  assert.deepEqual([(await commit).won, (await commit).winner], [true, 1]);
  await settle();
  assert.deepEqual(manager.snapshot(), before);
  assert.deepEqual(await vacantMaps(calls, shuffle), [0, 1, 2, 3]);
  await assert.rejects(commitNew(calls, shuffle, 0, 2), { code: 'DISK_FAILED' }, 'while the disk refuses, it waits');
  disk.failSync = null;
  // The first one that the disk takes waits as well.
  assert.equal((await commitNew(calls, shuffle, 0, 3)).winner, 3);
  assert.equal((await commitNew(calls, shuffle, 1, 4)).winner, 4);
  assert.deepEqual(await vacantMaps(calls, shuffle), [2, 3]);
  assert.deepEqual((await openWorld(disk.copy())).manager.snapshot(), manager.snapshot());
});

test('a full disk answers NO_SPACE and nothing has happened; with space again the same call works', async () => {
  const { calls, shuffle, disk, manager } = await openShuffle(1, { level: 'written' });
  const before = manager.snapshot();
  disk.failWrite = new SluiceError('NO_SPACE', { what: 'test' });
  await assert.rejects(commitNew(calls, shuffle, 0, 1), { code: 'NO_SPACE' });
  await settle();
  assert.deepEqual(manager.snapshot(), before);
  assert.deepEqual(await vacantMaps(calls, shuffle), [0, 1, 2, 3]);
  disk.failWrite = null;
  assert.equal((await commitNew(calls, shuffle, 0, 2)).winner, 2);
  assert.deepEqual((await openWorld(disk.copy())).manager.snapshot(), manager.snapshot());
});

test('a manager that cannot read its journal again is over, and the next one knows all that was answered', async () => {
  const { calls, shuffle, disk, manager } = await openShuffle(1, { level: 'written' });
  await commitNew(calls, shuffle, 0, 1);
  disk.failWrite = new SluiceError('DISK_FAILED', { what: 'write' });
  disk.failRead = new SluiceError('DISK_FAILED', { what: 'read' });
  await assert.rejects(commitNew(calls, shuffle, 1, 1), { code: 'DISK_FAILED' });
  assert.equal((await manager.ended).code, 'DISK_FAILED');
  // Who comes again finds the next one.
  await assert.rejects(calls.hello({}), { code: 'LEDGER_UNAVAILABLE' });
  disk.failWrite = null;
  disk.failRead = null;
  assert.deepEqual(await vacantMaps((await openWorld(disk)).calls, shuffle), [1, 2, 3]);
});

test('a manager that was replaced sends all to the other one, and is not started again', async () => {
  const { calls, shuffle, disk, clock } = await openShuffle(1, { level: 'written' });
  await openWorld(disk);
  await assert.rejects(commitNew(calls, shuffle, 0, 1), { code: 'LEDGER_UNAVAILABLE' });
  await assert.rejects(calls.hello({}), { code: 'LEDGER_UNAVAILABLE' });
  const other = await openShuffle();
  await openWorld(other.disk);
  await other.clock.advance(2000);
  await assert.rejects(other.calls.hello({}), { code: 'LEDGER_UNAVAILABLE' }, 'also when it has nothing to write');
  await clock.advance(5000);
});

test('closing ends the long polls and is final', async () => {
  const { calls, manager, shuffle } = await openShuffle();
  const poll = calls.layout({ shuffle, after: 5, waitMs: 30_000 });
  poll.catch(() => {});
  await settle();
  await manager.close();
  await assert.rejects(poll, { code: 'LEDGER_UNAVAILABLE' });
  await assert.rejects(calls.hello({}), { code: 'LEDGER_UNAVAILABLE' });
});

test('a caller who hangs up is not waited for', async () => {
  const { calls, manager, shuffle } = await openShuffle();
  const hangUp = new AbortController();
  const poll = calls.layout({ shuffle, after: 5, waitMs: 30_000 }, { signal: hangUp.signal });
  poll.catch(() => {});
  await settle();
  assert.equal(manager.gauges().polls, 1);
  hangUp.abort();
  await assert.rejects(poll, { code: 'CONNECTION_LOST' });
  assert.equal(manager.gauges().polls, 0);
});

test('replicas are on different hosts, and a lost one takes nothing from the other', async () => {
  const { calls, shuffle } = await openShuffle(3, { replicas: 2 });
  await commitAll(calls, shuffle);
  const layout = await layoutNow(calls, shuffle);
  for (const { replicas } of layout.locations) assert.equal(new Set(replicas.map((one) => one.hostLabel)).size, 2);
  await lost(calls, layout, 0, 'missing');
  assert.deepEqual(await vacantMaps(calls, shuffle), []);
  const other = layout.locations[0]!.replicas[1]!.incarnation;
  await calls.lost({ shuffle, location: 0, incarnation: other, maps: [1], because: 'missing' });
  assert.deepEqual(await vacantMaps(calls, shuffle), [1]);
});

const logged = (calls: ManagerCalls, job: number, entries: readonly string[], { epoch = 1, from = 0 } = {}) =>
  calls.logJob({ job, epoch, from, entries: [...entries] });

test('the log of a job keeps what its coordinator decides, once however often it is sent, and over a restart', async () => {
  const { calls, manager, disk } = await openWorld();
  const { job } = await calls.openJob({ name: 'j', url: 'http://a', slots: 1 });
  assert.deepEqual(await logged(calls, job, ['a', 'b']), { length: 2 });
  assert.deepEqual(await logged(calls, job, ['a', 'b']), { length: 2 });
  assert.deepEqual(await logged(calls, job, ['b', 'c'], { from: 1 }), { length: 3 });
  await assert.rejects(logged(calls, job, ['z'], { from: 9 }), { code: 'REQUEST_INVALID' });
  await manager.close();
  const after = await openWorld(disk);
  assert.deepEqual(await after.calls.readJobLog({ job, from: 1 }), { length: 3, entries: ['b', 'c'] });
  const large = 'x'.repeat(5 * 1024 * 1024);
  await logged(after.calls, job, [large, large, large], { from: 3 });
  assert.deepEqual((await after.calls.readJobLog({ job, from: 3 })).entries.length, 2);
  await assert.rejects(after.calls.readJobLog({ job: 7, from: 0 }), { code: 'JOB_UNKNOWN' });
});

test('a coordinator that takes a job over gets its slots by new leases; the one before it is fenced wherever it speaks', async () => {
  const { calls, manager, disk } = await openWorld();
  await addExecutor(calls, 9);
  const { job } = await calls.openJob({ name: 'j', url: 'http://a', slots: 2 });
  await assert.rejects(calls.resumeJob({ job, url: 'http://b', slots: 2, after: 1, taker: hex(2) }), { code: 'JOB_NOT_RESUMABLE' });
  await logged(calls, job, ['a']);
  const before = await calls.keepJob({ job, epoch: 1, after: 0, slots: 2, waitMs: 0 });
  const poll = calls.keepJob({ job, epoch: 1, after: before.version, slots: 2, waitMs: 30_000 });
  poll.catch(() => {});
  await settle();
  const taken = await calls.resumeJob({ job, url: 'http://b', slots: 2, after: 1, taker: hex(2) });
  assert.deepEqual([taken.epoch, taken.name], [2, 'j']);
  assert.equal((await calls.resumeJob({ job, url: 'http://b', slots: 2, after: 1, taker: hex(2) })).epoch, 2, 'a call that comes twice');
  await assert.rejects(poll, { code: 'FENCED', message: /newer coordinator of job 1/ });
  await assert.rejects(logged(calls, job, ['zombie'], { from: 1 }), { code: 'FENCED' });
  await assert.rejects(calls.closeJob({ job, epoch: 1 }), { code: 'FENCED' });
  const now = await calls.keepJob({ job, epoch: 2, after: 0, slots: 2, waitMs: 0 });
  assert.equal(now.leases.length, 1);
  assert.notEqual(now.leases[0]!.lease, before.leases[0]!.lease);
  const { leases } = await calls.orders({ id: hex(9), incarnation: hex(109), after: 0, load: {}, leaving: false, waitMs: 0 });
  assert.deepEqual(
    leases.map(({ url, lease }) => [url, lease]),
    [['http://b', now.leases[0]!.lease]],
  );
  await manager.close();
  const after = await openWorld(disk);
  await assert.rejects(logged(after.calls, job, ['zombie'], { from: 1 }), { code: 'FENCED' });
  assert.deepEqual(await logged(after.calls, job, ['b'], { epoch: 2, from: 1 }), { length: 2 });
  assert.equal((await after.calls.resumeJob({ job, url: 'http://c', slots: 2, after: 2, taker: hex(3) })).epoch, 3);
  await assert.rejects(after.calls.resumeJob({ job, url: 'http://d', slots: 2, after: 1, taker: hex(4) }), { code: 'FENCED' });
  assert.equal((await after.calls.resumeJob({ job, url: 'http://b', slots: 2, after: 1, taker: hex(2) })).epoch, 2, 'late, it fences nobody');
  assert.deepEqual(await after.calls.closeJob({ job, epoch: 3 }), {});
});

test('a job with a log outlives its coordinator for a while: its shuffles stay, its slots go to others', async () => {
  const { calls, clock } = await openWorld(undefined, { leaseMs: 1000, resumeMs: 60_000 });
  await addWorker(calls, 1);
  const alive = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) {
      await orders(calls, 1);
      await orders(calls, 9);
      await clock.advance(500);
    }
  };
  await addExecutor(calls, 9, 1);
  const [kept, dropped] = [
    await calls.openJob({ name: 'a', url: 'http://a', slots: 1 }),
    await calls.openJob({ name: 'b', url: 'http://b', slots: 1 }),
  ];
  await logged(calls, kept.job, ['a']);
  const { shuffle } = await calls.openShuffle({ job: kept.job, name: 'x', spec: specOf() });
  await alive();
  const [one, ...others] = (await calls.status({})).jobs;
  assert.deepEqual([one?.job, one?.slots, others.length], [kept.job, 0, 0], 'the one without a log is gone');
  assert.ok(one!.resumableUntil > clock.wall());
  assert.equal((await layoutNow(calls, shuffle)).shuffle, shuffle);
  await assert.rejects(calls.resumeJob({ job: dropped.job, url: 'http://c', slots: 1, after: 1, taker: hex(3) }), { code: 'JOB_UNKNOWN' });
  await calls.resumeJob({ job: kept.job, url: 'http://c', slots: 1, after: 1, taker: hex(3) });
  const [again] = (await calls.status({})).jobs;
  assert.deepEqual([again?.slots, again?.url, again?.resumableUntil], [1, 'http://c', 0]);
  for (let i = 0; i < 40; i++) await alive();
  assert.deepEqual((await calls.status({})).jobs, []);
  await assert.rejects(layoutNow(calls, shuffle), { code: 'SHUFFLE_RELEASED' });
});

test('the older of two managers does not say that it knows nothing of what the newer one has decided: it is overtaken', async () => {
  const disk = new MemoryDisk();
  const ask = async (question: (calls: ManagerCalls, shuffle: string, job: number) => Promise<unknown>): Promise<void> => {
    const older = await openWorld(disk);
    await addWorker(older.calls, 1);
    const newer = await openWorld(disk);
    await addWorker(newer.calls, 1);
    const { job } = await newer.calls.openJob({ name: 'j', url: 'http://a', slots: 0 });
    const { shuffle } = await newer.calls.openShuffle({ job, name: 'x', spec: specOf() });
    await assert.rejects(question(older.calls, shuffle, job), { code: 'LEDGER_UNAVAILABLE', message: /newer manager/ });
    await newer.manager.close();
  };
  const held = (shuffle: string) => [{ shuffle, map: 0, attempt: 0, location: 0, manifestHash: '1' }];
  await ask((calls, shuffle) => layoutNow(calls, shuffle));
  await ask((calls, _, job) => calls.keepJob({ job, after: 0, waitMs: 0 }));
  // A worker would throw away what it is told is released.
  await ask((calls, shuffle) => calls.announce({ worker: hex(1), incarnation: hex(101), held: held(shuffle) }));
});
