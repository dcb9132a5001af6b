import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttemptId, Leases } from '#runtime/schedule/leases.ts';
import type { Assignment } from '#runtime/schedule/messages.ts';
import { ManualClock } from '../../shuffle-manager/world.ts';

const assignment = (task: number, attempt = 0): Assignment => ({
  stage: 0,
  task,
  attempt,
  split: null,
  partitionFrom: 0,
  partitionTo: 1,
  shuffles: {},
  outputs: [0],
  bounds: {},
});
const idOf = ({ stage, task, attempt }: AttemptId): AttemptId => ({ stage, task, attempt });

function world(clock = new ManualClock()) {
  const waiting: Assignment[] = [];
  const took: [string, number][] = [];
  const lost: { lease: string; running: AttemptId[]; code: string }[] = [];
  const leases = new Leases({
    clock,
    assign: (_, free) => waiting.splice(0, free),
    took: ({ stage, task, attempt }, ms) => took.push([`${stage}.${task}.${attempt}`, ms]),
    lost: (lease, running, error) => lost.push({ lease, running: running.map(idOf), code: error.code }),
  });
  const poll = (lease: string, slots = 1, waitMs = 1_000) => leases.poll({ lease, slots, waitMs });
  return { leases, waiting, lost, took, clock, poll };
}
const end = (task: number, attempt = 0) => ({ stage: 0, task, attempt, ms: 1, outcome: null, error: null });

test('an executor gets no more than its slots; one it holds until its end', async () => {
  const { leases, waiting, poll } = world();
  waiting.push(assignment(0), assignment(1), assignment(2));
  assert.deepEqual(
    (await poll('a', 2)).assignments.map(({ task }) => task),
    [0, 1],
  );
  leases.cancel('a', assignment(0));
  // Cancelled, and not ended: the slot is not free.
  const { assignments, cancel } = await poll('a', 2);
  assert.deepEqual([assignments, cancel], [[], [idOf(assignment(0))]]);
  leases.report('a', [end(0)], []);
  assert.deepEqual(
    (await poll('a', 2)).assignments.map(({ task }) => task),
    [2],
  );
});

test('a poll waits for something to cancel, for work, for its time, or for the end of the job', async () => {
  const { leases, waiting, clock, poll } = world();
  waiting.push(assignment(0));
  await poll('a');
  const cancelled = poll('a', 2);
  leases.cancel('a', assignment(0));
  assert.equal((await cancelled).cancel.length, 1);
  const woken = poll('a', 2);
  waiting.push(assignment(1));
  leases.wakeAll();
  assert.equal((await woken).assignments[0]?.task, 1);
  const timed = poll('a', 2, 500);
  await clock.advance(501);
  assert.deepEqual(await timed, { assignments: [], cancel: [], done: false });
  const last = poll('a', 2);
  leases.close();
  assert.equal((await last).done, true);
});

test('a lost lease names what ran there, once; what was not its own is not cancelled', async () => {
  const { leases, waiting, lost, poll } = world();
  waiting.push(assignment(4));
  await poll('a');
  leases.join('b');
  leases.cancel('b', assignment(4));
  assert.deepEqual((await poll('b', 1, 0)).cancel, []);
  leases.lose('a', 'a test');
  leases.lose('a', 'a test');
  assert.deepEqual(lost, [{ lease: 'a', running: [idOf(assignment(4))], code: 'EXECUTOR_LOST' }]);
  assert.deepEqual([...leases.ids()], ['b']);
});

test('progress is that of running attempts alone', async () => {
  const { leases, waiting, poll } = world();
  waiting.push(assignment(0), assignment(1));
  await poll('a', 2);
  const meter = (task: number, rows: number) => ({ stage: 0, task, attempt: 0, rows, bytes: 1 });
  leases.report('a', [], [meter(0, 10), meter(1, 5), meter(7, 1000)]);
  assert.deepEqual(leases.progress, { rows: 15, bytes: 2 });
  leases.report('a', [end(0)], []);
  assert.deepEqual(leases.progress, { rows: 5, bytes: 1 });
  leases.cancel('a', assignment(1));
  assert.deepEqual(leases.progress, { rows: 0, bytes: 0 });
});

test('what an attempt took is told when it ends or is lost, once', async () => {
  const { leases, waiting, took, clock, poll } = world();
  waiting.push(assignment(0), assignment(1));
  await poll('a', 2);
  await clock.advance(30);
  leases.report('a', [end(0)], []);
  leases.report('a', [end(0), end(9)], []);
  await clock.advance(12);
  leases.lose('a', 'a test');
  assert.deepEqual(took, [
    ['0.0.0', 30],
    ['0.1.0', 42],
  ]);
});

test('a lease that begins anew has lost what ran there; a poll that is hung up, or of a lease that is gone, gets nothing', async () => {
  const { leases, waiting, lost, poll } = world();
  waiting.push(assignment(0));
  await poll('a');
  leases.join('a');
  assert.deepEqual(
    lost.map(({ running }) => running),
    [[idOf(assignment(0))]],
  );
  const hungUp = new AbortController();
  const first = leases.poll({ lease: 'a', slots: 1, waitMs: 1_000 }, hungUp.signal);
  const second = poll('b');
  waiting.push(assignment(1));
  hungUp.abort();
  leases.lose('b', 'a test');
  assert.deepEqual([(await first).assignments, (await second).assignments], [[], []]);
  assert.equal(waiting.length, 1);
});
