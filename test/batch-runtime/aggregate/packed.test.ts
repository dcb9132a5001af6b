import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pack, rowsByGroup, unpack } from '#runtime/aggregate/packed.ts';
import { sliceColumn } from '#runtime/batch/slice.ts';
import { formArb, formed, kindArb, valueArb, valuesOf } from '../batch/columns.ts';

test('values of groups come back from their cells in order, whatever the kind and form, also from a cut of the cells', () => {
  const rowsArb = kindArb.chain((kind) =>
    fc.tuple(fc.constant(kind), fc.array(fc.tuple(fc.integer({ min: -1, max: 4 }), valueArb(kind, false)), { maxLength: 30 })),
  );
  fc.assert(
    fc.property(rowsArb, formArb, fc.nat(5), ([kind, rows], form, cut) => {
      const column = formed(
        kind,
        rows.map(([, value]) => value),
        { ...form, validity: false },
      );
      const cells = pack(
        column,
        Int32Array.from(rows, ([group]) => group),
        5,
      );
      const { values, group } = unpack(sliceColumn(cells, cut, 5), column.type, Int32Array.from([10, 11, 12, 13, 14].slice(cut)));
      const expected = [0, 1, 2, 3, 4].slice(cut).flatMap((g) => rows.filter(([of]) => of === g).map(([, value]) => [10 + g, value]));
      assert.deepEqual(
        valuesOf(values).map((value, i) => [group[i], value]),
        expected,
      );
    }),
    { numRuns: 300 },
  );
});

test('rows by group, order kept, those of no group left out', () => {
  const { rows, ends } = rowsByGroup(Int32Array.from([1, -1, 0, 1, 3]), 5, 4);
  assert.deepEqual(
    [[...rows], [...ends]],
    [
      [2, 0, 3, 4],
      [1, 3, 3, 4],
    ],
  );
});
