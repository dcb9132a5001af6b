/**
 * Texts of a CSV field, or of a folder name, as values of a column: strict parsing from bytes, straight into the
 * column's arrays. No spaces, no plus sign, no other spelling is guessed; what does not fit is refused with the reason and
 * leaves no trace. Where fields begin and end is csv-scan.ts. Called by the CSV source and for the columns of folders.
 */
import { type Column, type ColumnType, columnTypeText, formOf } from '../batch/batch.ts';
import { bitmapBytes, clearBit, setBit } from '../batch/bitmap.ts';
import { layoutOf, makeColumn } from '../batch/column.ts';
import { Decimal, digitsOf, fitsDigits, narrowDigits, putWide, tens, unscaledAt } from '../batch/decimal.ts';
import { type Form, forms } from '../batch/forms.ts';
import { highLaneOf, int64Max, int64Min, lanesToBigInt, lowLaneOf } from '../batch/lanes.ts';
import { daysOf, parseDate, parseTimestamp } from '../expression/calendar.ts';
import { parseForm } from '../expression/form-text.ts';

const decoder = new TextDecoder();

/** The number at a scale, of up to 15 digits and no others behind the point; NaN when it takes more than a look. -0 is 0. */
function hundredths(bytes: Uint8Array, from: number, to: number, scale: number): number {
  let at = from;
  const isNegative = bytes[at] === 0x2d;
  if (isNegative) at++;
  if (at === to || to - at > narrowDigits + 1) return Number.NaN;
  let value = 0;
  let behind = -1;
  for (; at < to; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit >= 0 && digit <= 9) {
      value = 10 * value + digit;
      if (behind >= 0) behind++;
    } else if (bytes[at] === 0x2e && behind < 0) behind = 0;
    else return Number.NaN;
  }
  const missing = scale - Math.max(0, behind);
  if (missing < 0 || behind === 0 || behind === to - from) return Number.NaN;
  const scaled = value * tens[missing]!;
  return scaled > Number.MAX_SAFE_INTEGER ? Number.NaN : isNegative ? 0 - scaled : scaled;
}

export const fieldParser = (type: ColumnType, capacity: number): FieldParser => new FieldParser(type, capacity);

const two32 = 4_294_967_296;

/** Collects values of one column, room for `capacity` of them to begin with; `finish` gives the column and starts the next. */
export class FieldParser {
  readonly #type: ColumnType;
  readonly #kind: ColumnType['kind'];
  #capacity: number;
  /** Of whole numbers of a form: what they may be; else without bounds. */
  readonly #form: Form | null;
  readonly #least: number;
  readonly #most: number;
  readonly #name: string;
  #words: Int32Array;
  #doubles: Float64Array;
  #bits: Uint8Array;
  #validity: Uint8Array | null = null;
  /** Text: entries of the dictionary while texts repeat, else rows. */
  #texts: TextDictionary | null = null;
  #offsets: Int32Array = new Int32Array(0);
  #bytes: Uint8Array = new Uint8Array(0);
  length = 0;

  constructor(type: ColumnType, capacity: number) {
    this.#type = type;
    this.#kind = type.kind;
    this.#capacity = capacity;
    this.#form = formOf(type);
    const { least, most } = this.#form === null ? {} : forms[this.#form];
    this.#least = least === undefined ? Number.NEGATIVE_INFINITY : Number(least);
    this.#most = most === undefined ? Number.POSITIVE_INFINITY : Number(most);
    this.#name = columnTypeText(type);
    this.#words = new Int32Array(0);
    this.#doubles = new Float64Array(0);
    this.#bits = new Uint8Array(0);
    if (type.kind === 'utf8') this.#texts = new TextDictionary();
    this.#start();
  }

  #start(): void {
    const n = this.#capacity;
    const layout = layoutOf(this.#type);
    if (layout === 'word') this.#words = new Int32Array(n);
    else if (layout === 'lanes') this.#words = new Int32Array(2 * n);
    else if (layout === 'wide') this.#words = new Int32Array(4 * n);
    else if (layout === 'double') this.#doubles = new Float64Array(n);
    else if (layout === 'bits') this.#bits = new Uint8Array(bitmapBytes(n));
    else if (this.#texts !== null) this.#words = new Int32Array(n);
    else {
      this.#offsets = new Int32Array(n + 1);
      this.#bytes = new Uint8Array(Math.max(this.#bytes.length, 16 * n));
    }
    this.#validity = null;
    this.length = 0;
  }

  appendNull(): void {
    if (this.length === this.#capacity) this.#widen();
    const i = this.length++;
    this.#validity ??= new Uint8Array(bitmapBytes(this.#capacity)).fill(0xff);
    clearBit(this.#validity, i);
    // A code must point at an entry even where nobody looks.
    if (this.#texts !== null) this.#words[i] = this.#texts.size > 0 ? 0 : this.#texts.codeOf(this.#bytes, 0, 0);
    else if (this.#kind === 'utf8') this.#offsets[i + 1] = this.#offsets[i]!;
  }

  /**
   * Parses bytes[from, to), which are valid UTF-8.
   * @returns null, or why it is no value of this column; then nothing was appended
   */
  append(bytes: Uint8Array, from: number, to: number): string | null {
    if (this.length === this.#capacity) this.#widen();
    const i = this.length;
    if (this.#form !== null && forms[this.#form].meaning !== 'number') {
      const reason = this.#appendMeaning(i, this.#form, bytes, from, to);
      if (reason === null) this.length = i + 1;
      return reason;
    }
    switch (this.#kind) {
      case 'utf8':
        this.#appendText(bytes, from, to);
        break;
      case 'int32': {
        const value = wholeOf(bytes, from, to);
        if (Number.isNaN(value)) return this.#wholeReason(bytes, from, to, 'int32');
        if ((value | 0) !== value || value < this.#least || value > this.#most) return `${textOf(bytes, from, to)} does not fit in ${this.#name}`;
        this.#words[i] = value;
        break;
      }
      case 'integer':
      case 'int64': {
        const value = wholeOf(bytes, from, to);
        if (value < this.#least || value > this.#most) return `${textOf(bytes, from, to)} does not fit in ${this.#name}`;
        if (!Number.isNaN(value)) this.#putLanes(i, value);
        else {
          const wide = wideOf(bytes, from, to);
          if (this.#form !== null && wide !== null) return `${textOf(bytes, from, to)} does not fit in ${this.#name}`;
          const least = this.#kind === 'integer' ? -0x1f_ffff_ffff_ffffn : int64Min;
          const most = this.#kind === 'integer' ? 0x1f_ffff_ffff_ffffn : int64Max;
          if (wide === null || wide < least || wide > most) return this.#wholeReason(bytes, from, to, this.#kind);
          this.#words[2 * i] = lowLaneOf(wide);
          this.#words[2 * i + 1] = highLaneOf(wide);
        }
        break;
      }
      case 'float64': {
        const value = doubleOf(bytes, from, to);
        if (value === null) return `${textOf(bytes, from, to)} is not a number`;
        const rounded = this.#form === 'float32' ? Math.fround(value) : value;
        if (Number.isFinite(value) && !Number.isFinite(rounded)) return `${textOf(bytes, from, to)} does not fit in float32`;
        this.#doubles[i] = rounded;
        break;
      }
      case 'decimal': {
        const reason = this.#appendDecimal(i, bytes, from, to);
        if (reason !== null) return reason;
        break;
      }
      case 'bool': {
        const value = boolOf(bytes, from, to);
        if (value === null) return `${textOf(bytes, from, to)} is not true or false`;
        if (value) setBit(this.#bits, i);
        break;
      }
      case 'date': {
        const days = dateOf(bytes, from, to);
        if (days === null) return `${textOf(bytes, from, to)} is not a date (YYYY-MM-DD)`;
        this.#words[i] = days;
        break;
      }
      case 'timestamp': {
        const reason = this.#appendTimestamp(i, bytes, from, to);
        if (reason !== null) return reason;
        break;
      }
      case 'list':
      case 'struct':
        return `${textOf(bytes, from, to)} is no ${this.#kind}`;
    }
    this.length = i + 1;
    return null;
  }

  /** Twice the room: of items nobody knows before how many there are. */
  #widen(): void {
    const capacity = Math.max(8, 2 * this.#capacity);
    const words = (given: Int32Array, length: number): Int32Array => {
      const wide = new Int32Array(given.length === 0 ? 0 : length);
      wide.set(given);
      return wide;
    };
    const layout = layoutOf(this.#type);
    this.#words = words(this.#words, layout === 'lanes' ? 2 * capacity : layout === 'wide' ? 4 * capacity : capacity);
    this.#offsets = words(this.#offsets, capacity + 1);
    if (layout === 'double') {
      const wide = new Float64Array(capacity);
      wide.set(this.#doubles);
      this.#doubles = wide;
    }
    if (layout === 'bits') {
      const wide = new Uint8Array(bitmapBytes(capacity));
      wide.set(this.#bits);
      this.#bits = wide;
    }
    if (this.#validity !== null) {
      const wide = new Uint8Array(bitmapBytes(capacity)).fill(0xff);
      wide.set(this.#validity);
      this.#validity = wide;
    }
    this.#capacity = capacity;
  }

  /** Forgets all but the first `length` values. */
  truncate(length: number): void {
    for (let i = length; i < this.length; i++) {
      if (this.#validity !== null) setBit(this.#validity, i);
      if (this.#kind === 'bool') clearBit(this.#bits, i);
    }
    this.length = length;
  }

  /** What was appended since the last time, as a column. */
  finish(): Column {
    const n = this.length;
    const type = this.#type;
    const validity = this.#validity;
    let column: Column;
    if (this.#texts !== null) {
      column = makeColumn(type, n, this.#words, validity, null, this.#texts.column());
      this.#texts.rows += n;
    } else if (this.#kind === 'utf8') column = makeColumn(type, n, this.#bytes, validity, this.#offsets);
    else column = makeColumn(type, n, layoutOf(type) === 'double' ? this.#doubles : this.#kind === 'bool' ? this.#bits : this.#words, validity);
    if (this.#texts !== null && this.#texts.size > dictionaryLimit) this.#texts = null;
    this.#start();
    return column;
  }

  #putLanes(i: number, value: number): void {
    this.#words[2 * i] = value | 0;
    this.#words[2 * i + 1] = Math.floor(value / two32);
  }

  /** As written: at most the column's digits, none of them rounded away. */
  #appendDecimal(i: number, bytes: Uint8Array, from: number, to: number): string | null {
    const type = this.#type as Extract<ColumnType, { kind: 'decimal' }>;
    const quick = hundredths(bytes, from, to, type.scale);
    if (quick < this.#least) return `${textOf(bytes, from, to)} does not fit in ${this.#name}`;
    if (Math.abs(quick) < tens[Math.min(type.precision, narrowDigits)]!) {
      if (type.precision <= narrowDigits) this.#doubles[i] = quick;
      else putWide(this.#words, i, quick);
      return null;
    }
    const text = textOf(bytes, from, to);
    const found = digitsOf(decoder.decode(bytes.subarray(from, to)));
    if (found === null) return `${text} is not a number`;
    const unscaled = unscaledAt(new Decimal(found.unscaled, found.scale), type.scale);
    const isBeyond = this.#form !== null && unscaled !== null && (unscaled < this.#least || unscaled > forms[this.#form].most!);
    if (unscaled === null || isBeyond || !fitsDigits(unscaled, type.precision)) return `${text} does not fit in ${columnTypeText(type)}`;
    if (type.precision <= narrowDigits) this.#doubles[i] = Number(unscaled);
    else putWide(this.#words, i, unscaled);
    return null;
  }

  #wholeReason(bytes: Uint8Array, from: number, to: number, kind: string): string {
    const text = textOf(bytes, from, to);
    return wideOf(bytes, from, to) === null ? `${text} is not a whole number` : `${text} does not fit in ${kind}`;
  }

  #appendText(bytes: Uint8Array, from: number, to: number): void {
    const i = this.length;
    if (this.#texts !== null) {
      const code = this.#texts.codeOf(bytes, from, to);
      this.#words[i] = code;
      // Texts that hardly repeat are kept as they are.
      if (code >= dictionaryTrial && 2 * code > i + this.#texts.rows) this.#toPlain(i + 1);
      return;
    }
    const used = this.#offsets[i]!;
    const length = to - from;
    if (used + length > this.#bytes.length) this.#grow(used + length);
    const out = this.#bytes;
    if (length > 80) out.set(bytes.subarray(from, to), used);
    else for (let s = from, t = used; s < to; s++, t++) out[t] = bytes[s]!;
    this.#offsets[i + 1] = used + length;
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, needed));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }

  #toPlain(rows: number): void {
    const { data, offsets } = this.#texts!.column();
    const codes = this.#words;
    this.#texts = null;
    this.#offsets = new Int32Array(this.#capacity + 1);
    this.#bytes = new Uint8Array(16 * this.#capacity);
    let used = 0;
    for (let i = 0; i < rows; i++) {
      const isThere = this.#validity === null || ((this.#validity[i >> 3]! >> (i & 7)) & 1) === 1;
      const from = offsets![codes[i]!]!;
      const to = isThere ? offsets![codes[i]! + 1]! : from;
      if (used + to - from > this.#bytes.length) this.#grow(used + to - from);
      for (let s = from; s < to; s++) this.#bytes[used++] = data[s]!;
      this.#offsets[i + 1] = used;
    }
  }

  #appendMeaning(i: number, form: Form, bytes: Uint8Array, from: number, to: number): string | null {
    if (forms[form].meaning === 'moment' && forms[form].unit !== 'ns') {
      const reason = this.#appendTimestamp(i, bytes, from, to);
      const micros = lanesToBigInt(this.#words[2 * i]!, this.#words[2 * i + 1]!);
      const unit = forms[form].unit === 's' ? 1_000_000n : forms[form].unit === 'ms' ? 1000n : 1n;
      return reason ?? (micros % unit === 0n ? null : `${textOf(bytes, from, to)} is finer than ${form}`);
    }
    const value = parseForm(decoder.decode(bytes.subarray(from, to)), this.#type) ?? null;
    if (value === null) return `${textOf(bytes, from, to)} is not a value of ${form}`;
    if (typeof value === 'string') {
      const raw = Buffer.from(value, 'latin1');
      this.#appendText(raw, 0, raw.length);
    } else if (typeof value === 'bigint') {
      if (value < int64Min || value > int64Max) return `${textOf(bytes, from, to)} does not fit in ${form}`;
      this.#putWide(i, value);
    } else this.#putLanes(i, value as number);
    return null;
  }

  #appendTimestamp(i: number, bytes: Uint8Array, from: number, to: number): string | null {
    const seconds = secondsOf(bytes, from, to);
    if (seconds !== null) {
      const micros = seconds * 1e6 + fraction;
      if (Number.isSafeInteger(micros)) this.#putLanes(i, micros);
      else this.#putWide(i, BigInt(seconds) * 1_000_000n + BigInt(fraction));
      return null;
    }
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString();
    if (/\.\d{6}\d*[1-9]/.test(text)) return `${quoted(text)} is finer than a microsecond`;
    const wide = parseTimestamp(text);
    if (wide === null || wide < int64Min || wide > int64Max) return `${quoted(text)} is not a timestamp (YYYY-MM-DDTHH:MM:SSZ)`;
    this.#putWide(i, wide);
    return null;
  }

  #putWide(i: number, value: bigint): void {
    this.#words[2 * i] = lowLaneOf(value);
    this.#words[2 * i + 1] = highLaneOf(value);
  }
}

/** A dictionary that holds more than the first, and more than half as many entries as rows, is given up; so is one above the second. */
const dictionaryTrial = 1024;
const dictionaryLimit = 65_536;

/** Texts seen, each once, over all batches of a split; grows, so that a batch's column of it is a view of its beginning. */
class TextDictionary {
  size = 0;
  /** Rows of the batches before. */
  rows = 0;
  #table = new Int32Array(4096).fill(-1);
  #hashes = new Int32Array(2048);
  #offsets = new Int32Array(2049);
  #bytes = new Uint8Array(16_384);
  #column: Column | null = null;

  codeOf(bytes: Uint8Array, from: number, to: number): number {
    let hash = to - from;
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    hash ^= hash >>> 15;
    const mask = this.#table.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const code = this.#table[slot]!;
      if (code < 0) return this.#add(slot, hash, bytes, from, to);
      if (this.#hashes[code] === hash && this.#equal(code, bytes, from, to)) return code;
    }
  }

  #equal(code: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = this.#offsets[code]!;
    if (this.#offsets[code + 1]! - start !== to - from) return false;
    const own = this.#bytes;
    for (let a = start, b = from; b < to; a++, b++) if (own[a] !== bytes[b]) return false;
    return true;
  }

  #add(slot: number, hash: number, bytes: Uint8Array, from: number, to: number): number {
    const code = this.size++;
    this.#table[slot] = code;
    if (code === this.#hashes.length) this.#grow();
    this.#hashes[code] = hash;
    const used = this.#offsets[code]!;
    if (used + to - from > this.#bytes.length) {
      // A new array: columns given out look at the old one.
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, used + to - from));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes.subarray(from, to), used);
    this.#offsets[code + 1] = used + to - from;
    return code;
  }

  #grow(): void {
    const entries = 2 * this.#hashes.length;
    const hashes = new Int32Array(entries);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const offsets = new Int32Array(entries + 1);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const table = new Int32Array(2 * entries).fill(-1);
    const mask = table.length - 1;
    for (let code = 0; code < this.size; code++) {
      let slot = hashes[code]! & mask;
      while (table[slot]! >= 0) slot = (slot + 1) & mask;
      table[slot] = code;
    }
    this.#table = table;
  }

  /** The same column as long as nothing was added: consumers recognise it. */
  column(): Column {
    if (this.#column?.length !== this.size) {
      const offsets = this.#offsets.subarray(0, this.size + 1);
      this.#column = makeColumn({ kind: 'utf8' }, this.size, this.#bytes, null, offsets);
    }
    return this.#column;
  }
}

/** A field in an error: cut where it is long. */
const textOf = (bytes: Uint8Array, from: number, to: number): string => quoted(Buffer.from(bytes.subarray(from, to)).toString());
const quoted = (text: string): string => `'${text.length > 40 ? `${text.slice(0, 40)}...` : text}'`;

/** A whole number of at most 15 digits; NaN when it is longer or none. */
function wholeOf(bytes: Uint8Array, from: number, to: number): number {
  let i = from;
  const negative = bytes[i] === 0x2d;
  if (negative) i++;
  if (i >= to || to - i > 15) return Number.NaN;
  let value = 0;
  for (; i < to; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return negative ? 0 - value : value;
}

/** A whole number of any length; null when it is none. */
function wideOf(bytes: Uint8Array, from: number, to: number): bigint | null {
  if (to - from > 100) return null;
  const text = Buffer.from(bytes.subarray(from, to)).toString('latin1');
  return /^-?\d+$/.test(text) ? BigInt(text) : null;
}

const powers = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

function doubleOf(bytes: Uint8Array, from: number, to: number): number | null {
  let i = from;
  const negative = bytes[i] === 0x2d;
  if (negative) i++;
  let mantissa = 0;
  let digits = 0;
  let seen = 0;
  let scale = 0;
  for (; i < to; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) break;
    seen++;
    if (mantissa !== 0 || digit !== 0) digits++;
    mantissa = mantissa * 10 + digit;
  }
  if (i < to && bytes[i] === 0x2e) {
    for (i++; i < to; i++) {
      const digit = bytes[i]! - 48;
      if (digit < 0 || digit > 9) break;
      seen++;
      scale++;
      if (mantissa !== 0 || digit !== 0) digits++;
      mantissa = mantissa * 10 + digit;
    }
  }
  // Up to 15 digits and a power of ten that is exact: one correctly rounded division.
  if (i === to && seen > 0 && digits <= 15 && scale <= 22) {
    const value = scale === 0 ? mantissa : mantissa / powers[scale]!;
    return negative ? -value : value;
  }
  return rareDouble(bytes, from, to);
}

function rareDouble(bytes: Uint8Array, from: number, to: number): number | null {
  const text = Buffer.from(bytes.subarray(from, to)).toString('latin1');
  if (/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : null;
  }
  const special = /^(-?)(?:(inf|infinity)|nan)$/i.exec(text);
  if (special === null) return null;
  return special[2] === undefined ? Number.NaN : special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function boolOf(bytes: Uint8Array, from: number, to: number): boolean | null {
  if (to - from !== 4 && to - from !== 5) return null;
  const text = Buffer.from(bytes.subarray(from, to)).toString('latin1').toLowerCase();
  return text === 'true' ? true : text === 'false' ? false : null;
}

const digitAt = (bytes: Uint8Array, i: number): number => {
  const digit = bytes[i]! - 48;
  return digit >= 0 && digit <= 9 ? digit : -1e6;
};
/** Two digits at `i`; negative when they are none. */
const pairAt = (bytes: Uint8Array, i: number): number => 10 * digitAt(bytes, i) + digitAt(bytes, i + 1);
const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Days of YYYY-MM-DD at `from`; null when it is not of that form or not in the calendar. */
function plainDate(bytes: Uint8Array, from: number): number | null {
  const year = 100 * pairAt(bytes, from) + pairAt(bytes, from + 2);
  const month = pairAt(bytes, from + 5);
  const day = pairAt(bytes, from + 8);
  if (bytes[from + 4] !== 0x2d || bytes[from + 7] !== 0x2d || year < 0 || month < 1 || month > 12 || day < 1 || day > monthDays[month - 1]!)
    return null;
  if (month === 2 && day === 29 && (year % 4 !== 0 || (year % 100 === 0 && year % 400 !== 0))) return null;
  return daysOf(year, month, day);
}

const dateOf = (bytes: Uint8Array, from: number, to: number): number | null =>
  to - from === 10 ? plainDate(bytes, from) : parseDate(Buffer.from(bytes.subarray(from, to)).toString('latin1'));

/** Microseconds below the second of the last `secondsOf`. */
let fraction = 0;

/** Seconds of YYYY-MM-DDTHH:MM:SS with up to six decimals and at most a Z behind; null for any other form. */
function secondsOf(bytes: Uint8Array, from: number, to: number): number | null {
  const end = bytes[to - 1] === 0x5a ? to - 1 : to;
  const length = end - from;
  if (length < 19 || length > 26 || length === 20) return null;
  const separator = bytes[from + 10];
  if ((separator !== 0x54 && separator !== 0x20) || bytes[from + 13] !== 0x3a || bytes[from + 16] !== 0x3a) return null;
  const days = plainDate(bytes, from);
  const hour = pairAt(bytes, from + 11);
  const minute = pairAt(bytes, from + 14);
  const second = pairAt(bytes, from + 17);
  if (days === null || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return null;
  fraction = 0;
  if (length > 19) {
    if (bytes[from + 19] !== 0x2e) return null;
    let unit = 100_000;
    for (let i = from + 20; i < end; i++, unit /= 10) {
      const digit = digitAt(bytes, i);
      if (digit < 0) return null;
      fraction += digit * unit;
    }
  }
  return days * 86_400 + hour * 3600 + minute * 60 + second;
}
