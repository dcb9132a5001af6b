import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canCast, castValue, isFreeCast, textOf, tryCastBytes, valueOfText } from '#runtime/expression/cast.ts';
import { compileProjection } from '#runtime/expression/compile.ts';
import { call, columnRef } from '#runtime/expression/functions.ts';
import { encodeText } from '#runtime/expression/text.ts';
import { type Value, valueAt } from '#runtime/expression/values.ts';
import { columnOf, edges, kinds, type TypeName, typeOf } from './random.ts';

type Outcome = { readonly value: Value } | { readonly code: string };
const outcome = (evaluate: () => Value): Outcome => {
  try {
    return { value: evaluate() };
  } catch (thrown) {
    return { code: (thrown as { code: string }).code };
  }
};

test('every cast there is gives the same compiled as on single values, or the same error', () => {
  let casts = 0;
  for (const from of kinds) {
    for (const to of kinds) {
      if (!canCast(typeOf(from), typeOf(to))) continue;
      casts++;
      const schema = [{ name: 'x', type: typeOf(from), nullable: true }];
      const project = compileProjection(schema, [call('cast', [columnRef(schema[0]!)], typeOf(to))]);
      for (const value of edges[from]) {
        const batch = { schema, length: 2, columns: [columnOf(from, [null, value])] };
        const compiled = outcome(() => {
          const [column] = project(batch);
          assert.equal(valueAt(column!, 0), null);
          return valueAt(column!, 1);
        });
        const expected = outcome(() => castValue(value, typeOf(from), typeOf(to)));
        assert.deepEqual(compiled, expected, `${String(value)} from ${from} to ${to}`);
        if ('code' in expected) assert(expected.code === 'VALUE_OUT_OF_RANGE' && (from === to ? false : !isFreeCast(typeOf(from), typeOf(to))));
      }
    }
  }
  assert.equal(casts, 8 + 14 + 2 + 20 + 28);
});

test('a value goes to text and comes back', () => {
  for (const kind of kinds)
    for (const value of edges[kind]) {
      const text = textOf(value, typeOf(kind));
      // DuckDB writes years before 1 with (BC), which it does not read.
      if (!text.endsWith('(BC)')) assert.deepEqual(valueOfText(text, typeOf(kind)), value, `${kind} ${text}`);
    }
});

test('what does not fit is VALUE_OUT_OF_RANGE, never a null and never wrapped', () => {
  const cases: readonly (readonly [Value, TypeName, TypeName])[] = [
    [2147483648, 'integer', 'int32'],
    [2147483647.5, 'float64', 'int32'],
    [Number.NaN, 'float64', 'int64'],
    [Number.POSITIVE_INFINITY, 'float64', 'integer'],
    [9007199254740992, 'float64', 'integer'],
    [2 ** 63, 'float64', 'int64'],
    [9007199254740993n, 'int64', 'integer'],
    ['x', 'utf8', 'int32'],
    ['', 'utf8', 'bool'],
    ['constructor', 'utf8', 'bool'],
    ['__proto__', 'utf8', 'bool'],
    ['1e999', 'utf8', 'float64'],
    ['2023-02-29', 'utf8', 'date'],
    [2 ** 31 - 1, 'date', 'timestamp'],
  ];
  for (const [value, from, to] of cases) assert.throws(() => castValue(value!, typeOf(from), typeOf(to)), { code: 'VALUE_OUT_OF_RANGE' });
  assert.throws(() => valueOfText('x'.repeat(300), { kind: 'int32' }), /'x{100}\.\.\.' cannot be cast to int32/);
});

test('halves go to the even number, days are cut downwards, NaN is true', () => {
  assert.deepEqual(
    [0.5, 1.5, 2.5, -0.5, -1.5].map((value) => castValue(value, typeOf('float64'), typeOf('int32'))),
    [0, 2, 2, 0, -2],
  );
  assert.equal(castValue(-1n, typeOf('timestamp'), typeOf('date')), -1);
  assert.equal(castValue(-1, typeOf('date'), typeOf('timestamp')), -86_400_000_000n);
  assert.equal(castValue(Number.NaN, typeOf('float64'), typeOf('bool')), true);
});

test('there is no cast between a time and a number', () => {
  for (const kind of ['int32', 'int64', 'float64', 'bool'] as const)
    assert(!canCast({ kind: 'timestamp' }, typeOf(kind)) && !canCast(typeOf(kind), { kind: 'date' }));
});

test('text that is tried gives its value, or null where it is none or too large', () => {
  const out = new Int32Array(2);
  const tried = (text: string, to: TypeName): Value => tryCastBytes(encodeText(`..${text}.`), 2, 2 + encodeText(text).length, typeOf(to), out);
  assert.deepEqual([tried('12', 'int32'), tried('F', 'bool'), tried('1970-01-03', 'date')], [12, false, 2]);
  assert.deepEqual([tried('-1', 'int64'), [...out]], [-1n, [-1, -1]]);
  for (const [text, to] of [
    ['x', 'int32'],
    ['2147483648', 'int32'],
    ['1e999', 'float64'],
    ['9223372036854775808', 'int64'],
    ['', 'date'],
  ] as const)
    assert.equal(tried(text, to), null, `${text} ${to}`);
});
