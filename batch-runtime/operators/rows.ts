/**
 * Runs a user's function over each row: map, flatMap, filterRows, deriveRows. A function that gives promises is called for
 * several rows at a time, across batches, up to its bound; what leaves is whole batches again, in the order they came or, if
 * that is not wanted, as soon as all rows of one are there. What a function gives is checked against the declared columns.
 * Slow by nature: an object per row and, where it waits, a promise. Made by execute/task.ts.
 */
import type { Clock, Timer } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, batchRows, type Field, type Schema } from '../batch/batch.ts';
import { type BatchBuilder, createBatchBuilder } from '../batch/builder.ts';
import { makeBatch } from '../batch/column.ts';
import { cursorOf } from '../batch/cursor.ts';
import { appendRowValue, propertyOf } from '../batch/rows.ts';
import { take } from '../batch/take.ts';
import type { Element } from '../element.ts';
import { functionThrew } from '../expression/udf.ts';
import type { RowCalls, RowFunction } from '../graph/plan.ts';
import type { AsyncOperator } from './operator.ts';

/** Batches that may wait for their last rows. In order, one slow row holds up no more than these. */
const pendingMax = 4;

/** A batch whose rows are being worked out. */
interface Pending {
  readonly batch: Batch;
  /** By row, what the function gave. */
  readonly given: unknown[];
  /** Counted from the first row of the task. */
  readonly firstRow: number;
  left: number;
}

/** What a function gets beside the row. The signal is made when it is asked for. */
class Call {
  #abort: AbortController | null = null;
  #reason: unknown = null;
  timer: Timer | null = null;

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#reason !== null) this.#abort.abort(this.#reason);
    return this.#abort.signal;
  }

  abort(reason: unknown): void {
    this.#reason ??= reason;
    this.#abort?.abort(this.#reason);
  }
}

export interface RowsSpec extends RowCalls {
  readonly uid: string;
  readonly schema: Schema;
}

/**
 * @param signal  aborted: what is waited for is called off, and `process` throws INTERRUPTED
 * @throws FUNCTION_THREW, ROW_TYPE, NULL_IN_COLUMN from `process`
 * Memory: up to five batches of input and what the function gave for their rows.
 */
export function createRows(spec: RowsSpec, inputSchema: Schema, functions: readonly RowFunction[], clock: Clock, signal: AbortSignal): AsyncOperator {
  const fn = functions[spec.slot]!;
  const run = fn.run as unknown as (row: object, call: Call) => unknown;
  const rowsIn = cursorOf(inputSchema);
  const emit = emitterOf(spec, inputSchema, fn);
  const pending: Pending[] = [];
  const calls = new Set<Call>();
  let seen = 0;
  let failed: { readonly error: unknown } | null = null;
  let changed: PromiseWithResolvers<void> | null = null;

  const change = (): void => {
    changed?.resolve();
    changed = null;
  };
  const fail = (error: unknown): void => {
    failed ??= { error };
    for (const call of calls) call.abort(error);
    change();
  };
  const interrupted = (): void => fail(new SluiceError('INTERRUPTED'));
  if (signal.aborted) interrupted();
  else signal.addEventListener('abort', interrupted, { once: true });
  const check = (): void => {
    if (failed !== null) throw failed.error;
  };
  /** Until a call has ended. */
  const wait = async (): Promise<void> => {
    changed ??= Promise.withResolvers();
    await changed.promise;
    check();
  };

  const start = (of: Pending, row: object, i: number): void => {
    const call = new Call();
    let given: unknown;
    try {
      given = run(row, call);
    } catch (thrown) {
      functionThrew(fn, of.firstRow + i, thrown);
    }
    if (!isPromise(given)) {
      of.given[i] = given;
      of.left--;
      return;
    }
    calls.add(call);
    const ended = (): boolean => {
      call.timer?.cancel();
      return calls.delete(call);
    };
    given.then(
      (value) => {
        if (!ended()) return;
        of.given[i] = value;
        of.left--;
        change();
      },
      (thrown) => {
        if (ended()) failWith(of, i, thrown);
      },
    );
    if (spec.timeoutMs > 0) {
      call.timer = clock.after(spec.timeoutMs, () => {
        ended();
        const late = new DOMException(`it took longer than ${spec.timeoutMs} ms`, 'TimeoutError');
        call.abort(late);
        failWith(of, i, late);
      });
    }
  };
  const failWith = (of: Pending, i: number, thrown: unknown): void => {
    try {
      functionThrew(fn, of.firstRow + i, thrown);
    } catch (error) {
      fail(error);
    }
  };

  /** What is whole, and may leave now. */
  function* ready(): Generator<Element> {
    for (let at = 0; at < pending.length; ) {
      const one = pending[at]!;
      if (one.left === 0) {
        pending.splice(at, 1);
        for (const batch of emit(one)) yield { kind: 'batch', batch };
      } else if (spec.ordered) return;
      else at++;
    }
  }

  const isReady = (): boolean => (spec.ordered ? pending[0]?.left === 0 : pending.some(({ left }) => left === 0));
  /** Gives what may leave, and waits for calls to end, until there is room. A call may end while what was given is being read. */
  async function* until(room: () => boolean): AsyncGenerator<Element> {
    for (;;) {
      yield* ready();
      check();
      if (room()) return;
      if (!isReady()) await wait();
    }
  }

  async function* process(element: Element): AsyncGenerator<Element> {
    check();
    if (element.kind === 'batch') {
      const { batch } = element;
      const one: Pending = { batch, given: Array.from({ length: batch.length }), firstRow: seen, left: batch.length };
      seen += batch.length;
      pending.push(one);
      const rowAt = rowsIn(batch);
      for (let i = 0; i < batch.length; i++) {
        if (calls.size >= spec.concurrency) yield* until(() => calls.size < spec.concurrency);
        start(one, rowAt(i), i);
      }
      yield* until(() => pending.length <= pendingMax);
      return;
    }
    yield* until(() => pending.length === 0);
    if (element.kind === 'end') signal.removeEventListener('abort', interrupted);
    yield element;
  }

  return { process, abort: interrupted };
}

const isPromise = (given: unknown): given is PromiseLike<unknown> =>
  typeof given === 'object' && given !== null && typeof (given as { then?: unknown }).then === 'function';

type Emitter = (of: Pending) => Iterable<Batch>;

/** How batches are made of what the function gave. */
function emitterOf(spec: RowsSpec, inputSchema: Schema, fn: RowFunction): Emitter {
  const { uid, verb, schema } = spec;
  if (verb === 'filterRows') return filterer(uid, schema);
  const declared = schema.filter(({ name }) => spec.gives.includes(name));
  const builder = createBatchBuilder(declared);
  const put = (given: unknown, row: number): void => {
    if (typeof given !== 'object' || given === null) throw mistyped(uid, row, `${described(given)}, not a row`);
    for (const [c, field] of declared.entries()) putValue(uid, builder, c, field, given as Record<string, unknown>, row);
  };
  if (verb === 'flatMap') return flattener(spec, fn, builder, put);
  if (verb === 'map') {
    return function* ({ batch, given, firstRow }) {
      for (let i = 0; i < given.length; i++) put(given[i], firstRow + i);
      yield makeBatch(schema, batch.length, builder.finish().columns);
    };
  }
  const places = schema.map(({ name }) => inputSchema.findIndex((field) => field.name === name));
  return function* ({ batch, given, firstRow }) {
    for (let i = 0; i < given.length; i++) put(given[i], firstRow + i);
    const made = builder.finish().columns;
    const columns = schema.map(({ name }, c) => {
      const at = declared.findIndex((field) => field.name === name);
      return at < 0 ? batch.columns[places[c]!]! : made[at]!;
    });
    yield makeBatch(schema, batch.length, columns);
  };
}

function flattener({ uid, schema }: RowsSpec, fn: RowFunction, builder: BatchBuilder, put: (given: unknown, row: number) => void): Emitter {
  return function* ({ given, firstRow }) {
    let rows = 0;
    const finish = (): Batch => {
      const batch = makeBatch(schema, rows, builder.finish().columns);
      rows = 0;
      return batch;
    };
    for (let i = 0; i < given.length; i++) {
      for (const each of rowsGiven(uid, fn, given[i], firstRow + i)) {
        put(each, firstRow + i);
        if (++rows === batchRows) yield finish();
      }
      given[i] = null;
    }
    if (rows > 0) yield finish();
  };
}

/** What a generator throws is thrown by the function. */
function* rowsGiven(uid: string, fn: RowFunction, given: unknown, row: number): Generator<unknown> {
  const iterate = (given as Iterable<unknown> | null | undefined)?.[Symbol.iterator];
  if (iterate === undefined || typeof given === 'string') throw mistyped(uid, row, `${described(given)}, not an array or a generator of rows`);
  const iterator = iterate.call(given);
  for (;;) {
    let next: IteratorResult<unknown>;
    try {
      next = iterator.next();
    } catch (thrown) {
      functionThrew(fn, row, thrown);
    }
    if (next.done === true) return;
    yield next.value;
  }
}

function filterer(uid: string, schema: Schema): Emitter {
  let kept = new Int32Array(0);
  return function* ({ batch, given, firstRow }) {
    if (kept.length < batch.length) kept = new Int32Array(batch.length);
    let count = 0;
    for (let i = 0; i < given.length; i++) {
      const stays = given[i];
      if (typeof stays !== 'boolean') throw mistyped(uid, firstRow + i, `${described(stays)}, not a boolean`);
      if (stays) kept[count++] = i;
    }
    if (count === 0) return;
    const { columns } = count === batch.length ? batch : take(batch, kept, count);
    yield makeBatch(schema, count, columns);
  };
}

function putValue(uid: string, builder: BatchBuilder, c: number, field: Field, given: Record<string, unknown>, row: number): void {
  const value = propertyOf(given, field.name);
  if (value === null && field.nullable) {
    builder.columns[c]!.appendNull();
    return;
  }
  if (value === undefined || value === null)
    throw mistyped(uid, row, `${value === null ? `null in a ${field.type.kind} column that is not nullable` : missing}`, field.name);
  if (typeof value === 'string' && !value.isWellFormed()) throw mistyped(uid, row, 'a string with half a surrogate pair', field.name);
  try {
    appendRowValue(builder.columns[c]!, field, value);
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown;
    throw mistyped(uid, row, String(thrown.facts['what'] ?? thrown.message), field.name);
  }
}

const missing = 'it is not there; a row is read by its names, `{ ...row }` copies nothing: name the columns, or use deriveRows, which keeps them';

const mistyped = (uid: string, row: number, what: string, column: string | null = null): SluiceError =>
  new SluiceError('ROW_TYPE', { node: `${uid}${column === null ? '' : ` '${column}'`}, row ${row}`, what, row, column });

const described = (given: unknown): string =>
  given === null
    ? 'null'
    : typeof given === 'object'
      ? ((given as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? 'an object')
      : typeof given;
