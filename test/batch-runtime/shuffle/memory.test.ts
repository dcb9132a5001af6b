import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KiB } from '#manager/protocol/ids.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
import { all, attempt, failsWith, payload, readAll, request } from '../../contract/shuffle.ts';

const blocksOf = (bytes: number) => [{ partition: 0, records: 1, payload: payload(bytes, 1) }];

test('over its budget a write fails, and the bytes of the attempt are free again', async () => {
  const driver = createMemoryShuffle({ budgetBytes: 256 * KiB });
  const handle = await driver.open(request('a', 4, 2));
  await attempt(driver, handle, 0, 0, blocksOf(100 * KiB));
  for (let number = 0; number < 3; number++) {
    await assert.rejects(attempt(driver, handle, 1, number, [...blocksOf(100 * KiB), ...blocksOf(100 * KiB)]), (error) => {
      failsWith('MEMORY_EXCEEDED')(error);
      assert.equal((error as { facts: Record<string, unknown> }).facts['budgetBytes'], 256 * KiB);
      return true;
    });
  }
  await attempt(driver, handle, 1, 3, blocksOf(100 * KiB));
  assert.deepEqual(await driver.vacant(handle), [2, 3]);
  assert.equal((await readAll(driver, handle, { ...all(handle), mapTo: 2 })).length, 2);
});

test('losers, aborted attempts and released shuffles hold nothing', async () => {
  const driver = createMemoryShuffle({ budgetBytes: 256 * KiB });
  for (let round = 0; round < 10; round++) {
    const handle = await driver.open(request(`round ${round}`, 1, 2));
    await attempt(driver, handle, 0, 0, blocksOf(100 * KiB));
    await attempt(driver, handle, 0, 1, blocksOf(100 * KiB));
    const writer = await driver.createWriter(handle, 0, 2);
    await writer.write(1, payload(100 * KiB, 2), 1);
    await writer.abort();
    const late = await driver.createWriter(handle, 0, 3);
    await late.write(1, payload(100 * KiB, 2), 1);
    await driver.release(handle);
    await assert.rejects(late.commit(), failsWith('SHUFFLE_RELEASED'));
  }
});

test('many small maps do not cost a large chunk each', async () => {
  const driver = createMemoryShuffle({ budgetBytes: 4000 * 600 });
  const handle = await driver.open(request('a', 4000, 2));
  for (let map = 0; map < 4000; map++) await attempt(driver, handle, map, 0, blocksOf(100));
  assert.equal((await readAll(driver, handle)).length, 4000);
});
