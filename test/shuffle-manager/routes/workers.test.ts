import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calls } from '#manager/protocol/control.ts';
import { addWorkerRoutes } from '#manager/routes/workers.ts';

test('the routes of workers are these calls, each with a sentence, and no other call has such a path', () => {
  const added: string[] = [];
  addWorkerRoutes((name, summary) => {
    assert.ok(calls[name].path.startsWith('/v1/workers/'), name);
    assert.match(summary, /^[A-Z]/);
    added.push(name);
  });
  assert.deepEqual(added, ['registerWorker', 'registerExecutor', 'announce', 'drainWorker', 'orders']);
  const there = Object.entries(calls).filter(([, call]) => call.path.startsWith('/v1/workers/'));
  assert.deepEqual(added.toSorted(), there.map(([name]) => name).toSorted());
});
