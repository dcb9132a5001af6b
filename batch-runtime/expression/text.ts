/**
 * UTF-8 text as (bytes, start, end): the form the compiled loops and dictionary memos work on, so that no row becomes a
 * JavaScript string. Order is that of the bytes, lengths and positions count code points. Text is taken to be
 * well-formed UTF-8, which sources check. Not an interner, not a column builder for sources: those are in batch/.
 */
import { SluiceError } from '#manager/protocol/errors.ts';

/** Offsets of a column are int32. */
const maxBytes = 2 ** 31 - 1;

/** Bytes that grow at the end. Triples into `bytes` stay good when it grows, because the old array is left as it was. */
export class TextArena {
  bytes: Uint8Array;
  top = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Makes room for `more` bytes behind `top`. @throws MEMORY_EXCEEDED beyond what int32 offsets can address */
  reserve(more: number): void {
    const needed = this.top + more;
    if (needed <= this.bytes.length) return;
    if (needed > maxBytes) throw new SluiceError('MEMORY_EXCEEDED', { budgetBytes: maxBytes, what: `${needed} bytes of text in one column` });
    const grown = new Uint8Array(Math.min(maxBytes, Math.max(64, needed, 2 * this.bytes.length)));
    grown.set(this.bytes.subarray(0, this.top));
    this.bytes = grown;
  }

  put(bytes: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    const target = this.bytes;
    let at = this.top;
    if (end - start > 80) {
      target.set(bytes.subarray(start, end), at);
      at += end - start;
    } else for (let i = start; i < end; i++) target[at++] = bytes[i]!;
    this.top = at;
  }

  putBytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.top);
    this.top += bytes.length;
  }

  putString(text: string): void {
    this.reserve(3 * text.length);
    this.top += encoder.encodeInto(text, this.bytes.subarray(this.top)).written;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
export const encodeText = (text: string): Uint8Array => encoder.encode(text);

export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > 24) return decoder.decode(bytes.subarray(start, end));
  let text = '';
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte > 127) return decoder.decode(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

export function equalText(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  for (let i = aStart, j = bStart; i < aEnd; i++, j++) if (a[i] !== b[j]) return false;
  return true;
}

/** @returns below, at or above 0 */
export function compareText(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): number {
  const shared = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < shared; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

export function startsWith(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean {
  const length = bEnd - bStart;
  return aEnd - aStart >= length && equalText(a, aStart, aStart + length, b, bStart, bEnd);
}

export function endsWith(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean {
  const length = bEnd - bStart;
  return aEnd - aStart >= length && equalText(a, aEnd - length, aEnd, b, bStart, bEnd);
}

export function includes(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean {
  const length = bEnd - bStart;
  if (length === 0) return true;
  const first = b[bStart]!;
  for (let i = aStart; i <= aEnd - length; i++) if (a[i] === first && equalText(a, i, i + length, b, bStart, bEnd)) return true;
  return false;
}

const width = (lead: number): number => (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);

export function codePoints(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if ((bytes[i]! & 0xc0) !== 0x80) count++;
  return count;
}

/** Where code point `index` starts, clamped to the text; a negative one counts from the end. */
export function positionOf(bytes: Uint8Array, start: number, end: number, index: number): number {
  let at: number;
  if (index >= 0) {
    at = start;
    for (let k = 0; k < index && at < end; k++) at += width(bytes[at]!);
    return at;
  }
  at = end;
  for (let k = index; k < 0 && at > start; k++)
    do at--;
    while ((bytes[at]! & 0xc0) === 0x80);
  return at;
}

/** 1, 2 or 3 bytes of U+0020, U+00A0, U+1680, U+2000 to 200A, U+202F, U+205F, U+3000: Unicode's space separators, as DuckDB trims. */
function spaceAt(bytes: Uint8Array, at: number, end: number): number {
  const a = bytes[at]!;
  if (a === 0x20) return 1;
  if (a < 0xc2) return 0;
  if (a === 0xc2) return bytes[at + 1] === 0xa0 ? 2 : 0;
  if (at + 2 >= end) return 0;
  const b = bytes[at + 1]!;
  const c = bytes[at + 2]!;
  if (a === 0xe1) return b === 0x9a && c === 0x80 ? 3 : 0;
  if (a === 0xe3) return b === 0x80 && c === 0x80 ? 3 : 0;
  if (a === 0xe2) return (b === 0x80 && ((c >= 0x80 && c <= 0x8a) || c === 0xaf)) || (b === 0x81 && c === 0x9f) ? 3 : 0;
  return 0;
}

export function trimStart(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const space = spaceAt(bytes, at, end);
    if (space === 0) break;
    at += space;
  }
  return at;
}

export function trimEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start) {
    let point = at - 1;
    while (point > start && (bytes[point]! & 0xc0) === 0x80) point--;
    if (spaceAt(bytes, point, at) === 0) break;
    at = point;
  }
  return at;
}

/** Writes the text in lower or upper case, code point by code point, to the arena. @returns where it starts; it ends at `top` */
export function changeCase(arena: TextArena, bytes: Uint8Array, start: number, end: number, upper: boolean): number {
  const from = arena.top;
  arena.reserve(end - start);
  const target = arena.bytes;
  const low = upper ? 0x61 : 0x41;
  let at = from;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte > 127) {
      arena.putString((upper ? upperText : lowerText)(decodeText(bytes, start, end)));
      return from;
    }
    target[at++] = byte >= low && byte < low + 26 ? byte ^ 0x20 : byte;
  }
  arena.top = at;
  return from;
}

export function lowerText(text: string): string {
  let out = '';
  for (const point of text) {
    const lower = point.toLowerCase();
    out += lower.length === point.length ? lower : firstPoint(lower);
  }
  return out;
}

export function upperText(text: string): string {
  let out = '';
  for (const point of text) out += upperPoint(point);
  return out;
}

const firstPoint = (text: string): string => String.fromCodePoint(text.codePointAt(0)!);

/** Unicode's simple mapping: one code point to one. Where the full mapping gives several, a letter stays, or has a title-case form. */
function upperPoint(point: string): string {
  const upper = point.toUpperCase();
  if (upper.length <= firstPoint(upper).length) return upper;
  const code = point.codePointAt(0)!;
  if (code === 0xdf) return '\u1e9e';
  if ((code >= 0x1f80 && code <= 0x1faf && (code & 8) === 0) || code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3)
    return String.fromCodePoint(code < 0x1fb0 ? code + 8 : code + 9);
  return point;
}

/** A matcher of SQL's pattern: `%` any text, `_` one code point, everything else itself; there is no escape. */
export function likeMatcher(pattern: string): (bytes: Uint8Array, start: number, end: number) => boolean {
  const one = -1;
  const any = -2;
  const wanted: number[] = [];
  for (const byte of encodeText(pattern)) {
    const token = byte === 0x5f ? one : byte === 0x25 ? any : byte;
    if (token !== any || wanted.at(-1) !== any) wanted.push(token);
  }
  const tokens = Int16Array.from(wanted);
  return (bytes, start, end) => {
    let token = 0;
    let at = start;
    let anyToken = -1;
    let anyAt = 0;
    while (at < end) {
      const next = token < tokens.length ? tokens[token]! : -3;
      if (next === any) {
        anyToken = token++;
        anyAt = at;
      } else if (next === one) {
        at += width(bytes[at]!);
        token++;
      } else if (next === bytes[at]) {
        at++;
        token++;
      } else if (anyToken >= 0) {
        anyAt += width(bytes[anyAt]!);
        at = anyAt;
        token = anyToken + 1;
      } else return false;
    }
    return token === tokens.length || (token === tokens.length - 1 && tokens[token] === any);
  };
}
