import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventBody, JobEvent } from '#runtime/schedule/events.ts';

/** The names of --json, as the README has them: a missing or a new one does not compile. */
const types: Readonly<Record<JobEvent['type'], true>> = {
  plan: true,
  opened: true,
  stage: true,
  progress: true,
  retry: true,
  straggler: true,
  lost: true,
  row: true,
  warning: true,
  error: true,
  done: true,
};

test('there are eleven types of events, and each is JSON', () => {
  assert.equal(Object.keys(types).length, 11);
  const done: EventBody = {
    type: 'done',
    rows: 1,
    bytesShuffled: 2,
    tasks: 3,
    tasksRerun: 0,
    tasksMs: 3,
    tasksRerunMs: 0,
    resultHash: '1-0-0',
    ms: 4,
  };
  const event: JobEvent = { at: 0, job: 'a', ...done };
  assert.deepEqual(JSON.parse(JSON.stringify(event)), event);
});
