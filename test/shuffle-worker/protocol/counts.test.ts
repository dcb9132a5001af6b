import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeCounts, encodeCounts } from '#worker/protocol/counts.ts';

const decoded = (bytes: Uint8Array, at: number, total: number): { counts: Uint32Array; end: number } => {
  const counts = new Uint32Array(total);
  const end = decodeCounts(bytes, at, total, (index, count) => {
    counts[index] = count;
  });
  return { counts, end };
};

test('counts come back, wherever their bytes stand', () => {
  const count = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 0xffffffff }));
  fc.assert(
    fc.property(fc.array(count, { maxLength: 60 }), fc.nat(5), (values, lead) => {
      const counts = Uint32Array.from(values);
      const bytes = encodeCounts(counts);
      const shifted = new Uint8Array(bytes.length + lead + 2).fill(0x80);
      shifted.set(bytes, lead);
      assert.deepEqual(decoded(shifted, lead, counts.length), { counts, end: lead + bytes.length });
    }),
  );
});

test('a run of zeros is as short as its length', () => {
  assert.deepEqual([...encodeCounts(new Uint32Array(1_000_000))], [0, 0xc0, 0x84, 0x3d]);
  assert.deepEqual([...encodeCounts(Uint32Array.of(1, 0, 0, 200))], [1, 0, 2, 0xc8, 1]);
  assert.equal(encodeCounts(new Uint32Array(9000).fill(0xffffffff)).length, 45000);
});

test('what is no coding of `total` counts is refused', () => {
  const wrong: [string, number[], number][] = [
    ['cut off', [1], 2],
    ['cut off inside a number', [0x80], 1],
    ['a run is missing', [0], 1],
    ['a run of nothing', [0, 0, 1], 1],
    ['a run beyond the end', [0, 3], 2],
    ['more than u32', [0xff, 0xff, 0xff, 0xff, 0x1f], 1],
    ['more bytes than a u32 has', [0x80, 0x80, 0x80, 0x80, 0x80, 1], 1],
    ['not the shortest form', [0x81, 0], 1],
  ];
  for (const [name, bytes, total] of wrong) assert.equal(decoded(Uint8Array.from(bytes), 0, total).end, -1, name);
});
