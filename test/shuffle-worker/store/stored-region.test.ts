import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { manifestPartition } from '#worker/protocol/block.ts';
import type { Segment } from '#worker/store/directory.ts';
import { dataOffset, granuleBytes, noLocation, writeGranule } from '#worker/store/region.ts';
import { extentsOf, granuleAfter, type StoredRegion } from '#worker/store/stored-region.ts';

interface Part {
  readonly partition: number;
  readonly firstMap: number;
  readonly lastMap: number;
  readonly length: number;
}

function regionOf(parts: readonly Part[], order: number): StoredRegion {
  const index = new Uint8Array((parts.length + 1) * granuleBytes);
  const view = new DataView(index.buffer);
  let offset = 0;
  for (const [i, part] of parts.entries()) {
    writeGranule(view, i * granuleBytes, { ...part, blocks: 1, offset, location: noLocation });
    offset += part.length;
  }
  writeGranule(view, parts.length * granuleBytes, {
    partition: manifestPartition,
    firstMap: 0,
    lastMap: 9,
    blocks: 1,
    offset,
    length: 104,
    location: 0,
  });
  return { segment: null as unknown as Segment, offset: 8192, ordinal: 0, order, dataBytes: offset + 104, index: new Uint32Array(index.buffer) };
}

const partOf = fc.record({ partition: fc.nat(5), firstMap: fc.nat(9), span: fc.nat(4), length: fc.nat(20).map((n) => (n + 8) * 8) });

test('property: in every order the extents cover what is wanted, no manifest, and are as long as allowed', () => {
  fc.assert(
    fc.property(
      fc.array(partOf, { maxLength: 30 }),
      fc.nat(2),
      fc.nat(5),
      fc.nat(6),
      fc.nat(9),
      fc.nat(10),
      fc.nat(600),
      (raw, order, p, q, m, n, limit) => {
        const parts = raw.map(({ partition, firstMap, span, length }) => ({ partition, firstMap, lastMap: firstMap + span, length }));
        if (order !== 1) parts.sort((a, b) => a.partition - b.partition);
        const region = regionOf(parts, order);
        const want = { partitionFrom: Math.min(p, q), partitionTo: Math.max(p, q), mapFrom: Math.min(m, n), mapTo: Math.max(m, n) };
        const extents = extentsOf(region, want, limit);
        const covered = new Set<number>();
        let end = 0;
        for (const extent of extents) {
          assert.ok(extent.offset >= end, 'in the order of the region');
          end = extent.offset + extent.length;
          let at = region.offset + dataOffset;
          const inside = parts.filter((part, i) => {
            const isIn = at >= extent.offset && at < end;
            at += part.length;
            if (isIn) covered.add(i);
            return isIn;
          });
          assert.equal(
            inside.reduce((sum, { length }) => sum + length, 0),
            extent.length,
            'whole granules',
          );
          assert.ok(extent.length <= limit || inside.length === 1);
          assert.equal(extent.firstMap, Math.min(...inside.map(({ firstMap }) => firstMap)));
          assert.equal(extent.lastMap, Math.max(...inside.map(({ lastMap }) => lastMap)));
        }
        const wanted = parts.flatMap(({ partition, firstMap, lastMap }, i) =>
          partition >= want.partitionFrom && partition < want.partitionTo && lastMap >= want.mapFrom && firstMap < want.mapTo ? [i] : [],
        );
        assert.deepEqual(
          [...covered].sort((a, b) => a - b),
          wanted,
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('neighbours are read at once', () => {
  const parts = [0, 1, 2, 3].map((partition) => ({ partition, firstMap: 0, lastMap: 3, length: 800 }));
  const want = { partitionFrom: 1, partitionTo: 4, mapFrom: 0, mapTo: 4 };
  const lengths = (limit: number): number[] => extentsOf(regionOf(parts, 0), want, limit).map(({ length }) => length);
  assert.deepEqual([lengths(10_000), lengths(1600), lengths(100)], [[2400], [1600, 800], [800, 800, 800]]);
});

test('the granule behind any position is the next that begins after it', () => {
  const region = regionOf(
    [800, 80, 160].map((length, partition) => ({ partition, firstMap: 0, lastMap: 3, length })),
    0,
  );
  const base = region.offset + dataOffset;
  const cases = [
    [0, 800],
    [799, 800],
    [800, 880],
    [900, 1040],
    [1040, 1144],
    [5000, 1144],
  ] as const;
  for (const [position, next] of cases) assert.equal(granuleAfter(region, base + position) - base, next, `behind ${position}`);
});
