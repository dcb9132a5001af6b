import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { lease } from '../schedule/job-world.ts';

const thread = (): Worker => new Worker(new URL('../../../batch-runtime/execute/thread.ts', import.meta.url));

test('a thread whose coordinator is gone says so and ends', { timeout: 60_000 }, async () => {
  const worker = thread();
  worker.postMessage({ order: { lease: lease(1), url: 'http://127.0.0.1:1', token: 't', slots: 1 }, memory: null });
  const [said] = (await once(worker, 'message')) as [{ error: { code: string } | null }];
  assert.equal(said.error?.code, 'CONNECTION_LOST');
  const [code] = (await once(worker, 'exit')) as [number];
  assert.equal(code, 0);
});

test('a thread that is told to stop ends without an error', { timeout: 60_000 }, async () => {
  const worker = thread();
  worker.postMessage({ order: { lease: lease(1), url: 'http://127.0.0.1:1', token: 't', slots: 1 }, memory: null });
  worker.postMessage('stop');
  const [said] = (await once(worker, 'message')) as [{ error: object | null }];
  await once(worker, 'exit');
  // Which came first is the system's business.
  assert.ok(said.error === null || 'code' in said.error);
});
