/**
 * From the bytes of a split to batches, for formats whose records end with a line: reads piece after piece, lets the format's
 * scanner take whole records, and says of one that cannot be read where it stands, or gives it to the rejects. What a record
 * is, is the scanner's affair. Called by the CSV and JSON sources.
 */
import type { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, batchRows, type Column, type Schema } from '../batch/batch.ts';
import { makeBatch } from '../batch/column.ts';
import type { RejectsTaker } from './bad-lines.ts';
import type { ScanRequest, Split } from './connector.ts';
import { type BadRecord, countLines, lineFeed, type ScanResult, scanSlack } from './csv-scan.ts';
import { type ByteRange, type InputBytes, openBytes } from './input-bytes.ts';

/** Read at once; a record that does not fit makes the piece grow. */
export const pieceBytes = 1024 * 1024;
/** A header, or a record, longer than this is none. */
export const recordBytesMax = 256 * 1024 * 1024;

/** Records that start in the range. */
export interface Part extends ByteRange {
  /** That of its first byte; null: nobody has counted, and who has to say where something is wrong counts from the file's start. */
  readonly line: number | null;
}

/**
 * Whether lines are counted when a file is cut. Bad records of a job that has a place for them may be in every split, and each would
 * count all that is before; without one the first of them ends the job.
 */
export const countsLines = ({ source, rejects }: ScanRequest): boolean => typeof source['rejects'] === 'string' || rejects !== undefined;

/** A file is cut at about this much, and small files are read together until they have as much. */
export const splitBytes = 16 * 1024 * 1024;
/** What packed bytes grow to, roughly. */
const unpackedFactor = 4;

/** Parts put together to splits. */
export function splitsOf(all: readonly Part[]): Split[] {
  const splits: Split[] = [];
  let parts: Part[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (parts.length > 0) splits.push({ bytes, rows: 0, parts });
    parts = [];
    bytes = 0;
  };
  for (const part of all) {
    const size = part.to === null ? unpackedFactor * part.file.size : part.to - part.from;
    if (bytes > 0 && bytes + size > splitBytes) flush();
    parts.push(part);
    bytes += size;
  }
  flush();
  return splits;
}

/** What a format does with whole records. */
export interface RecordScanner {
  /** As csv-scan's scanRecords: takes whole records from bytes[from, end); bytes has `scanSlack` more. */
  scan(bytes: Uint8Array, from: number, end: number, last: boolean, maxRows: number, stopAtBad: boolean): ScanResult;
  /** The columns of what was taken since the last time. */
  finish(): readonly Column[];
}

export interface RecordFormat {
  readonly schema: Schema;
  /** A record takes this many bytes at least. */
  readonly recordBytesMin: number;
  /** @param capacity  rows it is asked to hold */
  scanner(capacity: number): RecordScanner;
  /** The error of a record, for a job without a place for rejects. */
  invalid(path: string, line: number, column: number, what: string): SluiceError;
}

export async function* readRecords(format: RecordFormat, part: Part, rejects: RejectsTaker | null): AsyncGenerator<Batch> {
  const { schema } = format;
  const size = part.to === null ? Number.POSITIVE_INFINITY : part.to - part.from;
  const capacity = Math.max(1, Math.min(batchRows, Math.ceil(size / format.recordBytesMin) + 1));
  const scanner = format.scanner(capacity);
  const places = new PlaceFinder(part);
  const input = await openBytes(part);
  const leaveAside = async (base: number, bytes: Uint8Array, bad: BadRecord, into: RejectsTaker | null): Promise<void> => {
    const { line, column } = await places.find(base + bad.at);
    if (into === null) throw format.invalid(part.file.path, line, column, bad.reason);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + bad.from, bad.to - bad.from).toString();
    await into.add(part.file.path, line, column, bad.reason, text.replace(/\r?\n$/, ''));
  };
  try {
    let bytes = new Uint8Array(Math.min(pieceBytes, size + 1) + scanSlack);
    let held = 0;
    let read = part.from;
    let rows = 0;
    for (;;) {
      const wanted = bytes.length - scanSlack - held;
      const got = await input.read(bytes, held, wanted);
      read += got;
      held += got;
      const last = got < wanted;
      let from = 0;
      for (;;) {
        const found = scanner.scan(bytes, from, held, last, capacity - rows, rejects === null);
        rows += found.rows;
        for (const bad of found.bad) await leaveAside(read - held, bytes, bad, rejects);
        const moved = found.next > from;
        from = found.next;
        if (rows === capacity) {
          yield makeBatch(schema, rows, scanner.finish());
          rows = 0;
        } else if (!moved || from >= held) break;
      }
      bytes.copyWithin(0, from, held);
      held -= from;
      if (last && (held === 0 || from === 0)) break;
      if (from === 0 && held === bytes.length - scanSlack) {
        if (held >= recordBytesMax) {
          await leaveAside(read - held, bytes, { from: 0, to: held, at: 0, reason: `a record is longer than ${recordBytesMax} bytes` }, null);
        }
        const larger = new Uint8Array(2 * held + scanSlack);
        larger.set(bytes.subarray(0, held));
        bytes = larger;
      }
    }
    if (rows > 0) yield makeBatch(schema, rows, scanner.finish());
  } finally {
    await places.close();
    await input.close();
  }
}

/** Lines and columns, from 1, of bytes of a part, asked for in order: counted on from the last one, and only when something is wrong. */
class PlaceFinder {
  readonly #part: Part;
  readonly #piece = new Uint8Array(65_536);
  #input: InputBytes | null = null;
  /** Up to here lines are counted; this is the line there. */
  #at: number;
  #line: number;
  /** What stands on that line before, as far as it is kept. */
  #before: Uint8Array = new Uint8Array(0);

  constructor(part: Part) {
    this.#part = part.line === null ? { ...part, from: 0 } : part;
    this.#at = this.#part.from;
    this.#line = part.line ?? 1;
  }

  async find(at: number): Promise<{ line: number; column: number }> {
    this.#input ??= await openBytes(this.#part);
    while (this.#at < at) {
      const got = await this.#input.read(this.#piece, 0, Math.min(this.#piece.length, at - this.#at));
      if (got === 0) break;
      const start = this.#piece.lastIndexOf(lineFeed, got - 1) + 1;
      this.#line += countLines(this.#piece, 0, got);
      const kept = start > 0 ? Buffer.alloc(0) : this.#before.subarray(0, pieceBytes);
      this.#before = Buffer.concat([kept, this.#piece.subarray(start, got)]);
      this.#at += got;
    }
    // Columns are characters, as editors count them.
    return { line: this.#line, column: 1 + [...Buffer.from(this.#before).toString()].length };
  }

  async close(): Promise<void> {
    await this.#input?.close();
  }
}
