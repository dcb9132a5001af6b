import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer, Request } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { keepJob } from '#runtime/schedule/keep.ts';
import { ManualClock } from '../../shuffle-manager/world.ts';
import { lease } from './job-world.ts';

/** A manager that answers from a list, then waits for ever; a coordinator that notes what it is told. */
function worldOf(answers: readonly (SluiceError | Answer<'keepJob'>)[], executors = 1) {
  const clock = new ManualClock();
  const stop = new AbortController();
  const requests: Request<'keepJob'>[] = [];
  const told: string[] = [];
  const failed: SluiceError[] = [];
  const manager = {
    keepJob: async (request: Request<'keepJob'>): Promise<Answer<'keepJob'>> => {
      requests.push(request);
      const answer = answers[Math.min(requests.length, answers.length) - 1]!;
      if (requests.length > answers.length) await new Promise<void>((resolve) => clock.after(request.waitMs, resolve));
      if (answer instanceof SluiceError) throw answer;
      return answer;
    },
    status: async () => ({ executors: Array.from({ length: executors }) }) as unknown as Answer<'status'>,
  };
  const coordinator = {
    leases: () => new Set([lease(1)]),
    checkLeases: (known: ReadonlySet<string>, held: ReadonlySet<string>) =>
      told.push(`${known.size} known, held: ${[...held].map((id) => id.slice(-1)).join()}`),
    fail: (error: SluiceError) => failed.push(error),
  };
  const kept = keepJob({ manager, clock, job: 7, epoch: 3, slots: 2, coordinator, signal: stop.signal });
  return { clock, stop, requests, told, failed, kept };
}
const answer = (version: number, leases: readonly number[]): Answer<'keepJob'> => ({
  version,
  term: 1,
  workers: 1,
  leases: leases.map((n) => ({ lease: lease(n), executor: lease(n), incarnation: lease(n), slots: 1 })),
});

test('the coordinator hears which leases it has, again when that has changed', async () => {
  const { clock, stop, requests, told, kept } = worldOf([answer(5, [1, 2]), answer(6, [2])]);
  await clock.advance(0);
  assert.deepEqual(told.slice(0, 2), ['1 known, held: 1,2', '1 known, held: 2']);
  assert.deepEqual(
    requests.slice(0, 3).map(({ job, epoch, after, slots }) => [job, epoch, after, slots]),
    [
      [7, 3, 0, 2],
      [7, 3, 5, 2],
      [7, 3, 6, 2],
    ],
  );
  stop.abort();
  await clock.advance(3000);
  await kept;
});

test('a manager that is away is waited for; one that knows a newer coordinator ends the job', async () => {
  const away = new SluiceError('CLUSTER_UNREACHABLE', { url: 'http://m' });
  const { clock, told, failed, kept } = worldOf([away, away, answer(1, [1]), new SluiceError('FENCED', { what: 'coordinator' })]);
  for (let i = 0; i < 20; i++) await clock.advance(500);
  await kept;
  assert.deepEqual(told, ['1 known, held: 1']);
  assert.deepEqual(
    failed.map(({ code }) => code),
    ['FENCED'],
  );
});

test("without a slot it is another job's turn; without any executor for long the job gives up", async () => {
  const waits = worldOf([answer(1, [])], 1);
  for (let i = 0; i < 20; i++) await waits.clock.advance(1000);
  assert.deepEqual(waits.failed, []);
  waits.stop.abort();
  await waits.clock.advance(3000);
  await waits.kept;
  const alone = worldOf([answer(1, [])], 0);
  for (let i = 0; i < 20; i++) await alone.clock.advance(1000);
  await alone.kept;
  assert.deepEqual(
    alone.failed.map(({ code }) => code),
    ['NO_EXECUTORS'],
  );
});
