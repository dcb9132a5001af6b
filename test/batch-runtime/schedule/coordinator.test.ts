import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError, toJson } from '#manager/protocol/errors.ts';
import { rowsOf } from '#runtime/batch/rows.ts';
import type { JobEvent } from '#runtime/schedule/events.ts';
import type { JobLog, LogEntry } from '#runtime/schedule/job-log.ts';
import type { Assignment, Outcome } from '#runtime/schedule/messages.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
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

/** Asks for one attempt, without running it, once all that was reported is drawn its consequences from. */
async function take({ coordinator }: JobWorld, who: string): Promise<Assignment> {
  await new Promise((resolve) => setImmediate(resolve));
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

test('what attempts took is added up, and what those took that did work another time', async () => {
  const clock = new ManualClock();
  const world = await words({ clock });
  const turn = () => new Promise(setImmediate);
  const first = await take(world, lease(1));
  await clock.advance(300);
  world.coordinator.lostLease(lease(1), 'its connection closed');
  await turn();
  const again = await take(world, lease(2));
  assert.deepEqual([again.stage, again.task, again.attempt], [first.stage, first.task, 1]);
  await clock.advance(200);
  const end = ended(again, new SluiceError('NO_SPACE', { what: 'a disk' }));
  // Told twice, it counts once.
  for (let i = 0; i < 2; i++) await world.coordinator.report({ lease: lease(2), progress: [], ended: [end] });
  await turn();
  const { tasksMs, tasksRerunMs } = world.coordinator.summary();
  assert.deepEqual({ tasksMs, tasksRerunMs }, { tasksMs: 500, tasksRerunMs: 200 });
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

/** A driver of which a test loses shuffles: reads of them are MISSING with all maps, as long as `lost` names them. */
function losing(driver: JobWorld['driver'], lost: Set<string>): void {
  const createReader = driver.createReader.bind(driver);
  Object.assign(driver, {
    createReader(handle: Parameters<typeof createReader>[0], range: Parameters<typeof createReader>[1]) {
      if (lost.has(handle.id)) throw new SluiceError('MISSING', { shuffle: handle.id, maps: [0], what: 'a test' });
      return createReader(handle, range);
    },
  });
}

/** Serves the job with one executor; `look` sees each attempt before it runs. */
async function served(world: JobWorld, look: (one: Assignment) => void): Promise<unknown[]> {
  const { coordinator } = world;
  const link = {
    join: (request: { lease: string }) => coordinator.join(request),
    report: (request: Parameters<typeof coordinator.report>[0]) => coordinator.report(request),
    async poll(request: { lease: string; slots: number; waitMs: number }, signal?: AbortSignal) {
      const answer = await coordinator.poll(request, signal);
      answer.assignments.forEach(look);
      return answer;
    },
  };
  const serving = world.serve(lease(1), { link });
  await coordinator.finished;
  const rows = await rowsIn(world);
  coordinator.close();
  await serving;
  return rows;
}

test('what is not deterministic is never made again in part: a loss gives a new run, and all that came of the old one falls', async () => {
  const expected = await served(await jobWorld({ url: fixture('random') }), () => {});
  assert.equal(expected.length, 1);
  const driver = createMemoryShuffle({ budgetBytes: 64 * 1024 * 1024 });
  const lost = new Set<string>();
  losing(driver, lost);
  const opened: { name: string; id: string; deterministic: boolean }[] = [];
  const open = driver.open.bind(driver);
  Object.assign(driver, {
    async open(request: Parameters<typeof open>[0]) {
      const handle = await open(request);
      opened.push({ name: request.name, id: handle.id, deterministic: request.deterministic });
      return handle;
    },
  });
  const world = await jobWorld({ url: fixture('random'), driver });
  // Lost when half of those who read it have ended, with what they made of it.
  const rows = await served(world, (one) => {
    const drawn = opened.find(({ id, name }) => name.startsWith('edge-') && Object.values(one.shuffles).some((handle) => handle.id === id));
    if (lost.size > 0 || one.task !== 2 || one.split !== null) return;
    assert.equal(drawn?.deterministic, false);
    lost.add(drawn.id);
  });
  // Each draw is on both sides: nothing of two runs was put together, and nothing came twice.
  assert.deepEqual(rows, expected);
  const [before, after] = [false, true].map((isAnew) => opened.filter(({ name, deterministic }) => !deterministic && name.endsWith('.1') === isAnew));
  assert.equal(lost.size, 1);
  assert.ok(before!.length > 0);
  assert.deepEqual(
    after!.map(({ name }) => name),
    before!.map(({ name }) => `${name}.1`),
    'all that the stage writes, not one edge',
  );
  for (const { id } of before!) await assert.rejects(driver.vacant({ driver: 'memory', id, maps: 1, partitions: 1 }), { code: 'SHUFFLE_RELEASED' });
  const [event, ...others] = typed(world.events, 'lost');
  assert.deepEqual([event?.maps.length, others], [11, []]);
});

test('of a map that is not deterministic, an attempt that comes second mixes with nobody: the stage starts over', async () => {
  const world = await jobWorld({ url: fixture('random') });
  const first = await take(world, lease(1));
  await world.coordinator.report({ lease: lease(1), progress: [], ended: [ended(first, new SluiceError('ATTEMPT_SUPERSEDED', { map: 0 }))] });
  const again = await take(world, lease(1));
  assert.deepEqual([again.stage, again.task, again.attempt], [first.stage, first.task, 1]);
  assert.ok(Object.keys(first.shuffles).length > 0);
  for (const edge of Object.keys(first.shuffles)) assert.notEqual(again.shuffles[edge]?.id, first.shuffles[edge]?.id);
  world.coordinator.close();
});

test('an attempt that takes long gets a second one elsewhere; the first end counts, the other is called off', async () => {
  const clock = new ManualClock();
  const world = await jobWorld({ url: fixture('late'), clock });
  const { coordinator } = world;
  const outcome: Outcome = { rowsRead: 1, rowsWritten: 0, bytesShuffled: 0, written: {}, digests: {}, partitionBytes: {}, samples: {} };
  const report = (who: string, one: Assignment, error: SluiceError | null = null) =>
    coordinator.report({ lease: who, progress: [], ended: [ended(one, error, error === null ? outcome : null)] });
  for (let task = 0; task < 10; task++) await report(lease(1), await take(world, lease(1)));
  const hanging = await take(world, lease(1));
  const idle = coordinator.poll({ lease: lease(2), slots: 1, waitMs: 60_000 });
  coordinator.checkStragglers();
  await clock.advance(2_001);
  coordinator.checkStragglers();
  const [second] = (await idle).assignments;
  assert.ok(second);
  assert.deepEqual([second.stage, second.task, second.attempt], [hanging.stage, hanging.task, 1]);
  const said = typed(world.events, 'straggler').map(({ stage, task, attempt }) => [stage, task, attempt]);
  assert.deepEqual(said, [[hanging.stage, hanging.task, 1]]);
  await report(lease(2), second);
  const { cancel } = await coordinator.poll({ lease: lease(1), slots: 1, waitMs: 1_000 });
  assert.deepEqual(cancel, [{ stage: hanging.stage, task: hanging.task, attempt: 0 }]);
  // Its end is nobody's business, not even an error that would end the job.
  await report(lease(1), hanging, new SluiceError('INTERRUPTED'));
  assert.notEqual((await take(world, lease(2))).stage, hanging.stage);
  coordinator.close();
});

test('an executor on which attempts keep failing gets nothing more while there is another, and a warning says so', async () => {
  const clock = new ManualClock();
  const world = await jobWorld({ url: fixture('late'), clock });
  const { coordinator } = world;
  for (const who of [1, 2]) await coordinator.join({ lease: lease(who) });
  for (let i = 0; i < 3; i++) {
    const one = await take(world, lease(1));
    await coordinator.report({ lease: lease(1), progress: [], ended: [ended(one, new SluiceError('NO_SPACE', { what: 'a disk' }))] });
    await clock.advance(2_000);
  }
  const [warning] = typed(world.events, 'warning');
  assert.match(warning?.text ?? '', /keep failing on executor 00000000 .*NO_SPACE/);
  assert.deepEqual((await coordinator.poll({ lease: lease(1), slots: 1, waitMs: 0 })).assignments, []);
  await take(world, lease(2));
  coordinator.lostLease(lease(2), 'a test');
  // Alone, it is better than nobody.
  await take(world, lease(1));
  coordinator.close();
});

test('a result that is not deterministic and lost is made anew, whole, and is another shuffle', async () => {
  const world = await jobWorld({ url: fixture('drawn') });
  const { coordinator } = world;
  const serving = world.serve(lease(1));
  await coordinator.finished;
  const before = await rowsIn(world);
  const id = coordinator.result!.handle.id;
  const error = new SluiceError('MISSING', { shuffle: id, maps: [0], what: 'a test' });
  // Two who read it find the loss.
  await Promise.all([coordinator.mendResult(error), coordinator.mendResult(error)]);
  assert.notEqual(coordinator.result!.handle.id, id);
  const after = (await rowsIn(world)) as { delay: number; draw: number }[];
  const delays = (rows: readonly unknown[]) => rows.map((row) => (row as { delay: number }).delay);
  assert.deepEqual(delays(after), delays(before));
  assert.ok(after.length > 0);
  const old = new Set(before.map((row) => (row as { draw: number }).draw));
  assert.ok(after.every(({ draw }) => !old.has(draw)));
  assert.equal((await coordinator.publish()).rows, before.length);
  assert.equal(typed(world.events, 'lost').length, 1);
  coordinator.close();
  await serving;
});

/** A log in this process: what a coordinator has written, whoever reads it. */
function keptLog(): JobLog & { readonly entries: LogEntry[]; fence(): void } {
  const entries: LogEntry[] = [];
  let isFenced = false;
  return {
    entries,
    fence: () => {
      isFenced = true;
    },
    write: async (entry) => {
      if (isFenced) throw new SluiceError('FENCED', { what: 'coordinator of job 1' });
      entries.push(JSON.parse(JSON.stringify(entry)) as LogEntry);
    },
  };
}
/** A driver that stays when the coordinator goes. */
const lasting = () => createMemoryShuffle({ budgetBytes: 64 * 1024 * 1024 });

test('a coordinator goes on where another one ended, after every entry of its log: right rows, and no task that is done runs again', async () => {
  const whole = keptLog();
  const driver = lasting();
  const first = await words({ log: whole, driver });
  const served = first.serve(lease(1));
  await first.coordinator.finished;
  const expected = await rowsIn(first);
  const report = await first.coordinator.publish();
  first.coordinator.close();
  await served;
  const kinds = whole.entries.map(({ kind }) => kind);
  assert.deepEqual([kinds[0], kinds.at(-1)], ['job', 'publishing']);
  for (let length = 1; length <= whole.entries.length; length++) {
    const entries = whole.entries.slice(0, length);
    // Shuffles as they were then: those of later stages are not open yet, so a fresh driver would not know the earlier ones.
    const log = keptLog();
    const next = await words({ log, driver, earlier: { entries, epoch: 2 }, slots: 7 });
    const serving = next.serve(lease(2));
    await next.coordinator.finished;
    assert.deepEqual(await rowsIn(next), expected, `after ${length} entries`);
    const again = await next.coordinator.publish();
    assert.deepEqual([again.rows, again.resultHash, again.tasks], [report.rows, report.resultHash, report.tasks], `after ${length} entries`);
    next.coordinator.close();
    await serving;
    const done = new Set(entries.flatMap((entry) => (entry.kind === 'ended' ? [`${entry.stage}.${entry.task}`] : [])));
    for (const entry of log.entries) if (entry.kind === 'ended') assert.ok(!done.has(`${entry.stage}.${entry.task}`), 'it was done');
  }
});

test('what a coordinator was told and could not write down is in the ledger: committed maps do not run again', async () => {
  const log = keptLog();
  const driver = lasting();
  const first = await words({ log, driver });
  const served = first.serve(lease(1));
  await first.coordinator.finished;
  first.coordinator.close();
  await served;
  // Nothing but the stages: as if it had died before it heard of any end.
  const entries = log.entries.filter(({ kind }) => kind === 'job' || kind === 'stage');
  const next = await words({ log: keptLog(), driver, earlier: { entries, epoch: 2 } });
  const ran = new Set<number>();
  for (;;) {
    const { assignments, done } = await next.coordinator.poll({ lease: lease(3), slots: 1, waitMs: 200 });
    if (done || assignments.length === 0) break;
    for (const { stage } of assignments) ran.add(stage);
    break;
  }
  const sampled = new Set(
    next.coordinator.stages.stages.filter(({ operators }) => operators.some(({ kind }) => kind === 'sample')).map(({ id }) => id),
  );
  const result = next.coordinator.stages.edges.find(({ id }) => id === next.coordinator.stages.result)?.from;
  for (const stage of ran) assert.ok(sampled.has(stage) || stage === result, `stage ${stage} runs again`);
  next.coordinator.fail(new SluiceError('INTERRUPTED'));
});

test('a coordinator that has been overtaken publishes nothing, removes nothing and ends', async () => {
  const log = keptLog();
  const world = await words({ log });
  const served = world.serve(lease(1));
  await world.coordinator.finished;
  log.fence();
  await assert.rejects(world.coordinator.publish(), { code: 'FENCED' });
  assert.equal(await world.coordinator.giveUp(), false);
  world.coordinator.close();
  await served;
  const late = await words({ log });
  await assert.rejects(late.coordinator.finished, { code: 'FENCED' });
});

test('a coordinator whose log is taken away while tasks run ends the job, and does not blame its executors', async () => {
  const log = keptLog();
  const world = await words({ log });
  const first = await take(world, lease(1));
  log.fence();
  const outcome: Outcome = { rowsRead: 1, rowsWritten: 0, bytesShuffled: 0, written: {}, digests: {}, samples: {}, partitionBytes: {} };
  assert.deepEqual(await world.coordinator.report({ lease: lease(1), progress: [], ended: [ended(first, null, outcome)] }), {});
  await assert.rejects(world.coordinator.finished, { code: 'FENCED' });
});

test('a coordinator goes on with a stage that has started over, and with one whose run was lost while nobody was there', async () => {
  const log = keptLog();
  const driver = lasting();
  // What a coordinator that dies has not released yet is still there for the next.
  Object.assign(driver, { release: async () => {} });
  const first = await jobWorld({ url: fixture('drawn'), log, driver });
  const serving = first.serve(lease(1));
  await first.coordinator.finished;
  const delays = (rows: readonly unknown[]) => rows.map((row) => (row as { delay: number }).delay);
  const expected = delays(await rowsIn(first));
  const old = first.coordinator.result!.handle;
  await first.coordinator.mendResult(new SluiceError('MISSING', { shuffle: old.id, maps: [0], what: 'a test' }));
  const anew = first.coordinator.result!.handle;
  first.coordinator.close();
  await serving;
  assert.ok(log.entries.some(({ kind }) => kind === 'over'));
  const goOn = async (entries: readonly LogEntry[]): Promise<string> => {
    const next = await jobWorld({ url: fixture('drawn'), log: keptLog(), driver, earlier: { entries, epoch: 2 } });
    const served = next.serve(lease(2));
    await next.coordinator.finished;
    assert.deepEqual(delays(await rowsIn(next)), expected);
    next.coordinator.close();
    await served;
    return next.coordinator.result!.handle.id;
  };
  assert.equal(await goOn(log.entries), anew.id);
  // It died when it had said that the stage starts over, and maps of the new run had committed that it never heard of.
  const over = log.entries.findIndex(({ kind }) => kind === 'over');
  const another = await goOn(log.entries.slice(0, over + 1));
  assert.ok(another !== anew.id && another !== old.id, 'rows of two attempts are never mixed');
  const vacant = driver.vacant.bind(driver);
  Object.assign(driver, { vacant: async (handle: typeof anew) => (handle.id === anew.id ? [0] : vacant(handle)) });
  const last = await goOn(log.entries);
  assert.ok(last !== anew.id && last !== old.id, 'what was lost in part is made anew');
});
