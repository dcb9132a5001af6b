/**
 * Hashes of rows that mean the same in every process and language, version 1. A value's hash is xxh64 (seed 0) of its
 * canonical bytes: int32, integer, int64, date and timestamp are 8 bytes of two's complement, little endian, so int32 5 =
 * int64 5; float64 is its 8 bytes with -0 as 0 and one NaN (0x7ff8000000000000); bool is one byte; utf8 its bytes; a decimal
 * without zeros at the end of what is behind its point is the 8 bytes of its unscaled number, or 16 where it needs them, the
 * highest one xored with how many digits are behind the point: decimal 5.00 = int32 5.
 * A null's is 0x9e3779b97f4a7c15. Partitions use the key hash, digest.ts the row hash.
 */
import type { Batch, Column } from './batch.ts';
import { bitAt } from './bitmap.ts';
import { layoutOf } from './column.ts';
import { putWide, tens, type Unscaled, wideAt } from './decimal.ts';
import { closeEights, foldEights, hashEights, hashTexts } from './hash-kernel.ts';

export const hashVersion = 1;

const nullLow = 0x7f4a7c15 | 0;
/** The key hash of null, signed. */
export const nullHigh = 0x9e3779b9 | 0;

// The primes of xxh64 as lanes.
const p1lo = 0x85ebca87 | 0;
const p1hi = 0x9e3779b1 | 0;
const p2lo = 0x27d4eb4f | 0;
const p2hi = 0xc2b2ae3d | 0;
const p3lo = 0x9e3779f9 | 0;
const p3hi = 0x165667b1 | 0;
const p4lo = 0xc2b2ae63 | 0;
const p4hi = 0x85ebca77 | 0;
const p5lo = 0x165667c5 | 0;
const p5hi = 0x27d4eb2f | 0;

/**
 * The 32-bit key hash of each row: of one column the high half of the value's hash; of several MurmurHash3_x86_32
 * (seed 0) over those halves in order, 4 bytes each, little endian.
 * @param columns  at least one, n rows each
 * Cost            4n bytes, and 8n scratch; about 40 M values/s, dictionary columns once per entry
 */
export function hashKeys(columns: readonly Column[], length: number): Uint32Array {
  const out = new Uint32Array(length);
  const lanes = new Int32Array(2 * length);
  if (columns.length === 1) {
    hashColumn(columns[0]!, length, lanes);
    for (let i = 0; i < length; i++) out[i] = lanes[2 * i + 1]!;
    return out;
  }
  for (const column of columns) {
    hashColumn(column, length, lanes);
    for (let i = 0; i < length; i++) out[i] = foldKey(out[i]!, lanes[2 * i + 1]!);
  }
  for (let i = 0; i < length; i++) out[i] = closeKey(out[i]!, columns.length);
  return out;
}

/** A step of MurmurHash3_x86_32 over the key hash of one more column, and its end over so many. */
export function foldKey(state: number, key: number): number {
  const word = Math.imul(key, 0xcc9e2d51);
  const mixed = state ^ Math.imul((word << 15) | (word >>> 17), 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}
export function closeKey(state: number, columns: number): number {
  let h = state ^ (4 * columns);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * The 64-bit hash of each row, as lanes (low first): xxh64 (seed 0) tail steps over the columns' hashes in order, 8
 * bytes each.
 */
export function hashRows(batch: Batch): Int32Array {
  const n = batch.length;
  const rows = new Int32Array(2 * n);
  const values = new Int32Array(2 * n);
  const start = p5lo + 8 * batch.columns.length;
  for (let i = 0; i < n; i++) {
    rows[2 * i] = start;
    rows[2 * i + 1] = p5hi;
  }
  for (const column of batch.columns) {
    hashColumn(column, n, values);
    foldEights(rows, values, n);
  }
  closeEights(rows, n);
  return rows;
}

/** The hash of each value, as lanes (low first) into `out`, of at least 2 x length. */
export function hashColumn(column: Column, length: number, out: Int32Array): void {
  const { data } = column;
  switch (layoutOf(column.type)) {
    case 'word':
      for (let i = 0; i < length; i++) {
        const value = data[i]!;
        out[2 * i] = value;
        out[2 * i + 1] = value >> 31;
      }
      hashEights(out, length);
      break;
    case 'lanes':
      for (let i = 0; i < 2 * length; i++) out[i] = data[i]!;
      hashEights(out, length);
      break;
    case 'wide':
      hashWide(column, length, out);
      break;
    case 'double': {
      if (column.type.kind === 'decimal') {
        const { scale } = column.type;
        for (let i = 0; i < length; i++) putEight(data[i]!, scale, out, i);
        hashEights(out, length);
        break;
      }
      const doubles = data as Float64Array;
      const words = new Int32Array(doubles.buffer, doubles.byteOffset, 2 * length);
      for (let i = 0; i < length; i++) {
        const value = doubles[i]!;
        const isNumber = !Number.isNaN(value);
        out[2 * i] = value === 0 || !isNumber ? 0 : words[2 * i]!;
        out[2 * i + 1] = value === 0 ? 0 : isNumber ? words[2 * i + 1]! : 0x7ff80000;
      }
      hashEights(out, length);
      break;
    }
    case 'bits': {
      const both = new Int32Array(4);
      hashBytes(new Uint8Array([0, 1]), 0, 1, both, 0);
      hashBytes(new Uint8Array([0, 1]), 1, 2, both, 1);
      for (let i = 0; i < length; i++) {
        const bit = bitAt(data as Uint8Array, i);
        out[2 * i] = both[2 * bit]!;
        out[2 * i + 1] = both[2 * bit + 1]!;
      }
      break;
    }
    case 'bytes':
      hashText(column, length, out);
      break;
    case 'list':
      hashLists(column, length, out);
      break;
    case 'struct':
      hashStructs(column, length, out);
  }
  const { validity } = column;
  if (validity === null) return;
  for (let i = 0; i < length; i++) {
    if (bitAt(validity, i) === 1) continue;
    out[2 * i] = nullLow;
    out[2 * i + 1] = nullHigh;
  }
}

/** Of a list: of the hashes of its items, in order. */
function hashLists({ offsets, children }: Column, length: number, out: Int32Array): void {
  const items = children[0]!;
  const hashes = new Int32Array(2 * items.length);
  hashColumn(items, items.length, hashes);
  const bytes = new Uint8Array(hashes.buffer);
  for (let i = 0; i < length; i++) hashBytes(bytes, 8 * offsets![i]!, 8 * offsets![i + 1]!, out, i);
}

/** Of a struct: of the hashes of its fields, in order. */
function hashStructs({ children }: Column, length: number, out: Int32Array): void {
  const one = new Int32Array(2 * length);
  const hashes = new Int32Array(2 * length * children.length);
  children.forEach((child, f) => {
    hashColumn(child, length, one);
    for (let i = 0; i < length; i++) {
      hashes[2 * (i * children.length + f)] = one[2 * i]!;
      hashes[2 * (i * children.length + f) + 1] = one[2 * i + 1]!;
    }
  });
  const bytes = new Uint8Array(hashes.buffer);
  const width = 8 * children.length;
  for (let i = 0; i < length; i++) hashBytes(bytes, width * i, width * (i + 1), out, i);
}

/** The canonical 8 bytes of a decimal that a double has exactly. */
function putEight(given: number, scale: number, out: Int32Array, i: number): void {
  let value = given;
  let digits = scale;
  // Not by `%`, which asks the C library.
  const whole = Math.floor(value / tens[scale]!);
  if (whole * tens[scale]! === value) {
    value = whole;
    digits = 0;
  } else {
    for (let tenth = Math.floor(value / 10); tenth * 10 === value; tenth = Math.floor(value / 10)) {
      value = tenth;
      digits--;
    }
  }
  out[2 * i] = value;
  out[2 * i + 1] = Math.floor(value / 4_294_967_296) ^ (digits << 24);
}

function hashWide({ type, data }: Column, length: number, out: Int32Array): void {
  const scale = type.kind === 'decimal' ? type.scale : 0;
  const large: number[] = [];
  for (let i = 0; i < length; i++) {
    const value = wideAt(data as Int32Array, i);
    if (typeof value === 'number') putEight(value, scale, out, i);
    else large.push(i);
  }
  hashEights(out, length);
  for (const i of large) hashDecimal(wideAt(data as Int32Array, i), scale, out, i);
}

const decimalWords = new Int32Array(4);
const decimalBytes = new Uint8Array(decimalWords.buffer);
/** The hash of one decimal, as lanes of place i. */
export function hashDecimal(given: Unscaled, scale: number, out: Int32Array, i: number): void {
  let value = given;
  let digits = scale;
  if (typeof value === 'bigint') for (; digits > 0 && value % 10n === 0n; digits--) value /= 10n;
  else for (; digits > 0 && value % 10 === 0; digits--) value /= 10;
  putWide(decimalWords, 0, value);
  const sign = decimalWords[1]! >> 31;
  if (decimalWords[2] !== sign || decimalWords[3] !== sign) {
    decimalWords[3]! ^= digits << 24;
    hashBytes(decimalBytes, 0, 16, out, i);
    return;
  }
  decimalWords[1]! ^= digits << 24;
  hashBytes(decimalBytes, 0, 8, out, i);
}

function hashText(column: Column, length: number, out: Int32Array): void {
  const { dictionary, data } = column;
  if (dictionary === null) {
    hashAll(data as Uint8Array, column.offsets!, length, out);
    return;
  }
  const bytes = dictionary.data as Uint8Array;
  const offsets = dictionary.offsets!;
  if (dictionary.length > length) {
    for (let i = 0; i < length; i++) hashBytes(bytes, offsets[data[i]!]!, offsets[data[i]! + 1]!, out, i);
    return;
  }
  if (dictionary.length === 0) return;
  const entries = new Int32Array(2 * dictionary.length);
  hashAll(bytes, offsets, dictionary.length, entries);
  for (let i = 0; i < length; i++) {
    const code = data[i]!;
    out[2 * i] = entries[2 * code]!;
    out[2 * i + 1] = entries[2 * code + 1]!;
  }
}

function hashAll(bytes: Uint8Array, offsets: Int32Array, length: number, out: Int32Array): void {
  for (let i = 0; i < length; ) {
    const to = hashTexts(bytes, offsets, i, length, out);
    if (to === i) hashBytes(bytes, offsets[i]!, offsets[++i]!, out, i - 1);
    else i = to;
  }
}

/** High 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16);
  const carried = Math.imul(a0, b1) + (middle & 0xffff);
  return (Math.imul(a1, b1) + (middle >>> 16) + (carried >>> 16)) | 0;
}

/** h = rotl(h ^ round(0, k), 27) * P1 + P4. */
function mixEight(hlo: number, hhi: number, klo: number, khi: number, out: Int32Array): void {
  // round(0, k) = rotl(k * P2, 31) * P1
  const alo = Math.imul(klo, p2lo);
  const ahi = mulHigh(klo, p2lo) + Math.imul(klo, p2hi) + Math.imul(khi, p2lo);
  const blo = (alo << 31) | (ahi >>> 1);
  const bhi = (ahi << 31) | (alo >>> 1);
  const clo = hlo ^ Math.imul(blo, p1lo);
  const chi = hhi ^ (mulHigh(blo, p1lo) + Math.imul(blo, p1hi) + Math.imul(bhi, p1lo));
  const dlo = (clo << 27) | (chi >>> 5);
  const dhi = (chi << 27) | (clo >>> 5);
  const elo = (Math.imul(dlo, p1lo) >>> 0) + (p4lo >>> 0);
  out[0] = elo;
  out[1] = mulHigh(dlo, p1lo) + Math.imul(dlo, p1hi) + Math.imul(dhi, p1lo) + p4hi + (elo > 0xffffffff ? 1 : 0);
}

function avalanche(hlo: number, hhi: number, out: Int32Array): void {
  const alo = hlo ^ (hhi >>> 1);
  const blo = Math.imul(alo, p2lo);
  const bhi = (mulHigh(alo, p2lo) + Math.imul(alo, p2hi) + Math.imul(hhi, p2lo)) | 0;
  const clo = blo ^ ((blo >>> 29) | (bhi << 3));
  const chi = bhi ^ (bhi >>> 29);
  const dlo = Math.imul(clo, p3lo);
  const dhi = (mulHigh(clo, p3lo) + Math.imul(clo, p3hi) + Math.imul(chi, p3lo)) | 0;
  out[0] = dlo ^ dhi;
  out[1] = dhi;
}

/** Where a step leaves its 64 bits, low lane first. Scratch: dead between calls. */
const result = new Int32Array(2);
/** The four accumulators, low lanes first. */
const states = new Int32Array(8);

/** xxh64, seed 0, of bytes[from, to), as lanes to out[2 * at]. */
export function hashBytes(bytes: Uint8Array, from: number, to: number, out: Int32Array, at: number): void {
  const length = to - from;
  let i = from;
  let lo: number;
  let hi: number;
  const step = result;
  if (length >= 32) {
    stripes(bytes, from, to);
    lo = step[0]!;
    hi = step[1]!;
    i = from + (length & ~31);
  } else {
    lo = p5lo;
    hi = p5hi;
  }
  const low = (lo >>> 0) + length;
  hi = (hi + (low > 0xffffffff ? 1 : 0)) | 0;
  lo = low | 0;
  for (; i + 8 <= to; i += 8) {
    mixEight(lo, hi, wordAt(bytes, i), wordAt(bytes, i + 4), step);
    lo = step[0]!;
    hi = step[1]!;
  }
  if (i + 4 <= to) {
    // h = rotl(h ^ word * P1, 23) * P2 + P3
    const word = wordAt(bytes, i);
    lo ^= Math.imul(word, p1lo);
    hi ^= mulHigh(word, p1lo) + Math.imul(word, p1hi);
    const rlo = (lo << 23) | (hi >>> 9);
    const rhi = (hi << 23) | (lo >>> 9);
    const sum = (Math.imul(rlo, p2lo) >>> 0) + (p3lo >>> 0);
    hi = (mulHigh(rlo, p2lo) + Math.imul(rlo, p2hi) + Math.imul(rhi, p2lo) + p3hi + (sum > 0xffffffff ? 1 : 0)) | 0;
    lo = sum | 0;
    i += 4;
  }
  for (; i < to; i++) {
    // h = rotl(h ^ byte * P5, 11) * P1
    const byte = bytes[i]!;
    lo ^= Math.imul(byte, p5lo);
    hi ^= mulHigh(byte, p5lo) + Math.imul(byte, p5hi);
    const rlo = (lo << 11) | (hi >>> 21);
    const rhi = (hi << 11) | (lo >>> 21);
    lo = Math.imul(rlo, p1lo);
    hi = (mulHigh(rlo, p1lo) + Math.imul(rlo, p1hi) + Math.imul(rhi, p1lo)) | 0;
  }
  avalanche(lo, hi, step);
  out[2 * at] = step[0]!;
  out[2 * at + 1] = step[1]!;
}

const wordAt = (bytes: Uint8Array, i: number): number => bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);

const turns = [1, 7, 12, 18] as const;

/** The four accumulators of xxh64 over whole 32-byte stripes, merged, to `result`. */
function stripes(bytes: Uint8Array, from: number, to: number): void {
  // P1 + P2, P2, 0 and -P1.
  states[0] = 0xadc0b5d6;
  states[1] = 0x60ea27ee;
  states[2] = p2lo;
  states[3] = p2hi;
  states[4] = 0;
  states[5] = 0;
  states[6] = 0x7a143579;
  states[7] = 0x61c8864e;
  for (let i = from; i + 32 <= to; i += 32) {
    for (let s = 0; s < 8; s += 2) {
      // state = rotl(state + word * P2, 31) * P1
      const klo = wordAt(bytes, i + 4 * s);
      const alo = Math.imul(klo, p2lo);
      const ahi = mulHigh(klo, p2lo) + Math.imul(klo, p2hi) + Math.imul(wordAt(bytes, i + 4 * s + 4), p2lo);
      const blo = (states[s]! + alo) | 0;
      const bhi = (states[s + 1]! + ahi + (blo >>> 0 < alo >>> 0 ? 1 : 0)) | 0;
      const clo = (blo << 31) | (bhi >>> 1);
      const chi = (bhi << 31) | (blo >>> 1);
      states[s] = Math.imul(clo, p1lo);
      states[s + 1] = mulHigh(clo, p1lo) + Math.imul(clo, p1hi) + Math.imul(chi, p1lo);
    }
  }
  let low = 0;
  let hi = 0;
  for (let s = 0; s < 4; s++) {
    const by = turns[s]!;
    const [slo, shi] = [states[2 * s]!, states[2 * s + 1]!];
    low += ((slo << by) | (shi >>> (32 - by))) >>> 0;
    hi += (shi << by) | (slo >>> (32 - by));
  }
  hi = (hi + Math.floor(low / 4_294_967_296)) | 0;
  let lo = low | 0;
  for (let s = 0; s < 8; s += 2) {
    // hash = (hash ^ rotl(state * P2, 31) * P1) * P1 + P4
    const klo = states[s]!;
    const alo = Math.imul(klo, p2lo);
    const ahi = (mulHigh(klo, p2lo) + Math.imul(klo, p2hi) + Math.imul(states[s + 1]!, p2lo)) | 0;
    const blo = (alo << 31) | (ahi >>> 1);
    const bhi = (ahi << 31) | (alo >>> 1);
    const clo = lo ^ Math.imul(blo, p1lo);
    const chi = hi ^ (mulHigh(blo, p1lo) + Math.imul(blo, p1hi) + Math.imul(bhi, p1lo));
    lo = (Math.imul(clo, p1lo) + p4lo) | 0;
    hi = (mulHigh(clo, p1lo) + Math.imul(clo, p1hi) + Math.imul(chi, p1lo) + p4hi + (lo >>> 0 < p4lo >>> 0 ? 1 : 0)) | 0;
  }
  result[0] = lo;
  result[1] = hi;
}
