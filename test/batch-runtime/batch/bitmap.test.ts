import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bitAt, bitmapBytes, clearBit, copyBits, countBits, setBit, setBits, sliceBits } from '#runtime/batch/bitmap.ts';

const bitsArb = fc.array(fc.boolean(), { maxLength: 70 });
/** With every spare bit set, since those are unspecified. */
const bitmapOf = (bits: readonly boolean[]): Uint8Array => {
  const bitmap = new Uint8Array(bitmapBytes(bits.length) + 1).fill(0xff);
  bits.forEach((bit, i) => {
    if (!bit) clearBit(bitmap, i);
  });
  return bitmap;
};
const bitsOf = (bitmap: Uint8Array, count: number, from = 0): boolean[] => Array.from({ length: count }, (_, i) => bitAt(bitmap, from + i) === 1);

test('bit i is bit i & 7 of byte i >> 3', () => {
  const bitmap = new Uint8Array(2);
  setBit(bitmap, 0);
  setBit(bitmap, 9);
  assert.deepEqual([...bitmap], [1, 2]);
  clearBit(bitmap, 9);
  assert.deepEqual([...bitmap], [1, 0]);
  assert.deepEqual([0, 1, 8, 9, 16].map(bitmapBytes), [0, 1, 1, 2, 2]);
});

test('bits are counted, spare ones not', () => {
  fc.assert(fc.property(bitsArb, (bits) => assert.equal(countBits(bitmapOf(bits), bits.length), bits.filter(Boolean).length)));
});

test('a run of bits is set and nothing beside it', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.nat(40), (from, count) => {
      const bitmap = new Uint8Array(bitmapBytes(from + count) + 2);
      setBits(bitmap, from, count);
      assert.deepEqual(
        bitsOf(bitmap, 8 * bitmap.length),
        Array.from({ length: 8 * bitmap.length }, (_, i) => i >= from && i < from + count),
      );
    }),
  );
});

test('bits are copied and cut wherever they stand', () => {
  fc.assert(
    fc.property(bitsArb, fc.nat(20), fc.nat(20), (bits, skipped, at) => {
      const from = Math.min(skipped, bits.length);
      const count = bits.length - from;
      const target = new Uint8Array(bitmapBytes(at + count));
      copyBits(bitmapOf(bits), from, target, at, count);
      assert.deepEqual(bitsOf(target, count, at), bits.slice(from));
      assert.equal(countBits(target, 8 * target.length), bits.slice(from).filter(Boolean).length);
      assert.deepEqual(bitsOf(sliceBits(bitmapOf(bits), from, bits.length), count), bits.slice(from));
    }),
  );
});
