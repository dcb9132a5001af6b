/**
 * Where in the job's file a verb stands, so that an error found later (a column that is not in the file, a division by zero in
 * row 7,000,000) can say it as a compiler would: `jobs/late.ts:12:34`. Kept beside the plan by the uid of the node, outside of
 * its digest: a line that moves makes no other job. Nothing here reads a file.
 */
import { isAbsolute, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getCallSites } from 'node:util';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';

/** By uid of a node: file, line and column of its verb. */
export type Places = Readonly<Record<string, string>>;

/** Frames that are looked through: verbs in steps of one's own, in loops, in functions. */
const framesMax = 60;

/** The file as one would type it here. */
const pathText = (path: string): string => {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') || isAbsolute(near) ? path : near;
};

/** The place in `module` from which this is called. @param module  a file: URL, or '' when there is none */
export function placeOfCall(module: string): string | null {
  if (!module.startsWith('file:')) return null;
  const path = fileURLToPath(module);
  const site = getCallSites(framesMax).find(({ scriptName }) => scriptName === module || scriptName === path);
  return site === undefined ? null : `${pathText(path)}:${site.lineNumber}:${site.columnNumber}`;
}

/** The place in `module` that an error was thrown through. */
export function placeOfError(error: Error, module: string): string | null {
  if (!module.startsWith('file:')) return null;
  const path = fileURLToPath(module);
  for (const line of (error.stack ?? '').split('\n')) {
    if (!/^\s+at /.test(line)) continue;
    const found = /:(\d+):(\d+)\)?$/.exec(line);
    if (found !== null && (line.includes(`${module}:`) || line.includes(`${path}:`))) return `${pathText(path)}:${found[1]}:${found[2]}`;
  }
  return null;
}

/** Runs `work` with stacks deep enough for `placeOfError`. */
export function withDeepStacks<T>(work: () => T): T {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = framesMax;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = before;
  }
}

/** The error with a place before its words; one that has a place keeps it. */
export function placed(thrown: unknown, place: string | null | undefined): unknown {
  if (!(thrown instanceof SluiceError) || place == null || thrown.facts['at'] !== undefined) return thrown;
  const error = new SluiceError(thrown.code, { ...thrown.facts, at: place }, { cause: thrown.cause });
  if (thrown.stack !== undefined) error.stack = thrown.stack.replace(thrown.message, () => error.message);
  return error;
}

/** What the data or the job are to blame for, and so a verb. */
const ofTheJob: ReadonlySet<ErrorCode> = new Set([
  'FILE_MISSING',
  'FILE_CORRUPT',
  'CSV_INVALID',
  'JSON_INVALID',
  'SCHEMA_DIFFERS',
  'PLAN_UNSUPPORTED',
  'NULL_IN_COLUMN',
  'VALUE_OUT_OF_RANGE',
  'DIVISION_BY_ZERO',
  'FUNCTION_THREW',
  'ROW_TYPE',
  'OUTPUT_NOT_EMPTY',
  'MEMORY_EXCEEDED',
]);

/** The error with the verb of this node and its place, if it is one the job can be blamed for. */
export function placedAt(thrown: unknown, places: Places, uid: string): unknown {
  if (!(thrown instanceof SluiceError) || !ofTheJob.has(thrown.code)) return thrown;
  // Rules and stages name what they make of a node after it: `derive-3.columns`.
  const own = uid.split('.')[0] ?? uid;
  const place = places[own];
  return place === undefined ? thrown : placed(thrown, `${place} (${own.replace(/-\d+$/, '')})`);
}
