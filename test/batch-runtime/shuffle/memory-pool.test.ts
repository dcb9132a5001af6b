import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '#manager/protocol/ids.ts';
import { MemoryPool } from '#runtime/shuffle/memory-pool.ts';

test('a kernel is given out to one at a time, and again when it is large enough', () => {
  const pool = new MemoryPool();
  const one = pool.take(100_000);
  const two = pool.take(100_000);
  assert.notEqual(one, two);
  assert.ok(one.memory.buffer.byteLength >= 100_000);
  pool.give(one);
  assert.notEqual(pool.take(1_000_000), one);
  assert.equal(pool.take(50_000), one);
});

test('what clients read into is kept when nobody holds a part of it', async () => {
  const pool = new MemoryPool();
  const receive = pool.takeReceive();
  assert.notEqual(pool.takeReceive(), receive);
  const isKept = (): boolean => {
    pool.giveReceive(receive);
    return pool.takeReceive() === receive;
  };
  await receive.reserve(MiB);
  assert.ok(!isKept());
  receive.release(MiB);
  assert.ok(isKept());
  const frame = receive.arena.allocate(100);
  assert.ok(!isKept());
  receive.arena.free(frame, 100);
  assert.ok(isKept());
  const account = receive.slots.allocate(100);
  assert.ok(!isKept());
  receive.slots.free(account, 100);
  assert.ok(isKept());
});

test('no more than 256 MiB are kept', () => {
  const pool = new MemoryPool();
  const kernels = Array.from({ length: 5 }, () => pool.take(60 * MiB));
  for (const kernel of kernels) pool.give(kernel);
  const again = kernels.map(() => pool.take(60 * MiB));
  assert.equal(again.filter((kernel) => kernels.includes(kernel)).length, 4);
});
