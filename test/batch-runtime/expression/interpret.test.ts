import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import type { Value } from '#runtime/expression/values.ts';
import type { UserFunction } from '#runtime/graph/plan.ts';
import { columnOf } from './random.ts';

const bool = { kind: 'bool' } as const;
const int32 = { kind: 'int32' } as const;
const schema = [
  { name: 'a', type: bool, nullable: true },
  { name: 'b', type: bool, nullable: true },
  { name: 'n', type: int32, nullable: true },
];
const [a, b, n] = schema.map(columnRef) as [ReturnType<typeof columnRef>, ReturnType<typeof columnRef>, ReturnType<typeof columnRef>];
const truths: readonly (boolean | null)[] = [true, false, null];
const pairs = truths.flatMap((x) => truths.map((y) => [x, y] as const));
const batch = {
  schema,
  length: 9,
  columns: [
    columnOf(
      'bool',
      pairs.map(([x]) => x),
    ),
    columnOf(
      'bool',
      pairs.map(([, y]) => y),
    ),
    columnOf('int32', [0, 1, 2, 3, null, 5, 6, 7, 8]),
  ],
};
const all = (expression: Parameters<typeof interpret>[0], functions: readonly UserFunction[] = []): Value[] =>
  pairs.map((_, i) => interpret(expression, batch, i, functions));

test('and, or and not have three values', () => {
  assert.deepEqual(all(call('and', [a, b])), [true, false, null, false, false, false, null, false, null]);
  assert.deepEqual(all(call('or', [a, b])), [true, true, true, true, false, null, true, null, null]);
  assert.deepEqual(all(call('not', [a])), [false, false, false, true, true, true, null, null, null]);
  assert.deepEqual(all(call('eq', [a, b])), [true, false, null, false, true, null, null, null, null]);
  assert.deepEqual(all(call('isNull', [b])), [false, false, true, false, false, true, false, false, true]);
});

test('what is not needed is not evaluated', () => {
  const fails = call('eq', [call('mod', [n, literal(0, int32)]), n]);
  assert.equal(interpret(call('and', [literal(false, bool), fails]), batch, 0), false);
  assert.equal(interpret(call('or', [literal(true, bool), fails]), batch, 0), true);
  assert.equal(interpret(call('when', [literal(true, bool), n, call('mod', [n, literal(0, int32)])]), batch, 5), 5);
  assert.equal(interpret(call('coalesce', [n, call('mod', [n, literal(0, int32)])]), batch, 5), 5);
  assert.throws(() => interpret(fails, batch, 0), { code: 'DIVISION_BY_ZERO' });
});

test('a function gets nulls, and its errors name the row', () => {
  const used: UserFunction = {
    uid: 'derive-1',
    argumentTypes: [{ type: int32, nullable: true }],
    result: { type: int32, nullable: true },
    run: ((x: number | null) => {
      if (x === 7) throw new Error('seven');
      return x === null ? -1 : x === 2 ? null : x + 1;
    }) as UserFunction['run'],
  };
  const node = { op: 'udf', slot: 0, args: [n], type: int32, nullable: true } as const;
  assert.deepEqual(
    [0, 2, 4].map((i) => interpret(node, batch, i, [used])),
    [1, null, -1],
  );
  assert.throws(
    () => interpret(node, batch, 7, [used]),
    (thrown: Error & { code?: string }) => thrown.code === 'FUNCTION_THREW' && /seven/.test(thrown.message) && /7/.test(thrown.message),
  );
});
