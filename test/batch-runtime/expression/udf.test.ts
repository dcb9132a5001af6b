import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Temporal } from 'temporal-polyfill';
import { temporal } from '#runtime/batch/temporal.ts';
import { compileProjection } from '#runtime/expression/compile.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { acceptResult, functionThrew, rowOfValue } from '#runtime/expression/udf.ts';
import { type Value, valueAt } from '#runtime/expression/values.ts';
import type { UserFunction } from '#runtime/graph/plan.ts';
import { columnOf, edges, kinds, type TypeName, typeOf } from './random.ts';

const functionOf = (kind: TypeName, run: (value: never) => unknown, nullable = true): UserFunction => ({
  uid: 'derive-3',
  argumentTypes: [{ type: typeOf(kind), nullable: true }],
  result: { type: typeOf(kind), nullable },
  run: run as UserFunction['run'],
});
const callOf = (kind: TypeName, nullable = true): Expression => ({
  op: 'udf',
  slot: 0,
  args: [columnRef({ name: 'x', type: typeOf(kind), nullable: true })],
  type: typeOf(kind),
  nullable,
});
const through = (used: UserFunction, kind: TypeName, values: readonly Value[], dictionary = false): Value[] => {
  const schema = [{ name: 'x', type: typeOf(kind), nullable: true }];
  const project = compileProjection(schema, [callOf(kind)], [used]);
  const [column] = project({ schema, length: values.length, columns: [columnOf(kind, values, { dictionary })] });
  return values.map((_, i) => valueAt(column!, i));
};

test('what a function sees it can give back, for every kind, nulls too', () => {
  for (const kind of kinds) {
    // Temporal says less than a timestamp of 64 bits.
    const values = [null, ...edges[kind], null].filter((value) => typeof value !== 'bigint' || kind === 'int64' || value < 8n * 10n ** 18n);
    for (const dictionary of [false, true])
      assert.deepEqual(
        through(
          functionOf(kind, (value) => value),
          kind,
          values,
          dictionary,
        ),
        values.map((value) => (kind !== 'float64' && value === 0 ? 0 : value)),
      );
  }
});

test('it sees rows: Temporal for time, text as a string', () => {
  const shown = kinds.map((kind) => rowOfValue(edges[kind][0]!, typeOf(kind)));
  assert.deepEqual(
    shown.map((value) => (typeof value === 'object' ? (value as object)[Symbol.toStringTag as never] : typeof value)),
    ['number', 'number', 'bigint', 'number', 'boolean', 'string', 'Temporal.PlainDate', 'Temporal.Instant', 'Sluice.Decimal', 'Sluice.Decimal'],
  );
  assert.equal(rowOfValue(null, { kind: 'date' }), null);
  assert.throws(() => rowOfValue(2 ** 31 - 1, { kind: 'date' }), { code: 'VALUE_OUT_OF_RANGE' });
});

test('a result that is none of its type is ROW_TYPE with what it was', () => {
  const wrong: readonly (readonly [TypeName, unknown, RegExp])[] = [
    ['int32', 0.5, /0\.5/],
    ['int32', 2 ** 31, /2147483648/],
    ['integer', 2 ** 53, /9007199254740992/],
    ['int64', 1, /number 1 in a int64/],
    ['int64', 2n ** 63n, /9223372036854775808/],
    ['float64', '1', /string/],
    ['bool', 1, /number 1/],
    ['utf8', 'a\ud800', /surrogate/],
    ['utf8', undefined, /undefined/],
    ['date', new Date(0), /object|Date/],
    ['timestamp', temporal.PlainDate.from('2000-01-01'), /Temporal\.PlainDate/],
    ['float64', Promise.resolve(1), /async/],
  ];
  for (const [kind, given, message] of wrong)
    assert.throws(
      () =>
        acceptResult(
          functionOf(kind, () => given),
          given,
        ),
      (thrown: Error & { code?: string }) => thrown.code === 'ROW_TYPE' && message.test(thrown.message) && /derive-3/.test(thrown.message),
      `${kind} ${String(given)}`,
    );
  assert.throws(
    () =>
      acceptResult(
        functionOf('int32', () => null, false),
        null,
      ),
    /null in a int32 column that is not nullable/,
  );
  assert.equal(
    acceptResult(
      functionOf('int32', () => null),
      null,
    ),
    null,
  );
});

test("the polyfill's Temporal is taken as the platform's is", () => {
  assert.equal(
    acceptResult(
      functionOf('date', () => null),
      Temporal.PlainDate.from('1970-01-02'),
    ),
    1,
  );
  assert.equal(
    acceptResult(
      functionOf('timestamp', () => null),
      Temporal.Instant.fromEpochMilliseconds(2),
    ),
    2000n,
  );
});

test('an error says which function, which row of the task, and where', () => {
  const used = functionOf('int32', (value: number | null) => {
    if (value === 3) throw new TypeError('three');
    return value;
  });
  const schema = [{ name: 'x', type: { kind: 'int32' as const }, nullable: true }];
  const project = compileProjection(schema, [callOf('int32')], [used]);
  const batch = (values: readonly Value[]) => ({ schema, length: values.length, columns: [columnOf('int32', values)] });
  project(batch([1, 2]));
  assert.throws(
    () => project(batch([1, 3])),
    (thrown: Error & { code?: string; facts?: { row?: number } }) =>
      thrown.code === 'FUNCTION_THREW' &&
      thrown.facts?.row === 3 &&
      /derive-3/.test(thrown.message) &&
      /three \(.*udf\.test\.ts:\d+\)/.test(thrown.message) &&
      thrown.cause instanceof TypeError,
  );
  assert.throws(() => functionThrew(used, 0, 'only text'), /only text/);
});

test('it is called once per row, also where text repeats', () => {
  let calls = 0;
  const used = functionOf('utf8', (value) => {
    calls++;
    return value;
  });
  through(used, 'utf8', ['a', 'a', null, 'a'], true);
  assert.equal(calls, 4);
});
