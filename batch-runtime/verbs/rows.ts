/**
 * The verbs that run a function of the user's over rows: map, flatMap, filterRows and deriveRows. Here are their types and the
 * making of their node; how functions are called is operators/rows.ts. What a function gives is declared first, as a schema:
 * the types of columns cannot be found in a function's text, and guessing from first rows is dishonest.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Field, Schema } from '../batch/batch.ts';
import { durationMicros } from '../fluent/duration.ts';
import type { Duration } from '../fluent/expr.ts';
import type { RowCalls, RowFunction } from '../graph/plan.ts';
import { fieldsOf, type SchemaShape } from '../schema.ts';

/** What a function gets beside the row. */
export interface RowCall {
  /** Aborted when the call has taken longer than its timeout, or the job ends: hand it to `fetch`. */
  readonly signal: AbortSignal;
}

/** A function over rows, synchronous or not. The row is read by its names: `({ line }) => ...`, `row => row.line`. */
export type RowFunctionOf<R, T> = (row: Readonly<R>, call: RowCall) => T | Promise<T>;

/** How a row function is called. All but `deterministic` speak of functions that give promises. */
export interface RowOptions {
  /** Calls that may wait at the same time, in each task. Default 16. */
  readonly concurrency?: number;
  /** Rows leave in the order they came. Default true; false lets a slow row hold up fewer others. */
  readonly ordered?: boolean;
  /** A call that takes longer fails the job, and its signal is aborted. Default: none. */
  readonly timeout?: Duration;
  /** False: the same row may give something else another time (a service, a clock). What is lost of such a table is made anew as a whole. */
  readonly deterministic?: boolean;
}

const defaultConcurrency = 16;

export interface RowsNode extends RowCalls {
  readonly kind: 'rows';
  readonly input: number;
  readonly schema: Schema;
}

/**
 * @param shape  what the function gives; null for filterRows
 * @throws PLAN_UNSUPPORTED, EXPRESSION_TYPE when the arguments are none, as JavaScript may give
 */
export function rowsNode(
  verb: RowCalls['verb'],
  uid: string,
  from: { readonly id: number; readonly fields: Schema },
  shape: unknown,
  run: unknown,
  options: RowOptions,
  slotOf: (run: RowFunction['run']) => number,
): RowsNode {
  const refuse = (what: string): never => {
    throw new SluiceError('PLAN_UNSUPPORTED', { what: `${uid}: ${what}` });
  };
  if (shape !== null && (typeof shape !== 'object' || shape === undefined))
    refuse(`the columns that the function gives come first: ${verb}({ name: utf8() }, row => ...)`);
  if (typeof run !== 'function') return refuse(`${typeof run} is not a function`);
  const given = shape === null ? [] : fieldsOf(shape as SchemaShape);
  if (given.some(({ type }) => type === undefined)) refuse('the columns that the function gives are declared by types: { name: utf8() }');
  if (verb !== 'filterRows' && given.length === 0) refuse('the function gives no column');
  const { concurrency = defaultConcurrency, ordered = true, timeout, deterministic = true } = options;
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) refuse(`concurrency is a whole number from 1, not ${String(concurrency)}`);
  const timeoutMs = timeout === undefined ? 0 : durationMicros(timeout) / 1000;
  if (timeout !== undefined && !(timeoutMs > 0)) refuse(`timeout is longer than nothing, not ${timeout}`);
  return {
    kind: 'rows',
    input: from.id,
    verb,
    slot: slotOf(run as RowFunction['run']),
    gives: given.map(({ name }) => name),
    concurrency,
    ordered,
    timeoutMs,
    deterministic,
    schema: verb === 'filterRows' ? from.fields : verb === 'deriveRows' ? put(from.fields, given) : given,
  };
}

/** The fields, with these added or in the place of those of their name. */
const put = (fields: Schema, given: Schema): Schema => [
  ...fields.map((field): Field => given.find(({ name }) => name === field.name) ?? field),
  ...given.filter(({ name }) => !fields.some((field) => field.name === name)),
];
