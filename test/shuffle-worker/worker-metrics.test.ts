import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWorker, workerMetrics } from '#worker/worker-metrics.ts';
import { openWorkerWorld, payloadOf } from './world.ts';

test('every row has a reading, and readings follow what happens', async () => {
  const world = await openWorkerWorld();
  const before = readWorker(world.worker);
  for (const key of Object.keys(workerMetrics)) assert.equal(typeof before[key as keyof typeof before], 'number', key);
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, [[0, payloadOf(100, 1)]]);
  const after = readWorker(world.worker);
  assert.deepEqual([after.blocks, after.cells, after.shuffles, after.connections], [2, 1, 1, 1]);
  assert.ok((after.bytes as number) > 100);
  await world.close();
});

test('names are unique, and say what they count', () => {
  const rows = Object.values(workerMetrics);
  assert.equal(new Set(rows.map((row) => row.name)).size, rows.length);
  for (const { name, type } of rows) assert.match(name, type === 'counter' ? /^sluice_worker_.+_total$/ : /^sluice_worker_(?!.*_total$)/);
});
