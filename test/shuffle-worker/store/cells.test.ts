import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeCounts } from '#worker/protocol/counts.ts';
import { type Cell, CellCounts, Cells } from '#worker/store/cells.ts';

const cellOf = (map: number, attempt: number, location = 0, section = 0): Cell => ({
  map,
  attempt,
  section,
  location,
  manifestHash: BigInt(map),
  blocks: 0,
  counts: new CellCounts(0, 1, encodeCounts(Uint32Array.of(0))),
});

test('property: any range of the counts is what the manifest states, wherever it begins', () => {
  const count = fc.oneof(fc.constant(0), fc.nat(3), fc.nat(200_000));
  fc.assert(
    fc.property(fc.array(count, { minLength: 1, maxLength: 2000 }), fc.nat(2100), fc.nat(2100), fc.nat(50), (counts, a, b, base) => {
      // What follows the counts in a manifest is not theirs.
      const codes = new Uint8Array([...encodeCounts(Uint32Array.from(counts)), 9, 9, 9]);
      const cell = new CellCounts(base, base + counts.length, codes);
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const seen: [number, number][] = [];
      cell.each(from, to, (partition, blocks) => seen.push([partition, blocks]));
      const wanted = counts.flatMap((blocks, i): [number, number][] => (blocks > 0 && base + i >= from && base + i < to ? [[base + i, blocks]] : []));
      assert.deepEqual(seen, wanted);
    }),
    { numRuns: 150 },
  );
});

test('a cell is found by location, map, attempt and section; the first one stays', () => {
  const cells = new Cells();
  const first = cellOf(3, 1);
  assert.equal(cells.add(first), first);
  assert.equal(cells.add(cellOf(3, 1)), first);
  cells.add(cellOf(3, 2));
  cells.add(cellOf(3, 1, 5));
  assert.equal(cells.count, 3);
  assert.equal(cells.find(0, 3, 1, 0), first);
  for (const [location, map, attempt, section] of [
    [0, 3, 1, 1],
    [0, 4, 1, 0],
    [1, 3, 1, 0],
    [0, 3, 9, 0],
  ] as const)
    assert.equal(cells.find(location, map, attempt, section), undefined);
  assert.equal([...cells.all()].length, 3);
  cells.remove(0, 3, 1, 0);
  cells.remove(0, 3, 1, 0);
  assert.equal(cells.count, 2);
  assert.equal(cells.find(0, 3, 1, 0), undefined);
  assert.equal(cells.find(0, 3, 2, 0)?.attempt, 2);
});
