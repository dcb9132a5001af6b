/**
 * Scans NDJSON files: an object on each line, of which the declared fields are read. Large files are cut into splits at line
 * feeds, which never stand inside a value. A record that cannot be read ends the job with its file, line and column, or goes
 * to the rejects. The grammar is json-scan.ts.
 */
import type { FileHandle } from 'node:fs/promises';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Schema } from '../batch/batch.ts';
import type { ScanRequest, Source } from './connector.ts';
import { Rejects, rejectsSpec } from './csv-rejects.ts';
import { countLines, lineFeed } from './csv-scan.ts';
import { packingOf } from './input-bytes.ts';
import { findFiles, type InputFile } from './input-files.ts';
import { JsonScanner } from './json-scan.ts';
import { valueParser } from './nested-values.ts';
import { openInput } from './parquet-file.ts';
import { countsLines, type Part, pieceBytes, type RecordFormat, readRecords, splitBytes, splitsOf } from './read-records.ts';

/** What names of NDJSON files in a folder end with. */
export const jsonEndings = ['.ndjson', '.jsonl', '.json'] as const;

export const jsonSource: Source = {
  readsColumns: false,

  async plan(request) {
    const files = await findFiles(String(request.source['path']), ...jsonEndings);
    const parts: Part[] = [];
    for (const file of files) parts.push(...(await partsOf(request, file)));
    return splitsOf(parts);
  },

  async *read(request, split, task) {
    const path = request.source['rejects'];
    const rejects = typeof path === 'string' ? new Rejects(path, task) : null;
    const format = formatOf(request.schema);
    let whole = false;
    try {
      for (const part of split.parts as readonly Part[]) yield* readRecords(format, part, request.rejects ?? rejects);
      whole = true;
    } finally {
      await rejects?.close(whole);
    }
  },

  side: (source) => (typeof source['rejects'] === 'string' ? rejectsSpec(source['rejects']) : null),
};

async function partsOf(request: ScanRequest, file: InputFile): Promise<Part[]> {
  const handle = await openInput(file.path);
  try {
    const packing = await packingOf(file.path, handle);
    if (packing !== null) return [{ file, from: 0, to: null, line: 1, packing }];
    const starts = await startsOf(handle, file.size);
    const lines = countsLines(request) ? await linesOf(handle, starts) : null;
    return starts.map((from, i) => ({ file, from, to: starts[i + 1] ?? file.size, line: lines?.[i] ?? null, packing }));
  } finally {
    await handle.close();
  }
}

/** Where lines start at or behind each multiple of splitBytes. Reads nothing but what stands there. */
async function startsOf(handle: FileHandle, size: number): Promise<number[]> {
  const starts: number[] = [];
  const piece = new Uint8Array(65_536);
  for (let at = 0; at < size; ) {
    starts.push(at);
    at = Math.floor(at / splitBytes) * splitBytes + splitBytes - 1;
    for (let feed = -1; feed < 0 && at < size; ) {
      const { bytesRead } = await handle.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return starts;
      feed = piece.subarray(0, bytesRead).indexOf(lineFeed);
      at += feed < 0 ? bytesRead : feed + 1;
    }
  }
  return starts;
}

/** The line of each of these starts. Reads all that is before the last. */
async function linesOf(handle: FileHandle, starts: readonly number[]): Promise<number[]> {
  const lines: number[] = [];
  const piece = new Uint8Array(pieceBytes);
  let line = 1;
  let at = 0;
  for (const start of starts) {
    while (at < start) {
      const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, start - at), at);
      if (bytesRead === 0) break;
      line += countLines(piece, 0, bytesRead);
      at += bytesRead;
    }
    lines.push(line);
  }
  return lines;
}

const formatOf = (schema: Schema): RecordFormat => ({
  schema,
  // `{}` and a line feed.
  recordBytesMin: 3,
  scanner(capacity) {
    const parsers = schema.map(({ type }) => valueParser(type, capacity));
    const scanner = new JsonScanner({
      parsers,
      nullable: schema.map(({ nullable }) => nullable),
      names: schema.map(({ name }) => name),
      isText: schema.map(({ type }) => type.kind === 'utf8'),
    });
    return {
      scan: (bytes, from, end, last, maxRows, stopAtBad) => scanner.scan(bytes, from, end, last, maxRows, stopAtBad),
      finish: () => parsers.map((parser) => parser.finish()),
    };
  },
  invalid: (path, line, column, what) => new SluiceError('JSON_INVALID', { path, line, column, what }),
});
