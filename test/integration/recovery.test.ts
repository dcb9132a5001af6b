/**
 * Real processes that are killed or stopped: with two replicas a lost worker costs no map, a worker of a grid costs the maps of its
 * group and no others, and a job does not wait for an executor that has stopped.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { connectManager } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { shuffleId, shuffleText } from '#manager/protocol/ids.ts';
import { type LayoutView, viewLayout } from '#manager/protocol/layout.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { type EmbeddedCluster, startEmbedded } from '#runtime/embedded.ts';
import { loadJob } from '#runtime/execute/job-module.ts';
import type { Job } from '#runtime/job.ts';
import type { RunOptions } from '#runtime/run.ts';
import type { JobEvent, JobReport } from '#runtime/schedule/events.ts';
import { submit } from '#runtime/submit.ts';
import { jobWorld, lease } from '../batch-runtime/schedule/job-world.ts';
import { remoteWorld } from '../contract/remote.ts';

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
});

/** The first shuffle of the job that has these maps. */
async function firstShuffle(cluster: EmbeddedCluster): Promise<{ view: LayoutView; pids: Map<string, number> }> {
  const client = await connectManager({
    urls: [cluster.url],
    token: tokenSource(cluster.secret, Date.now),
    clock: systemClock,
    random: systemRandom,
  });
  try {
    const { jobs, workers } = await client.status({});
    for (let run = 1; run <= 3; run++) {
      const shuffle = shuffleText(shuffleId(jobs[0]!.job, run));
      const layout = await client.layout({ shuffle, after: -1, waitMs: 0 }).catch(() => null);
      if (layout?.spec.maps === maps) return { view: viewLayout(layout), pids: new Map(workers.map(({ worker, pid }) => [worker, pid])) };
    }
    throw new Error('there is no such shuffle');
  } finally {
    await client.close();
  }
}

interface Ended {
  readonly rows: Origin[];
  readonly report: JobReport;
  readonly events: JobEvent[];
}

/** Runs the job on its own cluster; `act` once, at the first event for which `moment` holds, `atEnd` before its shuffles are released. */
async function runAnd(
  members: { readonly workers: number; readonly executors: number },
  options: Pick<RunOptions, 'params' | 'partitions' | 'replicas'>,
  moment: (event: JobEvent) => boolean,
  act: (cluster: EmbeddedCluster) => Promise<void>,
  atEnd: (cluster: EmbeddedCluster) => Promise<void> = async () => {},
): Promise<Ended> {
  const cluster = await startEmbedded({ ...members, dataDir: null, port: 0, died: () => {} });
  try {
    const events: JobEvent[] = [];
    let acting: Promise<void> | null = null;
    const onEvent = (event: JobEvent): void => {
      events.push(event);
      if (acting === null && moment(event)) acting = act(cluster);
    };
    await using r = await submit(job, { cluster: cluster.url, token: cluster.secret, module, ...options, onEvent });
    const rows: Origin[] = [];
    for await (const row of r.rows()) rows.push({ ...row });
    const report = await r.done();
    assert.ok(acting !== null, 'nothing was done to it');
    await acting;
    await atEnd(cluster);
    return { rows, report, events };
  } finally {
    await cluster.close(false);
  }
}

const mapsDone = (event: JobEvent): boolean => event.type === 'stage' && event.state === 'done' && event.tasks === maps;
const typed = <T extends JobEvent['type']>(events: readonly JobEvent[], type: T) =>
  events.filter((event): event is Extract<JobEvent, { type: T }> => event.type === type);

for (const [name, params, moment] of [
  ['after the maps', { readMs: 5 }, mapsDone],
  [
    'while maps write',
    { mapMs: 50 },
    (event: JobEvent) => event.type === 'progress' && event.stages.some(({ tasks, done }) => tasks === maps && done >= 3),
  ],
] as const) {
  test(`with two replicas, a worker that is killed ${name} costs no map`, { timeout: 240_000 }, async () => {
    const { rows, report, events } = await runAnd({ workers: 2, executors: 2 }, { params, partitions: 4, replicas: 2 }, moment, async (cluster) => {
      process.kill(cluster.pids.find((member) => member.name === 'worker-1')!.pid, 'SIGKILL');
    });
    assert.deepEqual(rows, expected);
    assert.deepEqual(
      typed(events, 'retry').map(({ stage, task, because }) => `${stage}.${task} ${because.code}: ${because.message}`),
      [],
    );
    // A second attempt beside one that takes long, on a busy machine, makes up for nothing that was lost.
    assert.equal(report.tasksRerun, typed(events, 'straggler').length);
  });
}

test('in a grid, a worker that is killed costs the maps of its group, for its cells alone', { timeout: 240_000 }, async () => {
  let lost: number[] = [];
  let slice = -1;
  // More cells than one worker takes: two groups of maps by two slices of partitions.
  const grid = { params: { readMs: 20 }, partitions: 32 };
  const kill = async (cluster: EmbeddedCluster): Promise<void> => {
    const { view, pids } = await firstShuffle(cluster);
    assert.equal(view.layout.locations.length, 4);
    // One that readers come to late, so that the loss is seen.
    const { mapFrom, mapTo, partitionFrom, replicas } = view.layout.locations.at(-1)!;
    slice = partitionFrom;
    lost = Array.from({ length: mapTo - mapFrom }, (_, i) => mapFrom + i);
    assert.ok(lost.length < maps);
    process.kill(pids.get(replicas[0]!.worker)!, 'SIGKILL');
  };
  const repaired: string[] = [];
  const { rows, report, events } = await runAnd({ workers: 4, executors: 2 }, grid, mapsDone, kill, async (cluster) => {
    const { view } = await firstShuffle(cluster);
    for (const { id, mapFrom, mapTo, partitionFrom } of view.layout.locations)
      for (let map = mapFrom; map < mapTo; map++) if (view.winner(map, id) > 0) repaired.push(`${map} in ${partitionFrom}`);
  });
  assert.deepEqual(rows, expected);
  // The other cells of those maps keep what their first attempt has written.
  assert.deepEqual(repaired.sort(), lost.map((map) => `${map} in ${slice}`).sort());
  const mapStage = events.find(mapsDone)!;
  assert.ok(mapStage.type === 'stage');
  const again = typed(events, 'lost').filter(({ stage }) => stage === mapStage.stage);
  assert.deepEqual(
    [...new Set(again.flatMap((event) => event.maps))].sort((a, b) => a - b),
    lost,
  );
  const readers = typed(events, 'retry').length;
  assert.equal(report.tasksRerun, lost.length + readers);
});

test('an executor that stops is not waited for: what hangs there runs a second time elsewhere', { timeout: 240_000 }, async () => {
  // The manager does not give it up, however slow the machine is.
  process.env['SLUICE_MANAGER_LEASE_MS'] = '120000';
  const { rows, events } = await runAnd(
    { workers: 1, executors: 2 },
    { params: { mapMs: 100 }, partitions: 4 },
    (event) => event.type === 'progress' && event.stages.some(({ tasks, done, running }) => tasks === maps && done >= 7 && running === 2),
    async (cluster) => {
      process.kill(cluster.pids.find((member) => member.name === 'executor-1')!.pid, 'SIGSTOP');
    },
  );
  delete process.env['SLUICE_MANAGER_LEASE_MS'];
  assert.deepEqual(rows, expected);
  const said = events.map(({ type }) => type).filter((type) => type === 'straggler' || type === 'retry');
  assert.equal(said[0], 'straggler', 'it was not given up first');
});

test('a corrupt block costs its map and the one who read it', { timeout: 240_000 }, async () => {
  const { driver, damage, close } = await remoteWorld();
  try {
    const { coordinator, events, serve } = await jobWorld({ url: module, driver });
    let damaged = false;
    const poll: typeof coordinator.poll = async (request, signal) => {
      const answer = await coordinator.poll(request, signal);
      const reader = answer.assignments.find(({ split }) => split === null);
      if (reader !== undefined && !damaged) {
        damaged = true;
        await damage(Object.values(reader.shuffles).find((handle) => handle.maps === maps)!, 7);
      }
      return answer;
    };
    const link = { poll, join: (request: { lease: string }) => coordinator.join(request), report: coordinator.report.bind(coordinator) };
    const serving = serve(lease(1), { link });
    await coordinator.finished;
    const { tasksRerun } = await coordinator.publish();
    coordinator.close();
    await serving;
    const lost = typed(events, 'lost');
    assert.match(lost[0]?.what ?? '', /maps 7 /);
    assert.deepEqual(
      lost.map((event) => event.maps),
      [[7]],
    );
    assert.equal(tasksRerun, 1 + typed(events, 'retry').length);
  } finally {
    await close();
  }
});
