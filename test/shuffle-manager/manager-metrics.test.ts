import assert from 'node:assert/strict';
import { test } from 'node:test';
import { managerMetrics, readManager } from '#manager/manager-metrics.ts';
import { addWorker, hex, openWorld, specOf } from './world.ts';

test('every counter and gauge is read, and nothing else', async () => {
  const { manager } = await openWorld();
  const rows = Object.entries(managerMetrics).filter(([, row]) => row.type !== 'histogram');
  const readings = readManager(manager) as unknown as Record<string, unknown>;
  for (const [key] of rows) assert.equal(typeof readings[key], 'number', key);
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
  await calls.registerExecutor({ executor: hex(5), incarnation: hex(5), host: 'h', pid: 1, slots: 3, protocol: 0 });
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
