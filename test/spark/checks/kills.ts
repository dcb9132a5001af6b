/** TPC-H in a loop while workers (and now and then an executor) are killed at random: every answer is right. SEED repeats the choices. */
import assert from 'node:assert/strict';
import { assertSame, type Group, query } from '../check.ts';
import type { Member } from '../cluster.ts';
import { sleep } from '../processes.ts';

/** Mulberry32: the same numbers on every machine. */
function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Those that shuffle most, joins merged so that each has several. */
const numbers = [3, 5, 9, 10, 13, 18, 21];

export const kills: Group = {
  name: 'kills',
  about: '20 random kills of workers and executors in a loop of TPC-H',
  quick: false,
  everyVersion: false,
  async check({ settings, cluster, spark, step }) {
    if (settings.own) return;
    await step(`twenty-with-seed-${settings.seed}`, async () => {
      const random = dice(settings.seed);
      const workers = await cluster({ workers: 3 });
      // So many losses in so short a time are not what the limits of a stage and of executors are made for.
      const limits = { 'spark.stage.maxConsecutiveAttempts': '20', 'spark.deploy.maxExecutorRetries': '-1', 'spark.task.maxFailures': '20' };
      const session = await spark(workers, { ...limits, 'spark.sql.autoBroadcastJoinThreshold': '-1', 'spark.sql.shuffle.partitions': '8' });
      let killed = 0;
      let asked = 0;
      let again = 0;
      let stop = false;
      const failures: string[] = [];
      const killing = (async () => {
        while (killed < 20 && !stop) {
          await sleep(200 + random() * 2500);
          if (stop) return;
          if (random() < 0.15) {
            const pids = session.driver.executors();
            if (pids.length === 2) process.kill(pids[Math.floor(random() * 2)]!, 'SIGKILL');
          } else {
            const victim: Member = workers.workers[Math.floor(random() * 3)]!;
            await victim.kill('SIGKILL');
            // Sometimes it is back before anybody has noticed, sometimes others have taken over.
            await sleep(random() * 1500);
            await victim.restart();
          }
          killed++;
        }
      })();
      killing.catch((error: Error) => failures.push(`killing: ${error.message}`));
      while (failures.length === 0 && (killed < 20 || asked < numbers.length)) {
        const number = numbers[asked++ % numbers.length]!;
        const options = query(settings, number);
        const expected = await settings.answers.of('query', options);
        try {
          const result = await session.run('query', options);
          assertSame(result, expected, `query ${number} after ${killed} kills`);
          again += result.stages.filter(({ attempt }) => attempt > 0).length;
        } catch (error) {
          failures.push(`query ${number} after ${killed} kills: ${(error as Error).message}`);
        }
        settings.tell(`kills: ${killed} of 20, ${asked} queries, ${again} stage attempts again`);
      }
      stop = true;
      await killing;
      assert.deepEqual(failures, []);
      assert.ok(again > 0, 'no kill has cost anything: it proves nothing');
      return `${killed} kills, ${asked} queries, ${again} stage attempts again, 0 wrong`;
    });
  },
};
