import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { systemClock } from '#manager/process/clock.ts';
import { type Batch, batchRows, type Schema } from '#runtime/batch/batch.ts';
import { fromRows, rowsOf } from '#runtime/batch/rows.ts';
import type { Element } from '#runtime/element.ts';
import type { RowFunction } from '#runtime/graph/plan.ts';
import { createRows, type RowsSpec } from '#runtime/operators/rows.ts';

type Numbers = { readonly n: number; readonly s: string | null };
const input: Schema = [
  { name: 'n', type: { kind: 'int32' }, nullable: false },
  { name: 's', type: { kind: 'utf8' }, nullable: true },
];
const batchOf = (from: number, count: number): Batch =>
  fromRows(
    input,
    Array.from({ length: count }, (_, i) => ({ n: from + i, s: i % 3 === 0 ? null : `s${from + i}` })),
  );
const doubled: Schema = [{ name: 'd', type: { kind: 'int32' }, nullable: false }];

const specOf = (more: Partial<RowsSpec> = {}): RowsSpec => ({
  uid: 'map-1',
  verb: 'map',
  slot: 0,
  gives: ['d'],
  concurrency: 4,
  ordered: true,
  timeoutMs: 0,
  deterministic: true,
  schema: doubled,
  ...more,
});
const never = new AbortController().signal;
const operatorOf = (run: (row: Numbers, call: { signal: AbortSignal }) => unknown, more: Partial<RowsSpec> = {}, signal = never) =>
  createRows(specOf(more), input, [{ uid: 'map-1', run: run as unknown as RowFunction['run'] }], systemClock, signal);

async function through(operator: ReturnType<typeof createRows>, batches: readonly Batch[], last: Element = { kind: 'end' }): Promise<Element[]> {
  const given: Element[] = [];
  for (const element of [...batches.map((batch): Element => ({ kind: 'batch', batch })), last])
    for await (const out of operator.process(element, 0)) given.push(out);
  return given;
}
const rowsIn = (elements: readonly Element[]) => elements.flatMap((each) => (each.kind === 'batch' ? [...rowsOf(each.batch)] : []));

test('map, flatMap, filterRows and deriveRows give what plain loops give, by functions that wait and that do not', async () => {
  const anyBatches = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 5 });
  const verbs = {
    map: { run: (row: Numbers) => ({ d: 2 * row.n }), loop: (rows: Numbers[]) => rows.map((row) => ({ d: 2 * row.n })), schema: doubled },
    flatMap: {
      run: (row: Numbers) => Array.from({ length: row.n % 3 }, () => ({ d: row.n })),
      loop: (rows: Numbers[]) => rows.flatMap((row) => Array.from({ length: row.n % 3 }, () => ({ d: row.n }))),
      schema: doubled,
    },
    filterRows: { run: (row: Numbers) => row.s !== null, loop: (rows: Numbers[]) => rows.filter((row) => row.s !== null), schema: input },
    deriveRows: {
      run: (row: Numbers) => ({ d: row.n, s: row.s === null ? 'none' : null }),
      loop: (rows: Numbers[]) => rows.map((row) => ({ n: row.n, s: row.s === null ? 'none' : null, d: row.n })),
      schema: [...input, ...doubled],
    },
  };
  await fc.assert(
    fc.asyncProperty(anyBatches, fc.boolean(), fc.constantFrom(...(Object.keys(verbs) as (keyof typeof verbs)[])), async (sizes, waits, verb) => {
      const batches = sizes.map((size, i) => batchOf(10 * i, size));
      const { run, loop, schema } = verbs[verb];
      const called = waits ? async (row: Numbers) => turn().then(() => run(row)) : run;
      const gives = verb === 'filterRows' ? [] : verb === 'deriveRows' ? ['d', 's'] : ['d'];
      const given = await through(operatorOf(called, { verb, schema, gives }), batches);
      assert.deepEqual(rowsIn(given), loop(batches.flatMap((batch) => [...rowsOf(batch)] as unknown as Numbers[])));
    }),
    { numRuns: 60 },
  );
});

test('at most so many calls wait at once, over batches, and all of them are used', async () => {
  let now = 0;
  let most = 0;
  const operator = operatorOf(async (row) => {
    most = Math.max(most, ++now);
    await sleep(row.n % 3);
    now--;
    return { d: row.n };
  });
  const given = rowsIn(await through(operator, [batchOf(0, 3), batchOf(3, 3), batchOf(6, 9)]));
  assert.deepEqual(
    given.map((row) => row['d']),
    Array.from({ length: 15 }, (_, i) => i),
  );
  assert.equal(most, 4);
});

test('unordered, a batch whose rows are there passes one that waits; a barrier finds nothing left behind', async () => {
  const slow = Promise.withResolvers<void>();
  const run = async (row: Numbers) => {
    if (row.n === 0) await slow.promise;
    return { d: row.n };
  };
  for (const ordered of [true, false]) {
    const operator = operatorOf(run, { ordered });
    const early: Element[] = [];
    for (const batch of [batchOf(0, 2), batchOf(10, 2), batchOf(20, 2)])
      for await (const out of operator.process({ kind: 'batch', batch }, 0)) early.push(out);
    await turn();
    for await (const out of operator.process({ kind: 'batch', batch: batchOf(30, 1) }, 0)) early.push(out);
    assert.equal(early.length > 0, !ordered);
    slow.resolve();
    const late: Element[] = [];
    for await (const out of operator.process({ kind: 'barrier', id: 1, barrier: 'checkpoint' }, 0)) late.push(out);
    assert.equal(late.at(-1)?.kind, 'barrier');
    assert.equal(rowsIn([...early, ...late]).length, 7);
  }
});

test('what a function throws names function, row and line, wherever it throws', async () => {
  const failing = function score(row: Numbers): never {
    if (row.n < 5) return { d: 1 } as never;
    throw new Error('no score');
  };
  const told = { code: 'FUNCTION_THREW', message: /map-1 \(score\) threw on row 5: no score \(.*rows\.test\.ts:\d+\)/ };
  await assert.rejects(through(operatorOf(failing), [batchOf(0, 3), batchOf(3, 9)]), told);
  const later = { code: 'FUNCTION_THREW', message: /threw on row 5: no score \(.*rows\.test\.ts:\d+\)/ };
  await assert.rejects(
    through(
      operatorOf((row) => turn().then(() => failing(row))),
      [batchOf(0, 9)],
    ),
    later,
  );
  const generator = function* (row: Numbers) {
    yield failing(row);
  };
  await assert.rejects(through(operatorOf(generator, { verb: 'flatMap' }), [batchOf(0, 9)]), later);
});

test('what a function gives is checked against its columns', async () => {
  const gives = (value: unknown) => through(operatorOf((() => value) as never), [batchOf(0, 2)]);
  for (const [value, words] of [
    [{ d: 'x' }, /map-1 'd', row 0: string in a int32 column/],
    [{ d: 1.5 }, /whole number/],
    [{ d: null }, /null in a int32 column that is not nullable/],
    [{}, /'d', row 0: it is not there; a row is read by its names/],
    [5, /number, not a row/],
    [null, /null, not a row/],
  ] as const)
    await assert.rejects(gives(value), { code: 'ROW_TYPE', message: words });
  await assert.rejects(through(operatorOf((() => 1) as never, { verb: 'filterRows', schema: input, gives: [] }), [batchOf(0, 1)]), {
    code: 'ROW_TYPE',
    message: /number, not a boolean/,
  });
  await assert.rejects(through(operatorOf((() => 'abc') as never, { verb: 'flatMap' }), [batchOf(0, 1)]), {
    code: 'ROW_TYPE',
    message: /string, not an array/,
  });
  const text: Schema = [{ name: 'd', type: { kind: 'utf8' }, nullable: false }];
  await assert.rejects(
    through(
      operatorOf(() => ({ d: '\ud800' }), { schema: text }),
      [batchOf(0, 1)],
    ),
    { code: 'ROW_TYPE', message: /surrogate/ },
  );
});

test('a call that takes too long fails, and its signal is aborted', async () => {
  let aborted: unknown = null;
  const operator = operatorOf(
    (row, { signal }) => {
      if (row.n === 0) return { d: 0 };
      signal.addEventListener('abort', () => {
        aborted = signal.reason;
      });
      return new Promise(() => {});
    },
    { timeoutMs: 20 },
  );
  await assert.rejects(through(operator, [batchOf(0, 2)]), { code: 'FUNCTION_THREW', message: /row 1: it took longer than 20 ms/ });
  assert.equal((aborted as DOMException).name, 'TimeoutError');
});

test('an abort calls off what is waited for, though the function does not listen', async () => {
  const abort = new AbortController();
  let signals = 0;
  const operator = operatorOf(
    (_, { signal }) => {
      signal.addEventListener('abort', () => signals++);
      return new Promise(() => {});
    },
    {},
    abort.signal,
  );
  const running = through(operator, [batchOf(0, 9)]);
  setImmediate(() => abort.abort());
  await assert.rejects(running, { code: 'INTERRUPTED' });
  assert.equal(signals, 4);
});

test('one failure calls off the other calls', async () => {
  const reasons: unknown[] = [];
  const operator = operatorOf((row, { signal }) => {
    if (row.n === 2) return Promise.reject(new Error('down'));
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        reasons.push(signal.reason);
        reject(signal.reason as Error);
      });
    });
  });
  await assert.rejects(through(operator, [batchOf(0, 3)]), { code: 'FUNCTION_THREW', message: /row 2: down/ });
  assert.equal(reasons.length, 2);
});

test('many rows of one row leave as batches', async () => {
  const operator = operatorOf(
    function* (row) {
      for (let i = 0; i < 2.5 * batchRows; i++) yield { d: row.n };
    },
    { verb: 'flatMap' },
  );
  const batches = (await through(operator, [batchOf(0, 1)])).flatMap((each) => (each.kind === 'batch' ? [each.batch.length] : []));
  assert.ok(batches.length > 1 && batches.every((length) => length <= batchRows), String(batches));
  assert.equal(
    batches.reduce((a, b) => a + b, 0),
    2.5 * batchRows,
  );
});
