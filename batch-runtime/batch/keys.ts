/**
 * Keys of rows as int32 lanes, row after row, equal exactly when the keys are equal; and back. Text becomes the number
 * its interner gave it, -0 becomes 0, every NaN the same one, nulls equal each other. Aggregates and joins hash and
 * compare lanes only. Good within one operator: the numbers of texts mean nothing elsewhere.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Column, ColumnType } from './batch.ts';
import { bitAt, bitmapBytes, setBit } from './bitmap.ts';
import { type Layout, layoutOf, makeColumn, notOrdered, nullCount } from './column.ts';
import { Interner } from './interner.ts';

/** In place of a text's number; -1 is a text that lookup does not know. */
const nullText = -2;

const nullBit = 2;

interface Part {
  readonly type: ColumnType;
  readonly layout: Layout;
  /** Its first lane. */
  readonly at: number;
  /** A lane of its own that is 1 for nulls; -1: nulls are a value of the lane, or there are none. */
  readonly nullAt: number;
  readonly nullable: boolean;
  readonly interner: Interner;
  /** Of the dictionary seen last: entry -> number + 1, 0 = not asked yet. */
  dictionary: Column | null;
  numbers: Int32Array;
}

export interface KeyField {
  readonly type: ColumnType;
  readonly nullable: boolean;
}

export class KeyEncoder {
  /** Lanes per row. */
  readonly width: number;
  readonly #parts: Part[] = [];

  constructor(fields: readonly KeyField[]) {
    let at = 0;
    for (const { type, nullable } of fields) {
      const layout = layoutOf(type);
      if (layout === 'list' || layout === 'struct') notOrdered(type);
      const lanes = layout === 'wide' ? 4 : layout === 'lanes' || layout === 'double' ? 2 : 1;
      const ownNull = nullable && layout !== 'bytes' && layout !== 'bits';
      this.#parts.push({
        type,
        layout,
        at,
        nullAt: ownNull ? at + lanes : -1,
        nullable,
        interner: new Interner(),
        dictionary: null,
        numbers: new Int32Array(0),
      });
      at += lanes + (ownNull ? 1 : 0);
    }
    this.width = at;
  }

  /** Bytes of the texts held. */
  get bytes(): number {
    let bytes = 0;
    for (const part of this.#parts) if (part.layout === 'bytes') bytes += part.interner.bytes;
    return bytes;
  }

  /**
   * @param columns  one per field, of its type; an int32 column may stand for a 64-bit field
   * @param known    true: texts never seen get a lane no key has, and are not kept (a join's probe side)
   * @param out      at least width x length
   * @throws         INTERNAL when a column that is not nullable has a null
   */
  encode(columns: readonly Column[], length: number, known: boolean, out: Int32Array): void {
    this.#parts.forEach((part, c) => {
      const column = columns[c]!;
      if (part.layout === 'bytes') encodeText(part, column, length, known, out, this.width);
      else encodeNumbers(part, column, length, out, this.width);
      if (column.validity !== null) encodeNulls(part, column, column.validity, length, out, this.width);
    });
  }

  /** Columns of the keys in lanes, `length` of them; text has a dictionary. */
  decode(lanes: Int32Array, length: number): Column[] {
    return this.#parts.map((part) => decodePart(part, lanes, length, this.width));
  }
}

function encodeNumbers(part: Part, column: Column, length: number, out: Int32Array, width: number): void {
  const { at } = part;
  const { data } = column;
  switch (layoutOf(column.type)) {
    case 'word':
      for (let i = 0, o = at; i < length; i++, o += width) out[o] = data[i]!;
      if (part.layout === 'lanes') for (let i = 0, o = at + 1; i < length; i++, o += width) out[o] = data[i]! >> 31;
      break;
    case 'lanes':
      for (let i = 0, o = at; i < length; i++, o += width) {
        out[o] = data[2 * i]!;
        out[o + 1] = data[2 * i + 1]!;
      }
      break;
    case 'wide':
      for (let i = 0, o = at; i < length; i++, o += width) for (let lane = 0; lane < 4; lane++) out[o + lane] = data[4 * i + lane]!;
      break;
    case 'double': {
      const doubles = data as Float64Array;
      const words = new Int32Array(doubles.buffer, doubles.byteOffset, 2 * length);
      for (let i = 0, o = at; i < length; i++, o += width) {
        const value = doubles[i]!;
        const isNumber = !Number.isNaN(value);
        out[o] = value === 0 || !isNumber ? 0 : words[2 * i]!;
        out[o + 1] = value === 0 ? 0 : isNumber ? words[2 * i + 1]! : 0x7ff80000;
      }
      break;
    }
    default:
      for (let i = 0, o = at; i < length; i++, o += width) out[o] = bitAt(data as Uint8Array, i);
  }
  if (part.nullAt >= 0) for (let i = 0, o = part.nullAt; i < length; i++, o += width) out[o] = 0;
}

function encodeNulls(part: Part, column: Column, validity: Uint8Array, length: number, out: Int32Array, width: number): void {
  if (!part.nullable) {
    if (nullCount(column) > 0) throw new SluiceError('INTERNAL', { what: 'a null in a key column that is not nullable' });
    return;
  }
  const { at, nullAt, layout } = part;
  for (let i = 0; i < length; i++) {
    if (bitAt(validity, i) === 1) continue;
    const o = i * width;
    if (layout === 'bits') out[o + at] = nullBit;
    else if (nullAt >= 0) {
      for (let lane = at; lane < nullAt; lane++) out[o + lane] = 0;
      out[o + nullAt] = 1;
    }
  }
}

function encodeText(part: Part, column: Column, length: number, known: boolean, out: Int32Array, width: number): void {
  const { interner, at } = part;
  const { validity, dictionary } = column;
  if (dictionary === null) {
    const bytes = column.data as Uint8Array;
    const offsets = column.offsets!;
    for (let i = 0, o = at; i < length; i++, o += width) {
      if (validity !== null && bitAt(validity, i) === 0) out[o] = nullText;
      else if (known) out[o] = interner.lookup(bytes, offsets[i]!, offsets[i + 1]!);
      else out[o] = interner.intern(bytes, offsets[i]!, offsets[i + 1]!);
    }
    return;
  }
  // Numbers of texts looked up stay good: a join's table does not grow while it is probed.
  if (part.dictionary !== dictionary) {
    part.dictionary = dictionary;
    part.numbers = new Int32Array(dictionary.length).fill(nullText);
  }
  const { numbers } = part;
  const codes = column.data as Int32Array;
  const bytes = dictionary.data as Uint8Array;
  const offsets = dictionary.offsets!;
  for (let i = 0, o = at; i < length; i++, o += width) {
    if (validity !== null && bitAt(validity, i) === 0) {
      out[o] = nullText;
      continue;
    }
    const code = codes[i]!;
    let number = numbers[code]!;
    if (number === nullText) {
      number = known ? interner.lookup(bytes, offsets[code]!, offsets[code + 1]!) : interner.intern(bytes, offsets[code]!, offsets[code + 1]!);
      numbers[code] = number;
    }
    out[o] = number;
  }
}

function decodePart(part: Part, lanes: Int32Array, length: number, width: number): Column {
  const { type, layout, at, nullAt } = part;
  let validity: Uint8Array | null = null;
  if (part.nullable) {
    validity = new Uint8Array(bitmapBytes(length));
    let nulls = 0;
    for (let i = 0, o = 0; i < length; i++, o += width) {
      const isNull = layout === 'bytes' ? lanes[o + at] === nullText : layout === 'bits' ? lanes[o + at] === nullBit : lanes[o + nullAt] === 1;
      if (isNull) nulls++;
      else setBit(validity, i);
    }
    if (nulls === 0) validity = null;
  }
  switch (layout) {
    case 'word':
    case 'bytes': {
      const data = new Int32Array(length);
      for (let i = 0, o = at; i < length; i++, o += width) data[i] = Math.max(layout === 'bytes' ? 0 : -2147483648, lanes[o]!);
      return layout === 'word' ? makeColumn(type, length, data, validity) : makeColumn(type, length, data, validity, null, part.interner.toColumn());
    }
    case 'lanes':
    case 'double': {
      const data = new Int32Array(2 * length);
      for (let i = 0, o = at; i < length; i++, o += width) {
        data[2 * i] = lanes[o]!;
        data[2 * i + 1] = lanes[o + 1]!;
      }
      return makeColumn(type, length, layout === 'lanes' ? data : new Float64Array(data.buffer), validity);
    }
    case 'wide': {
      const data = new Int32Array(4 * length);
      for (let i = 0, o = at; i < length; i++, o += width) for (let lane = 0; lane < 4; lane++) data[4 * i + lane] = lanes[o + lane]!;
      return makeColumn(type, length, data, validity);
    }
    case 'bits': {
      const data = new Uint8Array(bitmapBytes(length));
      for (let i = 0, o = at; i < length; i++, o += width) if (lanes[o] === 1) setBit(data, i);
      return makeColumn(type, length, data, validity);
    }
    case 'list':
    case 'struct':
      return notOrdered(type);
  }
}
