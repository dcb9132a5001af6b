/**
 * A field of a JSON text by a path like `$.a.b[0]`, found by one pass over the bytes: nothing is made of what the path
 * does not lead to, and numbers keep their digits. The whole text is checked all the same. Called by the function `json`.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { outOfRange } from './numbers.ts';
import { decodeText, encodeText, equalText, type TextArena } from './text.ts';

/** A member by its name, or an element by its number; -1 is the last. */
export type Step = { readonly name: string; readonly bytes: Uint8Array } | { readonly index: number };

const stepPattern = /\.(?:"((?:[^"\\]|\\.)+)"|([^."[\]*]+))|\[(?:(\d{1,9})|#?-(\d{1,9}))\]/y;

/** @throws EXPRESSION_TYPE when it is no path */
export function parsePath(path: string): Step[] {
  const steps: Step[] = [];
  stepPattern.lastIndex = 1;
  while (path.startsWith('$') && stepPattern.lastIndex < path.length) {
    const match = stepPattern.exec(path);
    if (match === null) break;
    const [, quoted, plain, first, last] = match;
    const name = quoted?.replace(/\\(.)/gsu, '$1') ?? plain;
    steps.push(name === undefined ? { index: first === undefined ? -Number(last) : Number(first) } : { name, bytes: encodeText(name) });
    if (stepPattern.lastIndex === path.length) return steps;
  }
  if (path === '$') return steps;
  throw new SluiceError('EXPRESSION_TYPE', { what: `'${path}' is not a path into JSON: write '$.name[0]', names with dots in double quotes` });
}

/** Deeper is taken for an attack. */
const maxDepth = 1000;

// The text under way and what was found in it: one text at a time, so no object is made per row.
let bytes: Uint8Array = new Uint8Array(0);
let from = 0;
let at = 0;
let end = 0;
let foundFrom = -1;
let foundTo = -1;
let path: readonly Step[] = [];

const malformed = (): never => outOfRange(`'${decodeText(bytes, from, Math.min(end, from + 100))}' is not JSON at byte ${at - from}`);

function space(): void {
  while (at < end) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
    at++;
  }
}

/** Goes over a string. @returns whether it has escapes */
function string(): boolean {
  if (bytes[at] !== 0x22 || at >= end) malformed();
  at++;
  let escapes = false;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === 0x22) {
      at++;
      return escapes;
    }
    if (byte < 0x20) malformed();
    if (byte === 0x5c) {
      escapes = true;
      escaped();
    } else at++;
  }
  return malformed();
}

const hexDigit = (byte: number): boolean => (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
const codeAt = (i: number): number => (i + 6 <= end ? Number.parseInt(decodeText(bytes, i + 2, i + 6), 16) : Number.NaN);

function escaped(): void {
  const byte = at + 1 < end ? bytes[at + 1]! : 0;
  if (byte !== 0x75) {
    // One of " \ / b f n r t
    if (!'"\\/bfnrt'.includes(String.fromCharCode(byte))) malformed();
    at += 2;
    return;
  }
  for (let k = 2; k < 6; k++) if (at + k >= end || !hexDigit(bytes[at + k]!)) malformed();
  const code = codeAt(at);
  if (code >= 0xdc00 && code <= 0xdfff) malformed();
  if (code >= 0xd800 && code <= 0xdbff) {
    if (bytes[at + 6] !== 0x5c || bytes[at + 7] !== 0x75 || at + 12 > end) malformed();
    const low = codeAt(at + 6);
    if (!(low >= 0xdc00 && low <= 0xdfff)) malformed();
    at += 6;
  }
  at += 6;
}

function digits(): void {
  const first = at;
  while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
  if (at === first) malformed();
}

function number(): void {
  if (bytes[at] === 0x2d) at++;
  if (bytes[at] === 0x30 && at < end) at++;
  else digits();
  if (at < end && bytes[at] === 0x2e) {
    at++;
    digits();
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    at++;
    if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++;
    digits();
  }
}

const words = [encodeText('true'), encodeText('false'), encodeText('null')];
function word(): void {
  for (const each of words) {
    if (at + each.length <= end && equalText(bytes, at, at + each.length, each, 0, each.length)) {
      at += each.length;
      return;
    }
  }
  number();
}

/** Goes over a value. `step`: how much of the path leads to it, -1 when it is off the path. */
function value(step: number, depth: number): void {
  space();
  if (at >= end || depth > maxDepth) malformed();
  const start = at;
  const isTarget = step === path.length && foundFrom < 0;
  const inner = isTarget || step < 0 || foundFrom >= 0 ? null : path[step]!;
  if (bytes[at] === 0x7b) object(inner, step, depth);
  else if (bytes[at] === 0x5b) array(inner, step, depth);
  else if (bytes[at] === 0x22) string();
  else word();
  if (!isTarget) return;
  foundFrom = start;
  foundTo = at;
}

function object(inner: Step | null, step: number, depth: number): void {
  at++;
  space();
  if (at < end && bytes[at] === 0x7d) {
    at++;
    return;
  }
  let wanted = inner !== null && 'name' in inner ? inner : null;
  for (;;) {
    space();
    const start = at;
    const escapes = string();
    // Of members of one name the first counts.
    const leads =
      wanted !== null &&
      (escapes
        ? JSON.parse(decodeText(bytes, start, at)) === wanted.name
        : equalText(bytes, start + 1, at - 1, wanted.bytes, 0, wanted.bytes.length));
    space();
    if (at >= end || bytes[at] !== 0x3a) malformed();
    at++;
    value(leads ? step + 1 : -1, depth + 1);
    if (leads) wanted = null;
    space();
    const byte = at < end ? bytes[at]! : 0;
    if (byte !== 0x2c && byte !== 0x7d) malformed();
    at++;
    if (byte === 0x7d) return;
  }
}

/** Goes over an array. @returns how many elements it has */
function elements(wanted: number, step: number, depth: number): number {
  at++;
  space();
  if (at < end && bytes[at] === 0x5d) {
    at++;
    return 0;
  }
  for (let count = 0; ; ) {
    value(count === wanted ? step + 1 : -1, depth + 1);
    count++;
    space();
    const byte = at < end ? bytes[at]! : 0;
    if (byte !== 0x2c && byte !== 0x5d) malformed();
    at++;
    if (byte === 0x5d) return count;
  }
}

function array(inner: Step | null, step: number, depth: number): void {
  const index = inner !== null && 'index' in inner ? inner.index : null;
  const start = at;
  const count = elements(index !== null && index >= 0 ? index : -1, step, depth);
  if (index === null || index >= 0 || count + index < 0) return;
  at = start;
  elements(count + index, step, depth);
}

/**
 * Writes what the path leads to: text without its quotes, everything else as it is written, less the space between.
 * @returns false when it leads to nothing or to null
 * @throws  VALUE_OUT_OF_RANGE when the text is not JSON
 */
export function jsonField(arena: TextArena, text: Uint8Array, start: number, stop: number, steps: readonly Step[]): boolean {
  bytes = text;
  from = start;
  at = start;
  end = stop;
  path = steps;
  foundFrom = -1;
  value(0, 0);
  space();
  if (at < end) malformed();
  if (foundFrom < 0 || bytes[foundFrom] === 0x6e) return false;
  const first = bytes[foundFrom]!;
  if (first === 0x22) putString(arena);
  else if (first === 0x7b || first === 0x5b) putDense(arena);
  else arena.put(bytes, foundFrom, foundTo);
  return true;
}

function putString(arena: TextArena): void {
  if (bytes.subarray(foundFrom, foundTo).includes(0x5c)) arena.putString(JSON.parse(decodeText(bytes, foundFrom, foundTo)));
  else arena.put(bytes, foundFrom + 1, foundTo - 1);
}

/** Without space outside of strings. */
function putDense(arena: TextArena): void {
  at = foundFrom;
  while (at < foundTo) {
    const start = at;
    if (bytes[at] === 0x22) string();
    else at++;
    if (at - start > 1 || bytes[start]! > 0x20) arena.put(bytes, start, at);
  }
}
