/**
 * A job: a name, params, and a `build` that makes tables from a flow. `buildGraph` runs it and gives the plan as data; the
 * coordinator and every executor do that for themselves and compare digests, so nothing is serialised that a module
 * specifier can name. What runs the plan is elsewhere.
 */
import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { getCallSites } from 'node:util';
import { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox';
import { Errors } from 'typebox/schema';
import { SluiceError } from '#manager/protocol/errors.ts';
import { placed, placeOfError, withDeepStacks } from './graph/places.ts';
import type { Graph, Plan, RowFunction, UserFunction } from './graph/plan.ts';
import { Draft, type Flow, type Table } from './table.ts';

type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;
/** The params as `build` gets them: checked, with defaults, frozen to the bottom. */
export type Params<P extends TProperties> = Frozen<Static<TObject<P>>>;

/** What `build` may return: the table that `run().rows()` gives, or nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: a build without a return statement is a build
type Result<R> = Table<R> | void;

interface JobDefinition<P extends TProperties, R> {
  /** Names the job in progress, logs and messages. */
  readonly name: string;
  /** TypeBox properties: `{ minFlights: Type.Integer({ default: 2 }) }`. */
  readonly params?: P;
  /** Synchronous and pure: no clock, randomness, environment or files. It runs again in every executor. */
  build(flow: Flow, params: Params<P>): Result<R>;
}

const mark: unique symbol = Symbol.for('sluice.job');

/** A job, the default export of a job module. */
export interface Job<P extends TProperties, in out R> {
  readonly [mark]: true;
  readonly name: string;
  readonly params: P;
  /** file: URL of the module that called job(): executors load it for themselves. */
  readonly module: string;
  build(flow: Flow, params: Params<P>): Result<R>;
}
/** A job of whatever params and rows. */
export type AnyJob = Pick<Job<TProperties, never>, typeof mark | 'name' | 'params' | 'module'>;

/** Declares a job; `export default job({ ... })` makes a module one. */
export const job = <const P extends TProperties = Record<never, never>, R = never>(definition: JobDefinition<P, R>): Job<P, R> =>
  Object.freeze({
    [mark]: true as const,
    name: definition.name,
    params: definition.params ?? ({} as P),
    module: callerOf(getCallSites(3)),
    build: (flow: Flow, params: Params<P>) => definition.build(flow, params),
  });

/** The first frame that is not in the file of the first, which is this one or what it is bundled into. */
function callerOf(sites: readonly { readonly scriptName: string }[]): string {
  const name = sites.find(({ scriptName }) => scriptName !== sites[0]?.scriptName)?.scriptName ?? '';
  return name.startsWith('file:') || name === '' ? name : pathToFileURL(name).href;
}

/** Whether a module's default export is a job, of whichever copy of this package. */
export const isJob = (given: unknown): given is AnyJob => typeof given === 'object' && given !== null && mark in given;

/**
 * The params of a job from what was given (text from a command line, or values), with defaults filled in.
 * @throws PARAMS_INVALID with every fault at once
 */
export function readParams<P extends TProperties>(
  of: { readonly name: string; readonly params: P },
  given: Readonly<Record<string, unknown>>,
): Params<P> {
  const faults: string[] = [];
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(of.params, name)) faults.push(`there is no ${name}, only ${Object.keys(of.params).join(', ') || 'a job without params'}`);
  }
  const values: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(of.params)) {
    const value = given[name] === undefined ? (schema as { readonly default?: unknown }).default : fromText(schema, given[name]);
    if (value !== undefined) values[name] = value;
  }
  const [, errors] = Errors(Type.Object(of.params), values);
  for (const { instancePath, message, params } of errors) {
    const path = instancePath.slice(1).replaceAll('/', '.');
    const missing = (params as { readonly requiredProperties?: readonly string[] }).requiredProperties;
    if (missing === undefined) faults.push(`${path} ${message}`);
    else faults.push(...missing.map((name) => `${path === '' ? name : `${path}.${name}`} is missing`));
  }
  if (faults.length > 0) throw new SluiceError('PARAMS_INVALID', { what: faults.join('; '), faults });
  return deepFrozen(structuredClone(values)) as Params<P>;
}

/** Text as a value of the schema's type; what cannot be read stays text, and the check says so. */
function fromText(schema: TSchema, given: unknown): unknown {
  const { type } = schema as { readonly type?: string };
  if (typeof given !== 'string' || type === undefined || type === 'string') return given;
  if (type === 'boolean') return given === 'true' ? true : given === 'false' ? false : given;
  if (type === 'number' || type === 'integer') return /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(given) ? Number(given) : given;
  try {
    return JSON.parse(given);
  } catch {
    return given;
  }
}

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const each of Object.values(Object.freeze(value))) deepFrozen(each);
  return value;
}

/**
 * The graph of a job. Runs `build` twice, since what differs here would differ between processes too.
 * @param given  params as text or values; those that `readParams` gave are taken as they are
 * @throws PARAMS_INVALID, JOB_BUILD_ASYNC, BUILD_NOT_REPEATABLE, EXPRESSION_UNUSED, EXPRESSION_TYPE, COLUMN_UNKNOWN, COLUMN_CLASH,
 *         PLAN_UNSUPPORTED, and whatever `build` throws
 */
export function buildGraph(of: AnyJob, given: Readonly<Record<string, unknown>> = {}): Graph {
  const params = readParams(of, given);
  const first = build(of, params);
  const second = build(of, params);
  const node = firstDifference(first.plan, second.plan) ?? firstOtherFunction(allOf(first), allOf(second));
  if (node !== null) throw new SluiceError('BUILD_NOT_REPEATABLE', { node });
  return { ...first, digest: digestOf(first.plan, allOf(first)) };
}

function build(of: AnyJob, params: unknown): Omit<Graph, 'digest'> {
  try {
    return withDeepStacks(() => buildOnce(of, params, false));
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown;
    // An expression that is never used is found when all is built; once more, and each says where it is made.
    if (thrown.code === 'EXPRESSION_UNUSED') buildOnce(of, params, true);
    throw placed(thrown, placeOfError(thrown, of.module));
  }
}

function buildOnce(of: AnyJob, params: unknown, tracing: boolean): Omit<Graph, 'digest'> {
  const draft = new Draft(of.module, tracing);
  const result: unknown = (of as unknown as Job<TProperties, never>).build(draft, params as never);
  if (result instanceof Promise) {
    // Whatever it does is not waited for; its failure is not news.
    result.catch(() => {});
    throw new SluiceError('JOB_BUILD_ASYNC', { job: of.name });
  }
  return draft.finish(of.name, result);
}

/** JSON with the keys of every object in order, so that equal values have equal text. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, each) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : each,
  );

type AnyFunction = UserFunction | RowFunction;
const allOf = ({ functions, rowFunctions }: Omit<Graph, 'digest'>): readonly AnyFunction[] => [...functions, ...rowFunctions];
const textOf = ({ run, ...rest }: AnyFunction): string => canonical([rest, run.toString()]);

const digestOf = (plan: Plan, functions: readonly AnyFunction[]): string =>
  createHash('sha256').update(canonical(plan)).update(functions.map(textOf).join('\n')).digest('hex');

/** The uid of the first node in which two plans differ; null when they are the same. For BUILD_NOT_REPEATABLE and JOB_GRAPH_DIFFERS. */
export function firstDifference(a: Plan, b: Plan): string | null {
  for (let i = 0; i < Math.max(a.nodes.length, b.nodes.length); i++) {
    if (canonical(a.nodes[i] ?? null) !== canonical(b.nodes[i] ?? null)) return (a.nodes[i] ?? b.nodes[i])?.uid ?? null;
  }
  return a.name !== b.name ? 'the name' : a.result !== b.result ? 'the result' : null;
}

function firstOtherFunction(a: readonly AnyFunction[], b: readonly AnyFunction[]): string | null {
  const at = a.findIndex((each, i) => b[i] === undefined || textOf(each) !== textOf(b[i]));
  return at < 0 ? null : (a[at]?.uid ?? null);
}
