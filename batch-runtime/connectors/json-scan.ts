/**
 * Where the fields of NDJSON records are: an object on each line, read from bytes straight into columns. Only declared fields
 * are looked at; the others are passed over by their brackets and quotes, without being checked as JSON to the last letter.
 * Records mostly have the same keys in the same order, so each key is first compared with the one that stood there last time.
 * What values mean is csv-values.ts, of a text in quotes as of a bare number; lists and structs are read in place (nested-values.ts), a nested value in a
 * text column is its JSON.
 */
import { isUtf8 } from 'node:buffer';
import { type BadRecord, firstInvalid, lineFeed, type ScanResult } from './csv-scan.ts';
import type { FieldParser } from './csv-values.ts';
import { NestedParser, type ValueParser } from './nested-values.ts';

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const comma = 0x2c;
const braceOpen = 0x7b;
const braceClose = 0x7d;
const bracketOpen = 0x5b;
const bracketClose = 0x5d;
const space = 0x20;

export interface JsonShape {
  readonly names: readonly string[];
  readonly parsers: readonly ValueParser[];
  readonly nullable: readonly boolean[];
  readonly isText: readonly boolean[];
}

/** A key as it stood in a record, with its column; -1: nobody wants it. */
interface Key {
  readonly bytes: Uint8Array;
  readonly target: number;
}

/** The fields of an object that are wanted: of the record, or of a struct in it. */
class Fields {
  /** In messages. */
  readonly names: readonly string[];
  readonly parsers: readonly ValueParser[];
  readonly nullable: readonly boolean[];
  readonly targets: ReadonlyMap<string, number>;
  readonly values: readonly Place[];
  /** By place in the object, the key that stood there last. */
  readonly expected: Key[] = [];
  /** By field, the object that last had it. */
  readonly seen: Float64Array;
  object = 0;

  constructor(names: readonly string[], parsers: readonly ValueParser[], nullable: readonly boolean[], isText: readonly boolean[], above = '') {
    this.names = names.map((name) => above + name);
    this.parsers = parsers;
    this.nullable = nullable;
    this.targets = new Map(names.map((name, i) => [name, i]));
    this.seen = new Float64Array(names.length).fill(-1);
    this.values = parsers.map((parser, i) => placeOf(this.names[i]!, parser, nullable[i]!, isText[i]!));
  }
}

/** Where a value goes. */
interface Place {
  readonly name: string;
  readonly parser: ValueParser;
  readonly nullable: boolean;
  readonly isText: boolean;
  /** Of a list, of its values. */
  readonly item: Place | null;
  /** Of a struct. */
  readonly fields: Fields | null;
}

function placeOf(name: string, parser: ValueParser, nullable: boolean, isText: boolean): Place {
  const own = { name, parser, nullable, isText };
  if (!(parser instanceof NestedParser)) return { ...own, item: null, fields: null };
  const { type, children } = parser;
  if (type.kind === 'list') {
    const { type: of, nullable: maybe } = type.item;
    return { ...own, item: placeOf(`${name}[]`, children[0]!, maybe, of.kind === 'utf8'), fields: null };
  }
  const of = new Fields(
    type.fields.map((field) => field.name),
    children,
    type.fields.map((field) => field.nullable),
    type.fields.map((field) => field.type.kind === 'utf8'),
    `${name}.`,
  );
  return { ...own, item: null, fields: of };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Takes records of one split. One per part; it remembers the keys. */
export class JsonScanner {
  readonly #record: Fields;
  #scratch = new Uint8Array(1024);
  // Where the scan stands, and what is wrong there.
  #at = 0;
  #wrongAt = 0;

  constructor({ names, parsers, nullable, isText }: JsonShape) {
    this.#record = new Fields(names, parsers, nullable, isText);
  }

  /** As csv-scan's scanRecords. */
  scan(bytes: Uint8Array, from: number, end: number, last: boolean, maxRows: number, stopAtBad: boolean): ScanResult {
    const { parsers } = this.#record;
    bytes[end] = lineFeed;
    const suspicious = !isUtf8(bytes.subarray(from, last ? end : 1 + bytes.lastIndexOf(lineFeed, end - 1)));
    const bad: BadRecord[] = [];
    const already = parsers.length > 0 ? parsers[0]!.length : 0;
    let rows = 0;
    let record = from;
    while (record < end && rows < maxRows) {
      const feed = bytes.indexOf(lineFeed, record);
      if (feed >= end && !last) break;
      const next = Math.min(feed + 1, end);
      this.#at = record;
      this.#space(bytes);
      if (this.#at >= feed) {
        record = next;
        continue;
      }
      this.#wrongAt = record;
      let reason = this.#whole(bytes, feed);
      if (reason === null && suspicious && !isUtf8(bytes.subarray(record, next))) {
        reason = 'invalid UTF-8';
        this.#wrongAt = record + firstInvalid(bytes.subarray(record, next));
      }
      if (reason === null) rows++;
      else {
        for (const parser of parsers) parser.truncate(already + rows);
        bad.push({ from: record, to: next, at: Math.min(this.#wrongAt, Math.max(record, next - 1)), reason });
      }
      record = next;
      if (reason !== null && stopAtBad) break;
    }
    return { next: record, rows, bad };
  }

  #space(bytes: Uint8Array): void {
    let at = this.#at;
    for (let byte = bytes[at]!; byte === space || byte === 0x09 || byte === 0x0d; byte = bytes[++at]!);
    this.#at = at;
  }

  #fault(what: string, at = this.#at): string {
    this.#wrongAt = at;
    return what;
  }

  /** One record up to `feed`; null, or what is wrong. */
  #whole(bytes: Uint8Array, feed: number): string | null {
    if (bytes[this.#at] !== braceOpen) return this.#fault('a record is an object: it begins with {');
    const wrong = this.#object(bytes, feed, this.#record);
    if (wrong !== null) return wrong;
    this.#space(bytes);
    return this.#at < feed ? this.#fault('something follows the record on its line') : null;
  }

  /** The object at the brace; goes behind it. Null, or what is wrong. */
  #object(bytes: Uint8Array, feed: number, fields: Fields): string | null {
    const { names, nullable, parsers, seen } = fields;
    const object = fields.object++;
    let found = 0;
    this.#at++;
    this.#space(bytes);
    if (bytes[this.#at] === braceClose) this.#at++;
    else {
      for (let place = 0; ; place++) {
        if (bytes[this.#at] !== quote) return this.#fault('a key in quotes is wanted');
        const keyAt = this.#at;
        const key = this.#key(bytes, place, feed, fields);
        if (typeof key === 'string') return key;
        this.#space(bytes);
        if (bytes[this.#at] !== colon) return this.#fault('a colon is wanted behind a key');
        this.#at++;
        this.#space(bytes);
        const { target } = key;
        if (target < 0) {
          if (!this.#skip(bytes, feed)) return this.#fault('a value is broken off or none', Math.min(this.#at, feed));
        } else {
          if (seen[target] === object) return this.#fault(`the key ${names[target]} stands twice`, keyAt);
          seen[target] = object;
          found++;
          const wrong = this.#value(bytes, fields.values[target]!, feed);
          if (wrong !== null) return wrong;
        }
        this.#space(bytes);
        const byte = bytes[this.#at];
        if (byte === comma) {
          this.#at++;
          this.#space(bytes);
        } else if (byte === braceClose) {
          this.#at++;
          break;
        } else return this.#fault(this.#at >= feed ? 'the record is cut off' : 'a comma or } is wanted behind a value');
      }
    }
    if (found < names.length) {
      for (let i = 0; i < names.length; i++) {
        if (seen[i] === object) continue;
        if (!nullable[i])
          return this.#fault(`column ${names[i]}: it is missing, declare it .nullable()`, fields === this.#record ? feed : this.#at - 1);
        parsers[i]!.appendNull();
      }
    }
    return null;
  }

  /** The key at the quote; goes behind it. */
  #key(bytes: Uint8Array, place: number, feed: number, { expected: known, targets }: Fields): Key | string {
    const from = this.#at + 1;
    const expected = known[place];
    if (expected !== undefined) {
      const { bytes: before } = expected;
      const to = from + before.length;
      if (bytes[to] === quote && to < feed) {
        let i = 0;
        while (i < before.length && bytes[from + i] === before[i]) i++;
        if (i === before.length) {
          this.#at = to + 1;
          return expected;
        }
      }
    }
    const to = stringEnd(bytes, from);
    if (to >= feed) return this.#fault('a key is broken off');
    this.#at = to + 1;
    const raw = bytes.slice(from, to);
    let name: string;
    try {
      name = JSON.parse(`"${decoder.decode(raw)}"`) as string;
    } catch {
      return this.#fault('a key is no JSON text', from - 1);
    }
    const key = { bytes: raw, target: targets.get(name) ?? -1 };
    known[place] = key;
    return key;
  }

  #value(bytes: Uint8Array, place: Place, feed: number): string | null {
    const { parser, nullable, isText, name } = place;
    const from = this.#at;
    const first = bytes[from]!;
    if (parser instanceof NestedParser && first !== 0x6e) return this.#nested(bytes, parser, place, feed);
    let wrong: string | null;
    if (first === quote) {
      let at = from + 1;
      let byte = bytes[at]!;
      while (byte !== quote && byte !== backslash && byte >= space) byte = bytes[++at]!;
      if (byte === quote) {
        this.#at = at + 1;
        wrong = (parser as FieldParser).append(bytes, from + 1, at);
      } else {
        const to = stringEnd(bytes, from + 1);
        if (to >= feed) return this.#fault('a text is broken off', from);
        this.#at = to + 1;
        wrong = this.#escaped(bytes, from, to + 1, parser as FieldParser);
      }
    } else if (first === 0x6e) {
      if (!isWord(bytes, from, nullWord)) return this.#fault('no JSON value', from);
      this.#at = from + 4;
      if (!nullable) return this.#fault(`column ${name}: it is null, declare it .nullable()`, from);
      parser.appendNull();
      return null;
    } else {
      if (!this.#skip(bytes, feed)) return this.#fault('a value is broken off or none', Math.min(this.#at, feed));
      const isNested = first === braceOpen || first === bracketOpen;
      if (isNested && !isText) return this.#fault(`column ${name}: an ${first === braceOpen ? 'object' : 'array'} is no value of it`, from);
      wrong = (parser as FieldParser).append(bytes, from, this.#at);
    }
    return wrong === null ? null : this.#fault(`column ${name}: ${wrong}`, from);
  }

  /** A list or a struct. */
  #nested(bytes: Uint8Array, parser: NestedParser, { name, item, fields }: Place, feed: number): string | null {
    const from = this.#at;
    const first = bytes[from];
    if (fields !== null) {
      if (first !== braceOpen) return this.#fault(`column ${name}: an object is wanted`);
      const wrong = this.#object(bytes, feed, fields);
      if (wrong === null) parser.close();
      return wrong;
    }
    if (first !== bracketOpen) return this.#fault(`column ${name}: an array is wanted`);
    this.#at++;
    this.#space(bytes);
    if (bytes[this.#at] === bracketClose) this.#at++;
    else {
      for (;;) {
        const wrong = this.#value(bytes, item!, feed);
        if (wrong !== null) return wrong;
        this.#space(bytes);
        const byte = bytes[this.#at];
        if (byte === bracketClose) {
          this.#at++;
          break;
        }
        if (byte !== comma) return this.#fault(this.#at >= feed ? 'the record is cut off' : 'a comma or ] is wanted behind a value');
        this.#at++;
        this.#space(bytes);
      }
    }
    parser.close();
    return null;
  }

  /** A text with escapes, in its quotes. */
  #escaped(bytes: Uint8Array, from: number, to: number, parser: FieldParser): string | null {
    let text: string;
    try {
      text = JSON.parse(decoder.decode(bytes.subarray(from, to))) as string;
    } catch {
      return 'it is no JSON text';
    }
    if (!text.isWellFormed()) return 'it has half a surrogate pair';
    if (this.#scratch.length < 3 * text.length) this.#scratch = new Uint8Array(6 * text.length);
    const { written } = encoder.encodeInto(text, this.#scratch);
    return parser.append(this.#scratch, 0, written);
  }

  /** Passes over a value; false when it is none. */
  #skip(bytes: Uint8Array, feed: number): boolean {
    const from = this.#at;
    const first = bytes[from]!;
    if (first === quote) {
      const to = stringEnd(bytes, from + 1);
      this.#at = to + 1;
      return to < feed;
    }
    if (first === braceOpen || first === bracketOpen) return this.#skipNested(bytes, feed);
    if (first === 0x2d || (first >= 0x30 && first <= 0x39)) return this.#skipNumber(bytes);
    const word = first === 0x74 ? trueWord : first === 0x66 ? falseWord : first === 0x6e ? nullWord : null;
    if (word === null || !isWord(bytes, from, word)) return false;
    this.#at = from + word.length;
    return true;
  }

  #skipNumber(bytes: Uint8Array): boolean {
    let at = this.#at;
    if (bytes[at] === 0x2d) at++;
    const digits = at;
    while (isDigit(bytes[at]!)) at++;
    if (at === digits || (bytes[digits] === 0x30 && at > digits + 1)) return false;
    if (bytes[at] === 0x2e) {
      const decimals = ++at;
      while (isDigit(bytes[at]!)) at++;
      if (at === decimals) return false;
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      at++;
      if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
      const exponent = at;
      while (isDigit(bytes[at]!)) at++;
      if (at === exponent) return false;
    }
    this.#at = at;
    return true;
  }

  #skipNested(bytes: Uint8Array, feed: number): boolean {
    let depth = 0;
    let at = this.#at;
    for (; at < feed; at++) {
      const byte = bytes[at];
      if (byte === quote) {
        at = stringEnd(bytes, at + 1);
        if (at >= feed) break;
      } else if (byte === braceOpen || byte === bracketOpen) depth++;
      else if ((byte === braceClose || byte === bracketClose) && --depth === 0) {
        this.#at = at + 1;
        return true;
      }
    }
    this.#at = at;
    return false;
  }
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const trueWord = encoder.encode('true');
const falseWord = encoder.encode('false');
const nullWord = encoder.encode('null');

function isWord(bytes: Uint8Array, from: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[from + i] !== word[i]) return false;
  return true;
}

/** Where the quote is that closes a text, or the end of the line. */
function stringEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte === quote || byte === lineFeed) return at;
    // Behind a backslash a line feed still ends the line.
    at += byte === backslash && bytes[at + 1] !== lineFeed ? 2 : 1;
  }
}
