/**
 * Jobs over more rows than the memory of their executors holds: `npm run bench -- beyond-memory`. It makes the rows, compressed on disk, sorts
 * and joins them (or, with --zipf, groups and joins skewed ones) in executors with a small budget, and checks what comes out. It fails
 * when that is wrong, and when an executor's resident memory passes its budget by more than 200 MB at any time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from 'sluice';
import { MiB } from '#manager/protocol/ids.ts';
import { mergeDigests } from '#runtime/batch/digest.ts';
import { sourceOf } from '#runtime/connectors/table.ts';
import { startEmbedded } from '#runtime/embedded.ts';
import { permutation, rowBytes, schema, textBytes, writeRows, zipf } from './beyond-memory/data.ts';
import job from './beyond-memory/jobs.ts';
import { type Finding, type Flags, runProgram } from './harness.ts';
import { cpuSecondsOf, peakMegabytesOf } from './processes.ts';

const flagTable = {
  gigabytes: { default: 1, sentence: 'of rows in memory, over both sides of the join' },
  budget: { default: 64, sentence: 'MiB of each executor' },
  executors: { default: 2, sentence: 'executors; each has one partition of each exchange, unless --partitions says more' },
  partitions: { default: 0, sentence: 'partitions of each exchange; 0: as many as executors' },
  zipf: { default: 0, sentence: "exponent of Zipf's law for keys: a group-by and a join instead of the sort and the join" },
  only: { default: '', sentence: 'sort, join or group; empty: both' },
  folder: { default: '', sentence: 'where the data goes; empty: the folder for temporary files' },
} as const;

const keys = ['gigabytes', 'rows', 'budgetMB', 'sort', 'join', 'group', 'worstOverBudgetMB'];

/** What an executor may have resident beyond its budget. */
const besidesMegabytes = 200;
const distinctKeysMost = 1_000_000;

/** @returns the exit code */
export const beyondMemory = (argv: readonly string[]): Promise<number> =>
  runProgram('npm run bench -- beyond-memory', argv, flagTable, keys, measure);

interface Totals {
  readonly rows: number;
  readonly n: number;
  readonly ids: number;
  readonly pairs: number;
  readonly lengths: number;
}

const round = (value: number): number => Number(value.toFixed(1));

async function measure(flags: Flags<typeof flagTable>): Promise<Finding> {
  const folder = mkdtempSync(join(flags.folder === '' ? tmpdir() : flags.folder, 'sluice-beyond-'));
  const paths = { left: join(folder, 'left'), right: join(folder, 'right'), out: join(folder, 'out') };
  const perSide = Math.floor((flags.gigabytes * 1e9) / rowBytes / 2);
  const partitions = flags.partitions > 0 ? flags.partitions : flags.executors;
  const wanted = (flags.only === '' ? (flags.zipf > 0 ? ['group', 'join'] : ['sort', 'join']) : [flags.only]) as ('sort' | 'join' | 'group')[];
  try {
    // With a law, the right side, from which a join builds, is the skewed one.
    const count = flags.zipf > 0 ? 2 * perSide : perSide;
    const one = flags.zipf > 0 ? { of: (id: number) => id, inverse: (key: number) => key } : permutation(perSide, 48_271, 11);
    const distinctKeys = Math.min(distinctKeysMost, perSide);
    const leftRows = flags.zipf > 0 ? distinctKeys : perSide;
    const rightKey = flags.zipf > 0 ? zipf(distinctKeys, flags.zipf) : permutation(perSide, 69_621, 5).of;
    const startedAt = performance.now();
    const say = (side: string, rows: number) => (done: number) =>
      process.stderr.write(`\r${side}: ${done.toLocaleString('en')} of ${rows.toLocaleString('en')} rows`);
    const digests = [
      await writeRows(paths.left, leftRows, one.of, say('left', leftRows)),
      await writeRows(paths.right, count, rightKey, say('right', count)),
    ] as const;
    process.stderr.write(`\nmade in ${round((performance.now() - startedAt) / 1000)} s\n`);

    let right = true;
    const figures: Record<string, unknown> = {};
    let worst = Number.NEGATIVE_INFINITY;
    for (const what of wanted) {
      const budgetBytes = flags.budget * MiB;
      const died = (name: string, how: string): void => {
        right = false;
        console.error(`${name} has died: ${how}`);
      };
      const cluster = await startEmbedded({
        workers: 2,
        executors: flags.executors,
        dataDir: join(folder, `cluster-${what}`),
        port: 0,
        memoryBudgetBytes: budgetBytes,
        died,
      });
      try {
        // The sort is over both sides, as two folders of one; the group-by over the skewed one.
        const left = what === 'sort' ? join(folder, '{left,right}', '*.parquet') : what === 'group' ? paths.right : paths.left;
        const began = performance.now();
        const running = await run(job, {
          cluster: cluster.url,
          token: cluster.secret,
          partitions,
          params: { what, left, right: paths.right, out: paths.out },
        });
        let isRight: boolean;
        try {
          const rows: Totals[] = [];
          if (what !== 'sort') for await (const found of running.rows()) rows.push(found as unknown as Totals);
          const report = await running.done();
          if (what === 'sort')
            isRight = same(report.resultHash.split('-').slice(-3), mergeDigests(...digests)) && (await isSorted(paths.out, leftRows + count));
          else
            isRight =
              JSON.stringify(rows[0]) ===
              JSON.stringify(what === 'join' ? joinTotals(count, rightKey, one.inverse) : groupTotals(count, rightKey, distinctKeys));
          if (!isRight) console.error(`${what}: ${JSON.stringify(rows)} ${report.resultHash}`);
        } finally {
          await running.close();
        }
        const seconds = (performance.now() - began) / 1000;
        const executors = cluster.pids.filter(({ name }) => name.startsWith('executor'));
        const peaks = executors.map(({ pid }) => peakMegabytesOf(pid) ?? Number.POSITIVE_INFINITY);
        const cpu = cluster.pids.reduce((sum, { pid }) => sum + (cpuSecondsOf(pid) ?? 0), 0);
        const over = Math.max(...peaks) - budgetBytes / 1e6;
        worst = Math.max(worst, over);
        right &&= isRight && over <= besidesMegabytes;
        figures[what] = { right: isRight, seconds: round(seconds), cpuSeconds: round(cpu), executorPeakMB: peaks.map(round) };
        console.error(`${what}: ${JSON.stringify(figures[what])}`);
      } finally {
        await cluster.close(false);
        rmSync(join(folder, `cluster-${what}`), { recursive: true, force: true });
        rmSync(paths.out, { recursive: true, force: true });
      }
    }
    const rows = leftRows + count;
    return {
      right,
      result: { gigabytes: flags.gigabytes, rows, budgetMB: round((flags.budget * MiB) / 1e6), ...figures, worstOverBudgetMB: round(worst) },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const same = (given: readonly string[], { rows, sum, xor }: ReturnType<typeof mergeDigests>): boolean => given.join('-') === `${rows}-${sum}-${xor}`;

/** Each right row meets the one left row of its key. */
function joinTotals(rightRows: number, keyOf: (id: number) => number, idOf: (key: number) => number): Totals {
  let [n, ids, pairs] = [0, 0, 0];
  for (let id = 0; id < rightRows; id++) {
    const left = idOf(keyOf(id));
    n += left;
    ids += id;
    pairs += (left % 1009) * (id % 1009);
  }
  return { rows: rightRows, n, ids, pairs, lengths: 2 * textBytes * rightRows };
}

function groupTotals(rows: number, keyOf: (id: number) => number, distinctKeys: number): Totals {
  const seen = new Uint8Array(distinctKeys);
  const sums = new Float64Array(distinctKeys);
  for (let id = 0; id < rows; id++) {
    const key = keyOf(id);
    seen[key] = 1;
    sums[key]! += id;
  }
  let [groups, ids, pairs] = [0, 0, 0];
  for (let key = 0; key < distinctKeys; key++) {
    if (seen[key] === 0) continue;
    groups++;
    ids += sums[key]!;
    pairs += (sums[key]! % 1009) * (key % 1009);
  }
  return { rows: groups, n: rows, ids, pairs, lengths: textBytes * groups };
}

/** Whether the files, in the order of their names, are in order of (key, id) throughout, and hold so many rows. */
async function isSorted(path: string, rows: number): Promise<boolean> {
  const request = { source: { connector: 'parquet', path }, schema: schema.slice(0, 2), predicate: null };
  const source = sourceOf(request.source);
  let count = 0;
  let [lastKey, lastId] = [-1, -1];
  for (const split of await source.plan(request)) {
    for await (const { columns, length } of source.read(request, split, { job: 'check', task: 0, attempt: 0 })) {
      const [ids, keysOf] = columns.map(({ data }) => data as Int32Array) as [Int32Array, Int32Array];
      for (let i = 0; i < length; i++) {
        const key = keysOf[2 * i + 1]! * 4_294_967_296 + (keysOf[2 * i]! >>> 0);
        const id = ids[2 * i + 1]! * 4_294_967_296 + (ids[2 * i]! >>> 0);
        if (key < lastKey || (key === lastKey && id < lastId)) return false;
        [lastKey, lastId] = [key, id];
      }
      count += length;
    }
  }
  return count === rows;
}
