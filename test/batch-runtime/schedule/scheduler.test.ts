import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Stage } from '#runtime/graph/stage.ts';
import { Scheduler, type Start } from '#runtime/schedule/scheduler.ts';

const stage = (id: number, after: readonly number[]): Stage => ({ id, parallelism: { kind: 'single' }, operators: [], after });
const two = (first: number, second: number, whole: readonly number[] = []): Scheduler => {
  const scheduler = new Scheduler([stage(0, []), stage(1, [0])], { whole: new Set(whole) });
  scheduler.prepare(0, { tasks: first, outputs: [3] });
  scheduler.prepare(1, { tasks: second, outputs: [5] });
  return scheduler;
};
const retryable = new SluiceError('CONNECTION_LOST', { what: 'test' });
const superseded = new SluiceError('ATTEMPT_SUPERSEDED', { map: 0 });
const gone = new SluiceError('MISSING', { shuffle: '1', maps: [1], what: 'gone' });
const start = (of: number, task: number, attempt: number, outputs: readonly number[], isSecond = false): Start => ({
  stage: of,
  task,
  attempt,
  outputs,
  isSecond,
});

test('a stage starts when the stages before it are complete', () => {
  const scheduler = two(2, 1);
  assert.deepEqual(scheduler.next('a', false, 0), start(0, 0, 0, [3]));
  assert.deepEqual(scheduler.next('b', false, 0), start(0, 1, 0, [3]));
  assert.equal(scheduler.next('a', false, 0), null);
  scheduler.succeeded(0, 0, 0, 1);
  assert.equal(scheduler.next('a', false, 1), null);
  scheduler.succeeded(0, 1, 0, 1);
  assert.deepEqual(scheduler.next('a', false, 1), start(1, 0, 0, [5]));
  assert.equal(scheduler.done, false);
  scheduler.succeeded(1, 0, 0, 2);
  assert.equal(scheduler.done, true);
  assert.deepEqual(scheduler.totals, { started: 3, again: 0 });
});

test('a stage is ready to be prepared only once, and only after those before it', () => {
  const scheduler = new Scheduler([stage(0, []), stage(1, [0])]);
  const ready = () => scheduler.ready().map(({ id }) => id);
  assert.deepEqual(ready(), [0]);
  scheduler.prepare(0, { tasks: 0, outputs: [] });
  assert.deepEqual(ready(), [1]);
});

test('a failed attempt runs again on another executor, or on the same one when it is alone', () => {
  const scheduler = two(1, 1);
  scheduler.next('a', false, 0);
  assert.equal(scheduler.failed(0, 0, 0, retryable), 'again');
  assert.equal(scheduler.next('a', false, 0), null);
  assert.deepEqual(scheduler.next('b', false, 0), start(0, 0, 1, [3]));
  scheduler.failed(0, 0, 1, retryable);
  assert.deepEqual(scheduler.next('b', true, 0)?.attempt, 2);
  assert.deepEqual(scheduler.totals, { started: 3, again: 2 });
});

test('too many failures end the job and name the last one', () => {
  const scheduler = two(1, 1);
  for (let i = 0; i < 3; i++) {
    scheduler.next(`e${i}`, true, 0);
    scheduler.failed(0, 0, i, retryable);
  }
  scheduler.next('e4', true, 0);
  assert.throws(() => scheduler.failed(0, 0, 3, retryable), { code: 'TASK_FAILED', message: /0\.0 failed 4 times.*CONNECTION_LOST/ });
});

test('output that is lost again and again ends the job, and is named', () => {
  const scheduler = two(1, 1);
  const lose = (): void => {
    for (let i = 0; i < 100; i++) {
      const { attempt } = scheduler.next('a', true, 0)!;
      scheduler.succeeded(0, 0, attempt, 0);
      scheduler.vacate(0, [0], [3], gone.message);
    }
  };
  assert.throws(lose, { code: 'TASK_FAILED', message: /0\.0 failed 21 times.*lost again and again: .*shuffle 1, maps 1/ });
});

test('an error that the user has to mend ends the job at once, with that error', () => {
  const scheduler = two(1, 1);
  scheduler.next('a', true, 0);
  const error = new SluiceError('FILE_CORRUPT', { path: 'x', what: 'y' });
  assert.throws(
    () => scheduler.failed(0, 0, 0, error),
    (thrown) => thrown === error,
  );
});

test('slots that go to other jobs, however often, are no failures of the task', () => {
  const scheduler = two(1, 1);
  for (let i = 0; i < 20; i++) {
    assert.equal(scheduler.next('a', true, 0)?.attempt, i);
    assert.equal(scheduler.failed(0, 0, i, new SluiceError('LEASE_ENDED', { lease: 'a' })), 'again');
  }
});

test('a superseded attempt is no failure, but a task is done only when an end of it came home', () => {
  const scheduler = two(1, 1);
  // Its winner was lost before it could say so: somebody has to bring home what was made besides.
  for (let i = 0; i < 10; i++) {
    scheduler.next('a', true, 0);
    assert.equal(scheduler.failed(0, 0, i, superseded), 'again');
    assert.equal(scheduler.isComplete(0), false);
  }
});

test('lost output runs again for that output only, before what reads it', () => {
  const scheduler = two(3, 1);
  for (let i = 0; i < 3; i++) scheduler.next('a', true, 0);
  for (let i = 0; i < 3; i++) scheduler.succeeded(0, i, 0, 1);
  scheduler.next('a', true, 1);
  assert.equal(scheduler.vacate(0, [1], [7], gone.message), 1);
  assert.equal(scheduler.failed(1, 0, 0, gone), 'again');
  assert.deepEqual(scheduler.next('a', true, 1), start(0, 1, 1, [7]));
  assert.equal(scheduler.next('b', true, 1), null);
  scheduler.succeeded(0, 1, 1, 2);
  assert.deepEqual(scheduler.next('b', true, 2), start(1, 0, 1, [5]));
});

test('losing outputs of one task twice asks for both, also when the first one is being made again', () => {
  const scheduler = two(1, 1);
  scheduler.next('a', true, 0);
  scheduler.succeeded(0, 0, 0, 0);
  scheduler.vacate(0, [0], [4], '');
  scheduler.vacate(0, [0], [3], '');
  assert.deepEqual(scheduler.next('a', true, 0)?.outputs, [3, 4]);
  scheduler.vacate(0, [0], [6], '');
  scheduler.succeeded(0, 0, 1, 0);
  assert.equal(scheduler.isComplete(0), false);
  assert.deepEqual(scheduler.next('a', true, 0), start(0, 0, 2, [6]));
});

test('the end of an attempt that has failed does not count', () => {
  const scheduler = two(1, 1);
  scheduler.next('a', true, 0);
  assert.equal(scheduler.executorOf(0, 0, 0), 'a');
  scheduler.failed(0, 0, 0, retryable);
  assert.equal(scheduler.executorOf(0, 0, 0), null);
  scheduler.next('b', true, 0);
  assert.equal(scheduler.executorOf(0, 0, 0), null);
  assert.equal(scheduler.executorOf(0, 0, 1), 'b');
  // What an executor says of a task that is none, or of a stage that has not begun, is of no account.
  assert.deepEqual([scheduler.executorOf(0, 99, 0), scheduler.executorOf(1, 0, 0), scheduler.executorOf(77, 0, 0)], [null, null, null]);
});

/** Four tasks on a, of which three end after a second. */
function oneLeft(whole: readonly number[] = [], bytes: readonly number[] = []): Scheduler {
  const scheduler = new Scheduler([stage(0, [])], { whole: new Set(whole) });
  scheduler.prepare(0, { tasks: 4, outputs: [3], bytes });
  for (let i = 0; i < 4; i++) scheduler.next('a', true, 0);
  for (let i = 0; i < 3; i++) scheduler.succeeded(0, i, 0, 1_500);
  return scheduler;
}

test('an attempt that takes long gets a second one on another executor, and no third; the first end counts, the other is dropped', () => {
  for (const winner of [0, 1]) {
    const scheduler = oneLeft();
    assert.equal(scheduler.next('b', false, 3_000), null);
    assert.equal(scheduler.hasStraggler(3_000), false);
    assert.equal(scheduler.hasStraggler(3_001), true);
    assert.equal(scheduler.next('a', false, 3_001), null);
    assert.deepEqual(scheduler.next('b', false, 3_001), start(0, 3, 1, [3], true));
    assert.equal(scheduler.next('c', false, 90_000), null);
    assert.deepEqual(scheduler.succeeded(0, 3, winner, 4_000), [{ stage: 0, task: 3, attempt: 1 - winner, executor: winner === 0 ? 'b' : 'a' }]);
    assert.equal(scheduler.executorOf(0, 3, 1 - winner), null);
    assert.equal(scheduler.done, true);
  }
});

test('a failure of one of two attempts leaves the other, which is not started again for that', () => {
  const scheduler = oneLeft();
  scheduler.next('b', false, 5_000);
  assert.equal(scheduler.failed(0, 3, 0, retryable), 'running');
  assert.equal(scheduler.next('c', false, 5_000), null);
  assert.equal(scheduler.failed(0, 3, 1, superseded), 'again');
});

test('a large share is no straggler, and what is not deterministic runs once at a time', () => {
  assert.equal(oneLeft([], [1, 1, 1, 100]).hasStraggler(299_000), false);
  assert.equal(oneLeft([], [1, 1, 1, 100]).hasStraggler(301_000), true);
  assert.equal(oneLeft([0]).hasStraggler(1_000_000), false);
});

test('a stage that is not deterministic starts over with all that came of it; no attempt number is used twice', () => {
  const scheduler = new Scheduler([stage(0, []), stage(1, []), stage(2, [0]), stage(3, [2]), stage(4, [1])], { whole: new Set([0]) });
  scheduler.prepare(0, { tasks: 2, outputs: [3] });
  scheduler.prepare(1, { tasks: 1, outputs: [3] });
  for (let i = 0; i < 3; i++) scheduler.next('a', true, 0);
  for (const [id, task] of [
    [0, 0],
    [0, 1],
    [1, 0],
  ] as const)
    scheduler.succeeded(id, task, 0, 1);
  scheduler.prepare(2, { tasks: 2, outputs: [5] });
  scheduler.prepare(4, { tasks: 1, outputs: [5] });
  scheduler.next('a', true, 1);
  scheduler.next('b', true, 1);
  scheduler.succeeded(2, 0, 0, 2);
  const { stages, dropped } = scheduler.startOver(0, gone);
  assert.deepEqual(stages, [0, 2]);
  assert.deepEqual(dropped, [{ stage: 2, task: 1, attempt: 0, executor: 'b' }]);
  assert.equal(scheduler.isComplete(1), true);
  assert.deepEqual(
    scheduler.ready().map(({ id }) => id),
    [0],
  );
  scheduler.prepare(0, { tasks: 2, outputs: [3] });
  assert.deepEqual(scheduler.next('a', true, 3), start(0, 0, 1, [3]));
  assert.equal(scheduler.executorOf(2, 1, 0), null);
});

test('a stage starts over a few times, then the job ends and names what was lost', () => {
  const scheduler = new Scheduler([stage(0, [])], { whole: new Set([0]) });
  const again = (): void => {
    for (let i = 0; i < 10; i++) {
      scheduler.prepare(0, { tasks: 1, outputs: [3] });
      scheduler.next('a', true, 0);
      scheduler.startOver(0, gone);
    }
  };
  assert.throws(again, { code: 'TASK_FAILED', message: /stage 0 started over 4 times.*MISSING.*shuffle 1, maps 1/ });
});

test('whatever fails, lingers and is lost, in any order: each task is done once, with at most two attempts at once and no number twice', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(9), fc.nat(7)), { maxLength: 300 }), (dice) => {
      const scheduler = two(4, 3);
      const used = new Set<string>();
      let running: { at: Start; who: string }[] = [];
      const ends = new Map<string, number>();
      let lost = 0;
      let faults = 0;
      let turn = 0;
      for (let steps = 0; steps < 5_000 && !scheduler.done; steps++) {
        const now = steps * 1_000;
        const at = scheduler.next(`e${steps % 3}`, true, now);
        if (at !== null) {
          const name = `${at.stage}.${at.task}.${at.attempt}`;
          assert.ok(!used.has(name));
          used.add(name);
          const beside = running.filter((one) => one.at.stage === at.stage && one.at.task === at.task);
          assert.ok(beside.length < 2 && beside.every(({ who }) => who !== `e${steps % 3}`));
          running.push({ at, who: `e${steps % 3}` });
        }
        const [thrown, which] = dice[turn++] ?? [9, 0];
        // More would end the job.
        const die = thrown < 2 && ++faults > 10 ? 9 : thrown;
        // Nothing ends in this step.
        if (die === 8) continue;
        const one = running[which % Math.max(1, running.length)];
        if (one === undefined) continue;
        const { stage: id, task, attempt } = one.at;
        running = running.filter((other) => other !== one);
        assert.equal(scheduler.executorOf(id, task, attempt), one.who);
        if (die === 0) {
          lost += scheduler.vacate(0, [turn % 4], [3], 'a test');
          scheduler.failed(id, task, attempt, gone);
        } else if (die === 1) scheduler.failed(id, task, attempt, superseded);
        else {
          ends.set(`${id}.${task}`, (ends.get(`${id}.${task}`) ?? 0) + 1);
          const dropped = scheduler.succeeded(id, task, attempt, now);
          running = running.filter(
            ({ at: other }) => !dropped.some((each) => each.stage === other.stage && each.task === other.task && each.attempt === other.attempt),
          );
        }
      }
      assert.ok(scheduler.done);
      assert.equal(
        [...ends.values()].reduce((sum, count) => sum + count, 0),
        7 + lost,
      );
    }),
    { numRuns: 100, examples: [[[]]] },
  );
});
