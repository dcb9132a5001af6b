/**
 * `npm run test:tpch`: the 22 queries of examples/tpch in every way a job can run, against the answers DuckDB gave (digests.json): with 1, 7 and 64
 * partitions, optimised and not, shuffles in memory and in workers, and with little memory. The last line is JSON, exit 0 if all are equal.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { asSluiceError } from '#manager/protocol/errors.ts';
import { MiB } from '#manager/protocol/ids.ts';
import { startEmbedded } from '#runtime/embedded.ts';
import type { RunOptions } from '#runtime/run.ts';
import { installTpch } from '../spark/install.ts';
import { digestOf, duckdbAnswers, queries, sluiceAnswer } from './answers.ts';

const { values } = parseArgs({
  options: {
    sf: { type: 'string', default: '1' },
    only: { type: 'string', default: queries.join(',') },
    partitions: { type: 'string', default: '1,7,64' },
    /** little: in workers, with 64 MiB for each executor. */
    shuffle: { type: 'string', default: 'memory,remote,little' },
    optimize: { type: 'string', default: 'yes,no' },
    'show-differences': { type: 'boolean', default: false },
  },
});
const scale = Number(values.sf);
const digests = (JSON.parse(readFileSync(new URL('./digests.json', import.meta.url), 'utf8')) as Record<string, Record<string, string>>)[
  `sf${scale}`
];
const data = await installTpch(scale);
const only = values.only.split(',');
const wrong: string[] = [];
let runs = 0;

async function all(title: string, options: RunOptions): Promise<void> {
  for (const name of only) {
    const startedAt = performance.now();
    runs++;
    try {
      const answer = await sluiceAnswer(name, data, scale, options);
      const ms = performance.now() - startedAt;
      const isRight = digestOf(answer) === digests?.[name];
      if (!isRight) wrong.push(`${name}, ${title}`);
      console.error(`${isRight ? 'right' : 'WRONG'} ${name} ${title}: ${answer.length} rows in ${ms.toFixed(0)} ms`);
      if (!isRight && values['show-differences']) {
        const wanted = (await duckdbAnswers(data, scale)).get(name) ?? [];
        for (let i = 0, shown = 0; i < Math.max(wanted.length, answer.length) && shown < 5; i++)
          if (wanted[i] !== answer[i]) {
            console.error(`  row ${i}: ${answer[i]}\n  DuckDB: ${wanted[i]}`);
            shown++;
          }
      }
    } catch (thrown) {
      wrong.push(`${name}, ${title}`);
      console.error(`FAILED ${name} ${title}: ${asSluiceError(thrown).code}: ${asSluiceError(thrown).message}`);
    }
  }
}

const ways = values.optimize.split(',').flatMap((yes) =>
  values.partitions.split(',').map((text) => ({
    options: { partitions: Number(text), optimize: yes === 'yes' },
    title: `${text} partitions${yes === 'yes' ? '' : ', not optimized'}`,
  })),
);
if (values.shuffle.includes('memory'))
  for (const { options, title } of ways) await all(`memory, ${title}`, { ...options, shuffle: 'memory', memoryBudgetBytes: 2 * 1024 ** 3 });
const died = (name: string, how: string): void => console.error(`${name} has died (${how})`);
async function onCluster(title: string, memoryBudgetBytes: number | null, of: typeof ways): Promise<void> {
  const memory = memoryBudgetBytes === null ? {} : { memoryBudgetBytes };
  const cluster = await startEmbedded({ workers: 2, executors: 2, dataDir: null, port: 0, died, ...memory });
  try {
    for (const way of of) await all(`${title}, ${way.title}`, { ...way.options, cluster: cluster.url, token: cluster.secret });
  } finally {
    await cluster.close(false);
  }
}
if (values.shuffle.includes('remote')) await onCluster('remote', null, ways);
if (values.shuffle.includes('little')) await onCluster('remote with 64 MiB an executor', 64 * MiB, ways);
console.log(JSON.stringify({ runs, wrong }));
process.exit(wrong.length === 0 ? 0 : 1);
