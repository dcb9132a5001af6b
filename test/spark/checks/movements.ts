/** Every way in which Spark moves, groups, combines and orders records, under each serialiser, codec and with encryption. */
import assert from 'node:assert/strict';
import { type Group, total } from '../check.ts';
import type { Conf } from '../driver.ts';

const kryo = { 'spark.serializer': 'org.apache.spark.serializer.KryoSerializer', 'spark.kryoserializer.buffer.max': '256m' };
const core = ['groupByKey', 'cogroup', 'sortByKey', 'repartition', 'distinct', 'reduceByKey', 'combineLate', 'zeroBlocks', 'orderedKeys'];
const rest = ['join', 'sortWithin', 'nullKeys', 'subtract', 'sameTwice', 'manyMaps', 'chain', 'takeFew', 'empty', 'bigRecords'];

interface Row {
  readonly name: string;
  readonly conf: Conf;
  readonly jobs: readonly string[];
  readonly quick: boolean;
}
const rows: Row[] = [
  { name: 'java', conf: {}, jobs: [...core, ...rest, 'hugeRecord'], quick: true },
  { name: 'kryo-zstd', conf: { ...kryo, 'spark.io.compression.codec': 'zstd' }, jobs: [...core, ...rest], quick: false },
  {
    name: 'kryo-encrypted',
    conf: { ...kryo, 'spark.io.encryption.enabled': 'true' },
    jobs: [...core, 'bigRecords', 'nullKeys', 'sortWithin'],
    quick: true,
  },
  {
    name: 'java-encrypted-snappy',
    conf: { 'spark.io.encryption.enabled': 'true', 'spark.io.compression.codec': 'snappy' },
    jobs: core,
    quick: false,
  },
  { name: 'java-raw', conf: { 'spark.shuffle.compress': 'false' }, jobs: [...core, 'bigRecords'], quick: false },
  {
    name: 'kryo-raw-encrypted',
    conf: { ...kryo, 'spark.shuffle.compress': 'false', 'spark.io.encryption.enabled': 'true' },
    jobs: ['groupByKey', 'cogroup', 'zeroBlocks'],
    quick: false,
  },
  { name: 'lzf', conf: { ...kryo, 'spark.io.compression.codec': 'lzf' }, jobs: ['groupByKey', 'sortByKey'], quick: false },
];

export const movements: Group = {
  name: 'movements',
  about: 'RDD operations under both serialisers, four codecs and encryption',
  quick: true,
  everyVersion: false,
  async check({ settings, cluster, spark, step }) {
    const workers = await cluster();
    for (const { name, conf, jobs, quick } of rows) {
      if (settings.quick && !quick) continue;
      for (const job of jobs)
        await step(`${name}/${job}`, async () => {
          const session = await spark(workers, conf);
          const { stages, facts } = await session.same(job);
          assert.equal(total(stages, 'bad'), 0, `tasks failed: ${JSON.stringify(stages)}`);
          if (job === 'repartition') assert.ok(Number(facts['smallest']) > 0, 'a partition of a round robin is empty');
          if (job === 'sameTwice')
            assert.equal(
              total(
                stages.filter((stage) => (stage.bytesWritten ?? 0) > 0),
                'done',
              ),
              5,
              'maps ran more than once',
            );
        });
    }
    // Both sides spill: the writer when its memory is used up, the reader's maps and sorters as well.
    const small: Conf = { 'spark.shuffle.spill.numElementsForceSpillThreshold': '4000' };
    for (const job of ['groupByKey', 'sortByKey', 'cogroup', 'reduceByKey'])
      await step(`spilling/${job}`, async () => {
        const session = await spark(workers, small);
        const { stages } = await session.same(job);
        assert.ok(total(stages, 'spilled') > 0, 'nothing was spilled');
      });
    await step('memory/little', async () => {
      // 30 MB of records a map through a few MB of execution memory.
      const session = await spark(workers, { 'spark.testing.memory': String(48 << 20), 'spark.testing.reservedMemory': '0' });
      await session.same('groupByKey', { records: '200000' });
    });
  },
};
