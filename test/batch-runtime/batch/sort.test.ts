import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch } from '#runtime/batch/batch.ts';
import type { ColumnOrder } from '#runtime/batch/compare.ts';
import { sortRows } from '#runtime/batch/sort.ts';
import type { Value } from '#runtime/expression/values.ts';
import type { PlainName } from '../expression/random.ts';
import { batchArb, batchOf, edges, fieldsOf, formArb, kindArb, kinds, order, rowsIn } from './columns.ts';

function expected(batch: Batch, by: readonly ColumnOrder[]): number[] {
  const rows = rowsIn(batch);
  // Array.prototype.sort is stable, and so must ours be.
  return rows
    .map((_, i) => i)
    .sort((a, b) => {
      for (const { column, descending } of by) {
        const difference = order(rows[a]![column]!, rows[b]![column]!, descending);
        if (difference !== 0) return difference;
      }
      return 0;
    });
}
const check = (batch: Batch, by: readonly ColumnOrder[]): void => assert.deepEqual(sortRows(batch, by), Int32Array.from(expected(batch, by)));

const orderArb = (columns: number): fc.Arbitrary<ColumnOrder[]> =>
  fc.array(fc.record({ column: fc.nat(columns - 1), descending: fc.boolean() }), { minLength: 1, maxLength: 3 });

test('short batches of any kinds are sorted as plain rows are, equal rows keep their order', () => {
  const schema = fieldsOf(...kinds);
  fc.assert(fc.property(batchArb(schema, 24), orderArb(schema.length), check), { numRuns: 150 });
});

/** Long enough for radix sorting, from few bytes of randomness. */
function long(kinds: readonly PlainName[], rows: number, seed: number, few: number, spread: (kind: PlainName, i: number) => Value): Value[][] {
  let state = seed | 1;
  const next = (below: number): number => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    return ((state >>> 8) % below) | 0;
  };
  return Array.from({ length: rows }, () =>
    kinds.map((kind) => {
      const pick = next(few + 2);
      return pick === 0 ? null : pick === 1 ? edges[kind][next(edges[kind].length)]! : spread(kind, next(few));
    }),
  );
}

const spreads: Readonly<Record<PlainName, (i: number) => Value>> = {
  int32: (i) => i - 50,
  date: (i) => i * 1000,
  integer: (i) => i * 2 ** 33,
  int64: (i) => 2n ** 62n + BigInt(i),
  timestamp: (i) => BigInt(i) * 86_400_000_000n,
  float64: (i) => (i - 3) / 7,
  'decimal(9,2)': (i) => BigInt(i) * 50n,
  'decimal(30,4)': (i) => 2n ** 70n + BigInt(i),
  bool: (i) => i % 2 === 0,
  utf8: (i) => `common prefix of all of them ${i}`,
};

test('long batches too: ties, nulls, numbers beyond 2^53, texts that differ late', () => {
  const keysArb = fc.array(kindArb, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(
      keysArb,
      fc.nat(),
      fc.constantFrom(2, 30, 1000),
      fc.array(formArb, { minLength: 3, maxLength: 3 }),
      fc.boolean(),
      (of, seed, few, forms, down) => {
        const batch = batchOf(
          fieldsOf(...of),
          long(of, 1500, seed, few, (kind, i) => spreads[kind](i)),
          forms,
        );
        check(
          batch,
          of.map((_, column) => ({ column, descending: down !== (column === 1) })),
        );
      },
    ),
    { numRuns: 25 },
  );
});

test('nulls alone, one value alone, no row', () => {
  for (const kind of kinds) {
    for (const value of [null, edges[kind][0]!]) {
      const batch = batchOf(
        fieldsOf(kind, 'int32'),
        Array.from({ length: 300 }, (_, i) => [value, i % 7]),
      );
      check(batch, [
        { column: 0, descending: true },
        { column: 1, descending: false },
      ]);
    }
    assert.deepEqual([...sortRows(batchOf(fieldsOf(kind), []), [{ column: 0, descending: false }])], []);
  }
});

test('more than 64 K rows', () => {
  const rows = Array.from({ length: 70_000 }, (_, i) => [Math.imul(i, 2_654_435_761) >> 12, `t${i % 5}`]);
  check(batchOf(fieldsOf('int32', 'utf8'), rows), [
    { column: 1, descending: true },
    { column: 0, descending: false },
  ]);
});
