// The interface is types; what they promise is test/contract/shuffle.ts. Here: that drivers are what the types say, and no more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '#manager/protocol/ids.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
import type { DriverName, ShuffleDriver, ShuffleHandle } from '#runtime/shuffle/spi.ts';
import { attempt, request } from '../../contract/shuffle.ts';

test('a driver answers every verb of the interface, and a handle travels as JSON under its driver’s name', async () => {
  const driver: ShuffleDriver = createMemoryShuffle({ budgetBytes: MiB });
  const verbs: readonly (keyof ShuffleDriver)[] = ['open', 'createWriter', 'createReader', 'vacant', 'release', 'close'];
  for (const verb of verbs) assert.equal(typeof driver[verb], 'function', verb);
  const name: DriverName = driver.name;
  const handle: ShuffleHandle = await driver.open(request('a', 2, 3));
  assert.deepEqual(Object.keys(handle).sort(), ['driver', 'id', 'maps', 'partitions']);
  assert.deepEqual(JSON.parse(JSON.stringify(handle)), handle);
  assert.equal(handle.driver, name);
  await driver.close();
});

test('what an attempt wrote and what a reader gives are plain values', async () => {
  const driver = createMemoryShuffle({ budgetBytes: MiB });
  const handle = await driver.open(request('a', 1, 2));
  const committed = await attempt(driver, handle, 0, 0, [{ partition: 1, records: 3, payload: new Uint8Array([1, 2]) }]);
  assert.deepEqual(committed, { won: true, blocks: 1, records: 3, bytes: 2 });
  for await (const block of driver.createReader(handle, { partitionFrom: 0, partitionTo: 2, mapFrom: 0, mapTo: 1, ordered: false })) {
    assert.deepEqual([block.partition, block.map, block.records, [...block.payload]], [1, 0, 3, [1, 2]]);
  }
  await driver.close();
});
