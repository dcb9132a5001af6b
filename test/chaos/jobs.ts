/**
 * The two jobs that run in a loop, and what is right for each: the flights of the example, whose answer a run without faults gives,
 * and five stages over generated sales, whose answer is also computed here. What a job has published is told by a digest that
 * does not depend on the order in which rows were written, where the job does not say one.
 */
import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { Dice } from '../oracle/dice.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface ChaosJob {
  readonly name: string;
  /** Path of its module. */
  readonly module: string;
  readonly params: Readonly<Record<string, string>>;
  /** What is in its output folder when it is published, and nothing else. */
  readonly published: readonly string[];
  /** Of all that was published in `folder`. @throws when there is less than that */
  digest(folder: string): Promise<string>;
  /** As digest, computed without the product; null: only a run without faults can tell. */
  readonly right: string | null;
}

/** The rows of Parquet files as one value, in whatever order and in whichever files they are. */
async function digestOfParquet(pattern: string): Promise<string> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const duck = await instance.connect();
  try {
    const sql = `SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT) FROM read_parquet('${pattern}', hive_partitioning = true, hive_types_autocast = false) t`;
    return (await duck.runAndReadAll(sql)).getRows()[0]!.map(String).join('-');
  } finally {
    duck.closeSync();
    instance.closeSync();
  }
}
const digestOfText = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);

export const flights: ChaosJob = {
  name: 'flights',
  module: join(root, 'examples/flight-delays.ts'),
  params: {},
  published: ['delays.csv', 'routes'],
  async digest(folder) {
    if (globSync(join(folder, 'routes/*/*.parquet')).length === 0) return 'no routes';
    return `${digestOfText(readFileSync(join(folder, 'delays.csv'), 'utf8'))} ${await digestOfParquet(`${folder}/routes/*/*.parquet`)}`;
  },
  right: null,
};

const itemsOf = (rows: number): number => Math.ceil(rows / 12);
const stores = 40;
const rowGroups = 10;

/** Sales by the seed, in one Parquet file below `folder`, and the job over them. */
export function fiveStages(folder: string, seed: number, rows: number): ChaosJob {
  const dice = new Dice(seed, 1);
  const numbers = (below: number): Int32Array => Int32Array.from({ length: rows }, () => dice.below(below));
  const [item, store, cents] = [numbers(itemsOf(rows)), numbers(stores), numbers(100_000)];
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'sales.parquet');
  const columnData = Object.entries({ item, store, cents }).map(([name, data]) => ({ name, data, type: 'INT32' as const, nullable: false }));
  writeFileSync(path, new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: Math.ceil(rows / rowGroups) })));
  return {
    name: 'five-stages',
    module: join(root, 'test/fixtures/jobs/five-stages.ts'),
    params: { sales: path },
    published: ['stores.csv'],
    digest: async (to) => digestOfText(readFileSync(join(to, 'stores.csv'), 'utf8')),
    right: digestOfText(answer(item, store, cents)),
  };
}

/** The file that the job has to write. */
function answer(item: Int32Array, store: Int32Array, cents: Int32Array): string {
  const totals = new Map<number, { times: number; total: number }>();
  item.forEach((key, row) => {
    const one = totals.get(key) ?? { times: 0, total: 0 };
    totals.set(key, { times: one.times + 1, total: one.total + cents[row]! });
  });
  const groups = new Map<number, { sales: number; cents: number; most: number }>();
  item.forEach((key, row) => {
    const { times, total } = totals.get(key)!;
    const group = store[row]! * 1_000 + times;
    const one = groups.get(group) ?? { sales: 0, cents: 0, most: 0 };
    groups.set(group, { sales: one.sales + 1, cents: one.cents + cents[row]!, most: Math.max(one.most, total) });
  });
  const lines = [...groups]
    .sort(([a], [b]) => a - b)
    .map(([group, one]) => `${Math.floor(group / 1_000)},${group % 1_000},${one.sales},${one.cents},${one.most}`);
  return `store,times,sales,cents,most\n${lines.join('\n')}\n`;
}
