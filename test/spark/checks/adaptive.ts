/** Plans that adaptive execution changes while they run: each change is asserted from the plan that was carried out. */
import assert from 'node:assert/strict';
import { type Group, needsClassPath } from '../check.ts';
import type { Result } from '../driver.ts';

const plan = ({ facts }: Result): string => String(facts['plan']);

export const adaptive: Group = {
  name: 'adaptive',
  about: 'skewed joins that are split, coalesced partitions, ranges of maps, SQL types',
  quick: true,
  everyVersion: true,
  async check({ settings, cluster, spark, step }) {
    const workers = await cluster();
    await step('skew-split', async () => {
      const result = await (await spark(workers)).same('skewJoin');
      assert.match(plan(result), /SortMergeJoin\(skew=true\)/);
      assert.match(plan(result), /AQEShuffleRead (coalesced and )?skewed/);
    });
    if (!settings.whole) return;
    await step('skew-split-one-side-of-201', async () => {
      const result = await (await spark(workers)).same('skewJoin', { partitions: '201' });
      assert.match(plan(result), /SortMergeJoin\(skew=true\)/);
    });
    await step('coalesced', async () => {
      const result = await (await spark(workers)).same('coalesced');
      assert.match(plan(result), /AQEShuffleRead coalesced/);
    });
    await step('map-ranges', async () => {
      const result = await (await spark(workers)).same('localReader');
      assert.match(plan(result), /AQEShuffleRead local/);
      assert.match(plan(result), /BroadcastHashJoin/);
    });
    await step('local-reader-is-off', async () => {
      if (settings.own) return;
      const { opened } = await spark(workers);
      assert.equal(opened.conf['spark.sql.adaptive.localShuffleReader.enabled'], 'false');
    });
    await step('rebalance', async () => {
      const result = await (await spark(workers)).same('rebalance');
      assert.match(plan(result), /AQEShuffleRead (coalesced and )?skewed/);
    });
    for (const job of ['types', 'windows', 'globalSort', 'roundRobin', 'bigStrings', 'scalar'])
      await step(job, async () => {
        await (await spark(workers)).same(job);
      });
    if (!needsClassPath(settings.version))
      await step('columns-by-kryo', async () => {
        await (
          await spark(workers, { 'spark.serializer': 'org.apache.spark.serializer.KryoSerializer', 'spark.io.encryption.enabled': 'true' })
        ).same('types');
      });
  },
};
