/**
 * Reads one column chunk of a Parquet file, page by page, into our columns: decompression, levels, dictionary, values.
 * It holds a window of compressed bytes and one decoded page, never the whole chunk. Text stays dictionary codes where
 * the file has them. Encodings are parquet-encodings.ts, footers parquet-file.ts; called by parquet-source.ts.
 */
import type { FileHandle } from 'node:fs/promises';
import { brotliDecompressSync, crc32, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { parquetHeader } from 'hyparquet/src/column.js';
import type { PageHeader } from 'hyparquet/src/types.js';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Column, Field } from '../batch/batch.ts';
import { bitAt, bitmapBytes, copyBits, countBits, setBits, sliceBits } from '../batch/bitmap.ts';
import { makeColumn } from '../batch/column.ts';
import { concatColumns } from '../batch/concat.ts';
import { toUnit, wideOf } from './form-columns.ts';
import { decimalsOf, decimalsOfBytes } from './parquet-decimals.ts';
import {
  checkedTexts,
  decodeBits,
  decodeHybrid,
  decodeOther,
  plainBits,
  plainBytes,
  plainDoubles,
  plainFloats,
  plainLanes,
  plainTexts,
  plainWords,
  type Texts,
} from './parquet-encodings.ts';
import { type ColumnChunk, type Conversion, corrupt, readRange } from './parquet-file.ts';

/** Read from the file at once. */
const windowBytes = 4 * 1024 * 1024;
/** A page that says to be larger is taken for corrupt. */
const maxPageBytes = 1024 * 1024 * 1024;

/** Decoded values, nulls left out: `bits` of a bitmap, words, lanes, four lanes (wide) or doubles; codes of a dictionary; texts. */
type Values =
  | { readonly kind: 'bits'; readonly bits: Uint8Array }
  | { readonly kind: 'words'; readonly words: Int32Array }
  | { readonly kind: 'lanes'; readonly words: Int32Array }
  | { readonly kind: 'wide'; readonly words: Int32Array }
  | { readonly kind: 'doubles'; readonly doubles: Float64Array }
  | { readonly kind: 'codes'; readonly words: Int32Array; readonly dictionary: Column }
  | { readonly kind: 'texts'; readonly texts: Texts };

interface Page {
  readonly rows: number;
  /** Which rows have a value; null = all. */
  readonly present: Uint8Array | null;
  readonly values: Values;
  /** How many rows, and values, were given out. */
  row: number;
  value: number;
}

type Decompress = (bytes: Uint8Array, length: number) => Uint8Array;

/** How much of a chunk's errors is known: the row of the file the chunk starts with. */
export interface ChunkPlace {
  readonly path: string;
  readonly chunk: ColumnChunk;
  readonly rows: number;
  readonly firstRow: number;
  readonly optional: boolean;
  readonly physical: string;
  /** Of a leaf of a list or a struct: the greatest levels it has. Then rows are slots, and nulls are told by the levels alone. */
  readonly levels?: { readonly rep: number; readonly def: number };
}

export class ChunkReader {
  readonly #file: FileHandle;
  readonly #place: ChunkPlace;
  readonly #conversion: Conversion;
  readonly #field: Field;
  readonly #decompress: Decompress;
  #window: Uint8Array = new Uint8Array(0);
  /** The next unread byte, in the window and in the file. */
  #at = 0;
  #fileAt: number;
  #dictionary: Values | null = null;
  #page: Page | null = null;
  /** Rows decoded so far, of the whole chunk. */
  #decoded = 0;
  #given = 0;
  /** Of a leaf: levels of the pages read so far. */
  readonly #levels: { readonly rep: Int32Array; readonly def: Int32Array }[] = [];

  private constructor(file: FileHandle, place: ChunkPlace, conversion: Conversion, field: Field, decompress: Decompress) {
    this.#file = file;
    this.#place = place;
    this.#conversion = conversion;
    this.#field = field;
    this.#decompress = decompress;
    this.#fileAt = place.chunk.from;
  }

  static async open(file: FileHandle, place: ChunkPlace, conversion: Conversion, field: Field): Promise<ChunkReader> {
    return new ChunkReader(file, place, conversion, field, await decompressorOf(place.chunk.codec, place.path));
  }

  /**
   * The next `count` rows; the chunk must have them.
   * @throws FILE_CORRUPT, NULL_IN_COLUMN, VALUE_OUT_OF_RANGE
   */
  async read(count: number): Promise<Column> {
    let assembly: Assembly | null = null;
    while (assembly === null || assembly.length < count) {
      if (this.#page === null || this.#page.row === this.#page.rows) {
        this.#page = await this.#nextPage();
        continue;
      }
      const page = this.#page;
      const take = Math.min(count - (assembly?.length ?? 0), page.rows - page.row);
      const present = page.present === null ? take : presentIn(page.present, page.row, take);
      if (present < take && !this.#field.nullable) throw this.#nullAt(page, take);
      if (assembly === null && take === count && present === take) {
        const column = viewOf(this.#field, page.values, page.value, take);
        this.#advance(page, take, present);
        return column;
      }
      assembly ??= new Assembly(this.#field, count);
      assembly.append(page.values, page.value, take, page.present, page.row, present);
      this.#advance(page, take, present);
    }
    return assembly.finish();
  }

  /** All of a leaf: its levels, and the values of the slots that have one. @throws FILE_CORRUPT, VALUE_OUT_OF_RANGE */
  async readLeaf(): Promise<{ readonly rep: Int32Array; readonly def: Int32Array; readonly values: Column }> {
    const columns: Column[] = [];
    const slots = this.#place.chunk.values;
    let values = 0;
    for (let read = 0; read < slots; ) {
      const page = await this.#nextPage();
      columns.push(viewOf(this.#field, page.values, 0, page.rows));
      values += page.rows;
      read += this.#levels.at(-1)!.def.length;
      if (read > slots) throw this.#corrupt(`its pages have more than its ${slots} values`);
    }
    const joined = (of: 'rep' | 'def'): Int32Array => {
      const all = new Int32Array(slots);
      let at = 0;
      for (const levels of this.#levels) {
        all.set(levels[of], at);
        at += levels[of].length;
      }
      return all;
    };
    return { rep: joined('rep'), def: joined('def'), values: concatColumns(this.#field.type, columns, values) };
  }

  #checkSlots(slots: number): void {
    if (!(slots >= 0 && slots <= this.#place.chunk.values)) throw new Error('a page header contradicts itself');
  }

  /** Keeps the levels of a page; answers how many of its slots have a value. */
  #keepLevels(slots: number, rep: Int32Array, def: Int32Array): number {
    const most = this.#place.levels!.def;
    let values = 0;
    for (let i = 0; i < slots; i++) if (def[i] === most) values++;
    this.#levels.push({ rep, def });
    return values;
  }

  #advance(page: Page, rows: number, values: number): void {
    page.row += rows;
    page.value += values;
    this.#given += rows;
  }

  #nullAt(page: Page, take: number): SluiceError {
    let i = 0;
    while (i < take && bitAt(page.present!, page.row + i) === 1) i++;
    return new SluiceError('NULL_IN_COLUMN', { column: this.#field.name, path: this.#place.path, row: this.#place.firstRow + this.#given + i + 1 });
  }

  async #nextPage(): Promise<Page> {
    for (;;) {
      const header = await this.#header();
      const size = header.compressed_page_size;
      if (!(size >= 0 && size <= this.#left()) || !(header.uncompressed_page_size >= 0 && header.uncompressed_page_size <= maxPageBytes))
        throw this.#corrupt('a page says to be larger than its column chunk');
      await this.#fill(size);
      const bytes = this.#window.subarray(this.#at, this.#at + size);
      this.#at += size;
      if (header.crc !== undefined && crc32(bytes) !== header.crc >>> 0) throw this.#corrupt('a page fails its checksum');
      try {
        if (header.type === 'DICTIONARY_PAGE') this.#dictionary = this.#decodeDictionary(header, bytes);
        else if (header.type === 'DATA_PAGE' || header.type === 'DATA_PAGE_V2') {
          const page = header.type === 'DATA_PAGE' ? this.#decodeV1(header, bytes) : this.#decodeV2(header, bytes);
          this.#decoded += page.rows;
          if (this.#decoded > (this.#place.levels === undefined ? this.#place.rows : this.#place.chunk.values))
            throw new Error('its pages have more rows than its row group');
          return page;
        }
      } catch (thrown) {
        if (thrown instanceof SluiceError) throw thrown;
        throw this.#corrupt((thrown as Error).message, thrown);
      }
    }
  }

  #corrupt(what: string, cause?: unknown): SluiceError {
    return corrupt(this.#place.path, `column ${this.#field.name}, row group at row ${this.#place.firstRow + 1}: ${what}`, cause);
  }

  /** Bytes of the chunk that are not consumed. */
  #left(): number {
    return this.#place.chunk.to - this.#fileAt + this.#window.length - this.#at;
  }

  /** Makes `count` bytes behind `#at` available. */
  async #fill(count: number): Promise<void> {
    const held = this.#window.length - this.#at;
    if (held >= count) return;
    const length = Math.min(this.#place.chunk.to - this.#fileAt, Math.max(count - held, windowBytes));
    const more = await readRange(this.#file, this.#place.path, this.#fileAt, length);
    this.#fileAt += length;
    if (held === 0) this.#window = more;
    else {
      const joined = new Uint8Array(held + length);
      joined.set(this.#window.subarray(this.#at));
      joined.set(more, held);
      this.#window = joined;
    }
    this.#at = 0;
  }

  async #header(): Promise<PageHeader> {
    // Headers are tens of bytes, unless they carry statistics; how long, only parsing tells.
    for (let want = 1024; ; want *= 16) {
      const length = Math.min(want, this.#left());
      if (length === 0) throw this.#corrupt(`its pages end after ${this.#decoded} of ${this.#place.rows} rows`);
      await this.#fill(length);
      const reader = { view: new DataView(this.#window.buffer, this.#window.byteOffset + this.#at, length), offset: 0 };
      try {
        const header = parquetHeader(reader);
        // Of another width than the format has they would come as bigints.
        for (const size of [header.compressed_page_size, header.uncompressed_page_size, header.crc ?? 0])
          if (typeof size !== 'number') throw new Error('a size is no 32-bit number');
        this.#at += reader.offset;
        return header;
      } catch (thrown) {
        if (length === this.#left() || want > windowBytes) throw this.#corrupt('a page header cannot be parsed', thrown);
      }
    }
  }

  #decodeDictionary(header: PageHeader, bytes: Uint8Array): Values {
    const about = header.dictionary_page_header;
    if (about === undefined) throw new Error('a page header lacks its part');
    const page = this.#decompress(bytes, header.uncompressed_page_size);
    const values = this.#decodePlain(page, 0, about.num_values);
    if (values.kind !== 'texts') return values;
    const { offsets, bytes: text } = values.texts;
    return { kind: 'codes', words: new Int32Array(0), dictionary: makeColumn({ kind: 'utf8' }, about.num_values, text, null, offsets) };
  }

  #decodeV1(header: PageHeader, bytes: Uint8Array): Page {
    const about = header.data_page_header;
    if (about === undefined) throw new Error('a page header lacks its part');
    const page = this.#decompress(bytes, header.uncompressed_page_size);
    const rows = about.num_values;
    let at = 0;
    let present: Uint8Array | null = null;
    if (this.#place.levels !== undefined) {
      this.#checkSlots(rows);
      const { rep: mostRep, def: mostDef } = this.#place.levels;
      const level = (most: number): Int32Array => {
        if (most === 0) return new Int32Array(rows);
        const length = at + 4 > page.length ? -1 : new DataView(page.buffer, page.byteOffset).getInt32(at, true);
        const from = at + 4;
        at = from + length;
        if (length < 0 || at > page.length) throw new Error('a page ends early');
        return decodeHybrid(page, from, at, bitsOf(most), rows, most + 1);
      };
      const rep = level(mostRep);
      const def = level(mostDef);
      return this.#decodeData(page, at, about.encoding, this.#keepLevels(rows, rep, def), null);
    }
    if (this.#place.optional) {
      if (about.definition_level_encoding !== 'RLE') throw new Error(`levels encoded as ${about.definition_level_encoding} are not supported`);
      const length = page.length < 4 ? -1 : new DataView(page.buffer, page.byteOffset).getInt32(0, true);
      at = 4 + length;
      if (length < 0 || at > page.length) throw new Error('a page ends early');
      present = decodeBits(page, 4, at, rows);
    }
    return this.#decodeData(page, at, about.encoding, rows, present);
  }

  #decodeV2(header: PageHeader, bytes: Uint8Array): Page {
    const about = header.data_page_header_v2;
    if (about === undefined) throw new Error('a page header lacks its part');
    const rows = about.num_rows;
    const levels = about.definition_levels_byte_length + about.repetition_levels_byte_length;
    if (!(levels >= 0 && levels <= bytes.length)) throw new Error('a page header contradicts itself');
    const most = this.#place.levels;
    if (most !== undefined) {
      const slots = about.num_values;
      this.#checkSlots(slots);
      const middle = about.repetition_levels_byte_length;
      const rep = most.rep === 0 ? new Int32Array(slots) : decodeHybrid(bytes, 0, middle, bitsOf(most.rep), slots, most.rep + 1);
      const def = most.def === 0 ? new Int32Array(slots) : decodeHybrid(bytes, middle, levels, bitsOf(most.def), slots, most.def + 1);
      const rest = bytes.subarray(levels);
      const page = about.is_compressed === false ? rest : this.#decompress(rest, header.uncompressed_page_size - levels);
      return this.#decodeData(page, 0, about.encoding, this.#keepLevels(slots, rep, def), null);
    }
    if (about.num_values !== rows) throw new Error('a page header contradicts itself');
    const present = this.#place.optional ? decodeBits(bytes, about.repetition_levels_byte_length, levels, rows) : null;
    const rest = bytes.subarray(levels);
    const page = about.is_compressed === false ? rest : this.#decompress(rest, header.uncompressed_page_size - levels);
    return this.#decodeData(page, 0, about.encoding, rows, present);
  }

  #decodeData(page: Uint8Array, at: number, encoding: string, rows: number, present: Uint8Array | null): Page {
    const count = present === null ? rows : countBits(present, rows);
    return { rows, present, values: this.#decodeValues(page, at, encoding, count), row: 0, value: 0 };
  }

  #decodeValues(page: Uint8Array, at: number, encoding: string, count: number): Values {
    if (encoding === 'PLAIN') return this.#decodePlain(page, at, count);
    if (encoding === 'RLE_DICTIONARY' || encoding === 'PLAIN_DICTIONARY') return this.#decodeCodes(page, at, count);
    if (encoding === 'RLE' && this.#conversion.kind === 'bool')
      return { kind: 'bits', bits: decodeBits(page, at + 4, page.length, count) ?? allSet(count) };
    const values = decodeOther(encoding, this.#place.physical, page, at, page.length, count);
    if (values instanceof Int32Array) return this.#converted(values);
    if (values instanceof Float64Array) return { kind: 'doubles', doubles: values };
    return { kind: 'texts', texts: this.#conversion.kind === 'bytes' ? values : checkedTexts(values.offsets, values.bytes) };
  }

  #decodeCodes(page: Uint8Array, at: number, count: number): Values {
    const dictionary = this.#dictionary;
    if (dictionary === null) throw new Error('a page needs a dictionary that the chunk does not have');
    if (count === 0) return noValues(dictionary);
    if (at >= page.length) throw new Error('a page ends early');
    const codes = decodeHybrid(page, at + 1, page.length, page[at]!, count, entriesOf(dictionary));
    switch (dictionary.kind) {
      case 'codes':
        return { kind: 'codes', words: codes, dictionary: dictionary.dictionary };
      case 'words':
        return { kind: 'words', words: gatherWords(dictionary.words, codes) };
      case 'lanes':
        return { kind: 'lanes', words: gatherLanes(dictionary.words, codes) };
      case 'wide':
        return { kind: 'wide', words: gatherWide(dictionary.words, codes) };
      case 'doubles':
        return { kind: 'doubles', doubles: gatherDoubles(dictionary.doubles, codes) };
      default:
        throw new Error('a boolean column has a dictionary');
    }
  }

  #decodePlain(page: Uint8Array, at: number, count: number): Values {
    const end = page.length;
    if (!(count >= 0)) throw new Error('a page header contradicts itself');
    switch (this.#conversion.kind) {
      case 'int32':
        return this.#converted(plainWords(page, at, end, count));
      case 'int64':
        return this.#converted(plainLanes(page, at, end, count));
      case 'timestamp':
        if (this.#conversion.unit === 'int96') return this.#converted(plainWords(page, at, end, 3 * count));
        return this.#converted(plainLanes(page, at, end, count));
      case 'decimal': {
        const { from, bytes, precision } = this.#conversion;
        if (from === 'bytes') return decimalsOfBytes(page, at, count, bytes, precision);
        return this.#converted((from === 'words' ? plainWords : plainLanes)(page, at, end, count));
      }
      case 'float32':
        return { kind: 'doubles', doubles: plainFloats(page, at, end, count) };
      case 'float64':
        return { kind: 'doubles', doubles: plainDoubles(page, at, end, count) };
      case 'bool':
        return { kind: 'bits', bits: plainBits(page, at, end, count) };
      case 'utf8':
        return { kind: 'texts', texts: plainTexts(page, at, end, count) };
      case 'bytes':
        return { kind: 'texts', texts: plainBytes(page, at, end, count) };
      case 'uint64':
      case 'time':
        return this.#converted((this.#conversion.lanes === 1 ? plainWords : plainLanes)(page, at, end, count));
    }
  }

  /** Physical integers as the declared column has them. */
  #converted(words: Int32Array): Values {
    const { name } = this.#field;
    const { path } = this.#place;
    const conversion = this.#conversion;
    switch (conversion.kind) {
      case 'int32':
        return conversion.to === 'word' ? { kind: 'words', words } : { kind: 'lanes', words: widened(words, conversion.unsigned) };
      case 'int64':
        if (conversion.check !== 'none') checkRange(words, conversion.check, name, path);
        return { kind: 'lanes', words };
      case 'decimal':
        return decimalsOf(words, conversion.from === 'words' ? 1 : 2, conversion.precision);
      case 'timestamp':
        return { kind: 'lanes', words: toMicros(words, conversion.unit, name, path) };
      case 'uint64':
        return { kind: 'wide', words: wideOf(words, conversion.lanes) };
      case 'time': {
        const lanes = conversion.lanes === 1 ? widened(words, false) : words;
        return { kind: 'lanes', words: toUnit(lanes, conversion.from, conversion.to, `column ${name} of ${path}`) };
      }
      default:
        throw new Error('an integer encoding in a column that holds none');
    }
  }
}

const entriesOf = (values: Values): number => {
  switch (values.kind) {
    case 'codes':
      return values.dictionary.length;
    case 'words':
      return values.words.length;
    case 'lanes':
      return values.words.length >> 1;
    case 'wide':
      return values.words.length >> 2;
    case 'doubles':
      return values.doubles.length;
    default:
      return 0;
  }
};

/** What a page of nulls has. Codes need an entry to point at, if only from a null. */
function noValues(dictionary: Values): Values {
  switch (dictionary.kind) {
    case 'codes':
      if (dictionary.dictionary.length > 0) return { ...dictionary, words: new Int32Array(0) };
      return { kind: 'texts', texts: { offsets: new Int32Array(1), bytes: new Uint8Array(0) } };
    case 'doubles':
      return { kind: 'doubles', doubles: new Float64Array(0) };
    default:
      return { ...dictionary, words: new Int32Array(0) } as Values;
  }
}

/** Bits that a level takes. */
const bitsOf = (most: number): number => 32 - Math.clz32(most);

const allSet = (count: number): Uint8Array => new Uint8Array(bitmapBytes(count)).fill(0xff);

function presentIn(present: Uint8Array, from: number, count: number): number {
  if ((from & 7) === 0) return countBits(present.subarray(from >> 3), count);
  let ones = 0;
  for (let i = from; i < from + count; i++) ones += bitAt(present, i);
  return ones;
}

function gatherWords(dictionary: Int32Array, codes: Int32Array): Int32Array {
  for (let i = 0; i < codes.length; i++) codes[i] = dictionary[codes[i]!]!;
  return codes;
}

function gatherLanes(dictionary: Int32Array, codes: Int32Array): Int32Array {
  const out = new Int32Array(2 * codes.length);
  for (let i = 0, o = 0; i < codes.length; i++, o += 2) {
    const entry = 2 * codes[i]!;
    out[o] = dictionary[entry]!;
    out[o + 1] = dictionary[entry + 1]!;
  }
  return out;
}

function gatherWide(dictionary: Int32Array, codes: Int32Array): Int32Array {
  const out = new Int32Array(4 * codes.length);
  for (let i = 0; i < codes.length; i++) for (let lane = 0; lane < 4; lane++) out[4 * i + lane] = dictionary[4 * codes[i]! + lane]!;
  return out;
}

function gatherDoubles(dictionary: Float64Array, codes: Int32Array): Float64Array {
  const out = new Float64Array(codes.length);
  for (let i = 0; i < codes.length; i++) out[i] = dictionary[codes[i]!]!;
  return out;
}

export function widened(words: Int32Array, unsigned: boolean): Int32Array {
  const out = new Int32Array(2 * words.length);
  for (let i = 0; i < words.length; i++) {
    out[2 * i] = words[i]!;
    if (!unsigned) out[2 * i + 1] = words[i]! >> 31;
  }
  return out;
}

export function checkRange(words: Int32Array, check: 'safe' | 'unsigned' | 'unsigned safe', name: string, path: string): void {
  const least = check === 'safe' ? -0x20_0000 : 0;
  const most = check === 'unsigned' ? 0x7fff_ffff : 0x1f_ffff;
  for (let i = 1; i < words.length; i += 2) {
    const high = words[i]!;
    if (high < least || high > most || (high === -0x20_0000 && check === 'safe' && words[i - 1] === 0)) {
      const value = (BigInt(high) << 32n) | BigInt(words[i - 1]! >>> 0);
      const text = check === 'safe' ? value : BigInt.asUintN(64, value);
      const declare = check === 'unsigned' ? '' : '; declare it int64()';
      throw new SluiceError('VALUE_OUT_OF_RANGE', {
        what: `column ${name} of ${path} holds ${text}, beyond ${check === 'unsigned' ? 'int64' : '2^53 - 1'}${declare}`,
      });
    }
  }
}

const julianEpoch = 2_440_588n;

export function toMicros(words: Int32Array, unit: 'millis' | 'micros' | 'nanos' | 'int96', name: string, path: string): Int32Array {
  if (unit === 'micros') return words;
  const beyond = (value: bigint, why: string): SluiceError =>
    new SluiceError('VALUE_OUT_OF_RANGE', { what: `column ${name} of ${path} holds the time ${value} ${why}` });
  if (unit === 'int96') {
    const count = words.length / 3;
    const out = new Int32Array(2 * count);
    const lanes = new BigInt64Array(out.buffer);
    for (let i = 0; i < count; i++) {
      const nanos = (BigInt(words[3 * i + 1]!) << 32n) | BigInt(words[3 * i]! >>> 0);
      if (nanos % 1000n !== 0n) throw beyond(nanos, 'ns of a day, finer than a microsecond');
      lanes[i] = (BigInt(words[3 * i + 2]! >>> 0) - julianEpoch) * 86_400_000_000n + nanos / 1000n;
    }
    return out;
  }
  const lanes = new BigInt64Array(words.buffer, words.byteOffset, words.length >> 1);
  for (let i = 0; i < lanes.length; i++) {
    const value = lanes[i]!;
    if (unit === 'millis') {
      if (value > 9_223_372_036_854_775n || value < -9_223_372_036_854_775n) throw beyond(value, 'ms, beyond what microseconds in 64 bits can say');
      lanes[i] = value * 1000n;
    } else {
      if (value % 1000n !== 0n) throw beyond(value, 'ns, finer than a microsecond');
      lanes[i] = value / 1000n;
    }
  }
  return words;
}

/** Rows of a page, all there, as a view of its arrays. */
function viewOf({ type }: Field, values: Values, from: number, count: number): Column {
  const to = from + count;
  switch (values.kind) {
    case 'bits':
      return makeColumn(type, count, sliceBits(values.bits, from, to));
    case 'words':
      return makeColumn(type, count, values.words.subarray(from, to));
    case 'lanes':
      return makeColumn(type, count, values.words.subarray(2 * from, 2 * to));
    case 'wide':
      return makeColumn(type, count, values.words.subarray(4 * from, 4 * to));
    case 'doubles':
      return makeColumn(type, count, values.doubles.subarray(from, to));
    case 'codes':
      return makeColumn(type, count, values.words.subarray(from, to), null, null, values.dictionary);
    case 'texts':
      return makeColumn(type, count, values.texts.bytes, null, values.texts.offsets.subarray(from, to + 1));
  }
}

/** A column put together from several pages, or with nulls between the values. */
class Assembly {
  readonly #field: Field;
  readonly #count: number;
  length = 0;
  #validity: Uint8Array | null = null;
  #words: Int32Array | null = null;
  #doubles: Float64Array | null = null;
  #bits: Uint8Array | null = null;
  #dictionary: Column | null = null;
  /** Texts; once a page has them as such, codes are replaced by them. */
  #offsets: Int32Array | null = null;
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(field: Field, count: number) {
    this.#field = field;
    this.#count = count;
  }

  /** Rows [row, row + rows) of a page, whose `present` values start at `value`. */
  append(values: Values, value: number, rows: number, presence: Uint8Array | null, row: number, present: number): void {
    const at = this.length;
    if (present < rows && this.#validity === null) {
      this.#validity = new Uint8Array(bitmapBytes(this.#count));
      setBits(this.#validity, 0, at);
    }
    if (this.#validity !== null) {
      if (present === rows) setBits(this.#validity, at, rows);
      else copyBits(presence!, row, this.#validity, at, rows);
    }
    switch (values.kind) {
      case 'bits':
        this.#bits ??= new Uint8Array(bitmapBytes(this.#count));
        if (present === rows) copyBits(values.bits, value, this.#bits, at, rows);
        else
          for (let i = 0, v = value; i < rows; i++)
            if (bitAt(presence!, row + i) === 1 && bitAt(values.bits, v++) === 1) setBits(this.#bits, at + i, 1);
        break;
      case 'words':
        this.#words ??= new Int32Array(this.#count);
        this.#words.set(values.words.subarray(value, value + present), at);
        if (present < rows) spread(this.#words, at, rows, present, presence!, row);
        break;
      case 'lanes':
        this.#words ??= new Int32Array(2 * this.#count);
        this.#words.set(values.words.subarray(2 * value, 2 * (value + present)), 2 * at);
        if (present < rows) spreadLanes(this.#words, 2, at, rows, present, presence!, row);
        break;
      case 'wide':
        this.#words ??= new Int32Array(4 * this.#count);
        this.#words.set(values.words.subarray(4 * value, 4 * (value + present)), 4 * at);
        if (present < rows) spreadLanes(this.#words, 4, at, rows, present, presence!, row);
        break;
      case 'doubles':
        this.#doubles ??= new Float64Array(this.#count);
        this.#doubles.set(values.doubles.subarray(value, value + present), at);
        if (present < rows) spread(this.#doubles, at, rows, present, presence!, row);
        break;
      case 'codes':
        this.#appendCodes(values, value, rows, presence, row, present);
        break;
      case 'texts':
        this.#appendTexts(values.texts, value, rows, presence, row, present);
        break;
    }
    this.length += rows;
  }

  #appendCodes(values: Values & { kind: 'codes' }, value: number, rows: number, presence: Uint8Array | null, row: number, present: number): void {
    if (this.#offsets !== null || (this.#dictionary !== null && this.#dictionary !== values.dictionary)) {
      this.#toTexts();
      const { data, offsets } = values.dictionary;
      for (let i = 0, v = value; i < rows; i++) {
        const isThere = present === rows || bitAt(presence!, row + i) === 1;
        const code = isThere ? values.words[v++]! : 0;
        this.#appendText(this.length + i, data as Uint8Array, isThere ? offsets![code]! : 0, isThere ? offsets![code + 1]! : 0);
      }
      return;
    }
    this.#dictionary = values.dictionary;
    this.#words ??= new Int32Array(this.#count);
    this.#words.set(values.words.subarray(value, value + present), this.length);
    if (present < rows) spread(this.#words, this.length, rows, present, presence!, row);
  }

  #appendTexts(texts: Texts, value: number, rows: number, presence: Uint8Array | null, row: number, present: number): void {
    this.#toTexts();
    const { bytes, offsets } = texts;
    const at = this.length;
    const start = offsets[value]!;
    const end = offsets[value + present]!;
    this.#reserve(end - start);
    this.#bytes.set(bytes.subarray(start, end), this.#used);
    const shift = this.#used - start;
    const out = this.#offsets!;
    for (let i = 0, v = value; i < rows; i++) {
      if (present === rows || bitAt(presence!, row + i) === 1) v++;
      out[at + i + 1] = offsets[v]! + shift;
    }
    this.#used += end - start;
  }

  #appendText(at: number, bytes: Uint8Array, from: number, to: number): void {
    this.#reserve(to - from);
    for (let i = from; i < to; i++) this.#bytes[this.#used++] = bytes[i]!;
    this.#offsets![at + 1] = this.#used;
  }

  #reserve(more: number): void {
    if (this.#used + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#used + more, 4096));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }

  /** From here on texts; what was codes is written out. */
  #toTexts(): void {
    if (this.#offsets !== null) return;
    this.#offsets = new Int32Array(this.#count + 1);
    const codes = this.#words;
    const dictionary = this.#dictionary;
    this.#words = null;
    this.#dictionary = null;
    if (codes === null || dictionary === null) return;
    const { data, offsets } = dictionary;
    for (let i = 0; i < this.length; i++) {
      const isThere = this.#validity === null || bitAt(this.#validity, i) === 1;
      const code = codes[i]!;
      this.#appendText(i, data as Uint8Array, isThere ? offsets![code]! : 0, isThere ? offsets![code + 1]! : 0);
    }
  }

  finish(): Column {
    const { type } = this.#field;
    const data = this.#offsets !== null ? this.#bytes : (this.#words ?? this.#doubles ?? this.#bits ?? new Uint8Array(0));
    return makeColumn(type, this.length, data, this.#validity, this.#offsets, this.#dictionary);
  }
}

/** Moves `present` values that stand at `at` to the rows of `presence` that have one, from the back; zero elsewhere. */
function spread(out: Int32Array | Float64Array, at: number, rows: number, present: number, presence: Uint8Array, row: number): void {
  let from = at + present;
  for (let i = rows - 1; i >= 0; i--) out[at + i] = bitAt(presence, row + i) === 1 ? out[--from]! : 0;
}

function spreadLanes(out: Int32Array, lanes: 2 | 4, at: number, rows: number, present: number, presence: Uint8Array, row: number): void {
  let from = lanes * (at + present);
  for (let i = rows - 1; i >= 0; i--) {
    const to = lanes * (at + i);
    if (bitAt(presence, row + i) === 1) {
      from -= lanes;
      for (let lane = lanes - 1; lane >= 0; lane--) out[to + lane] = out[from + lane]!;
    } else for (let lane = 0; lane < lanes; lane++) out[to + lane] = 0;
  }
}

/** @throws FILE_CORRUPT for a codec nobody knows */
async function decompressorOf(codec: string, path: string): Promise<Decompress> {
  const exact =
    (decompress: Decompress): Decompress =>
    (bytes, length) => {
      if (length === 0) return new Uint8Array(0);
      const page = decompress(bytes, length);
      if (page.length !== length) throw new Error(`a page has ${page.length} bytes, its header says ${length}`);
      // Not as the Buffer that zlib gives: its slice is a view into a pool, and values are taken by slices that are copies.
      return new Uint8Array(page.buffer, page.byteOffset, page.length);
    };
  const limits = (length: number): { maxOutputLength: number; chunkSize: number } => ({ maxOutputLength: length, chunkSize: Math.max(64, length) });
  switch (codec) {
    case 'UNCOMPRESSED':
      return exact((bytes) => bytes);
    case 'ZSTD':
      return exact((bytes, length) => zstdDecompressSync(bytes, limits(length)));
    case 'GZIP':
      return exact((bytes, length) => gunzipSync(bytes, limits(length)));
    case 'BROTLI':
      return exact((bytes, length) => brotliDecompressSync(bytes, limits(length)));
    case 'SNAPPY':
    case 'LZ4':
    case 'LZ4_RAW': {
      const { compressors } = await import('hyparquet-compressors');
      return exact(compressors[codec]!);
    }
    default:
      throw corrupt(path, `its compression, ${codec}, is not supported`);
  }
}
