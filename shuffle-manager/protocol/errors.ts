/**
 * Every error Sluice raises, in one table: what the caller should do about it (the remedy), how HTTP says it, its
 * number on the data plane (never reused), and its sentence. docs/ERRORS.md is compared with this table by a test.
 * A programmer's mistake is an assertion, not a row here.
 */
import { type Static, Type } from 'typebox';

/**
 * retry: the same request, later · refresh: ask the manager for the layout again · recompute: data is lost, run those
 * map tasks again · superseded: another attempt won, stop quietly, as a success · fail: tell the user.
 */
export type Remedy = 'retry' | 'refresh' | 'recompute' | 'superseded' | 'fail';

interface Row {
  readonly remedy: Remedy;
  readonly status: number;
  /** Number on the data plane, 0 when it never travels there. */
  readonly wire: number;
  /** `{name}` is filled from the facts. */
  readonly text: string;
}
const row = (remedy: Remedy, status: number, wire: number, text: string): Row => ({ remedy, status, wire, text });

export const errors = {
  // data plane
  UNAUTHORIZED: row(
    'fail',
    401,
    1,
    'The token is missing, wrong, expired or for another job ({what}): pass the token of this cluster with --token-file or SLUICE_TOKEN',
  ),
  IDENTITY_MISMATCH: row('fail', 409, 2, 'A block does not belong to its stream: {what}'),
  CORRUPT_FRAME: row('retry', 400, 3, 'A frame failed its check: {what}'),
  CORRUPT_BLOCK: row('recompute', 500, 4, 'A block failed its hash: {what}'),
  ATTEMPT_SUPERSEDED: row('superseded', 409, 5, 'Another attempt of map {map} committed first'),
  WRONG_INCARNATION: row('refresh', 409, 6, 'The worker has restarted: {what}'),
  LAYOUT_MOVED: row('refresh', 409, 0, 'The layout of shuffle {shuffle} has moved on: {what}'),
  NO_SPACE: row('retry', 507, 7, 'No space is left: {what}; free space, or give another data folder'),
  INCOMPLETE: row('recompute', 409, 8, 'What arrived is not what the manifest states: {what}'),
  MISSING: row('recompute', 410, 9, 'Committed blocks are lost: shuffle {shuffle}, maps {maps} ({what})'),
  SHUFFLE_UNKNOWN: row('fail', 404, 10, 'Shuffle {shuffle} is unknown to this cluster'),
  SHUFFLE_RELEASED: row('fail', 410, 11, 'Shuffle {shuffle} has been released'),
  LEDGER_UNAVAILABLE: row('retry', 503, 12, 'The manager cannot be reached for the ledger: {what}'),
  QUOTA_EXCEEDED: row(
    'fail',
    507,
    14,
    'The quota is exceeded: {what}; let the job release shuffles, cancel it, or raise jobQuotaBytes of the manager',
  ),
  FENCED: row('fail', 409, 13, 'A newer {what} has taken over'),
  CONNECTION_LOST: row('retry', 503, 0, 'The connection was lost: {what}'),
  // control plane
  REQUEST_INVALID: row('fail', 400, 0, 'The request is not valid: {what}'),
  VERSION_UNSUPPORTED: row('fail', 426, 0, 'The other side speaks protocol version {theirs}, this one {ours}: run the same release on both'),
  CLUSTER_UNREACHABLE: row('fail', 503, 0, 'No manager answers at {url}: start one with `sluice up`, or check the URL'),
  NO_WORKERS: row('fail', 503, 0, 'The cluster has no shuffle worker: start one with `sluice worker`, or run with --shuffle local'),
  NO_EXECUTORS: row('fail', 503, 0, 'The cluster has no executor: start one with `sluice executor`'),
  WORKER_UNKNOWN: row('fail', 404, 0, 'There is no worker {worker} in this cluster: `sluice status` shows who is there'),
  WORKER_REFUSED: row('fail', 403, 0, 'The manager refused this process: {what}'),
  JOB_UNKNOWN: row('fail', 404, 0, 'Job {job} is unknown to this cluster: it was closed or cancelled, or its lease has expired'),
  JOB_NOT_RESUMABLE: row('fail', 409, 0, 'Job {job} cannot be resumed: {what}'),
  JOURNAL_CORRUPT: row(
    'fail',
    500,
    0,
    'The journal {path} is corrupt at byte {offset}: restore it from a copy, or move it away to start a new cluster',
  ),
  PORT_IN_USE: row('fail', 500, 0, 'Port {port} on {host} is in use: choose another, or 0 for any'),
  BIND_REFUSED: row('fail', 500, 0, 'Refusing to listen on {host} without a secret given by name: set secretFile'),
  DISK_FAILED: row('fail', 500, 0, 'The disk failed: {what}'),
  CONFIG_INVALID: row('fail', 500, 0, 'The configuration is not valid: {what}'),
  NODE_TOO_OLD: row('fail', 500, 0, 'Node {version} is too old: install Node 24 or newer'),
  PLATFORM_UNSUPPORTED: row('fail', 500, 0, 'This platform is not supported: {what}'),
  USAGE: row('fail', 400, 0, '{what}'),
  INTERRUPTED: row('fail', 499, 0, 'Interrupted'),
  // job modules and plans
  JOB_MODULE_INVALID: row('fail', 400, 0, 'The job module {path} cannot be used: {what}'),
  JOB_BUILD_ASYNC: row('fail', 400, 0, 'build of job {job} returns a promise: build must be synchronous and read nothing but its params'),
  JOB_GRAPH_DIFFERS: row(
    'fail',
    409,
    0,
    'An executor built another graph than the coordinator, first at {node}: build must depend on its params only, and both must load the same files',
  ),
  BUILD_NOT_REPEATABLE: row(
    'fail',
    400,
    0,
    'build gives another graph the second time, first at {node}: no clock, randomness, environment or files inside build',
  ),
  PARAMS_INVALID: row('fail', 400, 0, 'The params are not valid: {what}'),
  COLUMN_UNKNOWN: row('fail', 400, 0, 'There is no column {column} in {where}; it has {columns}'),
  COLUMN_CLASH: row('fail', 400, 0, 'Both sides have a column {column}: give the join a prefix'),
  EXPRESSION_TYPE: row('fail', 400, 0, '{what}'),
  EXPRESSION_UNUSED: row('fail', 400, 0, 'An expression is made but never used ({what}): && and || do not work on expressions, use .and() and .or()'),
  SCHEMA_DIFFERS: row('fail', 400, 0, 'SCHEMA {where}: declared {declared}, file has {found} ({path})'),
  PLAN_UNSUPPORTED: row('fail', 400, 0, '{what}'),
  // data
  FILE_MISSING: row('fail', 404, 0, 'No file matches {path}'),
  FILE_CORRUPT: row('fail', 422, 0, '{path} cannot be read: {what}'),
  CSV_INVALID: row('fail', 422, 0, '{path}:{line}:{column}: {what}; fix the file, or give the source `rejects`'),
  JSON_INVALID: row('fail', 422, 0, '{path}:{line}:{column}: {what}; fix the file, or give the source `rejects`'),
  NULL_IN_COLUMN: row('fail', 422, 0, 'Column {column} has a null in {path}, row {row}: declare it .nullable()'),
  VALUE_OUT_OF_RANGE: row('fail', 422, 0, '{what}'),
  DIVISION_BY_ZERO: row('fail', 422, 0, 'Division by zero in {what}'),
  FUNCTION_THREW: row('fail', 422, 0, 'The function of {node} threw on row {row}: {what}'),
  ROW_TYPE: row('fail', 422, 0, '{node}: {what}'),
  OUTPUT_NOT_EMPTY: row('fail', 409, 0, 'The output {path} is not empty: remove it, or write with overwrite: true'),
  OUTPUT_FAILED: row('fail', 500, 0, 'The output {path} cannot be written: {what}'),
  MEMORY_EXCEEDED: row('fail', 507, 0, 'The memory budget of {budgetBytes} bytes is exceeded by {what}'),
  EXECUTOR_LOST: row('retry', 503, 0, 'Executor {executor} is lost: {what}'),
  LEASE_ENDED: row('retry', 503, 0, 'The slots of lease {lease} go to another job, or their executor leaves: the task runs elsewhere'),
  TASK_FAILED: row('fail', 500, 0, 'Task {task} failed {attempts} times, last: {what}'),
  JOB_FAILED: row('fail', 500, 0, 'The job failed: {what}'),
  INTERNAL: row('fail', 500, 0, 'Internal error: {what}'),
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof errors;
export type Facts = Readonly<Record<string, unknown>>;

/**
 * The one error class. `facts` fill the sentence and travel with it; `maps` (when present) are the map tasks concerned, `at` is
 * the place in the user's file that it stands before the sentence for.
 */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly facts: Facts;

  constructor(code: ErrorCode, facts: Facts = {}, options: { cause?: unknown } = {}) {
    super(`${typeof facts['at'] === 'string' ? `${facts['at']}: ` : ''}${fill(errors[code].text, facts)}`, options);
    this.name = 'SluiceError';
    this.code = code;
    this.facts = facts;
  }

  get remedy(): Remedy {
    return errors[this.code].remedy;
  }
}

const fill = (text: string, facts: Facts): string =>
  text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = facts[name];
    return Array.isArray(value) ? shortList(value) : String(value ?? '?');
  });

const shortList = (values: readonly unknown[]): string =>
  values.length <= 20 ? values.join(', ') : `${values.slice(0, 20).join(', ')} and ${values.length - 20} more`;

/** Any thrown value as a SluiceError; what is not one becomes INTERNAL and keeps its cause. */
export function asSluiceError(thrown: unknown): SluiceError {
  if (thrown instanceof SluiceError) return thrown;
  return new SluiceError('INTERNAL', { what: thrown instanceof Error ? thrown.message : String(thrown) }, { cause: thrown });
}

/** How an error travels in JSON: in an HTTP answer, a task's end, an event. */
export const ErrorJson = Type.Object({ code: Type.String(), message: Type.String(), facts: Type.Record(Type.String(), Type.Unknown()) });
export type ErrorJson = Static<typeof ErrorJson>;

export const toJson = (error: SluiceError): ErrorJson => ({ code: error.code, message: error.message, facts: { ...error.facts } });

/** The error a peer sent, with its code and facts; an unknown code becomes INTERNAL with the peer's words. */
export function fromJson(json: ErrorJson): SluiceError {
  return json.code in errors ? new SluiceError(json.code as ErrorCode, json.facts) : new SluiceError('INTERNAL', { what: json.message });
}

const byWire = new Map(
  Object.entries(errors)
    .filter(([, r]) => r.wire > 0)
    .map(([code, r]) => [r.wire, code as ErrorCode]),
);
export const codeOfWire = (wire: number): ErrorCode => byWire.get(wire) ?? 'INTERNAL';
