import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calls } from '#manager/protocol/control.ts';
import { addJobRoutes } from '#manager/routes/jobs.ts';

test('the routes of jobs are these calls, each with a sentence, and no other call has such a path', () => {
  const added: string[] = [];
  addJobRoutes((name, summary) => {
    assert.ok(calls[name].path.startsWith('/v1/jobs/'), name);
    assert.match(summary, /^[A-Z]/);
    added.push(name);
  });
  assert.deepEqual(added, ['openJob', 'keepJob', 'closeJob', 'logJob', 'readJobLog', 'resumeJob']);
  const there = Object.entries(calls).filter(([, call]) => call.path.startsWith('/v1/jobs/'));
  assert.deepEqual(added.toSorted(), there.map(([name]) => name).toSorted());
});
