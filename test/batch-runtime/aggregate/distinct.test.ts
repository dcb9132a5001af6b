import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { distincts } from '#runtime/aggregate/distinct.ts';
import { createAccumulator } from '#runtime/aggregate/table.ts';
import type { Aggregate } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { columnOf, kindArb, typeOf, valueArb, valuesOf } from '../batch/columns.ts';

test('a value counts once however it was spread over states that are merged', () => {
  assert.deepEqual(Object.keys(distincts), ['countDistinct']);
  const partsArb = kindArb.chain((kind) =>
    fc.tuple(
      fc.constant(kind),
      fc.array(fc.array(fc.tuple(fc.integer({ min: -1, max: 2 }), valueArb(kind, false)), { maxLength: 20 }), { maxLength: 4 }),
    ),
  );
  fc.assert(
    fc.property(partsArb, fc.boolean(), ([kind, parts], dictionary) => {
      const argument = columnRef({ name: 'x', type: typeOf(kind), nullable: true });
      const aggregate: Aggregate = { name: 'a', fn: 'countDistinct', argument, filter: null, type: { kind: 'integer' }, nullable: false };
      const merged = createAccumulator(aggregate);
      merged.grow(3);
      for (const part of parts) {
        const one = createAccumulator(aggregate);
        one.grow(3);
        const values = part.map(([, value]) => value);
        const group = Int32Array.from(part, ([g]) => g);
        one.update(group, part.length, columnOf(kind, values, { dictionary }), []);
        // Groups of one state are others in the next.
        merged.merge(Int32Array.from([2, 1, 0]), 3, one.partial(3));
      }
      const expected = [2, 1, 0].map(
        (g) =>
          new Set(
            parts
              .flat()
              .filter(([of]) => of === g)
              .map(([, value]) => (value === 0 ? 0 : value)),
          ).size,
      );
      assert.deepEqual(valuesOf(merged.final(3)), expected);
      assert(merged.bytes > 0);
    }),
    { numRuns: 200 },
  );
});

test('a group counts alike while its values are few and when they have become many, in any number of batches', () => {
  const argument = columnRef({ name: 'x', type: typeOf('int64'), nullable: false });
  const aggregate: Aggregate = { name: 'a', fn: 'countDistinct', argument, filter: null, type: { kind: 'integer' }, nullable: false };
  // Group g has g + 1 values, each of which comes three times.
  const rows = [0, 1, 2].flatMap(() => Array.from({ length: 40 }, (_, g) => Array.from({ length: g + 1 }, (_, v) => [g, v] as const)).flat());
  const expected = Array.from({ length: 40 }, (_, g) => g + 1);
  for (const batch of [7, 500, rows.length]) {
    const counted = createAccumulator(aggregate);
    counted.grow(40);
    for (let from = 0; from < rows.length; from += batch) {
      const some = rows.slice(from, from + batch);
      const values = some.map(([, value]) => BigInt(value));
      counted.update(
        Int32Array.from(some, ([g]) => g),
        some.length,
        columnOf('int64', values),
        [],
      );
    }
    assert.deepEqual(valuesOf(counted.final(40)), expected);
    const merged = createAccumulator(aggregate);
    merged.grow(40);
    for (let time = 0; time < 2; time++)
      merged.merge(
        Int32Array.from(expected, (n) => n - 1),
        40,
        counted.partial(40),
      );
    assert.deepEqual(valuesOf(merged.final(40)), expected);
  }
});
