/**
 * Column builders for sources: append values one after another into growing typed arrays, then `finish` for a column. One
 * class with one hidden class for all kinds; which append method fits which kind is said at each. Text is dictionary
 * encoded as long as it repeats. A list or a struct has builders for its children: they are appended to first, then the value is closed. Called by connectors and by rows.ts.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, type Column, type ColumnType, columnTypeText, type Schema } from './batch.ts';
import { bitmapBytes, setBits } from './bitmap.ts';
import { type Layout, layoutOf, makeBatch, makeColumn, makeList, makeStruct } from './column.ts';
import { fitsDigits, putWide } from './decimal.ts';
import { highLane, highLaneOf, int64Max, int64Min, lowLane, lowLaneOf } from './lanes.ts';
import { maxColumnBytes } from './take.ts';

const encoder = new TextEncoder();
/** A dictionary that holds more than this many entries and more than half of the rows is given up. */
const dictionaryTrial = 1024;

export class ColumnBuilder {
  readonly type: ColumnType;
  /** Of a list that of its items, of a struct those of its fields. */
  readonly children: readonly ColumnBuilder[];
  readonly #layout: Layout;
  #length = 0;
  #capacity: number;
  #words: Int32Array;
  #doubles: Float64Array;
  #bytes: Uint8Array;
  #offsets: Int32Array;
  #used = 0;
  #validity: Uint8Array | null = null;
  /** Text while it repeats: text -> code, codes stand in #words, the entries' bytes in #bytes. */
  #codes: Map<string, number> | null;

  constructor(type: ColumnType, rows = 1024) {
    this.type = type;
    this.#layout = layoutOf(type);
    // Growing doubles, so there is something to double.
    const capacity = Math.max(1, rows);
    this.#capacity = capacity;
    const layout = this.#layout;
    this.#words = new Int32Array(
      layout === 'word' || layout === 'bytes' ? capacity : layout === 'lanes' ? 2 * capacity : layout === 'wide' ? 4 * capacity : 0,
    );
    this.#doubles = new Float64Array(layout === 'double' ? capacity : 0);
    this.#bytes = new Uint8Array(layout === 'bits' ? bitmapBytes(capacity) : layout === 'bytes' ? 4096 : 0);
    this.#offsets = new Int32Array(layout === 'bytes' || layout === 'list' ? capacity + 1 : 0);
    this.children =
      type.kind === 'list'
        ? [new ColumnBuilder(type.item.type, rows)]
        : type.kind === 'struct'
          ? type.fields.map((field) => new ColumnBuilder(field.type, rows))
          : [];
    this.#codes = layout === 'bytes' ? new Map() : null;
  }

  get length(): number {
    return this.#length;
  }

  /** Any kind. */
  appendNull(): void {
    const i = this.#next();
    if (this.#validity === null) {
      this.#validity = new Uint8Array(bitmapBytes(this.#capacity));
      setBits(this.#validity, 0, i);
    }
    if (this.#layout === 'bytes' && this.#codes === null) this.#offsets[i + 1] = this.#used;
    else if (this.#layout === 'word' || this.#layout === 'bytes') this.#words[i] = 0;
    else if (this.#layout === 'list') this.#offsets[i + 1] = this.children[0]!.length;
    else if (this.#layout === 'struct') for (const child of this.children) child.#appendFiller();
  }

  /** list: of the items appended since the last one. */
  closeList(): void {
    const i = this.#there();
    this.#offsets[i + 1] = this.children[0]!.length;
  }

  /** struct: of the values just appended, one to each child. */
  closeStruct(): void {
    this.#there();
  }

  /** What stands where a struct is null: a value, as its field may not be nullable. */
  #appendFiller(): void {
    switch (this.#layout) {
      case 'word':
        this.appendWord(0);
        break;
      case 'lanes':
        this.appendLanes(0, 0);
        break;
      case 'wide':
        this.appendDecimal(0n);
        break;
      case 'double':
        this.appendDouble(0);
        break;
      case 'bits':
        this.appendBool(false);
        break;
      case 'bytes':
        this.appendText('');
        break;
      case 'list':
        this.closeList();
        break;
      case 'struct':
        for (const child of this.children) child.#appendFiller();
        this.closeStruct();
        break;
    }
  }

  /** int32, date (days). @throws VALUE_OUT_OF_RANGE */
  appendWord(value: number): void {
    if ((value | 0) !== value) throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `${value} is not a whole number of 32 bits` });
    const i = this.#there();
    this.#words[i] = value;
  }

  /** integer, int64, timestamp (microseconds): a whole number within +-(2^53 - 1). @throws VALUE_OUT_OF_RANGE */
  appendInteger(value: number): void {
    if (!Number.isSafeInteger(value)) throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `${value} is not a whole number within 2^53 - 1` });
    const i = this.#there();
    this.#words[2 * i] = lowLane(value);
    this.#words[2 * i + 1] = highLane(value);
  }

  /** integer, int64, timestamp. @throws VALUE_OUT_OF_RANGE */
  appendBigInt(value: bigint): void {
    if (this.type.kind === 'integer' ? value < -0x1f_ffff_ffff_ffffn || value > 0x1f_ffff_ffff_ffffn : value < int64Min || value > int64Max)
      throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `${value} does not fit in ${this.type.kind}` });
    this.appendLanes(lowLaneOf(value), highLaneOf(value));
  }

  /** integer, int64, timestamp, as they stand at rest; not checked. */
  appendLanes(lo: number, hi: number): void {
    const i = this.#there();
    this.#words[2 * i] = lo;
    this.#words[2 * i + 1] = hi;
  }

  /** float64. */
  appendDouble(value: number): void {
    const i = this.#there();
    this.#doubles[i] = value;
  }

  /** decimal, by its unscaled number at the column's scale. @throws VALUE_OUT_OF_RANGE when it has more digits than the column */
  appendDecimal(unscaled: bigint): void {
    if (this.type.kind !== 'decimal' || !fitsDigits(unscaled, this.type.precision))
      throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `${unscaled} units do not fit in ${columnTypeText(this.type)}` });
    const i = this.#there();
    if (this.#layout === 'double') this.#doubles[i] = Number(unscaled);
    else putWide(this.#words, i, unscaled);
  }

  /** bool. */
  appendBool(value: boolean): void {
    const i = this.#there();
    if (value) this.#bytes[i >> 3]! |= 1 << (i & 7);
  }

  /** utf8. Lone surrogates become U+FFFD. */
  appendText(text: string): void {
    const codes = this.#codes;
    if (codes !== null) {
      let code = codes.get(text);
      if (code === undefined) {
        code = codes.size;
        if (code >= dictionaryTrial && 2 * code > this.#length) {
          this.#giveUpDictionary();
          this.appendText(text);
          return;
        }
        codes.set(text, code);
        if (code + 1 >= this.#offsets.length) this.#offsets = widened(this.#offsets, 2 * code + 2);
        this.#encode(text);
        this.#offsets[code + 1] = this.#used;
      }
      const i = this.#there();
      this.#words[i] = code;
      return;
    }
    const i = this.#there();
    this.#encode(text);
    this.#offsets[i + 1] = this.#used;
  }

  /** utf8, as bytes source[from, to), which are valid UTF-8. Gives up a dictionary begun by appendText. */
  appendBytes(source: Uint8Array, from: number, to: number): void {
    if (this.#codes !== null) this.#giveUpDictionary();
    const i = this.#there();
    this.#reserve(to - from);
    if (to - from > 80) this.#bytes.set(source.subarray(from, to), this.#used);
    else for (let s = from, t = this.#used; s < to; s++, t++) this.#bytes[t] = source[s]!;
    this.#used += to - from;
    this.#offsets[i + 1] = this.#used;
  }

  /** The column of all that was appended; the builder starts anew. */
  finish(): Column {
    const n = this.#length;
    const { type } = this;
    const validity = this.#validity === null ? null : this.#validity.subarray(0, bitmapBytes(n));
    let column: Column;
    if (this.#layout === 'double') column = makeColumn(type, n, this.#doubles.subarray(0, n), validity);
    else if (this.#layout === 'bits') column = makeColumn(type, n, this.#bytes.subarray(0, bitmapBytes(n)), validity);
    else if (this.#layout === 'wide') column = makeColumn(type, n, this.#words.subarray(0, 4 * n), validity);
    else if (this.#layout === 'lanes') column = makeColumn(type, n, this.#words.subarray(0, 2 * n), validity);
    else if (this.#layout === 'word') column = makeColumn(type, n, this.#words.subarray(0, n), validity);
    else if (this.#layout === 'list') column = makeList(type, n, this.#offsets.subarray(0, n + 1), validity, this.children[0]!.finish());
    else if (this.#layout === 'struct')
      column = makeStruct(
        type,
        n,
        validity,
        this.children.map((child) => child.finish()),
      );
    else if (this.#codes !== null && n > 0) {
      const entries = this.#codes.size;
      const dictionary = makeColumn(type, entries, this.#bytes.subarray(0, this.#used), null, this.#offsets.subarray(0, entries + 1));
      column = makeColumn(type, n, this.#words.subarray(0, n), validity, null, dictionary);
    } else column = makeColumn(type, n, this.#bytes.subarray(0, this.#used), validity, this.#offsets.subarray(0, n + 1));
    this.#length = 0;
    this.#used = 0;
    this.#validity = null;
    this.#words = new Int32Array(this.#words.length);
    this.#doubles = new Float64Array(this.#doubles.length);
    this.#bytes = new Uint8Array(this.#bytes.length);
    this.#offsets = new Int32Array(this.#offsets.length);
    if (this.#layout === 'bytes') this.#codes = new Map();
    return column;
  }

  #next(): number {
    if (this.#length === this.#capacity) this.#grow();
    return this.#length++;
  }

  /** The place of a value that is there. Called before an array is named: growing replaces the arrays. */
  #there(): number {
    const i = this.#next();
    if (this.#validity !== null) this.#validity[i >> 3]! |= 1 << (i & 7);
    return i;
  }

  #grow(): void {
    const capacity = 2 * this.#capacity;
    this.#capacity = capacity;
    if (this.#words.length > 0) this.#words = widened(this.#words, 2 * this.#words.length);
    if (this.#layout === 'double') {
      const doubles = new Float64Array(capacity);
      doubles.set(this.#doubles);
      this.#doubles = doubles;
    }
    if (this.#layout === 'bits') this.#bytes = extended(this.#bytes, bitmapBytes(capacity));
    if ((this.#layout === 'list' || (this.#layout === 'bytes' && this.#codes === null)) && this.#offsets.length < capacity + 1)
      this.#offsets = widened(this.#offsets, capacity + 1);
    if (this.#validity !== null) this.#validity = extended(this.#validity, bitmapBytes(capacity));
  }

  #reserve(bytes: number): void {
    const needed = this.#used + bytes;
    if (needed <= this.#bytes.length) return;
    if (needed > maxColumnBytes) throw new SluiceError('MEMORY_EXCEEDED', { budgetBytes: maxColumnBytes, what: 'the text of one batch' });
    this.#bytes = extended(this.#bytes, Math.min(maxColumnBytes, Math.max(needed, 2 * this.#bytes.length)));
  }

  #encode(text: string): void {
    // Three bytes per UTF-16 unit is the most UTF-8 needs.
    this.#reserve(3 * text.length);
    const bytes = this.#bytes;
    let at = this.#used;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        at += encoder.encodeInto(i === 0 ? text : text.slice(i), bytes.subarray(at)).written;
        break;
      }
      bytes[at++] = unit;
    }
    this.#used = at;
  }

  #giveUpDictionary(): void {
    const n = this.#length;
    const entries = this.#offsets;
    const source = this.#bytes;
    const codes = this.#words;
    this.#codes = null;
    this.#offsets = new Int32Array(this.#capacity + 1);
    this.#bytes = new Uint8Array(Math.max(4096, source.length));
    this.#used = 0;
    for (let i = 0; i < n; i++) {
      // A null row has code 0, which may have no entry.
      const isThere = this.#validity === null || ((this.#validity[i >> 3]! >> (i & 7)) & 1) === 1;
      if (isThere) {
        const from = entries[codes[i]!]!;
        const to = entries[codes[i]! + 1]!;
        this.#reserve(to - from);
        this.#bytes.set(source.subarray(from, to), this.#used);
        this.#used += to - from;
      }
      this.#offsets[i + 1] = this.#used;
    }
  }
}

const widened = (words: Int32Array, length: number): Int32Array => {
  const grown = new Int32Array(length);
  grown.set(words.subarray(0, Math.min(words.length, length)));
  return grown;
};
const extended = (bytes: Uint8Array, length: number): Uint8Array => {
  const grown = new Uint8Array(length);
  grown.set(bytes);
  return grown;
};

/** One builder per column of a batch; append to each, then `finish`. */
export interface BatchBuilder {
  readonly columns: readonly ColumnBuilder[];
  /** @throws INTERNAL when the columns have different lengths */
  finish(): Batch;
}

export function createBatchBuilder(schema: Schema, capacity = 1024): BatchBuilder {
  const columns = schema.map((f) => new ColumnBuilder(f.type, capacity));
  return {
    columns,
    finish() {
      const finished = columns.map((c) => c.finish());
      const length = finished[0]?.length ?? 0;
      if (finished.some((c) => c.length !== length)) throw new SluiceError('INTERNAL', { what: 'columns of a batch have different lengths' });
      return makeBatch(schema, length, finished);
    },
  };
}
