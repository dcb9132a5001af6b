/**
 * Scans CSV files with a header line: finds the declared columns by their names, cuts large files into splits at the starts
 * of records, so that quoted line feeds are right, and reads a split piece by piece. A record that cannot be read ends the
 * job with its file, line and column, or goes to the rejects. The grammar is csv-scan.ts, values are csv-values.ts.
 */
import type { FileHandle } from 'node:fs/promises';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, isNested, type Schema } from '../batch/batch.ts';
import { typeText } from '../schema.ts';
import type { RejectsTaker } from './bad-lines.ts';
import type { ScanRequest, Source } from './connector.ts';
import { Rejects, rejectsSpec } from './csv-rejects.ts';
import { type Boundary, BoundaryFinder, countLines, firstInvalid, firstRecord, type ScanShape, scanRecords } from './csv-scan.ts';
import { fieldParser } from './csv-values.ts';
import { type ByteRange, openBytes, packingOf } from './input-bytes.ts';
import { findFiles, type InputFile } from './input-files.ts';
import { openInput } from './parquet-file.ts';
import { countsLines, type Part, pieceBytes, type RecordFormat, readRecords, recordBytesMax, splitBytes, splitsOf } from './read-records.ts';

const delimiter = 0x2c;
const byteOrderMark = [0xef, 0xbb, 0xbf];

export const csvSource: Source = {
  readsColumns: false,

  async plan(request) {
    const nested = request.schema.find(({ type }) => isNested(type));
    if (nested !== undefined)
      throw new SluiceError('PLAN_UNSUPPORTED', {
        what: `${request.source['path']}: CSV has no ${nested.type.kind} for column ${nested.name}: declare it utf8() and split it, or ask it for .json(path)`,
      });
    const files = await findFiles(String(request.source['path']), '.csv');
    const parts: Part[] = [];
    for (const file of files) parts.push(...(await partsOf(request, file)));
    return splitsOf(parts);
  },

  async *read(request, split, task) {
    const path = request.source['rejects'];
    const rejects = typeof path === 'string' ? new Rejects(path, task) : null;
    let whole = false;
    try {
      for (const part of split.parts as readonly Part[]) yield* readPart(request.schema, part, request.rejects ?? rejects);
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
async function readHeader(range: ByteRange): Promise<Header> {
  const { path, size } = range.file;
  const input = await openBytes({ ...range, from: 0, to: range.packing === null ? size : null });
  try {
    let bytes = new Uint8Array(65_536);
    for (let got = 0; ; ) {
      const wanted = bytes.length - got;
      const more = await input.read(bytes, got, wanted);
      got += more;
      const last = more < wanted;
      const from = byteOrderMark.every((byte, i) => got > i && bytes[i] === byte) ? byteOrderMark.length : 0;
      const found = got > from ? firstRecord(bytes, from, got, last, delimiter) : null;
      if (found !== null) {
        const wrong = firstInvalid(bytes.subarray(from, found.next));
        if (wrong < found.next - from) throw invalid(path, 1, wrong + 1, 'invalid UTF-8');
        return { names: found.names, next: { at: found.next, line: 1 + countLines(bytes, 0, found.next) } };
      }
      if (last || got >= recordBytesMax)
        throw invalid(path, 1, 1, got > from ? 'the quote of a column name is never closed' : 'there is no header line');
      const larger = new Uint8Array(4 * bytes.length);
      larger.set(bytes);
      bytes = larger;
    }
  } finally {
    await input.close();
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

/** The names in the header. @throws CSV_INVALID, FILE_CORRUPT */
export async function csvColumns(file: InputFile): Promise<readonly string[]> {
  const handle = await openInput(file.path);
  const packing = await packingOf(file.path, handle).finally(() => handle.close());
  return (await readHeader({ file, from: 0, to: null, packing })).names;
}

async function partsOf(request: ScanRequest, file: InputFile): Promise<Part[]> {
  const handle = await openInput(file.path);
  try {
    const packing = await packingOf(file.path, handle);
    const header = await readHeader({ file, from: 0, to: null, packing });
    bind(request.schema, header, file.path);
    const next = countsLines(request) ? header.next : { ...header.next, line: null };
    if (packing !== null) return [{ file, from: next.at, to: null, line: next.line, packing }];
    const cuts = file.size > splitBytes ? await boundariesOf(handle, file, next) : [];
    const starts = [next, ...cuts].filter(({ at }) => at < file.size);
    return starts.map(({ at, line }, i) => ({ file, from: at, to: starts[i + 1]?.at ?? file.size, line, packing }));
  } finally {
    await handle.close();
  }
}

async function boundariesOf(handle: FileHandle, file: InputFile, start: Boundary): Promise<readonly Boundary[]> {
  const finder = new BoundaryFinder(start, delimiter, splitBytes);
  // One piece is read while the one before is looked at.
  const pieces = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)] as const;
  const read = (at: number, into: Uint8Array) => handle.read(into, 0, Math.min(into.length, file.size - at), at);
  let coming = read(start.at, pieces[0]);
  for (let at = start.at, turn = 0; at < file.size; turn = 1 - turn) {
    const { bytesRead: got, buffer: piece } = await coming;
    if (got === 0) break;
    at += got;
    coming = read(at, pieces[1 - turn]!);
    finder.push(piece.subarray(0, got));
  }
  await coming;
  return finder.found;
}

/** How the records of one file are read. */
function formatOf(schema: Schema, header: Header, path: string): RecordFormat {
  const targets = bind(schema, header, path);
  return {
    schema,
    // A byte per field at least.
    recordBytesMin: header.names.length,
    scanner(capacity) {
      const parsers = schema.map(({ type }) => fieldParser(type, capacity));
      const shape: ScanShape = {
        delimiter,
        width: header.names.length,
        targets,
        parsers,
        nullable: schema.map(({ nullable }) => nullable),
        names: schema.map(({ name }) => name),
        isText: schema.map(({ type }) => type.kind === 'utf8'),
        nullText: null,
      };
      return {
        scan: (bytes, from, end, last, maxRows, stopAtBad) => scanRecords(shape, bytes, from, end, last, maxRows, stopAtBad),
        finish: () => parsers.map((parser) => parser.finish()),
      };
    },
    invalid,
  };
}

async function* readPart(schema: Schema, part: Part, rejects: RejectsTaker | null): AsyncGenerator<Batch> {
  const header = await readHeader(part);
  yield* readRecords(formatOf(schema, header, part.file.path), part, rejects);
}

const invalid = (path: string, line: number, column: number, what: string): SluiceError =>
  new SluiceError('CSV_INVALID', { path, line, column, what });
