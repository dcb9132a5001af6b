/** What Spark's own pages show: the shuffle's metrics are fed, and the cluster's secret is nowhere. What a tiny shuffle costs in round trips. */
import assert from 'node:assert/strict';
import { type Group, total } from '../check.ts';

interface RestStage {
  readonly shuffleWriteBytes: number;
  readonly shuffleWriteRecords: number;
  readonly shuffleWriteTime: number;
  readonly shuffleReadBytes: number;
  readonly shuffleReadRecords: number;
  readonly shuffleFetchWaitTime: number;
}

export const metrics: Group = {
  name: 'metrics',
  about: "Spark's status store, its pages, and round trips of tiny shuffles",
  quick: true,
  everyVersion: false,
  async check({ settings, cluster, spark, step }) {
    const workers = await cluster();
    const conf = { 'spark.ui.enabled': 'true', 'spark.ui.port': '0' };
    await step('status-store', async () => {
      const { opened, run } = await spark(workers, conf);
      const records = 30_000;
      await run('groupByKey', { records: String(records) });
      const stages = (await (await fetch(`${opened.ui}/api/v1/applications/${opened.application}/stages`)).json()) as RestStage[];
      const sum = (key: keyof RestStage): number => stages.reduce((all, stage) => all + stage[key], 0);
      assert.equal(sum('shuffleWriteRecords'), 6 * records);
      assert.equal(sum('shuffleReadRecords'), 6 * records);
      assert.ok(sum('shuffleWriteBytes') > 1e6, 'bytes written');
      assert.equal(sum('shuffleReadBytes'), sum('shuffleWriteBytes'), 'what was written was read once');
      assert.ok(sum('shuffleWriteTime') > 0, 'write time');
      assert.ok(sum('shuffleFetchWaitTime') >= 0);
    });
    await step('fetch-wait', async () => {
      const { run } = await spark(workers, conf);
      // Reading 80 MB of noise cannot be done without waiting for it once.
      const { stages } = await run('bigRecords');
      assert.ok(total(stages, 'fetchWait') > 0, 'nobody waited for a fetch');
    });
    if (settings.own) return;
    await step('secret-is-not-shown', async () => {
      const { opened } = await spark(workers, conf);
      for (const page of ['environment/', 'api/v1/applications/', `api/v1/applications/${opened.application}/environment`, 'jobs/', 'stages/']) {
        const text = await (await fetch(`${opened.ui}/${page}`)).text();
        assert.ok(!text.includes(workers.secret), `the secret is on ${page}`);
      }
      assert.ok(!JSON.stringify(opened.conf).includes(workers.secret), 'the secret is in the settings');
    });
    await step('blocks-travel', async () => {
      const { run } = await spark(workers, conf);
      const before = await workers.metric('sluice_worker_bytes_received_total');
      const { stages } = await run('groupByKey');
      const received = (await workers.metric('sluice_worker_bytes_received_total')) - before;
      assert.ok(received >= total(stages, 'bytesWritten'), `${received} bytes came to the workers, ${total(stages, 'bytesWritten')} were written`);
    });
    await step('tiny-shuffles', async () => {
      const { run } = await spark(workers, conf);
      const maps = 16;
      await run('tiny', { partitions: String(maps) });
      const names = ['sluice_worker_frames_received_total', 'sluice_worker_connections_total'];
      const before = await Promise.all(names.map((name) => workers.metric(name)));
      await run('tiny', { partitions: String(maps) });
      const [frames, connections] = (await Promise.all(names.map((name) => workers.metric(name)))).map((value, i) => value - before[i]!) as [
        number,
        number,
      ];
      assert.equal(connections, 0, 'connections are kept between shuffles');
      assert.ok(frames <= 2 * maps, `${frames} frames for ${maps} maps on two workers: one each is enough`);
      return `${frames} frames for ${maps} maps`;
    });
  },
};
