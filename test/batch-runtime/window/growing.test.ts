import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAccumulator } from '#runtime/aggregate/table.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { callOrRanking } from '#runtime/window/call.ts';
import { createGrowing } from '#runtime/window/growing.ts';
import { batchOf } from '../batch/columns.ts';
import { cells, field } from '../operators/run.ts';

const frame = { unit: 'rows', start: null, end: 0 } as const;
const x = field('x', 'int32');
const columnOf = (values: readonly (number | null)[]) =>
  batchOf(
    [x],
    values.map((value) => [value]),
  ).columns[0]!;

test('each frame has what an accumulator over its rows has, whether rows come at once or in pieces', () => {
  const given = fc.record({
    fn: fc.constantFrom('sum', 'first', 'countDistinct', 'stddevPop', 'last'),
    values: fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 60 }),
    ends: fc.array(fc.nat(60), { minLength: 1, maxLength: 40 }),
    piece: fc.integer({ min: 1, max: 20 }),
    left: fc.boolean(),
  });
  fc.assert(
    fc.property(given, ({ fn, values, ends, piece, left }) => {
      const of = { name: 'w', ...callOrRanking(fn, { argument: columnRef(x), filter: null }, frame), frame };
      const argument = columnOf(values);
      const counts = left ? Uint8Array.from(values, (value) => (value > 0 ? 1 : 0)) : null;
      const to = Int32Array.from(ends, (end) => Math.min(end, values.length)).sort();
      const growing = createGrowing(of);
      const found = growing.results(to, (end) => {
        while (growing.added < end) {
          const from = growing.added - (growing.added % piece);
          const cut = { argument: columnOf(values.slice(from, from + piece)), more: [], counts: counts?.subarray(from, from + piece) ?? null };
          growing.add(Math.min(end, from + piece), { from, ...cut });
        }
      });
      const plain = Array.from(to, (end) => {
        const accumulator = createAccumulator(of);
        accumulator.grow(1);
        accumulator.update(
          Int32Array.from({ length: end }, (_, i) => (counts === null || counts[i] === 1 ? 0 : -1)),
          end,
          argument,
          [],
        );
        return cells({ schema: [of], length: 1, columns: [accumulator.final(1)] } as never, 'w')[0];
      });
      const all = cells({ schema: [of], length: to.length, columns: [found] } as never, 'w');
      assert.deepEqual(all, plain);
    }),
    { numRuns: 200 },
  );
});
