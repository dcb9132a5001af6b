/**
 * Loads a job module and finds its job, with an error that says where the module is wrong. The coordinator and every
 * executor load it for themselves; nothing of it is ever serialised.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Graph } from '../graph/plan.ts';
import { type AnyJob, buildGraph, isJob } from '../job.ts';

/**
 * @param url  a file: URL
 * @throws JOB_MODULE_INVALID when there is no such file, it does not compile or run, or has no job as its default export
 */
export async function loadJob(url: string): Promise<AnyJob> {
  const path = fileURLToPath(url);
  if (!existsSync(path)) throw new SluiceError('JOB_MODULE_INVALID', { path, what: 'there is no such file' });
  let module: { readonly default?: unknown };
  try {
    module = (await import(url)) as { readonly default?: unknown };
  } catch (thrown) {
    if (thrown instanceof SluiceError) throw thrown;
    throw new SluiceError('JOB_MODULE_INVALID', { path, what: whereAndWhy(thrown, path) }, { cause: thrown });
  }
  if (!isJob(module.default)) throw new SluiceError('JOB_MODULE_INVALID', { path, what: 'it exports no job: write `export default job({ ... })`' });
  return module.default;
}

/**
 * The graph that a module's job builds with these params.
 * @param url  the module's; '' when it has none, as in a REPL
 * @throws what buildGraph does · JOB_MODULE_INVALID with the line when `build` throws something of its own
 */
export function graphOf(job: AnyJob, params: Readonly<Record<string, unknown>>, url: string): Graph {
  try {
    return buildGraph(job, params);
  } catch (thrown) {
    if (thrown instanceof SluiceError) throw thrown;
    const path = url === '' ? job.name : fileURLToPath(url);
    throw new SluiceError('JOB_MODULE_INVALID', { path, what: `build threw: ${whereAndWhy(thrown, path)}` }, { cause: thrown });
  }
}

/** What was thrown, with the place in the user's own file where there is one. */
export function whereAndWhy(thrown: unknown, path: string): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = thrown.stack ?? '';
  // A file that does not compile has its place in the first line of the stack; one that throws, in the first frame of its own.
  const place = stack.split('\n').find((line) => line.includes(path));
  const line = place === undefined ? null : /:(\d+)(?::\d+)?\)?\s*$/.exec(place)?.[1];
  return line == null ? `${thrown.name}: ${thrown.message}` : `line ${line}: ${thrown.name}: ${thrown.message}`;
}
