/** What Spark does again, and what it must not: speculation, retries of stages, executors that go away. Workers stay whole or are lost between stages. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Group, sluiceConf, total } from '../check.ts';
import { type Conf, patienceMs, type Result, type Stage } from '../driver.ts';
import { sleep, until } from '../processes.ts';
import { startStandalone } from '../standalone.ts';

/** Tasks that wrote shuffle data, and ended well. */
const mapTasks = (stages: readonly Stage[]): number =>
  total(
    stages.filter((stage) => (stage.recordsWritten ?? 0) > 0),
    'done',
  );
const retries = (stages: readonly Stage[]): Stage[] => stages.filter((stage) => stage.attempt > 0);
const big: Conf = { maps: '8', records: '20000', partitions: '6' };

export const recovery: Group = {
  name: 'recovery',
  about: 'speculation, stage retries, executors that are killed, removed or decommissioned',
  quick: true,
  everyVersion: false,
  async check({ settings, cluster, spark, driver, step, gates }) {
    if (settings.own) return;
    const same = async (result: Result, job: string, options: Conf): Promise<void> => {
      const { answer } = await settings.answers.of(job, options);
      assert.equal(result.answer, answer, `${job} differs from Spark's own shuffle`);
    };
    await step('lost-between-stages', async () => {
      // Enough cells for a grid of two map groups by two slices: whoever dies held half of the maps.
      const own = await cluster({ workers: 4 });
      const grid: Conf = { ...big, partitions: '40' };
      const session = await spark(own);
      const first = await session.run('gated', { ...grid, keep: 'between' });
      await (await own.holder()).kill('SIGKILL');
      const second = await session.run('readKept', { keep: 'between' });
      assert.equal(second.answer, first.answer);
      await same(first, 'gated', grid);
      assert.ok(retries(second.stages).length > 0, 'no stage was tried again');
      const again = mapTasks(second.stages);
      assert.equal(again, 4, `${again} maps ran again, and 4 of 8 were lost`);
      assert.deepEqual(
        (await session.driver.order({ do: 'executors', how: 'list' })) as object,
        { executors: ['0', '1'] },
        'an executor was taken for lost',
      );
      await session.run('forget', { keep: 'between' });
      return `${again} of 8 maps ran again`;
    });

    await step('indeterminate-gets-a-new-run', async () => {
      const own = await cluster({ workers: 2 });
      const session = await spark(own);
      const at = gates();
      const running = session.run('indeterminate', { ...big, gates: at.folder });
      await at.reached('dealt');
      const runs = await own.metric('sluice_manager_runs_total');
      await (await own.holder()).kill('SIGKILL');
      at.open('dealt');
      const result = await running;
      await same(result, 'indeterminate', big);
      const opened = (await own.metric('sluice_manager_runs_total')) - runs;
      assert.ok(opened >= 1, 'no new run was opened');
      return `${opened} new runs, ${retries(result.stages).length} stage attempts again`;
    });

    if (settings.quick) return;
    const workers = await cluster({ workers: 2 });

    await step('speculation', async () => {
      const standalone = await startStandalone(settings.sparkHome, join(settings.folder, 'standalone'));
      const session = await spark(workers, {
        'spark.master': standalone.url,
        'spark.speculation': 'true',
        'spark.speculation.interval': '50ms',
        'spark.speculation.quantile': '0.5',
        'spark.speculation.multiplier': '1.1',
        'spark.speculation.minTaskRuntime': '100ms',
      });
      const at = gates();
      const running = session.run('speculative', { gates: at.folder });
      await at.reached('attempt-0');
      await at.reached('attempt-1');
      // Both have sent all of their records; both go on to their end together.
      at.open('attempt-0');
      at.open('attempt-1');
      const result = await running;
      await same(result, 'speculative', {});
      assert.ok(total(result.stages, 'speculative') > 0, 'no attempt was speculative');
      await session.driver.close();
      await standalone.close();
    });

    await step('executor-killed-after-its-maps', async () => {
      const session = await spark(workers, { 'spark.deploy.maxExecutorRetries': '-1' });
      const first = await session.run('gated', { ...big, keep: 'executor' });
      const before = session.driver.executors();
      assert.equal(before.length, 2);
      for (const pid of before) process.kill(pid, 'SIGKILL');
      await until('two new executors', patienceMs, () => session.driver.executors().filter((pid) => !before.includes(pid)).length === 2);
      const second = await session.run('readKept', { keep: 'executor' });
      assert.equal(second.answer, first.answer);
      assert.equal(mapTasks(second.stages), 0, 'maps ran again though their output was not on the executors');
      assert.equal(retries(second.stages).length, 0);
    });

    await step('executor-killed-mid-map', async () => {
      const session = await spark(workers, { 'spark.deploy.maxExecutorRetries': '-1' });
      const at = gates();
      const options = { ...big, map: '3' };
      const running = session.run('gated', { ...options, gates: at.folder });
      await at.reached('map');
      for (const pid of session.driver.executors()) process.kill(pid, 'SIGKILL');
      at.open('map');
      const result = await running;
      await same(result, 'gated', options);
      assert.ok(total(result.stages, 'bad') > 0, 'no task was lost');
    });

    const dynamic: Conf = {
      'spark.dynamicAllocation.enabled': 'true',
      'spark.dynamicAllocation.minExecutors': '0',
      'spark.dynamicAllocation.initialExecutors': '2',
      'spark.dynamicAllocation.maxExecutors': '2',
      'spark.dynamicAllocation.executorIdleTimeout': '2s',
      'spark.dynamicAllocation.shuffleTracking.enabled': 'false',
    };
    await step('dynamic-allocation-removes-executors', async () => {
      const session = await spark(workers, dynamic);
      const first = await session.run('gated', { ...big, keep: 'dynamic' });
      await until('all executors gone', patienceMs, () => session.driver.executors().length === 0);
      const second = await session.run('readKept', { keep: 'dynamic' });
      assert.equal(second.answer, first.answer);
      assert.equal(mapTasks(second.stages), 0, 'maps ran again');
      assert.equal(retries(second.stages).length, 0);
    });

    await step('executors-decommissioned', async () => {
      const session = await spark(workers, { 'spark.decommission.enabled': 'true', 'spark.storage.decommission.enabled': 'true' });
      const first = await session.run('gated', { ...big, keep: 'decommission' });
      await session.driver.order({ do: 'executors', how: 'decommission' });
      const second = await session.run('readKept', { keep: 'decommission' });
      assert.equal(second.answer, first.answer);
      assert.equal(mapTasks(second.stages), 0, 'maps ran again');
      assert.equal(retries(second.stages).length, 0);
    });

    await step('executors-decommissioned-mid-stage', async () => {
      const session = await spark(workers, { 'spark.decommission.enabled': 'true', 'spark.storage.decommission.enabled': 'true' });
      const at = gates();
      const options = { ...big, reduces: '2' };
      const running = session.run('gated', { ...options, gates: at.folder });
      for (const name of ['reduce-0', 'reduce-1']) await at.reached(name);
      const leaving = session.driver.order({ do: 'executors', how: 'decommission' });
      await sleep(500);
      for (const name of ['reduce-0', 'reduce-1']) at.open(name);
      await leaving;
      const result = await running;
      await same(result, 'gated', options);
      assert.ok(mapTasks(result.stages) <= 8, 'maps ran again');
    });

    await step('two-applications-with-the-same-shuffle-ids', async () => {
      const others = [await driver(), await driver()];
      for (const one of others)
        await one.open({
          ...sluiceConf(workers),
          'spark.master': 'local-cluster[1,1,1024]',
          'spark.executor.memory': '1024m',
          'sluice.test.executors': '1',
        });
      const sizes = ['3000', '5000'];
      const answers = await Promise.all(others.map((one, i) => one.run('gated', { ...big, records: sizes[i]! })));
      for (const [i, result] of answers.entries()) await same(result, 'gated', { ...big, records: sizes[i]! });
      await Promise.all(others.map((one) => one.kill()));
    });
  },
};
