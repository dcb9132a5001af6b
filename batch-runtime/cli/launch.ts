/**
 * Runs a job for `sluice run`: for people with progress, the table by stage and the rows, for programs as NDJSON events; or
 * shows its plan. Called by run.ts, which has checked the command line.
 */
import { asSluiceError, toJson } from '#manager/protocol/errors.ts';
import type { PlainValue } from '../batch/rows.ts';
import { graphOf, loadJob } from '../execute/job-module.ts';
import { explain } from '../graph/explain.ts';
import type { AnyJob, Job } from '../job.ts';
import type { Run, RunOptions } from '../run.ts';
import type { JobEvent } from '../schedule/events.ts';
import { planJob } from '../schedule/planning.ts';
import { moduleToResume, submit } from '../submit.ts';
import { createProgress } from './progress.ts';
import { csvLine, digits, size, table, valueText } from './table.ts';

const rowsShown = 100;

/** @returns the exit code */
export async function explainJob({ module = '', params = {}, optimize = true, sample }: RunOptions): Promise<number> {
  const { plan, stages } = await planJob(graphOf(await loadJob(module), params, module), process.cwd(), {
    optimized: optimize,
    sample: sample ?? null,
  });
  process.stdout.write(`${explain(plan, stages)}\n`);
  return 0;
}

/** @returns the exit code. @throws what the job failed with */
export async function launch(options: RunOptions, json: boolean): Promise<number> {
  const job = await loadJob(options.module ?? (await moduleToResume(options)));
  return json ? runForPrograms(job, options) : runForPeople(job, options);
}

type Row = Readonly<Record<string, unknown>>;
const start = (job: AnyJob, options: RunOptions): Promise<Run<Row>> => submit(job as unknown as Job<Record<never, never>, Row>, options);

async function runForPeople(job: AnyJob, options: RunOptions): Promise<number> {
  const view = createProgress(process.stderr);
  if (options.sample !== undefined) process.stderr.write(`sample: the first ${options.sample} rows of each source, and nothing is written\n`);
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

const cell = (value: unknown): string | null => (value === null || value === undefined ? null : valueText(value));

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

/** int64, dates and timestamps as text; in lists and structs too. */
const plain = (row: Row): Readonly<Record<string, PlainValue>> =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainOf(value)]));

function plainOf(value: unknown): PlainValue {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(plainOf);
  const isStruct = typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype;
  return isStruct ? Object.fromEntries(Object.entries(value).map(([name, of]) => [name, plainOf(of)])) : String(value);
}
