import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { createReclaimer } from '#runtime/spill/reclaim.ts';

test('arrays that nobody holds are freed once there are more of them than the limit', async () => {
  const MiB = 1024 * 1024;
  const before = process.memoryUsage().arrayBuffers;
  const reclaim = createReclaimer(before + 64 * MiB);
  for (let i = 0; i < 400; i++) {
    new Uint8Array(4 * MiB).fill(1);
    if (i % 20 === 0) await sleep(12);
    reclaim();
    assert(process.memoryUsage().arrayBuffers < before + 512 * MiB);
  }
});

test('old ones are freed, too: all when asked for, and beyond 80 MiB whatever the limit is; what is alive is collected for once, not by each task', async () => {
  // As threads of an executor are, and what is freed is counted at once.
  for (const flag of ['--initial-heap-size=256', '--max-semi-space-size=4', '--no-concurrent-array-buffer-sweeping']) setFlagsFromString(flag);
  const worker = new Worker(new URL('old-arrays.ts', import.meta.url));
  const [{ made, freed, few, many, whole, again, held }] = (await once(worker, 'message')) as [Record<string, number>];
  await worker.terminate();
  assert(made! >= 64 && few! >= 64, 'so few are not worth a collection');
  assert(freed! < 8 && many! < 8, `${freed} and ${many} MiB are left`);
  assert.deepEqual({ whole, again, held }, { whole: 1, again: 0, held: 160 });
});
