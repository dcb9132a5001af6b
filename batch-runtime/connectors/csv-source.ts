/**
 * Scans CSV files with a header line: finds the declared columns by their names, cuts large files into splits at the starts
 * of records, so that quoted line feeds are right, and reads a split piece by piece. A record that cannot be read ends the
 * job with its file, line and column, or goes to the rejects. The grammar is csv-scan.ts, values are csv-values.ts.
 */
import type { FileHandle } from 'node:fs/promises';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, batchRows, type Schema } from '../batch/batch.ts';
import { makeBatch } from '../batch/column.ts';
import { typeText } from '../schema.ts';
import type { Source, Split } from './connector.ts';
import { Rejects, rejectsSpec } from './csv-rejects.ts';
import {
  type BadRecord,
  type Boundary,
  BoundaryFinder,
  countLines,
  firstInvalid,
  firstRecord,
  lineFeed,
  type ScanShape,
  scanRecords,
  scanSlack,
} from './csv-scan.ts';
import { fieldParser } from './csv-values.ts';
import { checkUnchanged, findFiles, type InputFile } from './input-files.ts';
import { openInput } from './parquet-file.ts';

const delimiter = 0x2c;
/** A file is cut at about this much, and small files are read together until they have as much. */
const splitBytes = 16 * 1024 * 1024;
/** Read at once; a record that does not fit makes the piece grow. */
const pieceBytes = 1024 * 1024;
/** A header, or a record, longer than this is no CSV. */
const recordBytesMax = 256 * 1024 * 1024;
const byteOrderMark = [0xef, 0xbb, 0xbf];

/** Records of a file that start in [from, to); `line` is the one of `from`. */
interface Part {
  readonly file: InputFile;
  readonly from: number;
  readonly to: number;
  readonly line: number;
}

export const csvSource: Source = {
  async plan(request) {
    const files = await findFiles(String(request.source['path']), '.csv');
    const splits: Split[] = [];
    let parts: Part[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (parts.length > 0) splits.push({ bytes, rows: 0, parts });
      parts = [];
      bytes = 0;
    };
    for (const file of files) {
      for (const part of await partsOf(request.schema, file)) {
        if (bytes > 0 && bytes + part.to - part.from > splitBytes) flush();
        parts.push(part);
        bytes += part.to - part.from;
      }
    }
    flush();
    return splits;
  },

  async *read(request, split, task) {
    const path = request.source['rejects'];
    const rejects = typeof path === 'string' ? new Rejects(path, task) : null;
    let whole = false;
    try {
      for (const part of split['parts'] as readonly Part[]) yield* readPart(request.schema, part, rejects);
      whole = true;
    } finally {
      await rejects?.close(whole);
    }
  },

  side: (source) => (typeof source['rejects'] === 'string' ? rejectsSpec(source['rejects']) : null),
};

interface Header {
  readonly names: readonly string[];
  /** Where the first record starts. */
  readonly next: Boundary;
}

/** @throws CSV_INVALID when there is none */
async function readHeader(handle: FileHandle, file: InputFile): Promise<Header> {
  for (let length = Math.min(file.size, 65_536); ; length = Math.min(file.size, length * 4)) {
    const bytes = new Uint8Array(length + scanSlack);
    const got = await readFully(handle, bytes, 0, length, 0);
    const from = byteOrderMark.every((byte, i) => got > i && bytes[i] === byte) ? byteOrderMark.length : 0;
    const last = got >= file.size;
    const found = got > from ? firstRecord(bytes, from, got, last, delimiter) : null;
    if (found !== null) {
      const wrong = firstInvalid(bytes.subarray(from, found.next));
      if (wrong < found.next - from) throw invalid(file.path, 1, wrong + 1, 'invalid UTF-8');
      return { names: found.names, next: { at: found.next, line: 1 + countLines(bytes, 0, found.next) } };
    }
    if (last || length >= recordBytesMax)
      throw invalid(file.path, 1, 1, got > from ? 'the quote of a column name is never closed' : 'there is no header line');
  }
}

/** Which field of a record each declared column is. @throws SCHEMA_DIFFERS, CSV_INVALID */
function bind(schema: Schema, { names }: Header, path: string): Int32Array {
  const targets = new Int32Array(names.length).fill(-1);
  schema.forEach((field, column) => {
    const at = names.indexOf(field.name);
    if (at < 0) throw new SluiceError('SCHEMA_DIFFERS', { where: field.name, declared: typeText(field), found: 'no such column', path });
    if (names.includes(field.name, at + 1)) throw invalid(path, 1, 1, `two columns are named ${field.name}`);
    targets[at] = column;
  });
  return targets;
}

async function partsOf(schema: Schema, file: InputFile): Promise<Part[]> {
  const handle = await openInput(file.path);
  try {
    const header = await readHeader(handle, file);
    bind(schema, header, file.path);
    const cuts = file.size > splitBytes ? await boundariesOf(handle, file, header.next) : [];
    const starts = [header.next, ...cuts].filter(({ at }) => at < file.size);
    return starts.map(({ at, line }, i) => ({ file, from: at, to: starts[i + 1]?.at ?? file.size, line }));
  } finally {
    await handle.close();
  }
}

async function boundariesOf(handle: FileHandle, file: InputFile, start: Boundary): Promise<readonly Boundary[]> {
  const finder = new BoundaryFinder(start, delimiter, splitBytes);
  const piece = new Uint8Array(pieceBytes);
  for (let at = start.at; at < file.size; ) {
    const got = await readFully(handle, piece, 0, Math.min(piece.length, file.size - at), at);
    if (got === 0) break;
    finder.push(piece.subarray(0, got));
    at += got;
  }
  return finder.found;
}

async function* readPart(schema: Schema, part: Part, rejects: Rejects | null): AsyncGenerator<Batch> {
  const { file } = part;
  const handle = await openInput(file.path);
  try {
    await checkUnchanged(handle, file);
    const header = await readHeader(handle, file);
    const width = header.names.length;
    const places = new PlaceFinder(handle, part);
    // A record takes a byte per field at least.
    const capacity = Math.max(1, Math.min(batchRows, Math.ceil((part.to - part.from) / width) + 1));
    const parsers = schema.map(({ type }) => fieldParser(type, capacity));
    const shape: ScanShape = {
      delimiter,
      width,
      targets: bind(schema, header, file.path),
      parsers,
      nullable: schema.map(({ nullable }) => nullable),
      names: schema.map(({ name }) => name),
      isText: schema.map(({ type }) => type.kind === 'utf8'),
      nullText: null,
    };
    let bytes = new Uint8Array(Math.min(pieceBytes, part.to - part.from) + scanSlack);
    let held = 0;
    let read = part.from;
    let rows = 0;
    while (held > 0 || read < part.to) {
      const got = await readFully(handle, bytes, held, Math.min(bytes.length - scanSlack - held, part.to - read), read);
      if (got === 0 && read < part.to && held < bytes.length - scanSlack)
        throw new SluiceError('FILE_CORRUPT', { path: file.path, what: 'it ends early' });
      read += got;
      held += got;
      const last = read === part.to;
      let from = 0;
      for (;;) {
        const found = scanRecords(shape, bytes, from, held, last, capacity - rows, rejects === null);
        rows += found.rows;
        for (const bad of found.bad) await leaveAside(places, file, read - held, bytes, bad, rejects);
        const moved = found.next > from;
        from = found.next;
        if (rows === capacity) {
          yield makeBatch(
            schema,
            rows,
            parsers.map((parser) => parser.finish()),
          );
          rows = 0;
        } else if (!moved || from >= held) break;
      }
      bytes.copyWithin(0, from, held);
      held -= from;
      if (last && (held === 0 || from === 0)) break;
      if (from === 0 && held === bytes.length - scanSlack) {
        if (held >= recordBytesMax) await leaveAside(places, file, read - held, bytes, tooLong(held), null);
        const larger = new Uint8Array(2 * held + scanSlack);
        larger.set(bytes.subarray(0, held));
        bytes = larger;
      }
    }
    if (rows > 0)
      yield makeBatch(
        schema,
        rows,
        parsers.map((parser) => parser.finish()),
      );
  } finally {
    await handle.close();
  }
}

const tooLong = (held: number): BadRecord => ({ from: 0, to: held, at: 0, reason: `a record is longer than ${recordBytesMax} bytes` });

/** @throws CSV_INVALID unless there is a place for rejects */
async function leaveAside(
  places: PlaceFinder,
  file: InputFile,
  base: number,
  bytes: Uint8Array,
  bad: BadRecord,
  rejects: Rejects | null,
): Promise<void> {
  const { line, column } = await places.find(base + bad.at);
  if (rejects === null) throw invalid(file.path, line, column, bad.reason);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + bad.from, bad.to - bad.from).toString();
  await rejects.add(file.path, line, column, bad.reason, text.replace(/\r?\n$/, ''));
}

/** Lines and columns, from 1, of bytes of a part, asked for in order: counted on from the last one, and only when something is wrong. */
class PlaceFinder {
  readonly #handle: FileHandle;
  readonly #piece = new Uint8Array(65_536);
  /** Up to here lines are counted; this is the line there, and where it starts. */
  #at: number;
  #line: number;
  #start: number;

  constructor(handle: FileHandle, { from, line }: Part) {
    this.#handle = handle;
    this.#at = from;
    this.#line = line;
    this.#start = from;
  }

  async find(at: number): Promise<{ line: number; column: number }> {
    while (this.#at < at) {
      const got = await readFully(this.#handle, this.#piece, 0, Math.min(this.#piece.length, at - this.#at), this.#at);
      if (got === 0) break;
      const lines = countLines(this.#piece, 0, got);
      if (lines > 0) this.#start = this.#at + this.#piece.lastIndexOf(lineFeed, got - 1) + 1;
      this.#line += lines;
      this.#at += got;
    }
    // Columns are characters, as editors count them.
    const before = new Uint8Array(Math.min(at - this.#start, pieceBytes));
    const got = await readFully(this.#handle, before, 0, before.length, this.#start);
    return { line: this.#line, column: 1 + [...Buffer.from(before.subarray(0, got)).toString()].length };
  }
}

async function readFully(handle: FileHandle, bytes: Uint8Array, at: number, length: number, position: number): Promise<number> {
  let got = 0;
  while (got < length) {
    const { bytesRead } = await handle.read(bytes, at + got, length - got, position + got);
    if (bytesRead === 0) break;
    got += bytesRead;
  }
  return got;
}

const invalid = (path: string, line: number, column: number, what: string): SluiceError =>
  new SluiceError('CSV_INVALID', { path, line, column, what });
