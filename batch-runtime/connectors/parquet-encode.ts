/**
 * Encodes the columns of one row group of a Parquet file, straight from their arrays: text with a dictionary stays codes, everything else is plain,
 * pages are compressed by zstd where that pays. What it gives besides bytes is what the footer says of each column chunk. Called by
 * parquet-sink.ts, whose elements say what the columns are in the file.
 */
import { constants, zstdCompressSync } from 'node:zlib';
import type { ColumnChunk, ColumnMetaData, Encoding, SchemaElement, Statistics } from 'hyparquet';
import type { ByteWriter } from 'hyparquet-writer';
import { writePageHeader } from 'hyparquet-writer/src/datapage.js';
import { type Column, formOf } from '../batch/batch.ts';
import { bitAt, bitmapBytes, sliceBits } from '../batch/bitmap.ts';
import { layoutOf, nullCount } from '../batch/column.ts';
import { columnComparator, compareBytes } from '../batch/compare.ts';
import { lanesToBigInt } from '../batch/lanes.ts';
import { unscaledOf } from '../batch/rows.ts';
import { sliceColumn } from '../batch/slice.ts';
import { takeColumn } from '../batch/take.ts';
import { fileUnit, toFileColumn } from './form-columns.ts';
import { plainDecimals } from './parquet-decimals.ts';
import type { Leaf } from './parquet-shred.ts';

/** A page has about so many bytes before compression. */
const pageBytes = 1024 * 1024;
/** Faster than any other that Node has, and smaller than Snappy. */
const level = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Values of a page without nulls, what stands in front of them, and how many slots and rows that is. */
interface Part {
  readonly values: Column;
  readonly slots: number;
  readonly rows: number;
  readonly rep: Uint8Array;
  readonly def: Uint8Array;
}

/** Appends the pages of a column chunk. @returns what the footer says of it */
export function writeChunk(writer: ByteWriter, element: SchemaElement, given: Column): ColumnChunk {
  const column = toFileColumn(given, fileUnit(given.type));
  const parts = function* (isCodes: boolean): Generator<Part> {
    const rows = rowsPerPage(column, isCodes);
    for (let row = 0; row === 0 || row < column.length; row += rows) {
      const part = sliceColumn(column, row, Math.min(column.length, row + rows));
      const nulls = nullCount(part);
      const there = nulls === 0 ? part : withoutNulls(part, part.length - nulls);
      const levels = element.repetition_type === 'OPTIONAL' ? levelsOf(part, nulls) : noLevels;
      yield { values: there, slots: part.length, rows: part.length, rep: noLevels, def: levels };
    }
  };
  return writePages(writer, element, [element.name], column.dictionary, column.length, parts, boundsOf(element, given, column));
}

/** As writeChunk, of a leaf of a list or a struct. */
export function writeLeaf(writer: ByteWriter, leaf: Leaf): ColumnChunk {
  const { element, path, rep, def, maxRep, maxDef } = leaf;
  const values = toFileColumn(leaf.values, fileUnit(leaf.values.type));
  const slots = rep.length;
  const parts = function* (isCodes: boolean): Generator<Part> {
    const most = rowsPerPage(values, isCodes);
    let value = 0;
    for (let from = 0; from === 0 || from < slots; ) {
      let to = Math.min(slots, from + most);
      // A page begins with a row.
      while (to < slots && rep[to] !== 0) to++;
      let rows = 0;
      let there = 0;
      for (let i = from; i < to; i++) {
        if (rep[i] === 0) rows++;
        if (def[i] === maxDef) there++;
      }
      const own = sliceColumn(values, value, value + there);
      yield { values: own, slots: to - from, rows, rep: packedLevels(rep, from, to, maxRep), def: packedLevels(def, from, to, maxDef) };
      value += there;
      if (to === slots) return;
      from = to;
    }
  };
  const statistics = { ...boundsOf(element, leaf.values, values), null_count: BigInt(slots - values.length) };
  return writePages(writer, element, path, values.dictionary, slots, parts, statistics);
}

function writePages(
  writer: ByteWriter,
  element: SchemaElement,
  path: readonly string[],
  dictionary: Column | null,
  slots: number,
  parts: (isCodes: boolean) => Iterable<Part>,
  statistics: Statistics,
): ColumnChunk {
  const from = writer.offset;
  let uncompressed = 0;
  /** @param levels  which rows have a value, in front of the values and not compressed */
  const page = (values: Uint8Array, levels: Uint8Array, header: Omit<Header, 'uncompressed_page_size' | 'compressed_page_size'>): void => {
    const packed = values.length === 0 ? values : zstdCompressSync(values, level);
    const isSmaller = header.type === 'DICTIONARY_PAGE' || packed.length < values.length;
    const stored = isSmaller ? packed : values;
    const headerFrom = writer.offset;
    if (header.data_page_header_v2) header.data_page_header_v2.is_compressed = isSmaller;
    writePageHeader(writer, {
      ...header,
      uncompressed_page_size: levels.length + values.length,
      compressed_page_size: levels.length + stored.length,
    });
    uncompressed += writer.offset - headerFrom + levels.length + values.length;
    writer.appendBytes(levels);
    writer.appendBytes(stored);
  };

  const isCodes = dictionary !== null && dictionary.length > 0;
  let dictionaryAt: number | undefined;
  if (isCodes) {
    dictionaryAt = writer.offset;
    page(plainOf(element, dictionary), noLevels, {
      type: 'DICTIONARY_PAGE',
      dictionary_page_header: { num_values: dictionary.length, encoding: 'PLAIN' },
    });
  }
  const dataAt = writer.offset;
  const encoding: Encoding = isCodes ? 'RLE_DICTIONARY' : 'PLAIN';
  for (const { values, slots: count, rows, rep, def } of parts(isCodes)) {
    page(isCodes ? codesOf(values, dictionary.length) : plainOf(element, values), rep.length === 0 ? def : Buffer.concat([rep, def]), {
      type: 'DATA_PAGE_V2',
      data_page_header_v2: {
        num_values: count,
        num_nulls: count - values.length,
        num_rows: rows,
        encoding,
        definition_levels_byte_length: def.length,
        repetition_levels_byte_length: rep.length,
      },
    });
  }
  const meta: ColumnMetaData = {
    type: element.type!,
    encodings: isCodes ? ['PLAIN', 'RLE_DICTIONARY', 'RLE'] : ['PLAIN', 'RLE'],
    path_in_schema: [...path],
    codec: 'ZSTD',
    num_values: BigInt(slots),
    total_compressed_size: BigInt(writer.offset - from),
    total_uncompressed_size: BigInt(uncompressed),
    data_page_offset: BigInt(dataAt),
    statistics,
    ...(dictionaryAt === undefined ? {} : { dictionary_page_offset: BigInt(dictionaryAt) }),
  };
  return { file_offset: BigInt(from), meta_data: meta };
}

type Header = Parameters<typeof writePageHeader>[1];

const noLevels = new Uint8Array(0);
const bytesOf = (data: Int32Array | Float64Array | Float32Array): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function rowsPerPage(column: Column, isCodes: boolean): number {
  if (isCodes || column.offsets === null) return pageBytes / 8;
  const text = column.offsets[column.length]! - column.offsets[0]!;
  return Math.max(1, Math.floor((pageBytes * column.length) / (text + 4 * column.length || 1)));
}

function withoutNulls(column: Column, count: number): Column {
  const rows = new Int32Array(count);
  for (let i = 0, r = 0; i < column.length; i++) if (bitAt(column.validity!, i) === 1) rows[r++] = i;
  return { ...takeColumn(column, rows), validity: null };
}

/** Definition levels of one bit: one run when all are there, else the bitmap as it is. */
function levelsOf(column: Column, nulls: number): Uint8Array {
  const n = column.length;
  if (nulls === 0) return Uint8Array.from([...varint(n << 1), 1]);
  const header = varint((bitmapBytes(n) << 1) | 1);
  const levels = new Uint8Array(header.length + bitmapBytes(n));
  levels.set(header);
  levels.set(sliceBits(column.validity!, 0, n), header.length);
  return levels;
}

/** Levels from 0 to `most`: one run where they are all the same, else packed in as few bits as they need. */
function packedLevels(levels: Uint8Array, from: number, to: number, most: number): Uint8Array {
  if (most === 0) return noLevels;
  const n = to - from;
  let isOne = true;
  for (let i = from + 1; i < to && isOne; i++) isOne = levels[i] === levels[from];
  if (isOne) return Uint8Array.from([...varint(n << 1), levels[from] ?? 0]);
  const width = 32 - Math.clz32(most);
  const header = varint((((n + 7) >> 3) << 1) | 1);
  const out = new Uint8Array(header.length + ((n + 7) >> 3) * width);
  out.set(header);
  let at = header.length;
  let hold = 0;
  let held = 0;
  for (let i = from; i < to; i++) {
    hold |= levels[i]! << held;
    held += width;
    for (; held >= 8; held -= 8) {
      out[at++] = hold & 255;
      hold >>>= 8;
    }
  }
  if (held > 0) out[at] = hold & 255;
  return out;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return bytes;
}

/** Dictionary codes: their width in bits, then one bit-packed run of all of them. */
function codesOf(column: Column, entries: number): Uint8Array {
  const width = 32 - Math.clz32(Math.max(1, entries - 1));
  const codes = column.data as Int32Array;
  const n = column.length;
  const groups = (n + 7) >> 3;
  const header = varint((groups << 1) | 1);
  const out = new Uint8Array(1 + header.length + groups * width);
  out[0] = width;
  out.set(header, 1);
  let at = 1 + header.length;
  let hold = 0;
  let held = 0;
  // At most 7 bits wait while 24 come: what is wider is put in two halves.
  const put = (value: number, bits: number): void => {
    hold |= value << held;
    held += bits;
    while (held >= 8) {
      out[at++] = hold & 255;
      hold >>>= 8;
      held -= 8;
    }
  };
  if (width <= 24) for (let i = 0; i < n; i++) put(codes[i]!, width);
  else
    for (let i = 0; i < n; i++) {
      put(codes[i]! & 0xffff, 16);
      put(codes[i]! >>> 16, width - 16);
    }
  if (held > 0) out[at] = hold & 255;
  return out;
}

/** Values as the PLAIN encoding has them; none of them null. */
function plainOf({ type }: SchemaElement, column: Column): Uint8Array {
  const { data, length } = column;
  if (column.type.kind === 'decimal') return plainDecimals(column, type === 'INT64');
  switch (layoutOf(column.type)) {
    case 'bits':
      return sliceBits(data as Uint8Array, 0, length);
    case 'word':
      return bytesOf((data as Int32Array).subarray(0, length));
    case 'lanes':
      return bytesOf((data as Int32Array).subarray(0, 2 * length));
    case 'double':
      return bytesOf(type === 'FLOAT' ? Float32Array.from((data as Float64Array).subarray(0, length)) : (data as Float64Array).subarray(0, length));
    case 'bytes':
      return plainTexts(column);
    default:
      throw new Error(`a column cannot be written as ${type}`);
  }
}

/** Each after its length in 4 bytes. */
function plainTexts({ data, offsets, length, dictionary }: Column): Uint8Array {
  // A dictionary without entries: there is no value at all.
  if (dictionary !== null) return noLevels;
  const source = data as Uint8Array;
  const from = offsets!;
  const out = new Uint8Array(4 * length + from[length]! - from[0]!);
  let at = 0;
  for (let i = 0; i < length; i++) {
    const start = from[i]!;
    const stop = from[i + 1]!;
    const size = stop - start;
    out[at] = size & 255;
    out[at + 1] = (size >>> 8) & 255;
    out[at + 2] = (size >>> 16) & 255;
    out[at + 3] = size >>> 24;
    at += 4;
    if (size > 80) {
      out.set(source.subarray(start, stop), at);
      at += size;
    } else for (let j = start; j < stop; j++) out[at++] = source[j]!;
  }
  return out;
}

/** Of whole numbers without a sign none: they are read in different ways. */
const boundsOf = (element: SchemaElement, { type }: Column, column: Column): Statistics =>
  formOf(type)?.startsWith('uint') === true ? { null_count: BigInt(nullCount(column)) } : statisticsOf(element, column);

/** Bounds and nulls of a chunk; no bounds where there is no value, or a NaN besides. */
function statisticsOf(element: SchemaElement, column: Column): Statistics {
  const nulls = nullCount(column);
  const null_count = BigInt(nulls);
  if (nulls === column.length) return { null_count };
  const { validity, length } = column;
  const data = column.data as Int32Array;
  const isThere = (i: number): boolean => validity === null || bitAt(validity, i) === 1;
  let min = -1;
  let max = -1;
  const find = (compare: (a: number, b: number) => number): void => {
    for (let i = 0; i < length; i++) {
      if (validity !== null && bitAt(validity, i) === 0) continue;
      if (min < 0) min = max = i;
      else if (compare(i, min) < 0) min = i;
      else if (compare(i, max) > 0) max = i;
    }
  };
  if (column.type.kind === 'decimal') {
    const compare = columnComparator(column, column, false);
    find(compare);
    return { null_count, min_value: unscaledOf(column, min), max_value: unscaledOf(column, max) };
  }
  switch (layoutOf(column.type)) {
    case 'bits': {
      find((a, b) => bitAt(column.data as Uint8Array, a) - bitAt(column.data as Uint8Array, b));
      const at = (i: number): boolean => bitAt(column.data as Uint8Array, i) === 1;
      return { null_count, min_value: at(min), max_value: at(max) };
    }
    case 'word':
      find((a, b) => data[a]! - data[b]!);
      return { null_count, min_value: data[min]!, max_value: data[max]! };
    case 'lanes': {
      find((a, b) => data[2 * a + 1]! - data[2 * b + 1]! || (data[2 * a]! >>> 0) - (data[2 * b]! >>> 0));
      const at = (i: number): bigint => lanesToBigInt(data[2 * i]!, data[2 * i + 1]!);
      return { null_count, min_value: at(min), max_value: at(max) };
    }
    case 'double': {
      const doubles = column.data as Float64Array;
      for (let i = 0; i < length; i++) if (isThere(i) && Number.isNaN(doubles[i]!)) return { null_count };
      find((a, b) => doubles[a]! - doubles[b]!);
      // Of the zeros the wider bounds.
      const at = (i: number, zero: number): number => (doubles[i] === 0 ? zero : doubles[i]!);
      return { null_count, min_value: at(min, -0), max_value: at(max, 0) };
    }
    case 'bytes':
      return { null_count, ...textBounds(column, isThere) };
    default:
      throw new Error(`no bounds of ${element.type}`);
  }
}

function textBounds(column: Column, isThere: (i: number) => boolean): { min_value: Uint8Array; max_value: Uint8Array } {
  const { data, offsets } = column.dictionary ?? column;
  const bytes = data as Uint8Array;
  const codes = column.dictionary === null ? null : (column.data as Int32Array);
  const entries = offsets!.length - 1;
  const seen = codes === null ? null : new Uint8Array(entries);
  let min = -1;
  let max = -1;
  for (let i = 0; i < column.length; i++) {
    if (!isThere(i)) continue;
    const entry = codes === null ? i : codes[i]!;
    if (seen !== null) {
      if (seen[entry] === 1) continue;
      seen[entry] = 1;
    }
    const compare = (other: number): number =>
      compareBytes(bytes, offsets![entry]!, offsets![entry + 1]!, bytes, offsets![other]!, offsets![other + 1]!);
    if (min < 0) min = max = entry;
    else if (compare(min) < 0) min = entry;
    else if (compare(max) > 0) max = entry;
  }
  // Copies, not views: bounds are kept until the file ends, and the texts of all its row groups would be with them.
  const at = (entry: number): Uint8Array => Uint8Array.prototype.slice.call(bytes, offsets![entry]!, offsets![entry + 1]!);
  return { min_value: at(min), max_value: at(max) };
}
