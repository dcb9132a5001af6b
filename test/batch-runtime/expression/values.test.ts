import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnTypeText } from '#runtime/batch/batch.ts';
import { atRest } from '#runtime/expression/functions/literal.ts';
import { literal } from '#runtime/expression/functions.ts';
import { commonType, compareValues, isNumeric, isWhole, type Literal, literalValue, valueAt } from '#runtime/expression/values.ts';
import { columnOf, edges, kinds, type TypeName, typeOf } from './random.ts';

test('a literal and a column hold the same values at rest', () => {
  for (const kind of kinds)
    for (const value of edges[kind]) {
      assert.deepEqual(valueAt(columnOf(kind, [null, value]), 1), value);
      assert.equal(valueAt(columnOf(kind, [null, value]), 0), null);
      // -0 is 0 in a literal.
      assert.deepEqual(literalValue(literal(atRest(value, typeOf(kind)), typeOf(kind)) as Literal), value === 0 ? 0 : value);
    }
  assert.equal(literalValue(literal(null, { kind: 'utf8' }) as Literal), null);
});

test('one total order for each kind', () => {
  const kindArb = fc.constantFrom(...kinds);
  fc.assert(
    fc.property(
      kindArb.chain((kind) => fc.tuple(...[1, 2, 3].map(() => fc.constantFrom(...edges[kind]))) as fc.Arbitrary<[never, never, never]>),
      ([a, b, c]) => {
        assert.equal(compareValues(a, a), 0);
        assert.equal(Math.sign(compareValues(a, b)) + 0, -Math.sign(compareValues(b, a)) + 0);
        if (compareValues(a, b) <= 0 && compareValues(b, c) <= 0) assert(compareValues(a, c) <= 0);
      },
    ),
    { numRuns: 400 },
  );
  assert.equal(compareValues(-0, 0), 0);
  assert.equal(compareValues(Number.NaN, Number.NaN), 0);
  assert(compareValues(Number.POSITIVE_INFINITY, Number.NaN) < 0);
  assert(compareValues('\uffff', '\u{10000}') < 0);
  assert(compareValues(false, true) < 0);
});

test('types widen one way only', () => {
  const widened = (a: TypeName, b: TypeName): string | null => {
    const type = commonType(typeOf(a), typeOf(b));
    return type && columnTypeText(type);
  };
  assert.deepEqual(
    [
      widened('int32', 'integer'),
      widened('int64', 'integer'),
      widened('float64', 'int64'),
      widened('date', 'timestamp'),
      widened('timestamp', 'date'),
      widened('decimal(9,2)', 'decimal(30,4)'),
      widened('decimal(9,2)', 'int32'),
      widened('int64', 'decimal(30,4)'),
    ],
    ['integer', 'int64', 'float64', 'timestamp', 'timestamp', 'decimal(30,4)', 'decimal(12,2)', 'decimal(30,4)'],
  );
  for (const [a, b] of [
    ['utf8', 'int32'],
    ['bool', 'int32'],
    ['date', 'int32'],
    ['timestamp', 'int64'],
    ['utf8', 'date'],
    ['decimal(9,2)', 'float64'],
  ] as const)
    assert.equal(widened(a, b), null);
  for (const kind of kinds) assert.equal(widened(kind, kind), kind);
  assert.deepEqual(
    kinds.filter((kind) => isNumeric(typeOf(kind))),
    ['int32', 'integer', 'int64', 'float64', 'decimal(9,2)', 'decimal(30,4)'],
  );
  assert.deepEqual(
    kinds.filter((kind) => isWhole(typeOf(kind))),
    ['int32', 'integer', 'int64'],
  );
});
