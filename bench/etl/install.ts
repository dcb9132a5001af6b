/**
 * Puts what `npm run bench -- etl` compares with under .cache/: DuckDB and Polars by pip, Spark and TPC-H as the Spark tests have them, the
 * flights of vega-datasets. Each step may be run again.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cache, defaultSpark, installLineitemCsv, installSpark, installTools, installTpch, once, run } from '../../test/spark/install.ts';

/** Exact, with what they need that is not Python's own. */
const packages = ['duckdb==2.0.0', 'polars==2.1.0', 'polars-runtime-32==2.1.0'];

export interface Installed {
  /** A folder for PYTHONPATH with DuckDB and Polars. */
  readonly python: string;
  /** A SPARK_HOME; null when Spark is not asked for. */
  readonly spark: string | null;
  /** Where each table lies. */
  readonly data: Readonly<Record<string, string>>;
}

export const tables = ['region', 'nation', 'supplier', 'customer', 'part', 'partsupp', 'orders', 'lineitem'] as const;

export async function installPeers(scale: number, withSpark: boolean): Promise<Installed> {
  await installTools();
  const python = await once(join(cache, 'python', packages.join('+').replaceAll('==', '-')), async (folder) => {
    process.stderr.write(`install: ${packages.join(' ')} by pip\n`);
    await run('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', folder, ...packages], { quiet: true });
  });
  const [tpch, csv] = [await installTpch(scale), await installLineitemCsv(scale)];
  const flights = fileURLToPath(new URL('../data/flights-3m.parquet', import.meta.resolve('vega-datasets')));
  return {
    python,
    spark: withSpark ? await installSpark(defaultSpark) : null,
    data: {
      ...Object.fromEntries(tables.map((table) => [table, join(tpch, `${table}.parquet`)])),
      lineitem_csv: join(csv, 'lineitem.csv'),
      flights,
    },
  };
}
