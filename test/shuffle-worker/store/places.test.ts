import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Arena } from '#worker/store/arena.ts';
import { Places } from '#worker/store/places.ts';

test('who asks first is served first, also when a later one would fit', async () => {
  const places = new Places(new Arena(0, 4 * 65536));
  const first = await places.take(3 * 65536);
  const served: string[] = [];
  const large = places.take(2 * 65536).then((address) => served.push('large') && address);
  const small = places.take(65536).then((address) => served.push('small') && address);
  await setImmediate();
  assert.deepEqual([served, places.waiting], [[], 2]);
  places.give(first, 3 * 65536);
  await Promise.all([large, small]);
  assert.deepEqual([served, places.waiting], [['large', 'small'], 0]);
});

test('room that others have made in the same memory is used when they say so', async () => {
  const room = new Arena(0, 65536);
  const places = new Places(room);
  const taken = room.allocate(65536);
  let address = -1;
  const wish = places.take(8).then((got) => {
    address = got;
  });
  room.free(taken, 65536);
  await setImmediate();
  assert.equal(address, -1);
  places.retry();
  await wish;
  assert.equal(address, 0);
});
