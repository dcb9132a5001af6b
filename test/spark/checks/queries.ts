/** TPC-H: every query answers what it answers on Spark's own shuffle, however it is cut and planned. */

import { type Group, query } from '../check.ts';
import type { Conf } from '../driver.ts';

const every = Array.from({ length: 22 }, (_, i) => i + 1);
interface Row {
  readonly adaptive: boolean;
  readonly partitions: number;
  readonly broadcast: boolean;
  readonly queries: readonly number[];
}
const whole: Row[] = [
  { adaptive: true, partitions: 16, broadcast: true, queries: every },
  { adaptive: true, partitions: 1, broadcast: true, queries: every },
  { adaptive: true, partitions: 200, broadcast: true, queries: every },
  { adaptive: false, partitions: 16, broadcast: false, queries: every },
  { adaptive: false, partitions: 1, broadcast: true, queries: every },
  { adaptive: false, partitions: 200, broadcast: true, queries: every },
];
/** Those with the largest shuffles, and a different plan. */
const quick: Row[] = [
  { adaptive: true, partitions: 16, broadcast: true, queries: [1, 3, 5, 9, 13, 16, 18, 21] },
  { adaptive: false, partitions: 200, broadcast: true, queries: [3, 21] },
  { adaptive: false, partitions: 16, broadcast: false, queries: [5, 18] },
];
const other: Row[] = [
  { adaptive: true, partitions: 16, broadcast: true, queries: [1, 3, 21] },
  { adaptive: false, partitions: 200, broadcast: false, queries: [1, 3, 21] },
];

export const queries: Group = {
  name: 'queries',
  about: 'TPC-H, adaptive or not, with 1, 16 and 200 partitions',
  quick: true,
  everyVersion: true,
  async check({ settings, cluster, spark, step }) {
    const workers = await cluster();
    const rows = !settings.whole ? other : settings.quick ? quick : whole;
    for (const { adaptive, partitions, broadcast, queries: numbers } of rows) {
      const conf: Conf = {
        'spark.sql.adaptive.enabled': String(adaptive),
        'spark.sql.shuffle.partitions': String(partitions),
        ...(broadcast ? {} : { 'spark.sql.autoBroadcastJoinThreshold': '-1' }),
      };
      const where = `${adaptive ? 'adaptive' : 'fixed'}-${partitions}${broadcast ? '' : '-merge'}`;
      for (const number of numbers)
        await step(`${where}/q${number}`, async () => {
          const session = await spark(workers);
          await session.same('query', { ...query(settings, number), ...conf });
        });
    }
  },
};
