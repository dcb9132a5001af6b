/**
 * The digest by which two engines are found to agree on a result, whatever order its rows have: how many, and sum and xor of a number
 * per row, the first 8 bytes of the SHA-256 of its fields as text. Numbers with a fraction count to 4 places, half up. Of a folder of Parquet
 * or of canonical text, which DuckDB reads. Not part of any time that is measured.
 */
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** @param sortedBy  columns by which the rows, in the order of their files' names, must be sorted; answers whether they are */
export async function digestOf(folder: string, sortedBy: readonly string[]): Promise<{ digest: string; sorted: boolean }> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const duck = await instance.connect();
  try {
    const text = join(folder, 'rows.tsv');
    if (existsSync(text)) {
      const lines = `(SELECT column0 AS line FROM read_csv(${quoted(text)}, delim = chr(1), quote = '', escape = '', header = false, all_varchar = true, columns = {'column0': 'VARCHAR'}))`;
      return { digest: await numbersOf(duck, lines), sorted: true };
    }
    const files = globSync('**/*.parquet', { cwd: folder }).map((file) => join(folder, file));
    const source = `read_parquet([${files.toSorted().map(quoted).join(', ')}])`;
    const columns = (await duck.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`)).getRows();
    const fields = columns.map(([name, type]) => {
      const column = `"${String(name)}"`;
      const value = /^(DECIMAL|DOUBLE|FLOAT)/.test(String(type))
        ? `rtrim(rtrim(cast(cast(${column} AS DECIMAL(38,4)) AS VARCHAR), '0'), '.')`
        : `cast(${column} AS VARCHAR)`;
      return `coalesce(${value}, '\\N')`;
    });
    const digest = await numbersOf(duck, `(SELECT concat_ws(chr(9), ${fields.join(', ')}) AS line FROM ${source})`);
    if (sortedBy.length === 0) return { digest, sorted: true };
    const key = `row(${sortedBy.join(', ')})`;
    await duck.run('SET preserve_insertion_order = true');
    const wrong = await duck.runAndReadAll(
      `SELECT count(*) FROM (SELECT ${key} AS k, lag(${key}) OVER (ORDER BY filename, file_row_number) AS p
        FROM read_parquet([${files.toSorted().map(quoted).join(', ')}], filename = true, file_row_number = true)) WHERE p > k`,
    );
    return { digest, sorted: Number(wrong.getRows()[0]?.[0]) === 0 };
  } finally {
    duck.closeSync();
    instance.closeSync();
  }
}

async function numbersOf(duck: DuckDBConnection, lines: string): Promise<string> {
  const answer = await duck.runAndReadAll(
    `SELECT count(*), sum(h) % 18446744073709551616::HUGEINT, bit_xor(h)
      FROM (SELECT ('0x' || substr(sha256(line), 1, 16))::UBIGINT AS h FROM ${lines})`,
  );
  const [rows, sum, xor] = answer.getRows()[0] ?? [];
  const hex = (value: unknown): string =>
    BigInt((value as bigint | null) ?? 0n)
      .toString(16)
      .padStart(16, '0');
  return `${String(rows)}:${hex(sum)}:${hex(xor)}`;
}
