/**
 * `sluice peek`: what is in a file, before any job is written: its columns, how many rows, for each column nulls, least and
 * greatest value and about how many different ones, and the first rows. Reads the whole file in this process.
 */
import { callOf } from '../aggregate/table.ts';
import { type Batch, batchRows, columnTypeText, type Schema } from '../batch/batch.ts';
import { rowsOf } from '../batch/rows.ts';
import { slice } from '../batch/slice.ts';
import { BadLines } from '../connectors/bad-lines.ts';
import { type Inspected, inspectFile } from '../connectors/inspect.ts';
import { sourceOf } from '../connectors/table.ts';
import type { Aggregate } from '../expression/expression.ts';
import { columnRef } from '../expression/functions.ts';
import { createAggregate } from '../operators/aggregate.ts';
import { digits, table, valueText } from './table.ts';
import { count, readArgs, usage, type Verb } from './verb.ts';

const cellLength = 40;

export const verb: Verb = {
  help: `Usage: sluice peek FILE [--rows N]

Shows the columns of a Parquet, Arrow, CSV or NDJSON file (text packed by gzip or zstd or not), with the number of rows and, for each column,
its nulls, least and greatest value and about how many different values there are; then the first rows. All of it is read.
Types of CSV and NDJSON are guessed from the first 100,000 rows; a job declares its own: \`sluice types FILE\`.
Records that cannot be read are left out and told of on stderr.

  --rows N   first rows to show (5)

Example: sluice peek flights.parquet
`,
  async run(args) {
    const { values, positionals } = readArgs(args, { rows: { type: 'string' } });
    const [path, ...others] = positionals;
    if (path === undefined || others.length > 0) throw usage('sluice peek takes one file: sluice peek FILE');
    const shown = count('rows', values.rows, 0) ?? 5;
    const inspected = await inspectFile(path);
    const schema: Schema = inspected.columns.filter(({ readable }) => readable).map(({ name, type }) => ({ name, type, nullable: true }));
    const { rows, first, statistics, bad } = await read(inspected, schema, shown);
    const say = (text: string): void => void process.stdout.write(`${text}\n`);
    say(`${inspected.path}: ${digits(rows)} rows, ${inspected.columns.length} columns${guessed(inspected)}\n`);
    say(
      table(
        ['column', 'type', 'nulls', 'least', 'greatest', 'different', ''],
        inspected.columns.map(({ name, type, readable, note }) => {
          const of = (what: string): string => cell(statistics[`${what} ${name}`]);
          if (!readable) return [name, '', '', '', '', '', note];
          return [
            name,
            columnTypeText(type),
            digits(rows - Number(statistics[`count ${name}`] ?? 0)),
            of('min'),
            of('max'),
            `${cell(statistics[`different ${name}`])}`,
            note,
          ];
        }),
      ),
    );
    if (shown > 0 && first.length > 0) {
      say('');
      say(
        table(
          schema.map(({ name }) => name),
          first.map((row) => schema.map(({ name }) => cell(row[name]))),
        ),
      );
    }
    for (const line of bad.report()) process.stderr.write(`${line}\n`);
    return 0;
  },
};

const guessed = ({ guessedFrom }: Inspected): string => (guessedFrom === null ? '' : `; types are guessed from ${digits(guessedFrom)} rows`);

const cell = (value: unknown): string => {
  if (value === null || value === undefined) return '';
  const text = valueText(value).replaceAll(/[\r\n\t]/g, ' ');
  return text.length > cellLength ? `${text.slice(0, cellLength - 1)}…` : text;
};

type Row = Readonly<Record<string, unknown>>;

async function read(inspected: Inspected, schema: Schema, shown: number): Promise<{ rows: number; first: Row[]; statistics: Row; bad: BadLines }> {
  const aggregates = statisticsOf(schema);
  const operator = createAggregate(
    {
      kind: 'aggregate',
      uid: 'peek',
      input: 0,
      phase: 'complete',
      keys: [],
      aggregates,
      schema: aggregates.map(({ name, type, nullable }) => ({ name, type, nullable })),
    },
    schema,
    [],
  );
  const bad = new BadLines();
  const request = { source: inspected.source, schema, predicate: null, rejects: bad };
  const source = sourceOf(inspected.source);
  const first: Row[] = [];
  let rows = 0;
  for (const split of await source.plan(request)) {
    for await (const batch of source.read(request, split, { job: 'peek', task: 0, attempt: 0 })) {
      if (first.length < shown) first.push(...rowsOf(slice(batch, 0, Math.min(batch.length, batchRows, shown - first.length))));
      rows += batch.length;
      for (const _ of operator.process({ kind: 'batch', batch }, 0));
    }
  }
  let statistics: Row = {};
  for (const out of operator.process({ kind: 'end' }, 0)) if (out.kind === 'batch') statistics = onlyRow(out.batch);
  return { rows, first, statistics, bad };
}

const onlyRow = (batch: Batch): Row => rowsOf(batch).next().value ?? {};

function statisticsOf(schema: Schema): Aggregate[] {
  return schema.flatMap((field) => {
    const of = (what: string, fn: string): Aggregate[] => {
      try {
        return [{ name: `${what} ${field.name}`, ...callOf(fn, { argument: columnRef(field), filter: null }, true) }];
      } catch {
        // A type that has no order.
        return [];
      }
    };
    return [...of('count', 'count'), ...of('min', 'min'), ...of('max', 'max'), ...of('different', 'approxCountDistinct')];
  });
}
