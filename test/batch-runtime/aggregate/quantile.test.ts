import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quantiles } from '#runtime/aggregate/quantile.ts';
import { callOf, createAccumulator } from '#runtime/aggregate/table.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { columnOf, valuesOf } from '../batch/columns.ts';

const argument = columnRef({ name: 'x', type: { kind: 'float64' }, nullable: true });

test('both find the place of a share between sorted values, through states that are merged', () => {
  const partsArb = fc.array(fc.array(fc.tuple(fc.integer({ min: -1, max: 2 }), fc.integer({ min: -50, max: 50 })), { maxLength: 30 }), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(partsArb, fc.constantFrom(0, 0.3, 0.5, 1), fc.constantFrom(...Object.keys(quantiles)), (parts, share, fn) => {
      const of = () => createAccumulator({ name: 'a', ...callOf(fn, { argument, options: [share], filter: null }, false) });
      const merged = of();
      merged.grow(3);
      for (const part of parts) {
        const one = of();
        one.grow(3);
        one.update(
          Int32Array.from(part, ([g]) => g),
          part.length,
          columnOf(
            'float64',
            part.map(([, value]) => value),
          ),
          [],
        );
        merged.merge(Int32Array.of(0, 1, 2), 3, one.partial(3));
      }
      const expected = [0, 1, 2].map((g) => {
        const sorted = parts
          .flat()
          .flatMap(([of, value]) => (of === g ? [value] : []))
          .sort((a, b) => a - b);
        if (sorted.length === 0) return null;
        const place = share * (sorted.length - 1);
        const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
        return low * (1 - (place % 1)) + high * (place % 1);
      });
      valuesOf(merged.final(3)).forEach((value, g) => {
        assert(value === expected[g] || Math.abs((value as number) - expected[g]!) < 1e-9);
      });
    }),
    { numRuns: 200 },
  );
});

test('a share is a number between 0 and 1', () => {
  for (const fn of Object.keys(quantiles))
    for (const options of [[], [1.1], [-0.1], [Number.NaN], ['0.5']])
      assert.throws(() => callOf(fn, { argument, options, filter: null }, false), { code: 'EXPRESSION_TYPE' });
});
