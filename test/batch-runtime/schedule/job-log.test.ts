import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Request } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type BegunEntry, type LogEntry, noLog, openJobLog, readJobLog, standing } from '#runtime/schedule/job-log.ts';
import { addWorker, ManualClock, openWorld, seededRandom } from '../../shuffle-manager/world.ts';

const begun: BegunEntry = {
  kind: 'job',
  module: 'file:///job.ts',
  params: { from: 'x' },
  digest: 'd',
  folder: '/data',
  staging: 's',
  shuffle: {},
  slots: 2,
  partitions: 4,
  stages: { stages: [], edges: [], result: null },
  splits: [['scan-1', [{ bytes: 5, rows: 0, parts: ['/data/a.csv'] }]]],
};
const stage = (number: number): LogEntry => ({ kind: 'stage', stage: number, tasks: 3, edges: [] });

const open = (calls: Parameters<typeof openJobLog>[0]['manager'], job: number, { epoch = 1, length = 0, clock = new ManualClock() } = {}) =>
  openJobLog({ manager: calls, clock, random: seededRandom(1), job, epoch, length, signal: new AbortController().signal });

test('what one coordinator writes another one reads, in order', async () => {
  const { calls } = await openWorld();
  await addWorker(calls, 1);
  const { job } = await calls.openJob({ name: 'j', url: 'http://a', slots: 1 });
  await assert.rejects(readJobLog(calls, job), { code: 'JOB_NOT_RESUMABLE', message: /had not begun/ });
  const log = open(calls, job);
  await Promise.all([log.write(begun), log.write(stage(0)), log.write(stage(1))]);
  await log.write(stage(2));
  assert.deepEqual(await readJobLog(calls, job), [begun, stage(0), stage(1), stage(2)]);
  await log.write({ kind: 'given up' });
  await assert.rejects(readJobLog(calls, job), { code: 'JOB_NOT_RESUMABLE', message: /had failed/ });
});

test('entries that come while others are under way travel together', async () => {
  const requests: Request<'logJob'>[] = [];
  const answers: (() => void)[] = [];
  const manager = {
    logJob: (request: Request<'logJob'>) => {
      requests.push(request);
      return new Promise<{ length: number }>((resolve) => answers.push(() => resolve({ length: 0 })));
    },
  };
  const log = open(manager, 7, { length: 5 });
  const first = log.write(stage(0));
  await new Promise(setImmediate);
  const others = [log.write(stage(1)), log.write(stage(2))];
  await new Promise(setImmediate);
  assert.equal(requests.length, 1);
  answers[0]!();
  await first;
  await new Promise(setImmediate);
  answers[1]!();
  await Promise.all(others);
  assert.deepEqual(
    requests.map(({ from, entries, epoch }) => [from, entries.length, epoch]),
    [
      [5, 1, 1],
      [6, 2, 1],
    ],
  );
});

test('a manager that is away is waited for; one that knows another coordinator ends the log', async () => {
  const clock = new ManualClock();
  let away = true;
  const got: string[] = [];
  const manager = {
    logJob: async ({ entries }: Request<'logJob'>) => {
      if (away) throw new SluiceError('CLUSTER_UNREACHABLE', { url: 'http://m' });
      if (got.length > 0) throw new SluiceError('FENCED', { what: 'coordinator' });
      got.push(...entries);
      return { length: got.length };
    },
  };
  const log = open(manager, 7, { clock });
  const written = log.write(stage(0));
  for (let i = 0; i < 50; i++) await clock.advance(1000);
  assert.deepEqual(got, []);
  away = false;
  for (let i = 0; i < 5; i++) await clock.advance(1000);
  await written;
  assert.deepEqual(got, [JSON.stringify(stage(0))]);
  await assert.rejects(log.write(stage(1)), { code: 'FENCED' });
  await assert.rejects(log.write(stage(2)), { code: 'FENCED' });
  await noLog.write(stage(3));
});

test('what was written down of a stage that starts over does not hold, what came after does', () => {
  const outcome = { rowsRead: 1, rowsWritten: 1, bytesShuffled: 1, written: {}, digests: {}, samples: {}, partitionBytes: {} };
  const ended = (number: number, task: number): LogEntry => ({ kind: 'ended', stage: number, task, outcome });
  const over: LogEntry = { kind: 'over', stages: [0, 2] };
  const entries = [begun, stage(0), stage(1), ended(0, 0), ended(1, 0), stage(2), ended(2, 1), over, stage(0), ended(0, 5)];
  assert.deepEqual(standing(entries), [begun, stage(1), ended(1, 0), stage(0), ended(0, 5)]);
});
