/**
 * The part of flatbuffers that Arrow's metadata needs: reading tables with every access inside the buffer's bounds, and writing a
 * tree of tables front to back. Not a general library: no schema files, no sharing of vtables. Used by ipc.ts,
 * ipc-schema.ts and what reads and writes Arrow files.
 */

/** A table, read by slot. A slot that is not there gives 0, '' or []. Anything that points outside throws a RangeError. */
export interface Table {
  has(slot: number): boolean;
  byte(slot: number): number;
  bool(slot: number): boolean;
  short(slot: number): number;
  int(slot: number): number;
  /** A whole number from 0 to 2^53 - 1, else a RangeError. */
  long(slot: number): number;
  text(slot: number): string;
  table(slot: number): Table;
  tables(slot: number): Table[];
  structs(slot: number, bytes: number): Structs;
}

/** A vector of structs. */
export interface Structs {
  readonly length: number;
  /** The long at byte `offset` of struct i. */
  long(i: number, offset: number): number;
}

export function openRoot(bytes: Uint8Array): Table {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return openTable(view, bytes, view.getUint32(0, true));
}

function longAt(view: DataView, at: number): number {
  const low = view.getUint32(at, true);
  const high = view.getInt32(at + 4, true);
  if (high < 0 || high > 0x1f_ffff) throw new RangeError('a length out of range');
  return high * 4_294_967_296 + low;
}

function openTable(view: DataView, bytes: Uint8Array, at: number): Table {
  const vtable = at - view.getInt32(at, true);
  const size = view.getUint16(vtable, true);
  const field = (slot: number): number => {
    const entry = 4 + 2 * slot;
    if (entry + 2 > size) return 0;
    const offset = view.getUint16(vtable + entry, true);
    return offset === 0 ? 0 : at + offset;
  };
  const target = (from: number): number => from + view.getUint32(from, true);
  /** Where the elements start, and how many; they all lie inside. */
  const vector = (slot: number, width: number): { from: number; length: number } => {
    const f = field(slot);
    if (f === 0) return { from: 0, length: 0 };
    const from = target(f);
    const length = view.getUint32(from, true);
    if (from + 4 + length * width > view.byteLength) throw new RangeError(`a vector of ${length} elements`);
    return { from: from + 4, length };
  };
  return {
    has: (slot) => field(slot) !== 0,
    byte: (slot) => (field(slot) === 0 ? 0 : view.getUint8(field(slot))),
    bool: (slot) => field(slot) !== 0 && view.getUint8(field(slot)) !== 0,
    short: (slot) => (field(slot) === 0 ? 0 : view.getInt16(field(slot), true)),
    int: (slot) => (field(slot) === 0 ? 0 : view.getInt32(field(slot), true)),
    long: (slot) => (field(slot) === 0 ? 0 : longAt(view, field(slot))),
    text(slot) {
      const { from, length } = vector(slot, 1);
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(from, from + length));
    },
    table(slot) {
      if (field(slot) === 0) throw new RangeError(`a table without field ${slot}`);
      return openTable(view, bytes, target(field(slot)));
    },
    tables(slot) {
      const { from, length } = vector(slot, 4);
      return Array.from({ length }, (_, i) => openTable(view, bytes, target(from + 4 * i)));
    },
    structs(slot, width) {
      const { from, length } = vector(slot, width);
      return {
        length,
        long(i, offset) {
          if (i >= length) throw new RangeError(`struct ${i} of ${length}`);
          return longAt(view, from + width * i + offset);
        },
      };
    },
  };
}

/** A field of a table to write: a number of some width, or something it points to. */
export type Value =
  | { readonly kind: 'byte'; readonly value: number }
  | { readonly kind: 'short'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'long'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'table'; readonly value: TableValue }
  | { readonly kind: 'tables'; readonly value: readonly TableValue[] }
  /** Structs of `width` bytes, a multiple of 8, one behind the other. */
  | { readonly kind: 'structs'; readonly value: Uint8Array; readonly width: number };
/** By slot; null leaves a slot out. */
export type TableValue = readonly (Value | null)[];

const widths = { byte: 1, short: 2, int: 4, long: 8, text: 4, table: 4, tables: 4, structs: 4 } as const;

/** A finished buffer, its length a multiple of 8. Cost: meant for schemas, not for blocks. */
export function writeRoot(root: TableValue): Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array(1024);
  let view = new DataView(bytes.buffer);
  let end = 4;
  /** `count` zero bytes at a multiple of `width`. */
  const reserve = (count: number, width: number): number => {
    const at = Math.ceil(end / width) * width;
    end = at + count;
    if (end > bytes.length) {
      const grown = new Uint8Array(2 * end);
      grown.set(bytes);
      bytes = grown;
      view = new DataView(bytes.buffer);
    }
    return at;
  };
  const point = (from: number, to: number): void => view.setUint32(from, to - from, true);
  const writeText = (text: string): number => {
    const encoded = new TextEncoder().encode(text);
    const at = reserve(4 + encoded.length + 1, 4);
    view.setUint32(at, encoded.length, true);
    bytes.set(encoded, at + 4);
    return at;
  };
  const writeStructs = (structs: Uint8Array, width: number): number => {
    // The count stands right before the first struct, which starts at a multiple of 8.
    const at = reserve(8 + structs.length, 8) + 4;
    view.setUint32(at, structs.length / width, true);
    bytes.set(structs, at + 4);
    return at;
  };
  const writeTable = (fields: TableValue): number => {
    // Widest first, so that every field stands at a multiple of its width; the table starts at a multiple of 8.
    const slots = fields.map((_, slot) => slot).filter((slot) => fields[slot] !== null);
    slots.sort((a, b) => widths[fields[b]!.kind] - widths[fields[a]!.kind]);
    const offsets = fields.map(() => 0);
    let size = 4;
    for (const slot of slots) {
      const width = widths[fields[slot]!.kind];
      size = Math.ceil(size / width) * width;
      offsets[slot] = size;
      size += width;
    }
    const vtable = reserve(4 + 2 * fields.length, 2);
    view.setUint16(vtable, 4 + 2 * fields.length, true);
    view.setUint16(vtable + 2, size, true);
    offsets.forEach((offset, slot) => {
      view.setUint16(vtable + 4 + 2 * slot, offset, true);
    });
    const at = reserve(size, 8);
    view.setInt32(at, at - vtable, true);
    for (const slot of slots) {
      const field = fields[slot]!;
      const here = at + offsets[slot]!;
      if (field.kind === 'byte') view.setUint8(here, field.value);
      else if (field.kind === 'short') view.setInt16(here, field.value, true);
      else if (field.kind === 'int') view.setInt32(here, field.value, true);
      else if (field.kind === 'long') view.setBigInt64(here, BigInt(field.value), true);
      else if (field.kind === 'text') point(here, writeText(field.value));
      else if (field.kind === 'table') point(here, writeTable(field.value));
      else if (field.kind === 'structs') point(here, writeStructs(field.value, field.width));
      else {
        const list = reserve(4 + 4 * field.value.length, 4);
        view.setUint32(list, field.value.length, true);
        point(here, list);
        field.value.forEach((one, i) => {
          point(list + 4 + 4 * i, writeTable(one));
        });
      }
    }
    return at;
  };
  point(0, writeTable(root));
  return bytes.slice(0, (end + 7) & ~7);
}
