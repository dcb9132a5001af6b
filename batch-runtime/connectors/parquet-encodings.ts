/**
 * The encodings inside a Parquet page, decoded straight into typed arrays: run-length and bit-packed hybrids (levels,
 * dictionary indices, booleans) and plain values. The rarer delta and byte-split encodings go through hyparquet's
 * generic decoders. Pure functions over bytes; a page that ends early or points outside throws a plain Error, which
 * parquet-pages.ts turns into FILE_CORRUPT.
 */
import { isUtf8 } from 'node:buffer';
import { deltaBinaryUnpack, deltaByteArray, deltaLengthByteArray } from 'hyparquet/src/delta.js';
import { byteStreamSplit } from 'hyparquet/src/encoding.js';
import { bitmapBytes, copyBits, countBits, setBits } from '../batch/bitmap.ts';

/** Texts end to end: text i is bytes[offsets[i], offsets[i + 1]). */
export interface Texts {
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
}

const early = (): Error => new Error('a page ends early');

/** The run header at `at`; `next` is where it ends. */
let next = 0;
function runHeader(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  let shift = 0;
  let i = at;
  for (;;) {
    if (i >= end || shift > 28) throw early();
    const byte = bytes[i++]!;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
    shift += 7;
  }
  next = i;
  return value >>> 0;
}

/**
 * Values of 0 to 32 bits from a hybrid of runs.
 * @param limit  every value must be below it
 * @returns      `count` values
 */
export function decodeHybrid(bytes: Uint8Array, from: number, end: number, width: number, count: number, limit: number): Int32Array {
  if (width > 32) throw new Error(`a page packs values in ${width} bits`);
  const out = new Int32Array(count);
  if (width === 0) {
    if (count > 0 && limit < 1) throw outside();
    return out;
  }
  const wholeBytes = (width + 7) >> 3;
  let at = from;
  let done = 0;
  while (done < count) {
    const header = runHeader(bytes, at, end);
    at = next;
    if ((header & 1) === 0) {
      if (at + wholeBytes > end) throw early();
      let value = 0;
      for (let b = 0; b < wholeBytes; b++) value |= bytes[at++]! << (8 * b);
      if (value >>> 0 >= limit) throw outside();
      const run = Math.min(header >>> 1, count - done);
      if (value !== 0) out.fill(value, done, done + run);
      done += run;
    } else {
      const packed = (header >>> 1) * 8;
      const run = Math.min(packed, count - done);
      // The last group may be cut where its padding starts.
      if (at + Math.ceil((run * width) / 8) > end) throw early();
      unpack(bytes, at, width, out, done, run, limit);
      at += (packed >>> 3) * width;
      done += run;
    }
  }
  return out;
}

const outside = (): Error => new Error('a page refers to an entry that its dictionary does not have');

/** What is unpacked, at an address where words are read at once, and 8 bytes behind it. Dead between calls. */
let packedWords = new Int32Array(1 << 14);

function unpack(bytes: Uint8Array, from: number, width: number, out: Int32Array, start: number, count: number, limit: number): void {
  const length = (count * width + 7) >>> 3;
  if (4 * packedWords.length < length + 8) packedWords = new Int32Array((length + 16) >>> 2);
  new Uint8Array(packedWords.buffer).set(bytes.subarray(from, from + length));
  const words = packedWords;
  const mask = width === 32 ? -1 : (1 << width) - 1;
  let highest = 0;
  for (let i = 0, bit = 0; i < count; i++, bit += width) {
    const word = bit >>> 5;
    // A shift by 32 is one by 1 and one by 31.
    const value = ((words[word]! >>> bit) | ((words[word + 1]! << 1) << (31 - (bit & 31)))) & mask;
    if (value >>> 0 > highest) highest = value >>> 0;
    out[start + i] = value;
  }
  if (highest >= limit && count > 0) throw outside();
}

/**
 * Values of one bit from a hybrid of runs: definition levels of a flat column, booleans.
 * @returns a bitmap of `count` bits, or null when all are 1
 */
export function decodeBits(bytes: Uint8Array, from: number, end: number, count: number): Uint8Array | null {
  let at = from;
  let done = 0;
  let out: Uint8Array | null = null;
  while (done < count) {
    const header = runHeader(bytes, at, end);
    at = next;
    if ((header & 1) === 0) {
      if (at >= end) throw early();
      const value = bytes[at++]! & 1;
      const run = Math.min(header >>> 1, count - done);
      if (run === count && value === 1) return null;
      out ??= new Uint8Array(bitmapBytes(count));
      if (value === 1) setBits(out, done, run);
      done += run;
    } else {
      const groups = header >>> 1;
      const run = Math.min(groups * 8, count - done);
      if (at + bitmapBytes(run) > end) throw early();
      out ??= new Uint8Array(bitmapBytes(count));
      copyBits(bytes.subarray(at, at + bitmapBytes(run)), 0, out, done, run);
      at += groups;
      done += run;
    }
  }
  return out === null || countBits(out, count) === count ? null : out;
}

const need = (from: number, length: number, end: number): void => {
  if (from + length > end) throw early();
};

/** `count` little-endian values of 4 bytes each as they stand. */
export function plainWords(bytes: Uint8Array, from: number, end: number, count: number): Int32Array {
  need(from, 4 * count, end);
  return new Int32Array(bytes.slice(from, from + 4 * count).buffer);
}

/** `count` values of 8 bytes each as two words, the low one first. */
export const plainLanes = (bytes: Uint8Array, from: number, end: number, count: number): Int32Array => plainWords(bytes, from, end, 2 * count);

export function plainDoubles(bytes: Uint8Array, from: number, end: number, count: number): Float64Array {
  need(from, 8 * count, end);
  return new Float64Array(bytes.slice(from, from + 8 * count).buffer);
}

export function plainFloats(bytes: Uint8Array, from: number, end: number, count: number): Float64Array {
  need(from, 4 * count, end);
  return Float64Array.from(new Float32Array(bytes.slice(from, from + 4 * count).buffer));
}

export function plainBits(bytes: Uint8Array, from: number, end: number, count: number): Uint8Array {
  need(from, bitmapBytes(count), end);
  return bytes.slice(from, from + bitmapBytes(count));
}

/** Texts, each after its length in 4 bytes. */
export function plainTexts(bytes: Uint8Array, from: number, end: number, count: number): Texts {
  const { offsets, bytes: all } = plainBytes(bytes, from, end, count);
  return checkedTexts(offsets, all);
}

/** The same of any bytes. */
export function plainBytes(bytes: Uint8Array, from: number, end: number, count: number): Texts {
  need(from, 4 * count, end);
  const offsets = new Int32Array(count + 1);
  const out = new Uint8Array(end - from - 4 * count);
  let at = from;
  let used = 0;
  for (let i = 0; i < count; i++) {
    if (at + 4 > end) throw early();
    const length = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    at += 4;
    if (length < 0 || at + length > end || used + length > out.length) throw early();
    if (length > 80) {
      out.set(bytes.subarray(at, at + length), used);
      at += length;
      used += length;
    } else for (const stop = at + length; at < stop; ) out[used++] = bytes[at++]!;
    offsets[i + 1] = used;
  }
  return { offsets, bytes: out.subarray(0, used) };
}

/** All bytes valid and no text starting inside a code point: then each text is valid. */
export function checkedTexts(offsets: Int32Array, bytes: Uint8Array): Texts {
  let isValid = isUtf8(bytes);
  for (let i = 0; i < offsets.length && isValid; i++) {
    const at = offsets[i]!;
    if (at < bytes.length && (bytes[at]! & 0xc0) === 0x80) isValid = false;
  }
  if (!isValid) throw new Error('a text is not valid UTF-8');
  return { offsets, bytes };
}

/** Values of an encoding that hyparquet decodes: whole words, lanes, doubles or bytes, which nobody has looked at, by physical type. */
export function decodeOther(
  encoding: string,
  physical: string,
  bytes: Uint8Array,
  from: number,
  end: number,
  count: number,
): Int32Array | Float64Array | Texts {
  // A copy of its own: the generic decoders make views into the buffer and must not look past the page.
  const page = bytes.slice(from, end);
  const reader = { view: new DataView(page.buffer), offset: 0 };
  if (encoding === 'DELTA_BINARY_PACKED' && (physical === 'INT32' || physical === 'INT64')) {
    const out = physical === 'INT32' ? new Int32Array(count) : new BigInt64Array(count);
    if (count > 0) deltaBinaryUnpack(reader, count, out);
    return out instanceof Int32Array ? out : new Int32Array(out.buffer);
  }
  if ((encoding === 'DELTA_LENGTH_BYTE_ARRAY' || encoding === 'DELTA_BYTE_ARRAY') && physical === 'BYTE_ARRAY') {
    const parts: Uint8Array[] = Array.from({ length: count });
    if (count > 0) (encoding === 'DELTA_BYTE_ARRAY' ? deltaByteArray : deltaLengthByteArray)(reader, count, parts);
    const offsets = new Int32Array(count + 1);
    for (let i = 0; i < count; i++) offsets[i + 1] = offsets[i]! + parts[i]!.length;
    return { offsets, bytes: Buffer.concat(parts) };
  }
  if (encoding === 'BYTE_STREAM_SPLIT') {
    const out = byteStreamSplit(reader, count, physical as 'INT32', undefined);
    if (out instanceof Int32Array || out instanceof Float64Array) return out;
    if (out instanceof BigInt64Array) return new Int32Array(out.buffer);
    if (out instanceof Float32Array) return Float64Array.from(out);
  }
  throw new Error(`the encoding ${encoding} of ${physical} is not supported`);
}
