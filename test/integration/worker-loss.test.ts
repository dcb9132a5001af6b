/**
 * `kill -9` of one of two workers that holds committed maps, at three moments, of the only one, and of an executor: the result is right, and only
 * part of the work is done again.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { shuffleId, shuffleText } from '#manager/protocol/ids.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { type EmbeddedCluster, startEmbedded } from '#runtime/embedded.ts';
import { loadJob } from '#runtime/execute/job-module.ts';
import type { Job } from '#runtime/job.ts';
import type { JobEvent, JobReport } from '#runtime/schedule/events.ts';
import { submit } from '#runtime/submit.ts';

interface Origin {
  readonly origin: string;
  readonly flights: number;
  readonly delay: number;
}
const module = new URL('../fixtures/jobs/late.ts', import.meta.url).href;
const job = (await loadJob(module)) as unknown as Job<Record<never, never>, Origin>;
/** Row groups of the example's file. */
const maps = 11;

const expected: Origin[] = [];
before(async () => {
  await using r = await submit(job, { shuffle: 'memory', module });
  for await (const row of r.rows()) expected.push({ ...row });
  assert.ok(expected.length > 100);
});

interface World {
  readonly cluster: EmbeddedCluster;
  readonly client: ManagerClient;
}

async function open(executors: number, workers = 2): Promise<World> {
  // As a run has it: the only worker comes back.
  const cluster = await startEmbedded({ workers, executors, dataDir: null, port: 0, restart: workers === 1, died: () => {} });
  const token = tokenSource(cluster.secret, Date.now);
  return { cluster, client: await connectManager({ urls: [cluster.url], token, clock: systemClock, random: systemRandom }) };
}
async function close({ cluster, client }: World): Promise<void> {
  await client.close();
  await cluster.close(false);
}

/** The worker that holds most committed maps of the job's first shuffle; null when there is none yet. */
async function holder(client: ManagerClient): Promise<number | null> {
  const { jobs, workers } = await client.status({});
  const job = jobs[0]?.job ?? 0;
  const held = new Map<string, number>();
  for (const run of [1, 2, 3]) {
    const shuffle = shuffleText(shuffleId(job, run));
    const layout = await client.layout({ shuffle, after: -1, waitMs: 0 }).catch(() => null);
    if (layout === null) continue;
    const view = viewLayout(layout);
    for (const location of layout.locations) {
      const worker = location.replicas[0]?.worker ?? '';
      for (let map = location.mapFrom; map < location.mapTo; map++)
        if (view.winner(map, location.id) >= 0) held.set(worker, (held.get(worker) ?? 0) + 1);
    }
  }
  const [most] = [...held].sort(([, a], [, b]) => b - a);
  return workers.find(({ worker }) => worker === most?.[0])?.pid ?? null;
}

/** Runs the job and kills, once, when `moment` says so. */
async function runAndKill(
  { cluster, client }: World,
  params: Readonly<Record<string, number>>,
  moment: (event: JobEvent) => boolean,
  victim: (client: ManagerClient) => Promise<number | null>,
): Promise<{ rows: Origin[]; report: JobReport; events: JobEvent[] }> {
  const events: JobEvent[] = [];
  let killing: Promise<void> | null = null;
  const onEvent = (event: JobEvent): void => {
    events.push(event);
    if (killing !== null || !moment(event)) return;
    killing = victim(client).then((pid) => {
      if (pid !== null) process.kill(pid, 'SIGKILL');
      else killing = null;
    });
  };
  const options = { cluster: cluster.url, token: cluster.secret, module, params, partitions: 4, onEvent };
  await using r = await submit(job, options);
  const rows: Origin[] = [];
  for await (const row of r.rows()) rows.push({ ...row });
  const report = await r.done();
  assert.ok(killing !== null, 'nobody was killed');
  return { rows, report, events };
}

const doneIn = (event: JobEvent, stage: (tasks: number) => boolean): number =>
  event.type === 'progress' ? (event.stages.find(({ tasks }) => stage(tasks))?.done ?? 0) : 0;

const moments: readonly (readonly [string, Readonly<Record<string, number>>, (event: JobEvent) => boolean])[] = [
  ['while maps write', { mapMs: 50 }, (event) => doneIn(event, (tasks) => tasks === maps) >= 3],
  ['after the first stage', { readMs: 5 }, (event) => event.type === 'stage' && event.state === 'done' && event.tasks === maps],
  [
    'while reads run',
    { readMs: 10 },
    (event) => event.type === 'progress' && event.stages.some(({ tasks, done, running }) => tasks === 4 && done + running > 0),
  ],
];
test('the only worker dies, which is what a run has by itself: it comes back and what it lost is made again', { timeout: 120_000 }, async () => {
  const world = await open(2, 1);
  try {
    const [, params, moment] = moments[1]!;
    const { rows, report } = await runAndKill(world, params, moment, holder);
    assert.deepEqual(rows, expected);
    assert.ok(report.tasksRerun > 0, 'something ran again');
  } finally {
    await close(world);
  }
});

for (const [name, params, moment] of moments) {
  test(`a worker that holds committed maps dies ${name}`, { timeout: 120_000 }, async () => {
    const world = await open(2);
    try {
      const { rows, report, events } = await runAndKill(world, params, moment, holder);
      assert.deepEqual(rows, expected);
      assert.ok(report.tasksRerun > 0, 'something ran again');
      assert.ok(report.tasksRerun < report.tasks, `${report.tasksRerun} of ${report.tasks} tasks ran again`);
      assert.ok(events.some(({ type }) => type === 'lost' || type === 'retry'));
    } finally {
      await close(world);
    }
  });
}

test('an executor dies: what it ran runs elsewhere', { timeout: 120_000 }, async () => {
  const world = await open(2);
  try {
    const executor = async (): Promise<number> => world.cluster.pids.find(({ name }) => name === 'executor-1')?.pid ?? 0;
    const running = (event: JobEvent): boolean => event.type === 'progress' && event.stages.some((stage) => stage.running === 2);
    const { rows, report, events } = await runAndKill(world, { mapMs: 50 }, running, executor);
    assert.deepEqual(rows, expected);
    assert.ok(report.tasksRerun > 0 && report.tasksRerun < report.tasks);
    assert.ok(events.some((event) => event.type === 'retry' && event.because.code === 'EXECUTOR_LOST'));
  } finally {
    await close(world);
  }
});
