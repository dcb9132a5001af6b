/** How the program says what went wrong: one line on stderr, and the exit code that belongs to the error. */
import { asSluiceError, type ErrorCode } from '#manager/protocol/errors.ts';

/** What the user can mend without looking at the cluster. */
const badUsage: ReadonlySet<ErrorCode> = new Set([
  'USAGE',
  'CONFIG_INVALID',
  'PARAMS_INVALID',
  'JOB_MODULE_INVALID',
  'JOB_BUILD_ASYNC',
  'BUILD_NOT_REPEATABLE',
  'EXPRESSION_TYPE',
  'EXPRESSION_UNUSED',
  'COLUMN_UNKNOWN',
  'COLUMN_CLASH',
  'PLAN_UNSUPPORTED',
  'NODE_TOO_OLD',
  'PLATFORM_UNSUPPORTED',
]);

/** Says it on stderr, with its code; answers the exit code. */
export function fail(thrown: unknown): number {
  const error = asSluiceError(thrown);
  process.stderr.write(`error ${error.code}: ${error.message}\n`);
  if (error.code === 'INTERNAL' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack}\n`);
  if (error.code === 'INTERRUPTED') return 130;
  return badUsage.has(error.code) ? 2 : 1;
}
