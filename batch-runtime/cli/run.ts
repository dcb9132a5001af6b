/** `sluice run`: runs a job module, embedded or on a cluster, and shows progress, the table by stage and the rows. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { asSluiceError, SluiceError, toJson } from '#manager/protocol/errors.ts';
import { loadJob } from '../execute/job-module.ts';
import { explain } from '../graph/explain.ts';
import { type AnyJob, buildGraph, type Job } from '../job.ts';
import { type Run, type RunOptions, run } from '../run.ts';
import type { JobEvent } from '../schedule/events.ts';
import { planJob } from '../schedule/planning.ts';
import { credentialFor } from './credentials.ts';
import { createProgress } from './progress.ts';
import { csvLine, digits, size, table } from './table.ts';
import { count, interruption, readArgs, usage, type Verb } from './verb.ts';

const rowsShown = 100;

export const verb: Verb = {
  help: `Usage: sluice run JOB.ts [options]

Runs the job that is the default export of JOB.ts (or .js). Without --cluster it starts a cluster for the job and stops it.

  --param k=v       a param of the job; may stand several times
  --shuffle WHERE   remote (default), local (files shared by the executors of this machine) or memory (this process only)
  --executors N     of the embedded cluster (2)
  --workers N       shuffle workers of the embedded cluster (2)
  --cluster URL     run on a cluster, such as one of \`sluice up\`
  --token-file F    its token or secret; else SLUICE_TOKEN, else what \`sluice up\` left for this user
  --json            events as NDJSON on stdout, and nothing else
  --explain         print the plan, do not run

Exit codes: 0 done, 1 failed, 2 bad usage or bad job module, 130 interrupted.

Example: sluice run examples/flight-delays.ts --param out=result
`,
  async run(args) {
    const { values, positionals } = readArgs(args, {
      param: { type: 'string', multiple: true },
      shuffle: { type: 'string', default: 'remote' },
      executors: { type: 'string' },
      workers: { type: 'string' },
      cluster: { type: 'string' },
      'token-file': { type: 'string' },
      json: { type: 'boolean', default: false },
      explain: { type: 'boolean', default: false },
    });
    const [path, ...others] = positionals;
    if (path === undefined || others.length > 0) throw usage('sluice run takes one job module: sluice run JOB.ts');
    const shuffle = values.shuffle as NonNullable<RunOptions['shuffle']>;
    if (!['memory', 'local', 'remote'].includes(shuffle)) throw usage(`--shuffle is memory, local or remote, not '${shuffle}'`);
    const executors = count('executors', values.executors, 1);
    const workers = count('workers', values.workers, 0);
    if (shuffle !== 'remote' && values.cluster !== undefined)
      throw usage(`--shuffle ${shuffle} and --cluster do not go together: a cluster keeps shuffles in its workers`);
    if (shuffle === 'memory' && executors !== undefined && executors > 1)
      throw usage('--shuffle memory has one executor, in this process: leave --executors out');
    if (values.cluster !== undefined && (executors ?? workers) !== undefined)
      throw usage('--executors and --workers are for an embedded cluster: leave them out with --cluster');
    const module = resolve(path);
    if (!existsSync(module)) throw new SluiceError('JOB_MODULE_INVALID', { path: module, what: 'there is no such file' });
    const url = pathToFileURL(module).href;
    const params = readParams(values.param ?? []);
    const job = await loadJob(url);
    if (values.explain) {
      const { plan, stages } = await planJob(buildGraph(job, params), process.cwd());
      process.stdout.write(`${explain(plan, stages)}\n`);
      return 0;
    }
    const cluster =
      values.cluster === undefined ? {} : (({ url: at, token }) => ({ cluster: at, token }))(credentialFor(values.cluster, values['token-file']));
    const options: RunOptions = {
      params,
      shuffle,
      module: url,
      signal: interruption(),
      ...cluster,
      ...(executors === undefined ? {} : { executors }),
      ...(workers === undefined ? {} : { workers }),
    };
    return values.json ? runForPrograms(job, options) : runForPeople(job, options);
  },
};

function readParams(given: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const one of given) {
    const at = one.indexOf('=');
    if (at <= 0) throw usage(`--param takes name=value, not '${one}'`);
    params[one.slice(0, at)] = one.slice(at + 1);
  }
  return params;
}

type Row = Readonly<Record<string, unknown>>;
const start = (job: AnyJob, options: RunOptions): Promise<Run<Row>> => run(job as unknown as Job<Record<never, never>, Row>, options);

async function runForPeople(job: AnyJob, options: RunOptions): Promise<number> {
  const view = createProgress(process.stderr);
  let running: Run<Row> | null = null;
  try {
    running = await start(job, { ...options, onEvent: (event) => view.take(event) });
    const rows: Row[] = [];
    if (running.schema !== null) {
      for await (const row of running.rows()) {
        rows.push(row);
        if (rows.length > rowsShown) break;
      }
    }
    const report = await running.done();
    view.end();
    process.stderr.write(`${view.stages()}\n\n`);
    if (running.schema !== null)
      showRows(
        running.schema.map(({ name }) => name),
        rows,
      );
    process.stderr.write(
      `\ndone in ${(report.ms / 1000).toFixed(2)} s: ${digits(report.rows)} rows, ${size(report.bytesShuffled)} shuffled, ${report.tasks} tasks (${report.tasksRerun} run again), result hash ${report.resultHash}\n`,
    );
    return 0;
  } catch (thrown) {
    view.end();
    throw thrown;
  } finally {
    await running?.close();
    if (running?.logs != null) process.stderr.write(`the logs of its processes are kept in ${running.logs}\n`);
  }
}

function showRows(names: readonly string[], rows: readonly Row[]): void {
  const shown = rows.slice(0, rowsShown);
  const cells = shown.map((row) => names.map((name) => cell(row[name])));
  if (process.stdout.isTTY === true) {
    process.stdout.write(
      `${table(
        names,
        cells.map((row) => row.map((one) => one ?? '')),
      )}\n`,
    );
    if (rows.length > rowsShown) process.stdout.write(`(the first ${rowsShown} rows; write them to a sink to have them all)\n`);
  } else process.stdout.write(`${[csvLine(names), ...cells.map(csvLine)].join('\n')}\n`);
}

const cell = (value: unknown): string | null => (value === null || value === undefined ? null : String(value));

/** Rows come before the event `done`, which is the last line. */
async function runForPrograms(job: AnyJob, options: RunOptions): Promise<number> {
  const write = (event: JobEvent): void => {
    process.stdout.write(`${JSON.stringify(event)}\n`);
  };
  let last: JobEvent | null = null;
  let said = false;
  const onEvent = (event: JobEvent): void => {
    if (event.type === 'done') last = event;
    else {
      said ||= event.type === 'error';
      write(event);
    }
  };
  const startedAt = performance.now();
  const at = (): { at: number; job: string } => ({ at: Math.round(performance.now() - startedAt), job: job.name });
  let running: Run<Row> | null = null;
  try {
    running = await start(job, { ...options, onEvent });
    if (running.schema !== null) for await (const row of running.rows()) write({ ...at(), type: 'row', row: plain(row) });
    await running.done();
    if (last !== null) write(last);
    return 0;
  } catch (thrown) {
    // The job tells its own failure, though perhaps after its rows have.
    await running?.close();
    if (!said) write({ ...at(), type: 'error', error: toJson(asSluiceError(thrown)) });
    throw thrown;
  } finally {
    await running?.close();
  }
}

/** int64, dates and timestamps as text. */
const plain = (row: Row): Readonly<Record<string, string | number | boolean | null>> =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value === null || typeof value === 'number' || typeof value === 'boolean' ? value : String(value),
    ]),
  );
