import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Blocklist } from '#runtime/schedule/blocklist.ts';

const faults = (blocklist: Blocklist, all: readonly (readonly [task: string, at: number])[]): boolean[] =>
  all.map(([task, at]) => blocklist.fault('a', task, at));

test('three tasks, or four failures of one, within a minute', () => {
  assert.deepEqual(
    faults(new Blocklist(), [
      ['0.1', 0],
      ['0.2', 2_000],
      ['0.3', 4_000],
    ]),
    [false, false, true],
  );
  assert.deepEqual(
    faults(new Blocklist(), [
      ['0.1', 0],
      ['0.1', 2_000],
      ['0.1', 4_000],
      ['0.1', 6_000],
    ]),
    [false, false, false, true],
  );
  assert.deepEqual(
    faults(new Blocklist(), [
      ['0.1', 0],
      ['0.2', 2_000],
      ['0.3', 61_000],
    ]),
    [false, false, false],
  );
});

test('failures at the same moment have one cause and count once', () => {
  assert.deepEqual(
    faults(new Blocklist(), [
      ['0.1', 0],
      ['0.2', 1],
      ['0.3', 2],
      ['0.4', 3],
      ['0.5', 4],
    ]),
    [false, false, false, false, false],
  );
});

test('it comes back after a while, and at once when it is the only one', () => {
  const blocklist = new Blocklist();
  const both = new Set(['a', 'b']);
  faults(blocklist, [
    ['0.1', 0],
    ['0.2', 2_000],
    ['0.3', 4_000],
  ]);
  assert.deepEqual([...blocklist.allowed(both, 5_000)], ['b']);
  assert.deepEqual([...blocklist.allowed(new Set(['a']), 5_000)], ['a']);
  assert.deepEqual([...blocklist.allowed(both, 64_000)], ['a', 'b']);
});
