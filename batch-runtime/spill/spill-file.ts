/**
 * Batches on disk and back: what an operator puts aside, by part (a run of a sort, a partition of a join). A file is written once,
 * in large pieces, each part's blocks are read in the order they were written, as often as wanted. A block is one payload of
 * the shuffle's encoding (batch/ipc.ts), compressed while that pays. It is read by the process that wrote it and by nobody else.
 *
 *   block   stored length u32 · raw length u32 · rows u32 · crc32 of these and of what is stored u32 · what is stored, padded to 8
 *           raw length = stored length: not compressed, else zstd
 */
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB, maxBlockBytes } from '#manager/protocol/ids.ts';
import type { Batch, Schema } from '../batch/batch.ts';
import { batchBytes } from '../batch/column.ts';
import { Compactor } from '../batch/dictionary.ts';
import { createBatchEncoder, decodeBatch } from '../batch/ipc.ts';
import { slice } from '../batch/slice.ts';
import type { Scratch } from './scratch.ts';

const headerBytes = 16;
/** The file is written in pieces of at least this size, but for its end. */
const pieceBytes = MiB;
/** Smaller payloads are not worth the call. */
const compressFrom = 2 * KiB;
/** After a block that did not get smaller by a quarter, so many are stored as they are. */
const pause = 15;
/** The fastest level; above it disk is saved at the price of a core. */
const params = { [constants.ZSTD_c_compressionLevel]: 1 };

export interface SpillFile {
  /** Appends rows to a part, as blocks of about `blockBytes`. @throws NO_SPACE, DISK_FAILED · VALUE_OUT_OF_RANGE: a row larger than a block may be */
  write(part: number, batch: Batch): void;
  /** The rows of a part in the order they were written; after the last write. Columns own their memory. @throws DISK_FAILED, also for a block that is not as written */
  read(part: number): Generator<Batch>;
  /** Parts are 0 .. parts - 1; one that was never written has no rows. */
  readonly parts: number;
  rows(part: number): number;
  /** As they are in memory, about. */
  bytes(part: number): number;
  close(): void;
}

const crcOf = (header: DataView, kept: Uint8Array): number => crc32(kept, crc32(new Uint8Array(header.buffer, header.byteOffset, 12)));

interface Part {
  rows: number;
  bytes: number;
  /** Offset and length of each block, header included. */
  readonly blocks: number[];
}

/** @param blockBytes  aimed at; two blocks are in memory while one is read */
export function createSpillFile(scratch: Scratch, schema: Schema, blockBytes: number): SpillFile {
  const file = scratch.create();
  const encoder = createBatchEncoder(schema);
  const compactor = new Compactor();
  const parts: Part[] = [];
  let piece = new Uint8Array(Math.min(pieceBytes, 4 * blockBytes));
  let filled = 0;
  /** Where the piece begins in the file. */
  let offset = 0;
  let stored = 0;

  const partOf = (index: number): Part => {
    while (parts.length <= index) parts.push({ rows: 0, bytes: 0, blocks: [] });
    return parts[index]!;
  };

  const flush = (): void => {
    if (filled === 0) return;
    file.append(piece.subarray(0, filled));
    offset += filled;
    filled = 0;
  };

  const writeBlock = (part: Part, payload: Uint8Array, rows: number): void => {
    let kept: Uint8Array = payload;
    if (payload.length >= compressFrom && stored === 0) {
      const smaller = zstdCompressSync(payload, { params, chunkSize: payload.length + KiB });
      if (4 * smaller.length <= 3 * payload.length) kept = smaller;
      else stored = pause;
    } else if (stored > 0) stored--;
    const length = headerBytes + ((kept.length + 7) & ~7);
    if (filled + length > piece.length) {
      flush();
      if (length > piece.length) piece = new Uint8Array(length);
    }
    const header = new DataView(piece.buffer, filled, headerBytes);
    header.setUint32(0, kept.length, true);
    header.setUint32(4, payload.length, true);
    header.setUint32(8, rows, true);
    header.setUint32(12, crcOf(header, kept), true);
    piece.set(kept, filled + headerBytes);
    part.blocks.push(offset + filled, length);
    filled += length;
  };

  const writeRows = (part: Part, rows: Batch): void => {
    const batch = compactor.compact(rows);
    const size = encoder.size(batch);
    if (size <= maxBlockBytes && (size <= 2 * blockBytes || batch.length === 1)) {
      writeBlock(part, encoder.encode(batch), batch.length);
      return;
    }
    if (batch.length === 1)
      throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `A row of ${size} bytes is larger than a block may be (${maxBlockBytes})` });
    const half = batch.length >> 1;
    writeRows(part, slice(rows, 0, half));
    writeRows(part, slice(rows, half, rows.length));
  };

  const readBlock = (at: number, length: number): Batch => {
    const bytes = new Uint8Array(length);
    file.read(bytes, at);
    const header = new DataView(bytes.buffer, 0, headerBytes);
    const keptLength = header.getUint32(0, true);
    const rawLength = header.getUint32(4, true);
    const kept = bytes.subarray(headerBytes, headerBytes + keptLength);
    if (headerBytes + ((keptLength + 7) & ~7) !== length || crcOf(header, kept) !== header.getUint32(12, true))
      throw new SluiceError('DISK_FAILED', { what: `a block at ${at} of a spill file is not as it was written` });
    const payload = rawLength === keptLength ? kept : zstdDecompressSync(kept, { chunkSize: rawLength + 64, maxOutputLength: rawLength });
    return decodeBatch(schema, payload);
  };

  return {
    write(index, batch) {
      if (batch.length === 0) return;
      const part = partOf(index);
      // What of a dictionary is not used is not counted.
      const rows = compactor.compact(batch);
      const bytes = batchBytes(rows);
      part.rows += rows.length;
      part.bytes += bytes;
      const rowsPerBlock = Math.max(1, Math.floor((blockBytes * rows.length) / bytes));
      for (let from = 0; from < rows.length; from += rowsPerBlock) writeRows(part, slice(rows, from, Math.min(rows.length, from + rowsPerBlock)));
    },
    *read(index) {
      flush();
      const { blocks } = partOf(index);
      for (let i = 0; i < blocks.length; i += 2) yield readBlock(blocks[i]!, blocks[i + 1]!);
    },
    get parts() {
      return parts.length;
    },
    rows: (index) => parts[index]?.rows ?? 0,
    bytes: (index) => parts[index]?.bytes ?? 0,
    close() {
      piece = new Uint8Array(0);
      file.close();
    },
  };
}
