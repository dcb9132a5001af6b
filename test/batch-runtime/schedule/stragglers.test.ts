import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patienceMs } from '#runtime/schedule/stragglers.ts';

const finished = (...all: readonly (readonly [ms: number, bytes: number])[]) => all.map(([ms, bytes]) => ({ ms, bytes }));

test('nobody is judged before three quarters are done', () => {
  assert.equal(patienceMs([], 0), null);
  assert.equal(patienceMs(finished([10, 1], [10, 1]), 3), null);
  assert.notEqual(patienceMs(finished([10, 1], [10, 1], [10, 1]), 4), null);
});

test('twice the median, and not below two seconds', () => {
  assert.equal(patienceMs(finished([10, 0], [10, 0], [10, 0]), 4)?.(0), 2_000);
  assert.equal(patienceMs(finished([5_000, 0], [4_000, 0], [90_000, 0]), 4)?.(0), 10_000);
});

test('a share is measured by its bytes; a small one is given the median all the same', () => {
  const patience = patienceMs(finished([2_000, 1_000], [4_000, 2_000], [6_000, 3_000]), 4);
  assert.equal(patience?.(30_000), 120_000);
  assert.equal(patience?.(10), 8_000);
});
