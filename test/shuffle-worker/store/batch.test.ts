import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryBytes } from '#worker/kernel/kernel.ts';
import { Batch } from '#worker/store/batch.ts';
import { createStoreMemory } from '#worker/store/memory.ts';
import { payloadOf } from '../world.ts';
import { openKept, put, shuffleOf, targetOf } from './kept.ts';

test('what was dropped is not listed, and its bytes do not count', async () => {
  const kept = await openKept();
  const shuffle = shuffleOf(1);
  const payloads = [0, 1].map((partition) => [partition, payloadOf(100, partition)] as const);
  const { stream } = put(kept, targetOf({ shuffle, map: 0 }), payloads);
  put(kept, targetOf({ shuffle, map: 1 }), payloads);
  const batch = stream.shelf.batches[0]!;
  const all = batch.list(kept.memory);
  assert.deepEqual(all, { count: 6, bytes: batch.bytes });
  batch.drop(0, 1, 0);
  batch.drop(1, 1, 5);
  assert.deepEqual([batch.drops(0, 1, 0), batch.drops(0, 1, 1), batch.drops(1, 1, 0)], [true, false, false]);
  const rest = batch.list(kept.memory);
  assert.deepEqual([rest.count, rest.bytes], [3, batch.bytes / 2]);
  const { words, list, index } = kept.memory;
  for (let place = 0; place < rest.count; place++) assert.equal(words[(index.entries + entryBytes * words[list / 4 + place]!) / 4 + 1], 1);
  await kept.store.close();
});

test('its memory goes back once, and who waits is told', () => {
  const memory = createStoreMemory(1);
  const batch = new Batch();
  const address = memory.arena.allocate(1000);
  batch.addFrame(address, 600, 2, 5);
  batch.addFrame(address + 600, 400, 1, 9);
  memory.index.room(batch.runs, 3)!.used = 3;
  assert.deepEqual([batch.bytes, batch.blocks, batch.touched], [1000, 3, 9]);
  const told: (Error | null)[] = [];
  const failure = new Error('no');
  batch.waiters.push({ sync: false, settle: (error) => told.push(error) }, { sync: true, settle: (error) => told.push(error) });
  batch.settle(failure);
  batch.settle(null);
  assert.deepEqual(told, [failure, failure]);
  assert.equal(batch.over, false);
  batch.free(memory);
  assert.equal(batch.over, true);
  assert.deepEqual([memory.arena.usedBytes, memory.index.usedBytes], [0, 0]);
});
