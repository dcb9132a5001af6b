import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Split } from '#runtime/connectors/connector.ts';
import { sharesOf } from '#runtime/schedule/shares.ts';

const splitsOf = (sizes: readonly number[]): Split[] => sizes.map((bytes, i) => ({ bytes, rows: bytes, parts: [i] }));
const MiB = 1024 * 1024;

test('every part is read once, in its order, and no share is a lot larger than the others', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { maxLength: 100 }), fc.integer({ min: 1, max: 8 }), (sizes, slots) => {
      const splits = splitsOf(sizes);
      const shares = sharesOf(splits, slots);
      assert.deepEqual(
        shares.flatMap(({ parts }) => parts),
        splits.flatMap(({ parts }) => parts),
      );
      const sum = (of: readonly Split[], name: 'bytes' | 'rows'): number => of.reduce((all, one) => all + one[name], 0);
      for (const name of ['bytes', 'rows'] as const) assert.equal(sum(shares, name), sum(splits, name));
      const fair = (sum(splits, 'bytes') + splits.length) / slots / 4;
      for (const { bytes, parts } of shares) assert.ok(parts.length === 1 || bytes <= fair + 500, `${bytes} of ${fair}`);
    }),
  );
});

test('a few shares for each slot, as few as that where splits are small, and none beyond what may be read again', () => {
  assert.equal(sharesOf(splitsOf(Array(64).fill(4 * MiB)), 2).length, 8);
  assert.equal(sharesOf(splitsOf(Array(64).fill(4 * MiB)), 16).length, 64);
  assert.equal(sharesOf(splitsOf(Array(5).fill(4 * MiB)), 2).length, 5);
  assert.equal(sharesOf(splitsOf(Array(1000).fill(16 * MiB)), 2).length, 125);
  assert.deepEqual(sharesOf([], 2), []);
});

test('splits of which no size is known are shared out by number', () => {
  assert.equal(sharesOf(splitsOf(Array(64).fill(0)), 2).length, 8);
});
