import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { cachedDataVersionTag, setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { lease } from '../schedule/job-world.ts';

test('a thread has its heap by flags, and leaves none behind that would have compiled code compiled again', { timeout: 60_000 }, async () => {
  const tag = cachedDataVersionTag();
  setFlagsFromString('--initial-heap-size=256');
  assert.notEqual(cachedDataVersionTag(), tag);
  const worker = new Worker(new URL('../../../batch-runtime/execute/thread.ts', import.meta.url));
  worker.postMessage({ order: { lease: lease(1), url: 'http://127.0.0.1:1', token: 't', slots: 1 }, memory: null });
  await once(worker, 'message');
  // The one that works as it is read.
  assert.notEqual(cachedDataVersionTag(), tag);
  setFlagsFromString('--no-external-memory-accounted-in-global-limit');
  assert.equal(cachedDataVersionTag(), tag);
  await once(worker, 'exit');
});
