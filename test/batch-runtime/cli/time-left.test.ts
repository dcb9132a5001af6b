import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimeLeft } from '#runtime/cli/time-left.ts';

const stage = (id: number, tasks: number, done: number, running = 0) => ({ stage: id, tasks, done, running });

test('nothing is said of time until a wave of tasks has ended', () => {
  const left = new TimeLeft();
  assert.equal(left.say([stage(0, 10, 0, 4), stage(1, 0, 0)], 1000), 'time left unknown');
  assert.equal(left.say([stage(0, 10, 2, 4), stage(1, 0, 0)], 2000), 'time left unknown');
  assert.equal(left.say([stage(0, 10, 5, 4), stage(1, 0, 0)], 6000), 'about 5 s left, then 1 more stage');
});

test('a stage is timed from its own beginning, and the last one by its tasks alone', () => {
  const left = new TimeLeft();
  left.say([stage(0, 4, 0, 2), stage(1, 0, 0)], 0);
  left.say([stage(0, 4, 4), stage(1, 20, 0, 2)], 60_000);
  assert.equal(left.say([stage(0, 4, 4), stage(1, 20, 10, 2)], 70_000), 'about 10 s left');
  assert.equal(left.say([stage(0, 4, 4), stage(1, 20, 20)], 80_000), '');
});

test('several stages of which nothing is known are counted', () => {
  const left = new TimeLeft();
  left.say([stage(0, 4, 0, 1), stage(1, 0, 0), stage(2, 0, 0)], 0);
  assert.equal(left.say([stage(0, 4, 2, 1), stage(1, 0, 0), stage(2, 0, 0)], 500), 'about 1 s left, then 2 more stages');
});
