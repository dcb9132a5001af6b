/**
 * The buffers of one column of an Arrow record batch as a column of ours: numbers widened and checked, times in microseconds,
 * decimals as ours stand, text in any of Arrow's three forms, dictionaries of any type. Nothing in the buffers is believed before it is
 * checked. Which types may be read as which is arrow-schema.ts; called by arrow-source.ts.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Column, type ColumnType, formOf } from '../batch/batch.ts';
import { bitAt, bitmapBytes, countBits } from '../batch/bitmap.ts';
import { emptyColumn, layoutOf, makeColumn, makeList, makeStruct, nullColumn } from '../batch/column.ts';
import { fitsDigits, wideBigInt } from '../batch/decimal.ts';
import { maxColumnBytes, takeColumn } from '../batch/take.ts';
import { type ArrowField, type ArrowType, buffersOf, type Dictionary, type Spread } from './arrow-schema.ts';
import { toUnit, wideOf } from './form-columns.ts';
import { decimalsOf } from './parquet-decimals.ts';
import { checkedTexts } from './parquet-encodings.ts';
import { checkRange, toMicros, widened } from './parquet-pages.ts';

/** The nodes and buffers of a record batch in their order, from those of one column on. */
export interface BodyReader {
  /** Rows and nulls of the next node. */
  node(): { readonly rows: number; readonly nulls: number };
  /** The next buffer, unpacked; it starts on 8 bytes. */
  buffer(): Uint8Array;
  /** Passes over so many buffers. */
  skip(buffers: number): void;
  /** How many buffers the views of the next column point into. */
  viewed(): number;
}

export interface Place {
  /** For messages. */
  readonly column: string;
  readonly path: string;
  /** The values a dictionary has at this place of the file; null: there is none. */
  dictionary(id: number, type: ColumnType): Column | null;
}

/** @throws Error when it is damaged, VALUE_OUT_OF_RANGE */
export function readValues(field: ArrowField, type: ColumnType, body: BodyReader, place: Place): Column {
  const { rows, nulls } = body.node();
  if (nulls > rows) throw new Error(`${nulls} nulls in ${rows} rows`);
  if (field.dictionary === null && field.type.kind === 'null') return nullColumn(type, rows);
  const bitmap = body.buffer();
  const validity = nulls === 0 ? null : exactly(bitmap, bitmapBytes(rows));
  if (field.dictionary !== null) return coded(field.dictionary, type, rows, validity, body, place);
  if (field.type.kind === 'list') return lists(field, type, rows, validity, body, place);
  if (field.type.kind === 'struct') return structs(field, type, rows, validity, body, place);
  const values = plain(field.type, type, rows, validity, body, place);
  return makeColumn(type, rows, values.data, validity, values.offsets);
}

type Values = Pick<Column, 'data' | 'offsets'>;
const flat = (data: Column['data']): Values => ({ data, offsets: null });

/** The first so many bytes of a buffer that has them. */
function exactly(bytes: Uint8Array, needed: number): Uint8Array {
  if (bytes.length < needed) throw new Error(`a buffer has ${bytes.length} bytes of ${needed}`);
  return bytes.subarray(0, needed);
}

const unitNames = { seconds: 's', millis: 'ms', micros: 'us', nanos: 'ns' } as const;

const wordsOf = (bytes: Uint8Array, count: number): Int32Array => new Int32Array(exactly(bytes, 4 * count).buffer, bytes.byteOffset, count);

function plain(found: ArrowType, type: ColumnType, rows: number, validity: Uint8Array | null, body: BodyReader, place: Place): Values {
  switch (found.kind) {
    case 'int':
      return flat(integers(found, type, rows, validity, body.buffer(), place));
    case 'float':
      return flat(doubles(found.bits, rows, body.buffer()));
    case 'bool':
      return flat(exactly(body.buffer(), bitmapBytes(rows)));
    case 'text':
      return texts(found.spread, rows, validity, body, checkedTexts);
    case 'bytes':
      return texts(found.spread, rows, validity, body, (offsets, bytes) => ({ offsets, bytes }));
    case 'time': {
      const bytes = body.buffer();
      const lanes = found.bits === 32 ? widened(wordsOf(bytes, rows), false) : wordsOf(bytes, 2 * rows);
      return flat(toUnit(withoutNulls(lanes, validity, false), unitNames[found.unit], 'us', `column ${place.column} of ${place.path}`));
    }
    case 'decimal':
      return flat(decimals(found.bits, type, rows, validity, body.buffer()));
    case 'date': {
      const bytes = body.buffer();
      return flat(found.unit === 'days' ? wordsOf(bytes, rows) : days(wordsOf(bytes, 2 * rows), validity, place));
    }
    case 'timestamp': {
      const lanes = withoutNulls(wordsOf(body.buffer(), 2 * rows), validity, found.unit !== 'micros');
      if (type.kind === 'int64') return flat(toUnit(lanes, unitNames[found.unit], 'ns', `column ${place.column} of ${place.path}`));
      if (found.unit !== 'seconds') return flat(toMicros(lanes, found.unit, place.column, place.path));
      const moments = new BigInt64Array(lanes.buffer, lanes.byteOffset, rows);
      // As milliseconds, which are checked; what is beyond stays beyond.
      for (let i = 0; i < rows; i++) moments[i] = clamped(1000n * moments[i]!);
      return flat(toMicros(lanes, 'millis', place.column, place.path));
    }
    default:
      throw new Error(`a column of ${found.kind} cannot be read`);
  }
}

function lists(
  { type: found, children }: ArrowField,
  type: ColumnType,
  rows: number,
  validity: Uint8Array | null,
  body: BodyReader,
  place: Place,
): Column {
  if (found.kind !== 'list' || type.kind !== 'list') throw new Error('a list where none is declared');
  const bytes = body.buffer();
  const items = readValues(children[0]!, type.item.type, body, { ...place, column: `${place.column}[]` });
  const offsets = offsetsOf(found.spread, rows, bytes, items.length);
  if (!type.item.nullable && items.validity !== null) {
    // Items that no list has, as those of a null list, are nobody's.
    for (let row = 0; row < rows; row++)
      for (let item = offsets[row]!; item < offsets[row + 1]! && isThere(validity, row); item++)
        if (!isThere(items.validity, item)) throw nullIn(place, row);
  }
  return makeList(type, rows, offsets, validity, items);
}

const isThere = (validity: Uint8Array | null, i: number): boolean => validity === null || bitAt(validity, i) === 1;
const nullIn = ({ column, path }: Place, row: number): SluiceError => new SluiceError('NULL_IN_COLUMN', { column, path, row: row + 1 });

function structs({ children }: ArrowField, type: ColumnType, rows: number, validity: Uint8Array | null, body: BodyReader, place: Place): Column {
  if (type.kind !== 'struct') throw new Error('a struct where none is declared');
  const read = new Map<string, Column>();
  for (const child of children) {
    const field = type.fields.find(({ name }) => name === child.name);
    if (field === undefined || read.has(child.name)) {
      passOver(child, body);
      continue;
    }
    const within = { ...place, column: `${place.column}.${child.name}` };
    const column = readValues(child, field.type, body, within);
    if (column.length !== rows) throw new Error(`field ${within.column} has ${column.length} values of ${rows}`);
    if (!field.nullable && column.validity !== null)
      for (let row = 0; row < rows; row++) if (isThere(validity, row) && !isThere(column.validity, row)) throw nullIn(within, row);
    read.set(child.name, column);
  }
  return makeStruct(
    type,
    rows,
    validity,
    type.fields.map(({ name }) => read.get(name)!),
  );
}

/** Goes behind a field that nobody wants. */
function passOver({ type, dictionary, children }: ArrowField, body: BodyReader): void {
  body.node();
  if (dictionary !== null) {
    body.skip(2);
    return;
  }
  body.skip(buffersOf(type, () => body.viewed()));
  for (const child of children) passOver(child, body);
}

const int64Max = 2n ** 63n - 1n;
const clamped = (value: bigint): bigint => (value > int64Max ? int64Max : value < -int64Max ? -int64Max : value);

/** Lanes of which those of nulls are 0: what stands there is nobody's, and must not be found out of range. Copies when it changes something. */
function withoutNulls(lanes: Int32Array, validity: Uint8Array | null, changes: boolean): Int32Array {
  if (validity === null) return changes ? lanes.slice() : lanes;
  const out = lanes.slice();
  for (let i = 0; 2 * i < out.length; i++) {
    if (bitAt(validity, i) === 1) continue;
    out[2 * i] = 0;
    out[2 * i + 1] = 0;
  }
  return out;
}

function integers(
  { bits, signed }: { readonly bits: number; readonly signed: boolean },
  type: ColumnType,
  rows: number,
  validity: Uint8Array | null,
  bytes: Uint8Array,
  place: Place,
): Int32Array {
  if (formOf(type) === 'uint64') return bits === 64 ? wideOf(wordsOf(bytes, 2 * rows), 2) : wideOf(smallInts(bits, signed, rows, bytes), 1);
  if (bits === 64) {
    const check = type.kind === 'integer' ? (signed ? 'safe' : 'unsigned safe') : signed ? 'none' : 'unsigned';
    const lanes = wordsOf(bytes, 2 * rows);
    if (check === 'none') return lanes;
    const there = withoutNulls(lanes, validity, false);
    checkRange(there, check, place.column, place.path);
    return there;
  }
  const words = smallInts(bits, signed, rows, bytes);
  return layoutOf(type) === 'word' ? words : widened(words, !signed && bits === 32);
}

/** Of up to 32 bits, as words; unsigned ones of 32 bits as their bits. */
function smallInts(bits: number, signed: boolean, rows: number, bytes: Uint8Array): Int32Array {
  if (bits === 32) return wordsOf(bytes, rows);
  const { buffer, byteOffset } = exactly(bytes, (bits / 8) * rows);
  if (bits === 16) return Int32Array.from(signed ? new Int16Array(buffer, byteOffset, rows) : new Uint16Array(buffer, byteOffset, rows));
  if (bits === 8) return Int32Array.from(signed ? new Int8Array(buffer, byteOffset, rows) : new Uint8Array(buffer, byteOffset, rows));
  throw new Error(`whole numbers of ${bits} bits`);
}

function doubles(bits: number, rows: number, bytes: Uint8Array): Float64Array {
  const { buffer, byteOffset } = exactly(bytes, (bits / 8) * rows);
  if (bits === 64) return new Float64Array(buffer, byteOffset, rows);
  if (bits === 32) return Float64Array.from(new Float32Array(buffer, byteOffset, rows));
  if (bits !== 16) throw new Error('floats of a size nobody knows');
  const view = new DataView(buffer, byteOffset, 2 * rows);
  return Float64Array.from({ length: rows }, (_, i) => halfFloat(view.getUint16(2 * i, true)));
}

function halfFloat(bits: number): number {
  const sign = bits >> 15 === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? (sign * fraction) / 2 ** 24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function days(lanes: Int32Array, validity: Uint8Array | null, place: Place): Int32Array {
  const out = new Int32Array(lanes.length / 2);
  const millis = new BigInt64Array(lanes.buffer, lanes.byteOffset, out.length);
  for (let i = 0; i < out.length; i++) {
    if (validity !== null && bitAt(validity, i) === 0) continue;
    const day = Number(millis[i]!) / 86_400_000;
    if ((day | 0) !== day) throw new Error(`column ${place.column} has a day of ${millis[i]} ms, which is no day`);
    out[i] = day;
  }
  return out;
}

function decimals(bits: number, type: ColumnType, rows: number, validity: Uint8Array | null, bytes: Uint8Array): Int32Array | Float64Array {
  if (type.kind !== 'decimal') throw new Error('a decimal where none is declared');
  const lanes = bits / 32;
  if (lanes !== 1 && lanes !== 2 && lanes !== 4) throw new Error(`decimals of ${bits} bits`);
  const words = wordsOf(bytes, lanes * rows).slice();
  if (validity !== null) for (let i = 0; i < rows; i++) if (bitAt(validity, i) === 0) words.fill(0, lanes * i, lanes * (i + 1));
  if (lanes !== 4) {
    const { precision } = type;
    const read = decimalsOf(words, lanes, precision);
    return read.kind === 'doubles' ? read.doubles : read.words;
  }
  const narrow = layoutOf(type) === 'double' ? new Float64Array(rows) : null;
  for (let i = 0; i < rows; i++) {
    const value = wideBigInt(words, i);
    if (!fitsDigits(value, type.precision)) throw new Error(`the decimal ${value} has more than ${type.precision} digits`);
    if (narrow !== null) narrow[i] = Number(value);
  }
  return narrow ?? words;
}

type Check = (offsets: Int32Array, bytes: Uint8Array) => { readonly offsets: Int32Array; readonly bytes: Uint8Array };

function texts(spread: Spread, rows: number, validity: Uint8Array | null, body: BodyReader, check: Check): Values {
  if (spread === 'views') return viewedTexts(rows, validity, body, check);
  const first = body.buffer();
  const bytes = body.buffer();
  const offsets = offsetsOf(spread, rows, first, bytes.length);
  const from = offsets[0]!;
  const within = bytes.subarray(from, offsets[rows]);
  const shifted = from === 0 ? offsets : offsets.map((offset) => offset - from);
  // All of it, with what nulls may have: no reader of ours looks at those, but all texts are cut from these bytes.
  return { data: check(shifted, within).bytes, offsets: shifted };
}

/** rows + 1 offsets that go up, up to `limit`. */
export function offsetsOf(spread: 'offsets' | 'long offsets', rows: number, bytes: Uint8Array, limit: number): Int32Array {
  // A column without rows may have no offsets at all.
  if (rows === 0) return new Int32Array(1);
  let offsets: Int32Array;
  if (spread === 'offsets') offsets = wordsOf(bytes, rows + 1);
  else {
    const words = wordsOf(bytes, 2 * (rows + 1));
    offsets = new Int32Array(rows + 1);
    for (let i = 0; i <= rows; i++) {
      if (words[2 * i + 1] !== 0 || words[2 * i]! < 0) throw new Error(`more than ${maxColumnBytes} bytes or values in one column of a record batch`);
      offsets[i] = words[2 * i]!;
    }
  }
  let before = 0;
  for (let i = 0; i <= rows; i++) {
    const offset = offsets[i]!;
    if (offset < before) throw new Error(`offset ${i} of a column is less than the one before it`);
    before = offset;
  }
  if (before > limit) throw new Error(`offsets reach to ${before} of ${limit}`);
  return offsets;
}

function viewedTexts(rows: number, validity: Uint8Array | null, body: BodyReader, check: Check): Values {
  const bytes = exactly(body.buffer(), 16 * rows);
  const buffers = Array.from({ length: body.viewed() }, () => body.buffer());
  const words = wordsOf(bytes, 4 * rows);
  const offsets = new Int32Array(rows + 1);
  let total = 0;
  for (let i = 0; i < rows; i++) {
    if (validity === null || bitAt(validity, i) === 1) total += words[4 * i]! >>> 0;
    if (total > maxColumnBytes) throw new Error(`more than ${maxColumnBytes} bytes in one column of a record batch`);
    offsets[i + 1] = total;
  }
  const out = new Uint8Array(total);
  for (let i = 0; i < rows; i++) {
    const at = offsets[i]!;
    const length = offsets[i + 1]! - at;
    if (length === 0) continue;
    // A text of up to 12 bytes stands in its view, a longer one where buffer and offset say.
    const from = length <= 12 ? 16 * i + 4 : words[4 * i + 3]!;
    const source = length <= 12 ? bytes : buffers[words[4 * i + 2]!];
    if (source === undefined || from < 0 || from + length > source.length) throw new Error('a text points outside of its buffers');
    out.set(source.subarray(from, from + length), at);
  }
  return { data: check(offsets, out).bytes, offsets };
}

/** Codes into a dictionary: text keeps it, any other type is looked up. */
function coded({ id, index }: Dictionary, type: ColumnType, rows: number, validity: Uint8Array | null, body: BodyReader, place: Place): Column {
  const bytes = body.buffer();
  const entries = place.dictionary(id, type) ?? emptyColumn(type);
  const codes = codesOf(index, rows, validity, bytes, entries.length);
  if (entries.length === 0) return nullColumn(type, rows);
  if (type.kind === 'utf8' && entries.validity === null) return makeColumn(type, rows, codes, validity, null, entries);
  const taken = takeColumn(entries, codes);
  if (validity === null || taken.validity === null) return { ...taken, validity: validity ?? taken.validity };
  return { ...taken, validity: taken.validity.map((byte, b) => byte & validity[b]!) };
}

/** Within the dictionary; 0 for a null. */
function codesOf(index: Dictionary['index'], rows: number, validity: Uint8Array | null, bytes: Uint8Array, entries: number): Int32Array {
  const lanes = index.bits === 64 ? wordsOf(bytes, 2 * rows) : null;
  const codes = lanes === null ? smallInts(index.bits, index.signed, rows, bytes).slice() : new Int32Array(rows);
  for (let i = 0; i < rows; i++) {
    if (validity !== null && bitAt(validity, i) === 0) {
      codes[i] = 0;
      continue;
    }
    const code = lanes === null ? codes[i]! : lanes[2 * i + 1] === 0 ? lanes[2 * i]! : -1;
    if (code >>> 0 >= entries) throw new Error(`code ${code} of a dictionary of ${entries}`);
    codes[i] = code;
  }
  return codes;
}

/** The first row that is null; `rows` when there is none. */
export function firstNull(column: Column): number {
  const { validity, length } = column;
  if (validity === null || countBits(validity, length) === length) return length;
  let i = 0;
  while (bitAt(validity, i) === 1) i++;
  return i;
}
