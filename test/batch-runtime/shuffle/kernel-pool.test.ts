import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KernelPool } from '#runtime/shuffle/kernel-pool.ts';

test('a kernel is given out to one at a time, and again when it is large enough', () => {
  const pool = new KernelPool();
  const one = pool.take(100_000);
  const two = pool.take(100_000);
  assert.notEqual(one, two);
  assert.ok(one.memory.buffer.byteLength >= 100_000);
  pool.give(one);
  assert.notEqual(pool.take(1_000_000), one);
  assert.equal(pool.take(50_000), one);
  pool.give(two);
  pool.clear();
  assert.notEqual(pool.take(100), two);
});
