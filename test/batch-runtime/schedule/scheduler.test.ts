import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Stage } from '#runtime/graph/stage.ts';
import { Scheduler } from '#runtime/schedule/scheduler.ts';

const stage = (id: number, after: readonly number[]): Stage => ({ id, parallelism: { kind: 'single' }, operators: [], after });
const two = (first: number, second: number): Scheduler => {
  const scheduler = new Scheduler([stage(0, []), stage(1, [0])]);
  scheduler.prepare(0, first, [3]);
  scheduler.prepare(1, second, [5]);
  return scheduler;
};
const retryable = new SluiceError('CONNECTION_LOST', { what: 'test' });

test('a stage starts when the stages before it are complete', () => {
  const scheduler = two(2, 1);
  assert.deepEqual(scheduler.next('a', false), { stage: 0, task: 0, attempt: 0, outputs: [3] });
  assert.deepEqual(scheduler.next('b', false), { stage: 0, task: 1, attempt: 0, outputs: [3] });
  assert.equal(scheduler.next('a', false), null);
  scheduler.succeeded(0, 0);
  assert.equal(scheduler.next('a', false), null);
  scheduler.succeeded(0, 1);
  assert.deepEqual(scheduler.next('a', false), { stage: 1, task: 0, attempt: 0, outputs: [5] });
  assert.equal(scheduler.done, false);
  scheduler.succeeded(1, 0);
  assert.equal(scheduler.done, true);
  assert.deepEqual(scheduler.totals, { started: 3, again: 0 });
});

test('a stage is ready to be prepared only once, and only after those before it', () => {
  const scheduler = new Scheduler([stage(0, []), stage(1, [0])]);
  assert.deepEqual(
    scheduler.ready().map(({ id }) => id),
    [0],
  );
  scheduler.prepare(0, 0, []);
  assert.deepEqual(
    scheduler.ready().map(({ id }) => id),
    [1],
  );
});

test('a failed attempt runs again on another executor, or on the same one when it is alone', () => {
  const scheduler = two(1, 1);
  scheduler.next('a', false);
  assert.equal(scheduler.failed(0, 0, retryable), 'again');
  assert.equal(scheduler.next('a', false), null);
  assert.deepEqual(scheduler.next('b', false), { stage: 0, task: 0, attempt: 1, outputs: [3] });
  scheduler.failed(0, 0, retryable);
  assert.deepEqual(scheduler.next('b', true)?.attempt, 2);
  assert.deepEqual(scheduler.totals, { started: 3, again: 2 });
});

test('too many failures end the job and name the last one', () => {
  const scheduler = two(1, 1);
  for (let i = 0; i < 3; i++) {
    scheduler.next(`e${i}`, true);
    scheduler.failed(0, 0, retryable);
  }
  scheduler.next('e4', true);
  assert.throws(() => scheduler.failed(0, 0, retryable), { code: 'TASK_FAILED', message: /0\.0 failed 4 times.*CONNECTION_LOST/ });
});

test('an error that the user has to mend ends the job at once, with that error', () => {
  const scheduler = two(1, 1);
  scheduler.next('a', true);
  const error = new SluiceError('FILE_CORRUPT', { path: 'x', what: 'y' });
  assert.throws(
    () => scheduler.failed(0, 0, error),
    (thrown) => thrown === error,
  );
});

test('slots that go to other jobs, however often, are no failures of the task', () => {
  const scheduler = two(1, 1);
  for (let i = 0; i < 20; i++) {
    assert.equal(scheduler.next('a', true)?.attempt, i);
    assert.equal(scheduler.failed(0, 0, new SluiceError('LEASE_ENDED', { lease: 'a' })), 'again');
  }
});

test('a superseded attempt is a success', () => {
  const scheduler = two(1, 1);
  scheduler.next('a', true);
  assert.equal(scheduler.failed(0, 0, new SluiceError('ATTEMPT_SUPERSEDED', { map: 0 })), 'done');
  assert.equal(scheduler.isComplete(0), true);
});

test('lost output runs again for that output only, before what reads it', () => {
  const scheduler = two(3, 1);
  for (let i = 0; i < 3; i++) scheduler.next('a', true);
  for (let i = 0; i < 3; i++) scheduler.succeeded(0, i);
  scheduler.next('a', true);
  assert.equal(scheduler.vacate(0, [1], [7]), 1);
  assert.equal(scheduler.failed(1, 0, new SluiceError('MISSING', { shuffle: '1', maps: [1], what: 'gone' })), 'again');
  assert.deepEqual(scheduler.next('a', true), { stage: 0, task: 1, attempt: 1, outputs: [7] });
  assert.equal(scheduler.next('b', true), null);
  scheduler.succeeded(0, 1);
  assert.deepEqual(scheduler.next('b', true), { stage: 1, task: 0, attempt: 1, outputs: [5] });
});

test('losing outputs of one task twice asks for both', () => {
  const scheduler = two(1, 1);
  scheduler.next('a', true);
  scheduler.succeeded(0, 0);
  scheduler.vacate(0, [0], [4]);
  scheduler.vacate(0, [0], [3]);
  assert.deepEqual(scheduler.next('a', true)?.outputs, [3, 4]);
});

test('only the newest attempt of a running task counts', () => {
  const scheduler = two(1, 1);
  scheduler.next('a', true);
  assert.equal(scheduler.isCurrent(0, 0, 0), true);
  scheduler.failed(0, 0, retryable);
  assert.equal(scheduler.isCurrent(0, 0, 0), false);
  scheduler.next('b', true);
  assert.equal(scheduler.isCurrent(0, 0, 0), false);
  assert.equal(scheduler.isCurrent(0, 0, 1), true);
});

test('whatever fails and is lost, every task is done in the end and no attempt number is used twice', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 300 }), (dice) => {
      const scheduler = two(4, 3);
      const used = new Set<string>();
      const running: { stage: number; task: number; attempt: number }[] = [];
      let turn = 0;
      for (let steps = 0; steps < 5_000 && !scheduler.done; steps++) {
        const start = scheduler.next(`e${steps % 3}`, true);
        if (start !== null) {
          const name = `${start.stage}.${start.task}.${start.attempt}`;
          assert.ok(!used.has(name));
          used.add(name);
          running.push(start);
        }
        const one = running.shift();
        if (one === undefined) continue;
        const die = dice[turn++] ?? 9;
        if (die === 0) {
          scheduler.vacate(0, [turn % 4], [3]);
          scheduler.failed(one.stage, one.task, new SluiceError('MISSING', { shuffle: '1', maps: [], what: 'gone' }));
        } else scheduler.succeeded(one.stage, one.task);
      }
      assert.ok(scheduler.done);
    }),
    { numRuns: 50, examples: [[[]]] },
  );
});
