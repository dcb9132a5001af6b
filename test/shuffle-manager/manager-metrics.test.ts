import assert from 'node:assert/strict';
import { test } from 'node:test';
import { managerMetrics, readManager } from '#manager/manager-metrics.ts';
import { protocolVersion } from '#manager/protocol/ids.ts';
import { addWorker, hex, openWorld, specOf } from './world.ts';

test('every counter and gauge is read, and nothing else', async () => {
  const { manager } = await openWorld();
  const rows = Object.entries(managerMetrics).filter(([, row]) => row.type !== 'histogram');
  const readings = readManager(manager) as unknown as Record<string, unknown>;
  for (const [key, row] of rows) assert.equal(typeof readings[key], row.labels.length === 0 ? 'number' : 'object', key);
  const names = Object.values(managerMetrics).map((row) => row.name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, type, help } of Object.values(managerMetrics)) {
    assert.match(name, /^sluice_manager_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.ok(help.length > 5, name);
  }
});

test('the numbers are those of what happened', async () => {
  const { manager, calls } = await openWorld();
  await addWorker(calls, 1);
  await calls.registerExecutor({ executor: hex(5), incarnation: hex(5), host: 'h', pid: 1, slots: 3, protocol: protocolVersion });
  const { job } = await calls.openJob({ name: 'j', url: '', slots: 2 });
  const { shuffle } = await calls.openShuffle({ job, name: 'x', spec: specOf() });
  const cells = [{ location: 0, incarnations: [hex(101)], manifestHash: '1' }];
  await calls.commit({ shuffle, map: 0, attempt: 0, cells });
  await calls.commit({ shuffle, map: 0, attempt: 1, cells });
  await calls.lost({ shuffle, location: 0, incarnation: hex(101), maps: [], because: 'missing' });
  const {
    term,
    workers,
    executors,
    jobs,
    shuffles,
    cells: all,
    slotsLeased,
    runs,
    commits,
    superseded,
    reports,
    cellsVacated,
  } = readManager(manager);
  assert.deepEqual(
    { term, workers, executors, jobs, shuffles, all, slotsLeased, runs, commits, superseded, reports, cellsVacated },
    {
      term: 1,
      workers: 1,
      executors: 1,
      jobs: 1,
      shuffles: 1,
      all: 4,
      slotsLeased: 2,
      runs: 1,
      commits: 1,
      superseded: 1,
      reports: 1,
      cellsVacated: 1,
    },
  );
});

test('of thousands of jobs the largest have a series of their own, the others one together', async () => {
  const { manager, calls } = await openWorld();
  await addWorker(calls, 1);
  const jobs: number[] = [];
  for (let i = 0; i < 25; i++) jobs.push((await calls.openJob({ name: `j${i}`, url: '', slots: 0 })).job);
  const report = (stored: { job: number; bytes: number }[]) =>
    calls.orders({ id: hex(1), incarnation: hex(101), after: 0, load: {}, stored, leaving: false, waitMs: 0 });
  await report(jobs.map((job, i) => ({ job, bytes: 100 + i })));
  const series = readManager(manager).jobStoredBytes as { labels: { id: string; name: string }; value: number }[];
  assert.equal(series.length, 21);
  assert.deepEqual(series[0], { labels: { id: String(jobs[24]), name: 'j24' }, value: 124 });
  assert.deepEqual(series.at(-1), { labels: { id: 'other', name: '' }, value: 100 + 101 + 102 + 103 + 104 });
  await report([{ job: jobs[0]!, bytes: 7 }]);
  assert.deepEqual(readManager(manager).jobStoredBytes, [{ labels: { id: String(jobs[0]), name: 'j0' }, value: 7 }]);
});
