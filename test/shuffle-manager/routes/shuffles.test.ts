import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calls } from '#manager/protocol/control.ts';
import { addShuffleRoutes } from '#manager/routes/shuffles.ts';

test('the routes of shuffles are these calls, each with a sentence, and no other call has such a path', () => {
  const added: string[] = [];
  addShuffleRoutes((name, summary) => {
    assert.ok(calls[name].path.startsWith('/v1/shuffles/'), name);
    assert.match(summary, /^[A-Z]/);
    added.push(name);
  });
  assert.deepEqual(added, ['openShuffle', 'resolveShuffle', 'commit', 'layout', 'lost', 'release']);
  const there = Object.entries(calls).filter(([, call]) => call.path.startsWith('/v1/shuffles/'));
  assert.deepEqual(added.toSorted(), there.map(([name]) => name).toSorted());
});
