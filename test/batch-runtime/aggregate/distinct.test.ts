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
      for (const part of parts) {
        const one = createAccumulator(aggregate);
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
