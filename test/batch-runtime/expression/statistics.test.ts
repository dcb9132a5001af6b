import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import { atRest } from '#runtime/expression/functions/literal.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import { mayBeTrue, type Statistics } from '#runtime/expression/statistics.ts';
import { compareValues, type Value, valueAt } from '#runtime/expression/values.ts';
import { columnOf, edges, kinds, randomBatch, typeOf } from './random.ts';
import { randomExpression } from './random-expression.ts';

/** What a file would say of a batch; some of it left out. */
const statisticsOf =
  (batch: Batch, known: (name: string) => boolean, counted: boolean, open: readonly boolean[] = []): Statistics =>
  (name) => {
    if (!known(name)) return undefined;
    const column = batch.columns[batch.schema.findIndex((field) => field.name === name)]!;
    const values = Array.from({ length: batch.length }, (_, i) => valueAt(column, i));
    const there = values.filter((value): value is NonNullable<Value> => value !== null && !Number.isNaN(value));
    const least = (sign: number): Value => (there.length === 0 ? null : there.reduce((a, b) => (compareValues(a, b) * sign <= 0 ? a : b)));
    return {
      min: open[0] ? null : least(1),
      max: open[1] ? null : least(-1),
      nullCount: counted ? values.filter((value) => value === null).length : -1,
      rows: batch.length,
    };
  };

test('a predicate that is true for a row is never ruled out', () => {
  let ruledOut = 0;
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const predicate = randomExpression(g, fc, 'bool', 3);
      const batch = randomBatch(g, fc, 1 + g(fc.nat, { max: 4 }));
      const few = g(fc.nat, { max: 3 });
      const statistics = statisticsOf(batch, (name) => few !== 0 || name.endsWith('A'), g(fc.boolean), [
        g(fc.nat, { max: 5 }) === 0,
        g(fc.nat, { max: 5 }) === 0,
      ]);
      if (mayBeTrue(predicate, statistics)) return;
      ruledOut++;
      for (let i = 0; i < batch.length; i++) {
        let value: Value = null;
        try {
          value = interpret(predicate, batch, i);
        } catch {
          // A row that fails is not true either.
        }
        assert.notEqual(value, true);
      }
    }),
    { numRuns: 400 },
  );
  assert(ruledOut > 8, `${ruledOut} ruled out`);
});

test('simple predicates are, since that is what statistics are for', () => {
  fc.assert(
    fc.property(
      fc
        .constantFrom(...kinds.filter((kind) => kind !== 'bool'))
        .chain((kind) =>
          fc.tuple(fc.constant(kind), fc.array(fc.constantFrom(...edges[kind]), { minLength: 1, maxLength: 4 }), fc.constantFrom(...edges[kind])),
        ),
      fc.constantFrom('eq', 'lt', 'lte', 'gt', 'gte'),
      ([kind, values, value], fn) => {
        const one: Schema = [{ name: 'x', type: typeOf(kind), nullable: true }];
        const batch = { schema: one, length: values.length, columns: [columnOf(kind, values)] };
        const predicate = call(fn, [
          columnRef(one[0]!),
          literal(typeof value === 'number' && !Number.isFinite(value) ? String(value) : atRest(value, typeOf(kind)), typeOf(kind)),
        ]);
        const plain = values.filter((each) => !Number.isNaN(each));
        const sorted = plain.sort(compareValues);
        const [min, max] = [sorted[0], sorted.at(-1)];
        const outside =
          min === undefined || max === undefined || Number.isNaN(value)
            ? false
            : fn === 'eq'
              ? compareValues(value, min) < 0
              : fn === 'lt'
                ? compareValues(min, value) >= 0
                : fn === 'lte'
                  ? compareValues(min, value) > 0
                  : false;
        if (outside)
          assert.equal(
            mayBeTrue(
              predicate,
              statisticsOf(batch, () => true, true),
            ),
            false,
          );
      },
    ),
    { numRuns: 300 },
  );
});

test('nulls, lists, ranges and prefixes', () => {
  const one: Schema = [
    { name: 'n', type: { kind: 'int32' }, nullable: true },
    { name: 's', type: { kind: 'utf8' }, nullable: true },
  ];
  const [n, s] = one.map(columnRef) as [ReturnType<typeof columnRef>, ReturnType<typeof columnRef>];
  const int = (value: number) => literal(value, { kind: 'int32' });
  const text = (value: string) => literal(value, { kind: 'utf8' });
  // Of this one no largest value is known.
  const half = columnRef({ name: 'half', type: { kind: 'utf8' }, nullable: false });
  const price = columnRef({ name: 'price', type: { kind: 'decimal', precision: 4, scale: 2 }, nullable: false });
  const known: Statistics = (name) =>
    name === 'price'
      ? { min: 150n, max: 160n, nullCount: 0, rows: 1 }
      : name === 'half'
        ? { min: 'm', max: null, nullCount: 0, rows: 1 }
        : name === 'n'
          ? { min: 10, max: 20, nullCount: 0, rows: 5 }
          : { min: 'flights-02', max: 'flights-07', nullCount: 5, rows: 9 };
  const cases: readonly (readonly [ReturnType<typeof call>, boolean])[] = [
    [call('isNull', [n]), false],
    [call('isNull', [s]), true],
    [call('in', [n, int(1), int(9)]), false],
    [call('in', [n, int(1), int(15)]), true],
    [call('between', [n, int(21), int(30)]), false],
    [call('between', [n, int(20), int(30)]), true],
    [call('ne', [n, int(15)]), true],
    [call('not', [call('gte', [n, int(10)])]), false],
    [call('and', [call('gt', [n, int(5)]), call('lt', [n, int(5)])]), false],
    [call('or', [call('lt', [n, int(5)]), call('gt', [n, int(19)])]), true],
    [call('startsWith', [s, text('flights-0')]), true],
    [call('startsWith', [s, text('flights-1')]), false],
    [call('startsWith', [s, text('a')]), false],
    [call('startsWith', [half, text('z')]), true],
    [call('startsWith', [half, text('a')]), false],
    [call('gt', [half, text('z')]), true],
    [call('eq', [call('cast', [n], { kind: 'int64' }), literal('9', { kind: 'int64' })]), false],
    [call('eq', [call('cast', [n], { kind: 'utf8' }), text('9')]), true],
    [call('gt', [n, literal('20.00', { kind: 'decimal', precision: 4, scale: 2 })]), false],
    [call('gt', [n, literal('19.99', { kind: 'decimal', precision: 4, scale: 2 })]), true],
    // Rounded it may be a number that is not between the bounds.
    [
      call('eq', [call('cast', [price], { kind: 'decimal', precision: 4, scale: 0 }), literal('2', { kind: 'decimal', precision: 4, scale: 0 })]),
      true,
    ],
    [
      call('lt', [call('cast', [price], { kind: 'decimal', precision: 6, scale: 4 }), literal('1.5', { kind: 'decimal', precision: 6, scale: 4 })]),
      false,
    ],
    [call('gt', [n, literal(null, { kind: 'int32' })]), false],
    [literal(false, { kind: 'bool' }), false],
    [literal(null, { kind: 'bool' }), false],
  ];
  for (const [predicate, expected] of cases) assert.equal(mayBeTrue(predicate, known), expected, JSON.stringify(predicate));
  assert.equal(
    mayBeTrue(call('isNotNull', [s]), () => ({ min: null, max: null, nullCount: 9, rows: 9 })),
    false,
  );
});

test('NaN is above the maximum that is known', () => {
  const x = columnRef({ name: 'x', type: { kind: 'float64' }, nullable: false });
  const known: Statistics = () => ({ min: 1, max: 2, nullCount: 0, rows: 3 });
  assert.equal(mayBeTrue(call('gt', [x, literal(5, { kind: 'float64' })]), known), true);
  assert.equal(mayBeTrue(call('lt', [x, literal(1, { kind: 'float64' })]), known), false);
});
