/**
 * Where the records and fields of a CSV file are. The grammar is RFC 4180, and what it leaves open is fixed here, so that
 * every split of a file finds the same records: a quote opens a quoted field only at the field's start; within one a doubled
 * quote is a quote; a line feed outside of quotes ends the record, a carriage return before it belongs to it. All else
 * (a quote inside an unquoted field, text behind a closing quote) makes the record invalid, and it still ends at its line
 * feed. What fields mean is csv-values.ts; files and splits are csv-source.ts.
 */
import { isUtf8 } from 'node:buffer';
import type { FieldParser } from './csv-values.ts';

export const quote = 0x22;
export const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Bytes behind the data that a buffer for `scanRecords` must have room for: sentinels. */
export const scanSlack = 2;

export interface ScanShape {
  readonly delimiter: number;
  /** Fields of a record. */
  readonly width: number;
  /** By field: which parser takes it, -1 = none. */
  readonly targets: Int32Array;
  readonly parsers: readonly FieldParser[];
  /** By parser: nulls are allowed; the name in messages. */
  readonly nullable: readonly boolean[];
  readonly names: readonly string[];
  readonly isText: readonly boolean[];
  /** An unquoted field that is this means null; null = only an empty one does. */
  readonly nullText: Uint8Array | null;
}

/** A record that cannot be read: positions in the buffer; `at` is where the trouble is. */
export interface BadRecord {
  readonly from: number;
  readonly to: number;
  readonly at: number;
  readonly reason: string;
}

export interface ScanResult {
  /** Up to here records were taken. */
  readonly next: number;
  readonly rows: number;
  readonly bad: readonly BadRecord[];
}

let scratch = new Uint8Array(65_536);

/**
 * Takes whole records from bytes[from, end) into the parsers, until they have `maxRows` more rows or the first bad record
 * with `stopAtBad`. Writes sentinels to bytes[end] and bytes[end + 1].
 * @param last  nothing follows: a record may end without a line feed, and an open quote is an error
 */
export function scanRecords(
  shape: ScanShape,
  bytes: Uint8Array,
  from: number,
  end: number,
  last: boolean,
  maxRows: number,
  stopAtBad: boolean,
): ScanResult {
  const { delimiter, width, targets, parsers } = shape;
  const above = Math.max(delimiter, quote, lineFeed);
  bytes[end] = lineFeed;
  bytes[end + 1] = quote;
  // One fast check of all; only if it fails each record is looked at.
  const suspicious = !isUtf8(bytes.subarray(from, last ? end : 1 + bytes.lastIndexOf(lineFeed, end - 1)));
  const bad: BadRecord[] = [];
  const already = parsers.length > 0 ? parsers[0]!.length : 0;
  let rows = 0;
  let record = from;
  scan: while (record < end && rows < maxRows) {
    let at = record;
    let field = 0;
    let reason: string | null = null;
    let reasonAt = 0;
    if (width > 1 && isBlank(bytes, record, end, last)) {
      record = Math.min(bytes.indexOf(lineFeed, record) + 1, end);
      continue;
    }
    for (;;) {
      const start = at;
      let stop: number;
      let valueFrom = start;
      let isQuoted = false;
      let escapes = 0;
      let wrong: string | null = null;
      if (bytes[at] === quote && at < end) {
        isQuoted = true;
        at++;
        valueFrom = at;
        for (;;) {
          while (bytes[at] !== quote) at++;
          if (at >= end) break;
          if (bytes[at + 1] !== quote || at + 1 >= end) break;
          escapes++;
          at += 2;
        }
        if (at >= end) {
          if (!last) break scan;
          bad.push({ from: record, to: end, at: start, reason: 'the quote that opens here is never closed' });
          truncate(parsers, already + rows);
          record = end;
          break scan;
        }
        stop = at;
        at++;
        if (bytes[at] === carriageReturn && at < end && bytes[at + 1] === lineFeed) at++;
        if (bytes[at] !== delimiter && bytes[at] !== lineFeed) {
          wrong = 'text follows a closing quote';
          while (bytes[at] !== delimiter && bytes[at] !== lineFeed) at++;
        }
      } else {
        let byte = bytes[at]!;
        // Letters and digits are above all that means something: one comparison for most bytes.
        while (byte > above || (byte !== delimiter && byte !== lineFeed)) {
          if (byte === quote) wrong = 'a quote stands in an unquoted field';
          byte = bytes[++at]!;
        }
        stop = at;
        if (byte === lineFeed && stop > start && bytes[stop - 1] === carriageReturn && at < end) stop--;
      }
      const ends = bytes[at] === lineFeed;
      if (at >= end && !last) break scan;
      if (reason === null) {
        if (wrong !== null) {
          reason = wrong;
          reasonAt = start;
        } else if (field >= width) {
          reason = `the record has more than ${width} fields`;
          reasonAt = start;
        } else {
          const target = targets[field]!;
          if (target >= 0) {
            reason = take(shape, target, bytes, valueFrom, stop, isQuoted, escapes);
            reasonAt = start;
          }
        }
      }
      field++;
      at++;
      if (ends) break;
    }
    if (reason === null && field < width) {
      reason = `the record has ${field} field${field === 1 ? '' : 's'}, the header ${width}`;
      reasonAt = record;
    }
    if (reason?.startsWith('the record has more')) reason = `the record has ${field} fields, the header ${width}`;
    const to = Math.min(at, end);
    if (suspicious && reason === null && !isUtf8(bytes.subarray(record, to))) {
      reason = 'invalid UTF-8';
      reasonAt = record + firstInvalid(bytes.subarray(record, to));
    }
    if (reason === null) rows++;
    else {
      truncate(parsers, already + rows);
      bad.push({ from: record, to, at: reasonAt, reason });
    }
    record = to;
    if (reason !== null && stopAtBad) break;
  }
  // Of a record that is not whole yet the first fields may have been taken.
  truncate(parsers, already + rows);
  return { next: record, rows, bad };
}

function take(shape: ScanShape, target: number, bytes: Uint8Array, from: number, to: number, isQuoted: boolean, escapes: number): string | null {
  const parser = shape.parsers[target]!;
  if (!isQuoted) {
    const isEmpty = from === to;
    if (isEmpty || (shape.nullText !== null && isSame(bytes, from, to, shape.nullText))) {
      if (shape.nullable[target]) {
        parser.appendNull();
        return null;
      }
      if (!shape.isText[target]) return `column ${shape.names[target]}: it is empty, declare it .nullable()`;
    }
  } else if (escapes > 0) {
    if (scratch.length < to - from) scratch = new Uint8Array(2 * (to - from));
    let length = 0;
    for (let i = from; i < to; i++) {
      scratch[length++] = bytes[i]!;
      if (bytes[i] === quote) i++;
    }
    const wrong = parser.append(scratch, 0, length);
    return wrong === null ? null : `column ${shape.names[target]}: ${wrong}`;
  }
  const wrong = parser.append(bytes, from, to);
  return wrong === null ? null : `column ${shape.names[target]}: ${wrong}`;
}

const isSame = (bytes: Uint8Array, from: number, to: number, text: Uint8Array): boolean => {
  if (to - from !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text[i]) return false;
  return true;
};

/** A line without anything on it is no record, unless records have one field. */
const isBlank = (bytes: Uint8Array, at: number, end: number, last: boolean): boolean => {
  const feed = bytes[at] === carriageReturn ? at + 1 : at;
  return bytes[feed] === lineFeed && (feed < end || last);
};

function truncate(parsers: readonly FieldParser[], rows: number): void {
  for (const parser of parsers) if (parser.length > rows) parser.truncate(rows);
}

/** Where bytes stop being UTF-8. */
export function firstInvalid(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length === 0 || !isUtf8(bytes.subarray(at, at + length)) || at + length > bytes.length) return at;
    at += length;
  }
  return at;
}

/** The fields of the record at `from`, unquoted, and where the next one starts; null when it is not whole. For headers. */
export function firstRecord(
  bytes: Uint8Array,
  from: number,
  end: number,
  last: boolean,
  delimiter: number,
): { names: string[]; next: number } | null {
  const names: string[] = [];
  let at = from;
  for (;;) {
    let text = '';
    if (at < end && bytes[at] === quote) {
      let stop = ++at;
      while (stop < end && (bytes[stop] !== quote || bytes[stop + 1] === quote)) stop += bytes[stop] === quote ? 2 : 1;
      if (stop >= end) return null;
      text = Buffer.from(bytes.subarray(at, stop)).toString().replaceAll('""', '"');
      at = stop + 1;
    }
    let stop = at;
    while (stop < end && bytes[stop] !== delimiter && bytes[stop] !== lineFeed) stop++;
    if (stop >= end && !last) return null;
    const ends = stop >= end || bytes[stop] === lineFeed;
    const rest = Buffer.from(bytes.subarray(at, stop)).toString();
    names.push(text + (ends && rest.endsWith('\r') ? rest.slice(0, -1) : rest));
    at = stop + 1;
    if (ends) return { names, next: Math.min(at, end) };
  }
}

/** Where a record starts, and in which line of the file; null: nobody has counted. */
export interface Boundary {
  readonly at: number;
  readonly line: number | null;
}

/** Line feeds in bytes[from, to). */
export function countLines(bytes: Uint8Array, from: number, to: number): number {
  let lines = 0;
  for (let i = bytes.indexOf(lineFeed, from); i >= 0 && i < to; i = bytes.indexOf(lineFeed, i + 1)) lines++;
  return lines;
}

/** Where the first quote at or behind `at` is, the length when there is none. @param words  of the bytes, from the first on */
function nextQuote(bytes: Uint8Array, words: Int32Array, at: number): number {
  const { length } = bytes;
  let i = at;
  for (; (i & 3) !== 0 && i < length; i++) if (bytes[i] === quote) return i;
  let word = i >>> 2;
  for (; word < words.length; word++) {
    const zeros = words[word]! ^ 0x22222222;
    if (((zeros - 0x01010101) & ~zeros & 0x80808080) !== 0) break;
  }
  for (i = Math.max(i, 4 * word); i < length; i++) if (bytes[i] === quote) return i;
  return length;
}

/**
 * Follows the quotes through a file, piece after piece, and finds where the first record starts at or behind each multiple
 * of `stride`. Sees records as `scanRecords` does.
 */
export class BoundaryFinder {
  readonly #delimiter: number;
  readonly #stride: number;
  readonly #found: Boundary[] = [];
  #target: number;
  #base: number;
  /** The line of the byte `#counted` of the piece; null: lines are not counted. */
  #line: number | null;
  #counted = 0;
  #state: 'plain' | 'quoted' | 'closing' = 'plain';
  /** The byte before the next piece; a line feed before the first. */
  #before = lineFeed;

  /** @param start  where the first record starts; without its line none is counted */
  constructor(start: Boundary, delimiter: number, stride: number) {
    this.#base = start.at;
    this.#line = start.line;
    this.#delimiter = delimiter;
    this.#stride = stride;
    this.#target = Math.floor(start.at / stride) * stride + stride;
  }

  /** The next bytes of the file. */
  push(bytes: Uint8Array): void {
    const n = bytes.length;
    if (n === 0) return;
    let at = 0;
    const isAligned = (bytes.byteOffset & 3) === 0;
    const words = new Int32Array(bytes.buffer, isAligned ? bytes.byteOffset : 0, isAligned ? n >>> 2 : 0);
    while (at < n) {
      if (this.#state === 'quoted') {
        at = nextQuote(bytes, words, at);
        if (at < n) {
          this.#state = 'closing';
          at++;
        }
      } else if (this.#state === 'closing') {
        if (bytes[at] === quote) {
          this.#state = 'quoted';
          at++;
        } else this.#state = 'plain';
      } else {
        let next = nextQuote(bytes, words, at);
        this.#boundaries(bytes, at, next);
        if (next < n) {
          const before = next > 0 ? bytes[next - 1] : this.#before;
          if (before === this.#delimiter || before === lineFeed) this.#state = 'quoted';
          next++;
        }
        at = next;
      }
    }
    this.#before = bytes[n - 1]!;
    this.#count(bytes, n);
    this.#base += n;
    this.#counted = 0;
  }

  /** Boundaries after line feeds in bytes[from, to), which is outside of quotes. */
  #boundaries(bytes: Uint8Array, from: number, to: number): void {
    while (this.#target - 1 - this.#base < to) {
      const feed = bytes.indexOf(lineFeed, Math.max(from, this.#target - 1 - this.#base));
      if (feed < 0 || feed >= to) return;
      const boundary = this.#base + feed + 1;
      this.#count(bytes, feed + 1);
      this.#found.push({ at: boundary, line: this.#line });
      this.#target = Math.floor(boundary / this.#stride) * this.#stride + this.#stride;
    }
  }

  #count(bytes: Uint8Array, to: number): void {
    if (this.#line === null) return;
    this.#line += countLines(bytes, this.#counted, to);
    this.#counted = to;
  }

  get found(): readonly Boundary[] {
    return this.#found;
  }
}
