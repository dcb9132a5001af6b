/**
 * Bitmaps as Arrow lays them out: bit i is bit i & 7 of byte i >> 3. Validity and boolean columns are made of them.
 * Bits behind the last one are unspecified when read and zero when written here.
 */

export const bitmapBytes = (bits: number): number => (bits + 7) >> 3;

/** 1 or 0. */
export const bitAt = (bitmap: Uint8Array, i: number): number => (bitmap[i >> 3]! >> (i & 7)) & 1;

export function setBit(bitmap: Uint8Array, i: number): void {
  bitmap[i >> 3]! |= 1 << (i & 7);
}

export function clearBit(bitmap: Uint8Array, i: number): void {
  bitmap[i >> 3]! &= ~(1 << (i & 7));
}

/** Sets `count` bits from `from` on. */
export function setBits(bitmap: Uint8Array, from: number, count: number): void {
  let i = from;
  const to = from + count;
  while (i < to && (i & 7) !== 0) setBit(bitmap, i++);
  const whole = (to - i) >> 3;
  if (whole > 0) {
    bitmap.fill(0xff, i >> 3, (i >> 3) + whole);
    i += whole << 3;
  }
  while (i < to) setBit(bitmap, i++);
}

/** How many of the first `bits` bits are set. */
export function countBits(bitmap: Uint8Array, bits: number): number {
  let total = 0;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) total += ones(bitmap[i]!);
  if ((bits & 7) !== 0) total += ones(bitmap[whole]! & ((1 << (bits & 7)) - 1));
  return total;
}

function ones(byte: number): number {
  let v = byte - ((byte >> 1) & 0x55);
  v = (v & 0x33) + ((v >> 2) & 0x33);
  return (v + (v >> 4)) & 0x0f;
}

/** Copies bits [from, from + count) of `source` to `at` of `target`, whose bits there must be zero. */
export function copyBits(source: Uint8Array, from: number, target: Uint8Array, at: number, count: number): void {
  if (((from | at) & 7) === 0) {
    const whole = count >> 3;
    target.set(source.subarray(from >> 3, (from >> 3) + whole), at >> 3);
    for (let i = whole << 3; i < count; i++) if (bitAt(source, from + i) === 1) setBit(target, at + i);
    return;
  }
  for (let i = 0; i < count; i++) {
    const s = from + i;
    const t = at + i;
    target[t >> 3]! |= ((source[s >> 3]! >> (s & 7)) & 1) << (t & 7);
  }
}

/** A bitmap of bits [from, to); a view where the cut falls on a byte. */
export function sliceBits(bitmap: Uint8Array, from: number, to: number): Uint8Array {
  if ((from & 7) === 0) return bitmap.subarray(from >> 3, (from >> 3) + bitmapBytes(to - from));
  const out = new Uint8Array(bitmapBytes(to - from));
  copyBits(bitmap, from, out, 0, to - from);
  return out;
}
