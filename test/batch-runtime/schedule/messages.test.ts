import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import { coordinatorCalls, JobDescription } from '#runtime/schedule/messages.ts';
import { fixture, jobWorld, lease } from './job-world.ts';

const through = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('what a coordinator answers fits its schema and survives JSON', async () => {
  const { coordinator } = await jobWorld({ url: fixture('words') });
  const description = await coordinator.join({ lease: lease(1) });
  const { driver, ...rest } = through(description) as JobDescription;
  assert.ok(Compile(JobDescription).Check({ driver, ...rest }));
  const answer = await coordinator.poll({ lease: lease(1), slots: 1, waitMs: 1_000 });
  assert.ok(Compile(coordinatorCalls.poll.answer).Check(through(answer)));
  assert.deepEqual(through(answer), answer);
  coordinator.close();
});

test('a lease is 32 hex digits, a wait is bounded, what is not known is refused', () => {
  const poll = Compile(coordinatorCalls.poll.request);
  const good = { lease: lease(1), slots: 1, waitMs: 60_000 };
  assert.ok(poll.Check(good));
  for (const bad of [
    { ...good, lease: 'x' },
    { ...good, waitMs: 60_001 },
    { ...good, slots: -1 },
    { ...good, more: 1 },
  ])
    assert.ok(!poll.Check(bad));
});

test('every call has a path of its own', () => {
  const paths = Object.values(coordinatorCalls).map(({ path }) => path);
  assert.equal(new Set(paths).size, paths.length);
});
