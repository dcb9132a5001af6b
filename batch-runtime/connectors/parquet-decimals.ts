/**
 * Decimals of Parquet pages as ours: INT32, INT64 or big-endian bytes to doubles (up to 15 digits) or four lanes each. A file
 * may hold more digits than its schema says; nothing here believes it. And back: as INT64 or 16 bytes. Called by parquet-pages.ts and
 * parquet-encode.ts.
 */
import type { Column } from '../batch/batch.ts';
import { layoutOf } from '../batch/column.ts';
import { fitsDigits, narrowDigits, powerOfTen, putWide } from '../batch/decimal.ts';
import { highLane, lanesToBigInt, lowLane } from '../batch/lanes.ts';

export type Decimals = { readonly kind: 'doubles'; readonly doubles: Float64Array } | { readonly kind: 'wide'; readonly words: Int32Array };

const tooLong = (value: number | bigint, precision: number): Error => new Error(`the decimal ${value} has more than ${precision} digits`);

/** @param lanes  1: INT32, 2: INT64, the low word first. @throws Error when a value has more digits than `precision` */
export function decimalsOf(words: Int32Array, lanes: 1 | 2, precision: number): Decimals {
  const count = words.length / lanes;
  if (precision <= narrowDigits) {
    const doubles = new Float64Array(count);
    const limit = 10 ** precision;
    for (let i = 0; i < count; i++) {
      const value = lanes === 1 ? words[i]! : words[2 * i + 1]! * 4_294_967_296 + (words[2 * i]! >>> 0);
      if (value >= limit || value <= -limit) throw tooLong(value, precision);
      doubles[i] = value;
    }
    return { kind: 'doubles', doubles };
  }
  const out = new Int32Array(4 * count);
  // Of 64 bits all but 19 digits are below 10^19.
  const limit = precision < 19 ? Number(powerOfTen(precision)) : Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    const low = words[lanes * i]!;
    const high = lanes === 1 ? low >> 31 : words[2 * i + 1]!;
    const value = high * 4_294_967_296 + (low >>> 0);
    // As a double a value just below the limit may be the limit itself.
    if ((value >= limit || value <= -limit) && !fitsDigits(lanesToBigInt(low, high), precision)) throw tooLong(lanesToBigInt(low, high), precision);
    out[4 * i] = low;
    out[4 * i + 1] = high;
    out[4 * i + 2] = high >> 31;
    out[4 * i + 3] = high >> 31;
  }
  return { kind: 'wide', words: out };
}

/** @param fixed  bytes of each, 0: a length of four bytes stands before each. @throws Error when they do not fit */
export function decimalsOfBytes(page: Uint8Array, from: number, count: number, fixed: number, precision: number): Decimals {
  const narrow = precision <= narrowDigits;
  const doubles = new Float64Array(narrow ? count : 0);
  const words = new Int32Array(narrow ? 0 : 4 * count);
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  let at = from;
  for (let i = 0; i < count; i++) {
    let length = fixed;
    if (fixed === 0) {
      if (at + 4 > page.length) throw new Error('a page ends early');
      length = view.getUint32(at, true);
      at += 4;
    }
    if (at + length > page.length) throw new Error('a page ends early');
    const value = bigEndian(page, at, length);
    if (!fitsDigits(value, precision)) throw tooLong(value, precision);
    if (narrow) doubles[i] = Number(value);
    else putWide(words, i, value);
    at += length;
  }
  return narrow ? { kind: 'doubles', doubles } : { kind: 'wide', words };
}

/** A number of two's complement, the high byte first. */
export function bigEndian(bytes: Uint8Array, at: number, length: number): bigint {
  let value = 0n;
  for (let i = at; i < at + length; i++) value = (value << 8n) | BigInt(bytes[i]!);
  return BigInt.asIntN(8 * length, value);
}

/** Values of a column without nulls, as INT64 (they fit) or as 16 bytes each, the high one first. */
export function plainDecimals({ type, data, length }: Column, isInt64: boolean): Uint8Array {
  const isNarrow = layoutOf(type) === 'double';
  if (isInt64) {
    const words = new Int32Array(2 * length);
    for (let i = 0; i < length; i++) {
      words[2 * i] = isNarrow ? lowLane(data[i]!) : data[4 * i]!;
      words[2 * i + 1] = isNarrow ? highLane(data[i]!) : data[4 * i + 1]!;
    }
    return new Uint8Array(words.buffer);
  }
  const view = new DataView(new ArrayBuffer(16 * length));
  for (let i = 0; i < length; i++) for (let lane = 0; lane < 4; lane++) view.setInt32(16 * i + 4 * lane, data[4 * i + 3 - lane]!);
  return new Uint8Array(view.buffer);
}
