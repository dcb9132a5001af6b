/**
 * xxHash64 with seed 0, in plain TypeScript on 32-bit lanes. It is the reference for the kernel's hash and does for
 * small things: control frames, manifests, page headers. Blocks by the megabyte go through kernel/kernel.ts.
 * Source: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
 */

const p1Low = 0x85ebca87;
const p1High = 0x9e3779b1;
const p2Low = 0x27d4eb4f;
const p2High = 0xc2b2ae3d;
const p3Low = 0x9e3779f9;
const p3High = 0x165667b1;
const p4Low = 0xc2b2ae63;
const p4High = 0x85ebca77;
const p5Low = 0x165667c5;
const p5High = 0x27d4eb2f;

// The 64-bit value being worked on, as two lanes. Scratch: dead between calls.
let low = 0;
let high = 0;

function multiply(a: number, aHigh: number, b: number, bHigh: number): void {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const p00 = Math.imul(a0, b0);
  const p01 = Math.imul(a0, b1);
  const p10 = Math.imul(a1, b0);
  const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
  high = (Math.imul(a1, b1) + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16) + Math.imul(a, bHigh) + Math.imul(aHigh, b)) | 0;
  low = (middle << 16) | (p00 & 0xffff);
}

/** `by` in 1..31. */
function rotateLeft(by: number): void {
  const before = low;
  low = (low << by) | (high >>> (32 - by));
  high = (high << by) | (before >>> (32 - by));
}

function add(b: number, bHigh: number): void {
  const sum = (low >>> 0) + (b >>> 0);
  low = sum | 0;
  high = (high + bHigh + (sum > 0xffffffff ? 1 : 0)) | 0;
}

const word = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);

/** (low, high) = rotl(accumulator + input * P2, 31) * P1 */
function round(accumulator: number, accumulatorHigh: number, input: number, inputHigh: number): void {
  multiply(input, inputHigh, p2Low, p2High);
  add(accumulator, accumulatorHigh);
  rotateLeft(31);
  multiply(low, high, p1Low, p1High);
}

function merge(hash: number, hashHigh: number, lane: number, laneHigh: number): void {
  round(0, 0, lane, laneHigh);
  low ^= hash;
  high ^= hashHigh;
  multiply(low, high, p1Low, p1High);
  add(p4Low, p4High);
}

/** Hashes bytes[from, to) and leaves the result in the scratch lanes. */
function run(bytes: Uint8Array, from: number, to: number): void {
  let at = from;
  if (to - from >= 32) {
    // v1 = P1 + P2, v2 = P2, v3 = 0, v4 = -P1, modulo 2^64
    let v1 = 0xadc0b5d6 | 0;
    let v1High = 0x60ea27ee;
    let v2 = p2Low;
    let v2High = p2High | 0;
    let v3 = 0;
    let v3High = 0;
    let v4 = 0x7a143579;
    let v4High = 0x61c8864e;
    for (const last = to - 32; at <= last; at += 32) {
      round(v1, v1High, word(bytes, at), word(bytes, at + 4));
      v1 = low;
      v1High = high;
      round(v2, v2High, word(bytes, at + 8), word(bytes, at + 12));
      v2 = low;
      v2High = high;
      round(v3, v3High, word(bytes, at + 16), word(bytes, at + 20));
      v3 = low;
      v3High = high;
      round(v4, v4High, word(bytes, at + 24), word(bytes, at + 28));
      v4 = low;
      v4High = high;
    }
    low = v4;
    high = v4High;
    rotateLeft(18);
    const rotated4 = low;
    const rotated4High = high;
    low = v3;
    high = v3High;
    rotateLeft(12);
    const rotated3 = low;
    const rotated3High = high;
    low = v2;
    high = v2High;
    rotateLeft(7);
    const rotated2 = low;
    const rotated2High = high;
    low = v1;
    high = v1High;
    rotateLeft(1);
    add(rotated2, rotated2High);
    add(rotated3, rotated3High);
    add(rotated4, rotated4High);
    merge(low, high, v1, v1High);
    merge(low, high, v2, v2High);
    merge(low, high, v3, v3High);
    merge(low, high, v4, v4High);
  } else {
    low = p5Low;
    high = p5High;
  }
  add(to - from, 0);
  for (; at + 8 <= to; at += 8) {
    const hash = low;
    const hashHigh = high;
    round(0, 0, word(bytes, at), word(bytes, at + 4));
    low ^= hash;
    high ^= hashHigh;
    rotateLeft(27);
    multiply(low, high, p1Low, p1High);
    add(p4Low, p4High);
  }
  if (at + 4 <= to) {
    const hash = low;
    const hashHigh = high;
    multiply(word(bytes, at), 0, p1Low, p1High);
    low ^= hash;
    high ^= hashHigh;
    rotateLeft(23);
    multiply(low, high, p2Low, p2High);
    add(p3Low, p3High);
    at += 4;
  }
  for (; at < to; at++) {
    const hash = low;
    const hashHigh = high;
    multiply(bytes[at]!, 0, p5Low, p5High);
    low ^= hash;
    high ^= hashHigh;
    rotateLeft(11);
    multiply(low, high, p1Low, p1High);
  }
  low ^= high >>> 1; // h ^= h >> 33
  multiply(low, high, p2Low, p2High);
  const before = high;
  low ^= (high << 3) | (low >>> 29); // h ^= h >> 29; the old low is used on both sides
  high ^= before >>> 29;
  multiply(low, high, p3Low, p3High);
  low ^= high; // h ^= h >> 32
}

/** Hash of bytes[from, to). About 0.3 GB/s. */
export function xxh64(bytes: Uint8Array, from = 0, to = bytes.length): bigint {
  run(bytes, from, to);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** The same without a BigInt: into[0] is the low half, into[1] the high half. */
export function xxh64Words(bytes: Uint8Array, from: number, to: number, into: Uint32Array): void {
  run(bytes, from, to);
  into[0] = low;
  into[1] = high;
}
