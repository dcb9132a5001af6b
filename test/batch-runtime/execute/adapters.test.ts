import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calls } from '#manager/protocol/control.ts';
import { adapters } from '#runtime/execute/adapters.ts';

test('a manager is dialled in the background: its calls are there at once and fail with what dialling failed with', { timeout: 60_000 }, async () => {
  const ports = adapters();
  const manager = ports.connectManager(['http://127.0.0.1:1'], 'token');
  assert.deepEqual(Object.keys(manager).sort(), Object.keys(calls).sort());
  await assert.rejects(manager.hello({}), { code: 'CLUSTER_UNREACHABLE' });
  await ports.close();
  await ports.close();
});
