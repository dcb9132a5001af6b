/**
 * Text made out of other text, as UTF-8 bytes written to an arena, and parts of text found in it. Positions count code
 * points. Called by compiled loops; the references in functions/ say the same on strings.
 */
import type { TextArena } from './text.ts';
import { codePoints, encodeText, equalText, positionOf } from './text.ts';

/** Where the part starts, in bytes; -1 when it is nowhere from `from` on. */
export function findText(a: Uint8Array, from: number, end: number, b: Uint8Array, bStart: number, bEnd: number): number {
  const length = bEnd - bStart;
  if (length === 0) return from;
  const first = b[bStart]!;
  for (let i = from; i <= end - length; i++) if (a[i] === first && equalText(a, i, i + length, b, bStart, bEnd)) return i;
  return -1;
}

/** How many code points stand before the part; -1 when it is not there. */
export function indexOfText(a: Uint8Array, start: number, end: number, b: Uint8Array, bStart: number, bEnd: number): number {
  const at = findText(a, start, end, b, bStart, bEnd);
  return at < 0 ? -1 : codePoints(a, start, at);
}

/** The text with every occurrence of the part replaced, from left to right; an empty part is nowhere. */
export function replaceText(
  arena: TextArena,
  a: Uint8Array,
  start: number,
  end: number,
  part: Uint8Array,
  partStart: number,
  partEnd: number,
  by: Uint8Array,
  byStart: number,
  byEnd: number,
): void {
  let from = start;
  if (partEnd > partStart) {
    for (let at = findText(a, from, end, part, partStart, partEnd); at >= 0; at = findText(a, from, end, part, partStart, partEnd)) {
      arena.put(a, from, at);
      arena.put(by, byStart, byEnd);
      from = at + partEnd - partStart;
    }
  }
  arena.put(a, from, end);
}

export function repeatText(arena: TextArena, bytes: Uint8Array, start: number, end: number, count: number): void {
  if (end === start) return;
  arena.reserve(Math.max(0, count) * (end - start));
  for (let k = 0; k < count; k++) arena.put(bytes, start, end);
}

/** The code points in the opposite order. */
export function reverseText(arena: TextArena, bytes: Uint8Array, start: number, end: number): void {
  arena.reserve(end - start);
  const target = arena.bytes;
  let top = arena.top;
  for (let at = end; at > start; ) {
    let from = at - 1;
    while ((bytes[from]! & 0xc0) === 0x80) from--;
    for (let i = from; i < at; i++) target[top++] = bytes[i]!;
    at = from;
  }
  arena.top = top;
}

/** Code points, repeated as often as needed, that make a text so long: what stands before or behind it. */
export function padText(arena: TextArena, bytes: Uint8Array, start: number, end: number, length: number, fill: string, before: boolean): void {
  const points = Math.max(0, length - codePoints(bytes, start, end));
  if (!before) arena.put(bytes, start, end);
  if (points > 0) putFill(arena, points, fill);
  if (before) arena.put(bytes, start, end);
}

function putFill(arena: TextArena, points: number, fill: string): void {
  const bytes = encodeText(fill);
  const each = codePoints(bytes, 0, bytes.length);
  repeatText(arena, bytes, 0, bytes.length, Math.floor(points / each));
  arena.put(bytes, 0, positionOf(bytes, 0, bytes.length, points % each));
}

/**
 * Start and end, in bytes, of part `index` between separators, to out[0] and out[1]: 0 is the first, -1 the last; empty when there is no
 * such part. An empty separator stands between all code points.
 */
export function splitPart(
  out: Int32Array,
  a: Uint8Array,
  start: number,
  end: number,
  by: Uint8Array,
  byStart: number,
  byEnd: number,
  index: number,
): void {
  const length = byEnd - byStart;
  out[0] = end;
  out[1] = end;
  if (length === 0) {
    const points = codePoints(a, start, end);
    const at = index < 0 ? points + index : index;
    if (at < 0 || at >= points) return;
    out[0] = positionOf(a, start, end, at);
    out[1] = positionOf(a, start, end, at + 1);
    return;
  }
  let skip = index < 0 ? index + 1 + countText(a, start, end, by, byStart, byEnd) : index;
  if (skip < 0) return;
  let from = start;
  for (;;) {
    const at = findText(a, from, end, by, byStart, byEnd);
    if (skip === 0 || at < 0) {
      if (skip > 0) return;
      out[0] = from;
      out[1] = at < 0 ? end : at;
      return;
    }
    from = at + length;
    skip--;
  }
}

/** How often the part, which is not empty, occurs. */
function countText(a: Uint8Array, start: number, end: number, part: Uint8Array, partStart: number, partEnd: number): number {
  let count = 0;
  for (let at = findText(a, start, end, part, partStart, partEnd); at >= 0; at = findText(a, at + partEnd - partStart, end, part, partStart, partEnd))
    count++;
  return count;
}
