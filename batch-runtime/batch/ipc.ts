/**
 * Batches as Arrow IPC messages. A payload is `DictionaryBatch* RecordBatch`, decodes by itself next to the schema, and schema
 * message + payloads are a legal Arrow IPC stream. Every utf8 column is dictionary encoded there (the schema cannot change
 * from block to block), its dictionary's id is the number of its node, which is the column's index where nothing is nested; a column without a dictionary goes out with codes 0, 1,
 * 2 ... and comes back without one. Metadata is written from a template per schema: apache-arrow's objects per block cost
 * more than moving the block. Called by the shuffle's writer and reader.
 *
 *   message   ffffffff · metadata length, u32, padded to 8 · metadata (flatbuffer) · body, each buffer padded to 8
 *   nodes     a column, then its children
 *   buffers   int32, date: validity, values · integer, int64, timestamp, float64, decimal, bool: the same · utf8: validity, codes
 *             list: validity, offsets · struct: validity
 *   dictionary of column c: id c, validity (empty), offsets, bytes
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { maxBlockBytes } from '#manager/protocol/ids.ts';
import type { Batch, Column, ColumnType, ListType, Schema } from './batch.ts';
import { bitAt, bitmapBytes } from './bitmap.ts';
import { emptyDictionary, layoutOf, makeBatch, makeColumn, makeList, makeStruct, nullCount } from './column.ts';
import { openRoot, type Table } from './flatbuffer.ts';
import { sliceColumn } from './slice.ts';

export { decodeSchema, encodeSchema } from './ipc-schema.ts';

const recordHeader = 3;
const dictionaryHeader = 2;
/** MetadataVersion V5. */
const version = 4;

const pad8 = (bytes: number): number => (bytes + 7) & ~7;

/** Encodes batches of one schema; holds the template of its messages. */
export interface BatchEncoder {
  /** Bytes `encode` will give. */
  size(batch: Batch): number;
  /** @returns the payload, at most maxBlockBytes, or the call is a programmer's mistake; owns its memory, which starts on 8 bytes */
  encode(batch: Batch): Uint8Array<ArrayBuffer>;
}

export function createBatchEncoder(schema: Schema): BatchEncoder {
  const types = nodesOf(schema);
  const record = recordTemplate(types.length, bufferCount(types));
  const dictionary = dictionaryTemplate();
  // Without nested columns a column is a node.
  const flat = types.length === schema.length;
  const nodes = (batch: Batch): readonly Column[] => (flat ? batch.columns : batch.columns.flatMap(flattened));
  const sizeOf = (columns: readonly Column[]): number => {
    let bytes = 8 + record.bytes.length;
    for (const column of columns) {
      bytes += bodyBytes(column);
      if (column.type.kind === 'utf8') bytes += 8 + dictionary.bytes.length + dictionaryBodyBytes(column.dictionary ?? column);
    }
    return bytes;
  };
  return {
    size: (batch) => sizeOf(nodes(batch)),
    encode(batch) {
      const columns = nodes(batch);
      const total = sizeOf(columns);
      if (total > maxBlockBytes) throw new RangeError(`a payload of ${total} bytes: the caller splits`);
      const out = new Uint8Array(total);
      const view = new DataView(out.buffer);
      let at = 0;
      columns.forEach((column, c) => {
        if (column.type.kind === 'utf8') at = writeDictionary(out, view, at, dictionary, c, column.dictionary ?? column);
      });
      writeRecord(out, view, at, record, batch.length, columns);
      return out;
    },
  };
}

/** One payload; for many of one schema make an encoder. */
export const encodeBatch = (batch: Batch): Uint8Array<ArrayBuffer> => createBatchEncoder(batch.schema).encode(batch);

/** The types of all nodes: each column, then its children. */
function nodesOf(fields: readonly { readonly type: ColumnType }[]): ColumnType[] {
  return fields.flatMap(({ type }) => [type, ...nodesOf(childFields(type))]);
}
const childFields = (type: ColumnType): readonly { readonly type: ColumnType }[] =>
  type.kind === 'list' ? [type.item] : type.kind === 'struct' ? type.fields : [];
const bufferCount = (types: readonly ColumnType[]): number => types.reduce((sum, type) => sum + (type.kind === 'struct' ? 1 : 2), 0);

/** A column and its children, of lists just the items they have, offsets from 0. */
function flattened(column: Column): readonly Column[] {
  if (column.type.kind === 'struct') return [column, ...column.children.flatMap(flattened)];
  if (column.type.kind !== 'list') return [column];
  const n = column.length;
  const [from, to] = [column.offsets![0]!, column.offsets![n]!];
  const offsets = from === 0 ? column.offsets! : column.offsets!.subarray(0, n + 1).map((offset) => offset - from);
  const items = column.children[0]!;
  const used = from === 0 && to === items.length ? items : sliceColumn(items, from, to);
  return [makeList(column.type, n, offsets, column.validity, used), ...flattened(used)];
}

function bodyBytes(column: Column): number {
  const n = column.length;
  const validity = column.validity === null ? 0 : pad8(bitmapBytes(n));
  switch (layoutOf(column.type)) {
    case 'word':
    case 'bytes':
      return validity + pad8(4 * n);
    case 'lanes':
    case 'double':
      return validity + 8 * n;
    case 'wide':
      return validity + 16 * n;
    case 'bits':
      return validity + pad8(bitmapBytes(n));
    case 'list':
      return validity + pad8(4 * (n + 1));
    case 'struct':
      return validity;
  }
}

const dictionaryBodyBytes = (entries: Column): number =>
  pad8(4 * (entries.length + 1)) + pad8(entries.offsets![entries.length]! - entries.offsets![0]!);

// --- metadata ---

/** Metadata with the places of what changes from message to message. */
interface Template {
  readonly bytes: Uint8Array;
  readonly bodyLength: number;
  /** Of the record batch: its row count, first node and first buffer. */
  readonly length: number;
  readonly nodes: number;
  readonly buffers: number;
  /** Of a dictionary batch. */
  readonly id: number;
}

/** Message table at 16, vtable before it; its header's offset stands at 20. */
function writeMessageTable(view: DataView, header: number, headerAt: number): void {
  view.setUint32(0, 16, true);
  // vtable: its size, the table's size, then where version, header type, header and body length stand.
  [12, 24, 16, 18, 4, 8].forEach((value, i) => {
    view.setUint16(4 + 2 * i, value, true);
  });
  view.setInt32(16, 12, true);
  view.setUint32(20, headerAt - 20, true);
  view.setInt16(32, version, true);
  view.setUint8(34, header);
}

/** RecordBatch table at `at` (a multiple of 8) with its vtable 16 bytes before it. */
function writeRecordTable(view: DataView, at: number, nodes: number, buffers: number): void {
  [10, 20, 8, 4, 16].forEach((value, i) => {
    view.setUint16(at - 16 + 2 * i, value, true);
  });
  view.setInt32(at, 16, true);
  view.setUint32(at + 4, 16, true);
  view.setUint32(at + 20, nodes, true);
  const buffersAt = at + 28 + 16 * nodes;
  view.setUint32(at + 16, buffersAt - (at + 16), true);
  view.setUint32(buffersAt, buffers, true);
}

function recordTemplate(nodes: number, buffers: number): Template {
  const at = 56;
  const bytes = new Uint8Array(at + 32 + 16 * nodes + 16 * buffers);
  const view = new DataView(bytes.buffer);
  writeMessageTable(view, recordHeader, at);
  writeRecordTable(view, at, nodes, buffers);
  return { bytes, bodyLength: 24, length: at + 8, nodes: at + 24, buffers: at + 32 + 16 * nodes, id: 0 };
}

function dictionaryTemplate(): Template {
  const at = 80;
  const bytes = new Uint8Array(at + 32 + 16 + 48);
  const view = new DataView(bytes.buffer);
  writeMessageTable(view, dictionaryHeader, 48);
  // DictionaryBatch table at 48, vtable at 40: id, data.
  [8, 16, 8, 4].forEach((value, i) => {
    view.setUint16(40 + 2 * i, value, true);
  });
  view.setInt32(48, 8, true);
  view.setUint32(52, at - 52, true);
  writeRecordTable(view, at, 1, 3);
  return { bytes, bodyLength: 24, length: at + 8, nodes: at + 24, buffers: at + 48, id: 56 };
}

function setLong(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, true);
  view.setUint32(at + 4, 0, true);
}

/** Writes prefix and metadata; gives where the body starts. */
function writeMetadata(out: Uint8Array, view: DataView, at: number, template: Template): number {
  view.setUint32(at, 0xffff_ffff, true);
  view.setUint32(at + 4, template.bytes.length, true);
  out.set(template.bytes, at + 8);
  return at + 8 + template.bytes.length;
}

function writeDictionary(out: Uint8Array, view: DataView, at: number, template: Template, id: number, entries: Column): number {
  const metadata = at + 8;
  const body = writeMetadata(out, view, at, template);
  const n = entries.length;
  const first = entries.offsets![0]!;
  const bytes = entries.offsets![n]! - first;
  setLong(view, metadata + template.id, id);
  setLong(view, metadata + template.length, n);
  setLong(view, metadata + template.nodes, n);
  const buffers = metadata + template.buffers;
  setLong(view, buffers + 24, 4 * (n + 1));
  setLong(view, buffers + 32, pad8(4 * (n + 1)));
  setLong(view, buffers + 40, bytes);
  const offsets = new Int32Array(out.buffer, body, n + 1);
  if (first === 0) offsets.set(entries.offsets!.subarray(0, n + 1));
  else for (let i = 0; i <= n; i++) offsets[i] = entries.offsets![i]! - first;
  const textAt = body + pad8(4 * (n + 1));
  out.set((entries.data as Uint8Array).subarray(first, first + bytes), textAt);
  const end = textAt + pad8(bytes);
  setLong(view, metadata + template.bodyLength, end - body);
  return end;
}

function writeRecord(out: Uint8Array, view: DataView, at: number, template: Template, rows: number, columns: readonly Column[]): number {
  const metadata = at + 8;
  const body = writeMetadata(out, view, at, template);
  setLong(view, metadata + template.length, rows);
  let node = metadata + template.nodes;
  let buffer = metadata + template.buffers;
  let next = body;
  for (const column of columns) {
    const n = column.length;
    const nulls = nullCount(column);
    setLong(view, node, n);
    setLong(view, node + 8, nulls);
    node += 16;
    const validity = nulls === 0 ? 0 : bitmapBytes(n);
    setLong(view, buffer, next - body);
    setLong(view, buffer + 8, validity);
    if (validity > 0) {
      out.set(column.validity!.subarray(0, validity), next);
      clearTail(out, next, n);
    }
    // `size` counts the bitmap of a column that has one without nulls; its place stays empty.
    next += column.validity === null ? 0 : pad8(bitmapBytes(n));
    buffer += 16;
    if (column.type.kind === 'struct') continue;
    const bytes = writeValues(out, next, column);
    setLong(view, buffer, next - body);
    setLong(view, buffer + 8, bytes);
    buffer += 16;
    next += pad8(bytes);
  }
  setLong(view, metadata + template.bodyLength, next - body);
  return next;
}

function writeValues(out: Uint8Array, at: number, column: Column): number {
  const n = column.length;
  switch (layoutOf(column.type)) {
    case 'bytes': {
      const codes = new Int32Array(out.buffer, at, n);
      if (column.dictionary !== null) codes.set((column.data as Int32Array).subarray(0, n));
      else for (let i = 0; i < n; i++) codes[i] = i;
      return 4 * n;
    }
    case 'word':
      new Int32Array(out.buffer, at, n).set((column.data as Int32Array).subarray(0, n));
      return 4 * n;
    case 'lanes':
      new Int32Array(out.buffer, at, 2 * n).set((column.data as Int32Array).subarray(0, 2 * n));
      return 8 * n;
    case 'wide':
      new Int32Array(out.buffer, at, 4 * n).set((column.data as Int32Array).subarray(0, 4 * n));
      return 16 * n;
    case 'double':
      new Float64Array(out.buffer, at, n).set((column.data as Float64Array).subarray(0, n));
      return 8 * n;
    case 'bits':
      out.set((column.data as Uint8Array).subarray(0, bitmapBytes(n)), at);
      clearTail(out, at, n);
      return bitmapBytes(n);
    case 'list':
      new Int32Array(out.buffer, at, n + 1).set(column.offsets!.subarray(0, n + 1));
      return 4 * (n + 1);
    case 'struct':
      return 0;
  }
}

/** Zeroes the bits behind the last one, so that equal batches are equal bytes. */
function clearTail(out: Uint8Array, at: number, bits: number): void {
  if ((bits & 7) !== 0) out[at + (bits >> 3)]! &= (1 << (bits & 7)) - 1;
}

// --- reading ---

/** Row numbers, and 4 bytes of each, stay within 32 bits. */
const maxRows = 2 ** 29 - 1;

const damaged = (what: string): SluiceError => new SluiceError('FILE_CORRUPT', { path: 'An Arrow IPC payload', what });

/**
 * @param payload  what `encode` gave, or any writer of the same schema
 * @returns        views of the payload where it starts on 8 bytes, else copies; no array reaches beyond it
 * @throws         FILE_CORRUPT when anything in it does not add up: lengths, bounds, offsets, codes
 */
export function decodeBatch(schema: Schema, payload: Uint8Array): Batch {
  try {
    return decode(schema, payload);
  } catch (thrown) {
    if (thrown instanceof RangeError) throw damaged(`it ends early or points outside (${thrown.message})`);
    throw thrown;
  }
}

function decode(schema: Schema, payload: Uint8Array): Batch {
  // Typed arrays over an ArrayBuffer start at multiples of their element's size.
  const { buffer, byteOffset, length } = payload;
  const bytes = (byteOffset & 7) === 0 ? new Uint8Array(buffer, byteOffset, length) : new Uint8Array(payload);
  const types = nodesOf(schema);
  const dictionaries: (Column | null)[] = types.map(() => null);
  let at = 0;
  for (;;) {
    const message = readMessage(bytes, at);
    at = message.end;
    if (message.header === dictionaryHeader) {
      const id = message.table.long(0);
      const type = types[id];
      if (type === undefined || type.kind !== 'utf8' || dictionaries[id] !== null || message.table.bool(2))
        throw damaged(`a dictionary for node ${id}`);
      dictionaries[id] = readDictionary(message.table.table(1), message.body);
    } else if (message.header === recordHeader) {
      if (at !== bytes.length) throw damaged(`${bytes.length - at} bytes behind the record batch`);
      return readRecord(schema, types, message.table, message.body, dictionaries);
    } else throw damaged(`a message of kind ${message.header}`);
  }
}

interface Message {
  readonly header: number;
  readonly table: Table;
  readonly body: Uint8Array;
  readonly end: number;
}

function readMessage(bytes: Uint8Array, at: number): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(at, true) !== 0xffff_ffff) throw damaged(`no message at byte ${at}`);
  const length = view.getUint32(at + 4, true);
  const from = at + 8;
  if ((length & 7) !== 0 || length > bytes.length - from) throw damaged(`metadata of ${length} bytes at byte ${at}`);
  const root = openRoot(bytes.subarray(from, from + length));
  const header = root.byte(1);
  const bodyLength = root.long(3);
  const bodyAt = from + length;
  if (bodyLength > bytes.length - bodyAt) throw damaged(`a body of ${bodyLength} bytes where ${bytes.length - bodyAt} are left`);
  return { header, table: root.table(2), body: bytes.subarray(bodyAt, bodyAt + bodyLength), end: bodyAt + bodyLength };
}

/** A RecordBatch table with its nodes and buffers in order, each checked against the body. */
interface RecordTable {
  readonly length: number;
  readonly nodes: number;
  readonly buffers: number;
  /** Rows and nulls of a node. */
  node(i: number): { readonly rows: number; readonly nulls: number };
  /** Exactly `needed` bytes of a buffer that has at least as many. */
  buffer(i: number, needed: number): Uint8Array;
  whole(i: number): Uint8Array;
}

function openRecord(table: Table, body: Uint8Array): RecordTable {
  if (table.has(3)) throw damaged('a compressed body');
  const length = table.long(0);
  if (length > maxRows) throw damaged(`${length} rows`);
  const nodes = table.structs(1, 16);
  const buffers = table.structs(2, 16);
  return {
    length,
    nodes: nodes.length,
    buffers: buffers.length,
    node(i: number) {
      const rows = nodes.long(i, 0);
      const nulls = nodes.long(i, 8);
      if (rows > maxRows || nulls > rows) throw damaged(`${nulls} nulls in ${rows} rows`);
      return { rows, nulls };
    },
    buffer(i: number, needed: number): Uint8Array {
      const from = buffers.long(i, 0);
      const bytes = buffers.long(i, 8);
      if (from > body.length || bytes > body.length - from) throw damaged(`buffer ${i} reaches outside of its body`);
      if (bytes < needed) throw damaged(`buffer ${i} has ${bytes} bytes of ${needed}`);
      return body.subarray(from, from + needed);
    },
    whole(i: number): Uint8Array {
      return this.buffer(i, buffers.long(i, 8));
    },
  };
}

function readDictionary(table: Table, body: Uint8Array): Column {
  const record = openRecord(table, body);
  if (record.nodes !== 1 || record.buffers !== 3) throw damaged('a dictionary that is not of text');
  const n = record.length;
  if (record.node(0).nulls !== 0 || record.node(0).rows !== n) throw damaged('a null in a dictionary');
  if (n === 0) return emptyDictionary;
  const offsets = words(record.buffer(1, 4 * (n + 1)), n + 1);
  const text = record.whole(2);
  checkOffsets(offsets, n, text.length);
  return makeColumn({ kind: 'utf8' }, n, text, null, offsets);
}

/** They go up, from 0 or more to what there is. */
function checkOffsets(offsets: Int32Array, n: number, limit: number): void {
  let before = offsets[0]!;
  if (before < 0) throw damaged('an offset below 0');
  for (let i = 1; i <= n; i++) {
    const offset = offsets[i]!;
    if (offset < before) throw damaged(`offset ${i} is less than the one before it`);
    before = offset;
  }
  if (before > limit) throw damaged(`offsets reach to ${before} of ${limit}`);
}

function readRecord(schema: Schema, types: readonly ColumnType[], table: Table, body: Uint8Array, dictionaries: readonly (Column | null)[]): Batch {
  const record = openRecord(table, body);
  const n = record.length;
  if (record.nodes !== types.length || record.buffers !== bufferCount(types)) throw damaged(`${record.nodes} columns, ${types.length} in the schema`);
  const cursor: Cursor = { node: 0, buffer: 0 };
  return makeBatch(
    schema,
    n,
    schema.map(({ type }) => readColumn(record, type, n, cursor, dictionaries)),
  );
}

/** The next node and the next buffer. */
interface Cursor {
  node: number;
  buffer: number;
}

/** @param rows  it must have; null: as many as it says */
function readColumn(record: RecordTable, type: ColumnType, rows: number | null, cursor: Cursor, dictionaries: readonly (Column | null)[]): Column {
  const c = cursor.node++;
  const { rows: n, nulls } = record.node(c);
  if (rows !== null && n !== rows) throw damaged(`column ${c} has ${n} rows, not ${rows}`);
  const bitmap = cursor.buffer++;
  const validity = nulls === 0 ? null : record.buffer(bitmap, bitmapBytes(n));
  if (type.kind === 'struct') {
    const fields = type.fields.map((field) => readColumn(record, field.type, n, cursor, dictionaries));
    return makeStruct(type, n, validity, fields);
  }
  const at = cursor.buffer++;
  switch (layoutOf(type)) {
    case 'word':
      return makeColumn(type, n, words(record.buffer(at, 4 * n), n), validity);
    case 'lanes':
      return makeColumn(type, n, words(record.buffer(at, 8 * n), 2 * n), validity);
    case 'wide':
      return makeColumn(type, n, words(record.buffer(at, 16 * n), 4 * n), validity);
    case 'double': {
      const values = aligned(record.buffer(at, 8 * n));
      const doubles = new Float64Array(values.buffer, values.byteOffset, n);
      if (type.kind === 'decimal') checkUnscaled(doubles, type.precision, c);
      return makeColumn(type, n, doubles, validity);
    }
    case 'bits':
      return makeColumn(type, n, record.buffer(at, bitmapBytes(n)), validity);
    case 'bytes':
      if (dictionaries[c] == null) throw damaged(`no dictionary for column ${c}`);
      return textColumn(type, n, words(record.buffer(at, 4 * n), n), validity, dictionaries[c]);
    case 'list': {
      const offsets = words(record.buffer(at, 4 * (n + 1)), n + 1);
      const items = readColumn(record, (type as ListType).item.type, null, cursor, dictionaries);
      checkOffsets(offsets, n, items.length);
      return makeList(type, n, offsets, validity, items);
    }
    case 'struct':
      throw damaged(`column ${c}`);
  }
}

/** A double that is no whole number, or has more digits, is no decimal. */
function checkUnscaled(doubles: Float64Array, precision: number, c: number): void {
  const limit = 10 ** precision;
  for (let i = 0; i < doubles.length; i++) {
    const value = doubles[i]!;
    if (Math.floor(value) !== value || value >= limit || value <= -limit) throw damaged(`${value} is no decimal of column ${c}`);
  }
}

function textColumn(type: ColumnType, n: number, codes: Int32Array, validity: Uint8Array | null, dictionary: Column): Column {
  const entries = dictionary.length;
  let inOrder = entries === n;
  for (let i = 0; i < n; i++) {
    const code = codes[i]!;
    if (code !== i) inOrder = false;
    if (code >>> 0 >= entries && !(entries === 0 && validity !== null && bitAt(validity, i) === 0)) throw damaged(`code ${code} of ${entries}`);
  }
  if (inOrder) return makeColumn(type, n, dictionary.data, validity, dictionary.offsets);
  return makeColumn(type, n, codes, validity, null, dictionary);
}

const aligned = (bytes: Uint8Array): Uint8Array => ((bytes.byteOffset & 7) === 0 ? bytes : bytes.slice());
function words(bytes: Uint8Array, count: number): Int32Array {
  const from = (bytes.byteOffset & 3) === 0 ? bytes : bytes.slice();
  return new Int32Array(from.buffer, from.byteOffset, count);
}
