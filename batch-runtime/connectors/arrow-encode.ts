/**
 * Writes the Arrow IPC file format: the schema, record batches one by one, and the foot that says where they are. For other programs to
 * read: text is plain, decimals are Decimal128, and what ours stand for is in the schema. Where the bytes go is arrow-sink.ts; the form in which batches go through a shuffle is
 * batch/ipc.ts.
 *
 *   file   ARROW1 00 00 · schema message · record batch messages · end mark · foot · its length, i32 · ARROW1
 */
import { type Batch, type Column, formOf, type Schema } from '../batch/batch.ts';
import { bitmapBytes } from '../batch/bitmap.ts';
import { layoutOf, nullCount } from '../batch/column.ts';
import { toPlain } from '../batch/dictionary.ts';
import type { TableValue } from '../batch/flatbuffer.ts';
import { writeRoot } from '../batch/flatbuffer.ts';
import { encodeMessage, encodeSchema, schemaTable } from '../batch/ipc-schema.ts';
import { sliceColumn } from '../batch/slice.ts';
import { packBuffer } from './arrow-compression.ts';
import { toFileColumn, bitsOf as widthOf } from './form-columns.ts';
import { plainDecimals } from './parquet-decimals.ts';

const recordHeader = 3;
/** MetadataVersion V5. */
const version = 4;
const magic = new TextEncoder().encode('ARROW1');
const pad8 = (bytes: number): number => (bytes + 7) & ~7;

/** Gives the bytes of a file, piece by piece; counts where it is. */
export interface ArrowEncoder {
  /** What stands first. */
  head(): Uint8Array;
  batch(batch: Batch): readonly Uint8Array[];
  /** What stands last. */
  foot(): Uint8Array;
}

export function createArrowEncoder(schema: Schema, isPacked: boolean): ArrowEncoder {
  const blocks: { readonly at: number; readonly metadataBytes: number; readonly bodyBytes: number }[] = [];
  let at = 0;
  return {
    head() {
      const message = encodeSchema(schema, 'file');
      const bytes = new Uint8Array(8 + message.length);
      bytes.set(magic);
      bytes.set(message, 8);
      at += bytes.length;
      return bytes;
    },
    batch(batch) {
      const nodes: number[] = [];
      const buffers: Uint8Array[] = [];
      for (const column of batch.columns) addColumn(column, nodes, buffers);
      const stored = isPacked ? buffers.map(packBuffer) : buffers;
      const places: number[] = [];
      let bodyBytes = 0;
      for (const { length } of stored) {
        places.push(bodyBytes, length);
        bodyBytes += pad8(length);
      }
      const record: TableValue = [
        { kind: 'long', value: batch.length },
        { kind: 'structs', value: longs(nodes), width: 16 },
        { kind: 'structs', value: longs(places), width: 16 },
        // zstd, buffer by buffer.
        isPacked
          ? {
              kind: 'table',
              value: [
                { kind: 'byte', value: 1 },
                { kind: 'byte', value: 0 },
              ],
            }
          : null,
      ];
      const message = encodeMessage(recordHeader, record, bodyBytes);
      blocks.push({ at, metadataBytes: message.length, bodyBytes });
      at += message.length + bodyBytes;
      const pieces: Uint8Array[] = [message];
      for (const buffer of stored) {
        pieces.push(buffer);
        if (buffer.length < pad8(buffer.length)) pieces.push(new Uint8Array(pad8(buffer.length) - buffer.length));
      }
      return pieces;
    },
    foot() {
      const foot = writeRoot([
        { kind: 'short', value: version },
        { kind: 'table', value: schemaTable(schema, 'file') },
        { kind: 'structs', value: new Uint8Array(0), width: 24 },
        // Three words of 64 bits; of the second, the length of the metadata is 32.
        { kind: 'structs', value: longs(blocks.flatMap(({ at: from, metadataBytes, bodyBytes }) => [from, metadataBytes, bodyBytes])), width: 24 },
      ]);
      const bytes = new Uint8Array(8 + foot.length + 4 + magic.length);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, 0xffff_ffff, true);
      bytes.set(foot, 8);
      view.setInt32(8 + foot.length, foot.length, true);
      bytes.set(magic, 12 + foot.length);
      return bytes;
    },
  };
}

const longs = (values: readonly number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);

const bytesOf = (data: Column['data'], bytes: number): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, bytes);

/** Adds rows and nulls to the nodes, validity and values to the buffers. */
function addColumn(given: Column, nodes: number[], buffers: Uint8Array[]): void {
  const column = toFileColumn(given);
  const n = column.length;
  const nulls = nullCount(column);
  nodes.push(n, nulls);
  buffers.push(nulls === 0 ? new Uint8Array(0) : bitsOf(column.validity!, n));
  const narrow = narrowValues(column);
  if (narrow !== null) {
    buffers.push(narrow);
    return;
  }
  if (column.type.kind === 'decimal') {
    buffers.push(decimals(column));
    return;
  }
  switch (layoutOf(column.type)) {
    case 'word':
      buffers.push(bytesOf(column.data, 4 * n));
      break;
    case 'lanes':
    case 'double':
      buffers.push(bytesOf(column.data, 8 * n));
      break;
    case 'wide':
      buffers.push(bytesOf(column.data, 16 * n));
      break;
    case 'bits':
      buffers.push(bitsOf(column.data as Uint8Array, n));
      break;
    case 'bytes':
      addText(toPlain(column), buffers);
      break;
    case 'list': {
      const [from, to] = [column.offsets![0]!, column.offsets![n]!];
      buffers.push(bytesOf(shifted(column.offsets!, n), 4 * (n + 1)));
      addColumn(sliceColumn(column.children[0]!, from, to), nodes, buffers);
      break;
    }
    case 'struct':
      for (const child of column.children) addColumn(child.length === n ? child : sliceColumn(child, 0, n), nodes, buffers);
      break;
  }
}

/** Of numbers that take fewer bytes in the file than at rest. */
function narrowValues({ type, data, length }: Column): Uint8Array | null {
  const form = formOf(type);
  if (form === 'float32') return new Uint8Array(Float32Array.from((data as Float64Array).subarray(0, length)).buffer);
  const bits = form === null || type.kind !== 'int32' ? 32 : widthOf(type)!.bits;
  if (bits === 32) return null;
  const words = (data as Int32Array).subarray(0, length);
  return new Uint8Array((bits === 8 ? Uint8Array.from(words) : Uint16Array.from(words)).buffer);
}

/** A bitmap with zeros behind its last bit. */
function bitsOf(bitmap: Uint8Array, bits: number): Uint8Array {
  const bytes = bitmap.slice(0, bitmapBytes(bits));
  if ((bits & 7) !== 0) bytes[bytes.length - 1]! &= (1 << (bits & 7)) - 1;
  return bytes;
}

/** Offsets that begin at 0. */
const shifted = (offsets: Int32Array, n: number): Int32Array =>
  offsets[0] === 0 ? offsets.subarray(0, n + 1) : offsets.subarray(0, n + 1).map((offset) => offset - offsets[0]!);

function addText(column: Column, buffers: Uint8Array[]): void {
  const n = column.length;
  const from = column.offsets![0]!;
  buffers.push(bytesOf(shifted(column.offsets!, n), 4 * (n + 1)), (column.data as Uint8Array).subarray(from, column.offsets![n]!));
}

/** As 16 bytes each, the low one first. */
function decimals(column: Column): Uint8Array {
  if (layoutOf(column.type) === 'wide') return bytesOf(column.data, 16 * column.length);
  const lanes = plainDecimals(column, true);
  const low = new Int32Array(lanes.buffer, lanes.byteOffset, 2 * column.length);
  const words = new Int32Array(4 * column.length);
  for (let i = 0; i < column.length; i++) {
    const high = low[2 * i + 1]!;
    words[4 * i] = low[2 * i]!;
    words[4 * i + 1] = high;
    words[4 * i + 2] = high >> 31;
    words[4 * i + 3] = high >> 31;
  }
  return bytesOf(words, 4 * words.length);
}
