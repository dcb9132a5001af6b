import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calls } from '#manager/protocol/control.ts';
import { addClusterRoutes } from '#manager/routes/cluster.ts';

test('the routes of cluster are these calls, each with a sentence, and no other call has such a path', () => {
  const added: string[] = [];
  addClusterRoutes((name, summary) => {
    assert.ok(calls[name].path.startsWith('/v1/cluster/'), name);
    assert.match(summary, /^[A-Z]/);
    added.push(name);
  });
  assert.deepEqual(added, ['hello', 'status', 'mintToken']);
  const there = Object.entries(calls).filter(([, call]) => call.path.startsWith('/v1/cluster/'));
  assert.deepEqual(added.toSorted(), there.map(([name]) => name).toSorted());
});
