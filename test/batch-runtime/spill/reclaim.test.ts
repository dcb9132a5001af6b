import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
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
