import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError, toJson } from '#manager/protocol/errors.ts';
import { rowsOf } from '#runtime/batch/rows.ts';
import type { JobEvent } from '#runtime/schedule/events.ts';
import type { Assignment, Outcome } from '#runtime/schedule/messages.ts';
import { readBatches } from '#runtime/shuffle/reader.ts';
import { ManualClock } from '../../shuffle-manager/world.ts';
import { fixture, type JobWorld, jobWorld, lease } from './job-world.ts';

const words = (more: Partial<Parameters<typeof jobWorld>[0]> = {}): Promise<JobWorld> => jobWorld({ url: fixture('words'), ...more });
const typed = <T extends JobEvent['type']>(events: readonly JobEvent[], type: T) =>
  events.filter((event): event is Extract<JobEvent, { type: T }> => event.type === type);

async function rowsIn({ coordinator, driver }: JobWorld): Promise<unknown[]> {
  assert.ok(coordinator.result);
  const { handle, edge } = coordinator.result;
  const range = { partitionFrom: 0, partitionTo: handle.partitions, mapFrom: 0, mapTo: handle.maps, ordered: true };
  const rows: unknown[] = [];
  for await (const batch of readBatches(driver.createReader(handle, range), edge.schema)) rows.push(...rowsOf(batch));
  return rows;
}

/** Asks for one attempt, without running it. */
async function take({ coordinator }: JobWorld, who: string): Promise<Assignment> {
  const { assignments } = await coordinator.poll({ lease: who, slots: 1, waitMs: 1_000 });
  assert.equal(assignments.length, 1);
  return assignments[0]!;
}
const ended = ({ stage, task, attempt }: Assignment, error: SluiceError | null, outcome: Outcome | null = null) => ({
  stage,
  task,
  attempt,
  ms: 1,
  outcome,
  error: error === null ? null : toJson(error),
});

test('a job runs to its end: rows in order, a report, an event for each step', async () => {
  const world = await words();
  const served = Promise.all([world.serve(lease(1)), world.serve(lease(2))]);
  await world.coordinator.finished;
  assert.deepEqual(await rowsIn(world), [
    { word: 'sea', times: 4, weight: 26, meaning: null, depth: 4000 },
    { word: 'river', times: 4, weight: 22, meaning: 'running', depth: 2 },
    { word: 'lake', times: 4, weight: 18, meaning: 'still', depth: 20 },
  ]);
  const report = await world.coordinator.publish();
  assert.equal(report.rows, 3);
  assert.equal(report.tasksRerun, 0);
  assert.ok(report.bytesShuffled > 0);
  assert.match(report.resultHash, /^3-[0-9a-f]{16}-[0-9a-f]{16}$/);
  world.coordinator.progress();
  world.coordinator.close();
  await served;
  const [plan] = typed(world.events, 'plan');
  assert.equal(plan?.name, 'words');
  const stages = plan.stages.map(({ stage }) => stage).sort();
  for (const state of ['started', 'done']) {
    const seen = typed(world.events, 'stage').filter((event) => event.state === state);
    assert.deepEqual(seen.map(({ stage }) => stage).sort(), stages);
  }
  const [progress] = typed(world.events, 'progress');
  assert.equal(
    progress?.stages.reduce((sum, { done }) => sum + done, 0),
    report.tasks,
  );
  assert.equal(progress?.bytesShuffled, report.bytesShuffled);
  for (const event of world.events) assert.equal(event.job, 'words');
});

test('the report is the same for any number of executors and slots', async () => {
  const hashes = new Set<string>();
  for (const slots of [1, 3]) {
    const world = await words({ slots });
    const served = world.serve(lease(1), { slots });
    await world.coordinator.finished;
    hashes.add((await world.coordinator.publish()).resultHash);
    world.coordinator.close();
    await served;
  }
  assert.equal(hashes.size, 1);
});

test('a failed attempt is told and runs again; a failure that cannot be mended ends the job', async () => {
  const world = await words();
  const first = await take(world, lease(1));
  await world.coordinator.report({ lease: lease(1), progress: [], ended: [ended(first, new SluiceError('CONNECTION_LOST', { what: 'a test' }))] });
  const second = await take(world, lease(1));
  assert.deepEqual({ ...second, attempt: 0 }, { ...first, attempt: 0 });
  assert.equal(second.attempt, 1);
  const [retry] = typed(world.events, 'retry');
  assert.equal(retry?.because.code, 'CONNECTION_LOST');
  await world.coordinator.report({ lease: lease(1), progress: [], ended: [ended(second, new SluiceError('DIVISION_BY_ZERO', { what: 'a' }))] });
  await assert.rejects(world.coordinator.finished, { code: 'DIVISION_BY_ZERO' });
  const { done, assignments } = await world.coordinator.poll({ lease: lease(1), slots: 1, waitMs: 1_000 });
  assert.deepEqual({ done, assignments }, { done: true, assignments: [] });
});

test('four failures of one task are enough', async () => {
  const world = await words();
  for (let i = 0; i < 4; i++) {
    const attempt = await take(world, lease(1));
    await world.coordinator.report({ lease: lease(1), progress: [], ended: [ended(attempt, new SluiceError('NO_SPACE', { what: 'a disk' }))] });
  }
  await assert.rejects(world.coordinator.finished, { code: 'TASK_FAILED', message: /4 times, last: NO_SPACE: .*a disk/ });
});

test('what ran on a lost executor runs again on another one, and counts as run again', async () => {
  const world = await words();
  const gone = await take(world, lease(1));
  world.coordinator.lostLease(lease(1), 'its connection closed');
  const served = world.serve(lease(2));
  await world.coordinator.finished;
  const report = await world.coordinator.publish();
  assert.equal(report.tasksRerun, 1);
  assert.ok(report.tasksRerun < report.tasks);
  const [retry] = typed(world.events, 'retry');
  assert.deepEqual([retry?.stage, retry?.task, retry?.because.code], [gone.stage, gone.task, 'EXECUTOR_LOST']);
  assert.equal((await rowsIn(world)).length, 3);
  world.coordinator.close();
  await served;
});

test('the end of an attempt that was given up is not counted', async () => {
  const world = await words();
  const gone = await take(world, lease(1));
  world.coordinator.lostLease(lease(1), 'its connection closed');
  const outcome: Outcome = { rowsRead: 99, rowsWritten: 0, bytesShuffled: 0, written: {}, digests: {}, partitionBytes: {}, samples: {} };
  await world.coordinator.report({ lease: lease(1), progress: [], ended: [ended(gone, null, outcome)] });
  world.coordinator.progress();
  assert.equal(typed(world.events, 'progress')[0]?.rows, 0);
  const again = await take(world, lease(2));
  assert.deepEqual([again.stage, again.task, again.attempt], [gone.stage, gone.task, 1]);
  world.coordinator.close();
});

test('leases the manager no longer names are dropped; one that came after the question is not', async () => {
  const world = await words();
  const first = await take(world, lease(1));
  const known = world.coordinator.leases();
  const second = await take(world, lease(2));
  world.coordinator.checkLeases(known, new Set([lease(3)]));
  assert.deepEqual([...world.coordinator.leases()], [lease(2)]);
  const again = await take(world, lease(3));
  assert.deepEqual([again.stage, again.task], [first.stage, first.task]);
  assert.notDeepEqual([again.stage, again.task], [second.stage, second.task]);
  world.coordinator.close();
});

test('an executor that says nothing for long is given up, one that waits for work is not', async () => {
  const clock = new ManualClock();
  const world = await words({ clock });
  await take(world, lease(1));
  await clock.advance(39_000);
  world.coordinator.checkSilence();
  assert.equal(world.coordinator.leases().size, 1);
  await clock.advance(2_000);
  world.coordinator.checkSilence();
  assert.equal(world.coordinator.leases().size, 0);
  world.coordinator.close();
});

test('after a failure, quiet waits for the attempts that still run, but not for ever', async () => {
  const clock = new ManualClock();
  const world = await words({ clock });
  const attempt = await take(world, lease(1));
  world.coordinator.fail(new SluiceError('INTERRUPTED'));
  await assert.rejects(world.coordinator.finished, { code: 'INTERRUPTED' });
  let quiet = 0;
  void world.coordinator.quiet(3_000).then(() => quiet++);
  await clock.advance(1_000);
  assert.equal(quiet, 0);
  await world.coordinator.report({ lease: lease(1), progress: [], ended: [ended(attempt, new SluiceError('INTERRUPTED'))] });
  await clock.advance(20);
  assert.equal(quiet, 1);
  const other = await words({ clock });
  await take(other, lease(1));
  void other.coordinator.quiet(3_000).then(() => quiet++);
  await clock.advance(3_100);
  assert.equal(quiet, 2);
  other.coordinator.close();
});

test('an executor may join before the job starts: it waits; when the job fails before, it is told', async () => {
  const clock = new ManualClock();
  const world = await words({ clock });
  const joined = await world.coordinator.join({ lease: lease(1) });
  assert.equal(joined.module, fixture('words'));
  assert.equal(joined.staging, 'test');
  world.coordinator.close();
});

test('lost maps of a shuffle run again for that output alone, and the reader is fed', async () => {
  const world = await words();
  // A driver that loses a map once, when it is first read.
  const { driver } = world;
  let lose = true;
  let vacant: readonly number[] = [];
  const createReader = driver.createReader.bind(driver);
  Object.assign(driver, {
    createReader(handle: Parameters<typeof createReader>[0], range: Parameters<typeof createReader>[1]) {
      if (!lose) return createReader(handle, range);
      lose = false;
      vacant = [0];
      throw new SluiceError('MISSING', { shuffle: handle.id, maps: [0], what: 'a test' });
    },
    vacant: async () => vacant,
  });
  const served = world.serve(lease(1));
  await world.coordinator.finished;
  const report = await world.coordinator.publish();
  const [lost] = typed(world.events, 'lost');
  assert.deepEqual(lost?.maps, [0]);
  // The map, and the task that could not read it.
  assert.equal(report.tasksRerun, 2);
  assert.equal((await rowsIn(world)).length, 3);
  world.coordinator.close();
  await served;
});
