import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { xxh64, xxh64Words } from '#worker/protocol/xxh64.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test('xxh64 gives the published values', () => {
  assert.equal(xxh64(text('')), 0xef46db3751d8e999n);
  assert.equal(xxh64(text('a')), 0xd24ec4f1a98c6e5bn);
  assert.equal(xxh64(text('abc')), 0x44bc2cf5ad770999n);
  assert.equal(xxh64(text('Nobody inspects the spammish repetition')), 0xfbcea83c8a378bf1n);
});

// The specification word for word, in BigInt.
function reference(bytes: Uint8Array): bigint {
  const m = (value: bigint): bigint => BigInt.asUintN(64, value);
  const [p1, p2, p3, p4, p5] = [0x9e3779b185ebca87n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n, 0x85ebca77c2b2ae63n, 0x27d4eb2f165667c5n];
  const rotl = (value: bigint, by: bigint): bigint => m((value << by) | (value >> (64n - by)));
  const round = (acc: bigint, lane: bigint): bigint => m(rotl(m(acc + lane * p2), 31n) * p1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let hash = p5;
  if (bytes.length >= 32) {
    let lanes = [m(p1 + p2), p2, 0n, m(-p1)];
    for (; at + 32 <= bytes.length; at += 32) lanes = lanes.map((lane, i) => round(lane, view.getBigUint64(at + 8 * i, true)));
    hash = m(rotl(lanes[0]!, 1n) + rotl(lanes[1]!, 7n) + rotl(lanes[2]!, 12n) + rotl(lanes[3]!, 18n));
    for (const lane of lanes) hash = m((hash ^ round(0n, lane)) * p1 + p4);
  }
  hash = m(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) hash = m(rotl(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * p1 + p4);
  if (at + 4 <= bytes.length) {
    hash = m(rotl(hash ^ m(BigInt(view.getUint32(at, true)) * p1), 23n) * p2 + p3);
    at += 4;
  }
  for (; at < bytes.length; at++) hash = m(rotl(hash ^ m(BigInt(bytes[at]!) * p5), 11n) * p1);
  hash = m((hash ^ (hash >> 33n)) * p2);
  hash = m((hash ^ (hash >> 29n)) * p3);
  return hash ^ (hash >> 32n);
}

test('xxh64 is the specification at every length, and its two words are its halves', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(9), (bytes, lead) => {
      const shifted = new Uint8Array(bytes.length + lead + 3).fill(0xaa);
      shifted.set(bytes, lead);
      const expected = reference(bytes);
      const words = new Uint32Array(2);
      xxh64Words(shifted, lead, lead + bytes.length, words);
      assert.equal(xxh64(shifted, lead, lead + bytes.length), expected);
      assert.deepEqual([...words], [Number(expected & 0xffffffffn), Number(expected >> 32n)]);
    }),
  );
});
