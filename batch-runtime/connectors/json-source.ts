/**
 * Scans NDJSON files: an object on each line, of which the declared fields are read. Large files are cut into splits at line
 * feeds, which never stand inside a value. A record that cannot be read ends the job with its file, line and column, or goes
 * to the rejects. The grammar is json-scan.ts.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Schema } from '../batch/batch.ts';
import type { Source } from './connector.ts';
import { Rejects, rejectsSpec } from './csv-rejects.ts';
import { countLines, lineFeed } from './csv-scan.ts';
import { packingOf } from './input-bytes.ts';
import { findFiles, type InputFile } from './input-files.ts';
import { JsonScanner } from './json-scan.ts';
import { valueParser } from './nested-values.ts';
import { openInput } from './parquet-file.ts';
import { type Part, pieceBytes, type RecordFormat, readRecords, splitBytes, splitsOf } from './read-records.ts';

/** What names of NDJSON files in a folder end with. */
export const jsonEndings = ['.ndjson', '.jsonl', '.json'] as const;

export const jsonSource: Source = {
  readsColumns: false,

  async plan(request) {
    const files = await findFiles(String(request.source['path']), ...jsonEndings);
    const parts: Part[] = [];
    for (const file of files) parts.push(...(await partsOf(file)));
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

async function partsOf(file: InputFile): Promise<Part[]> {
  const handle = await openInput(file.path);
  try {
    const packing = await packingOf(file.path, handle);
    if (packing !== null) return [{ file, from: 0, to: null, line: 1, packing }];
    const starts = [{ at: 0, line: 1 }];
    if (file.size > splitBytes) {
      // Lines are counted on the way, so that an error in any split knows its own.
      const piece = new Uint8Array(pieceBytes);
      let line = 1;
      let target = splitBytes;
      for (let at = 0; at < file.size; ) {
        const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, file.size - at), at);
        if (bytesRead === 0) break;
        let counted = 0;
        for (;;) {
          const feed = piece.indexOf(lineFeed, Math.max(0, target - 1 - at));
          if (target - 1 - at >= bytesRead || feed < 0 || feed >= bytesRead) break;
          line += countLines(piece, counted, feed + 1);
          counted = feed + 1;
          starts.push({ at: at + feed + 1, line });
          target = Math.floor((at + feed + 1) / splitBytes) * splitBytes + splitBytes;
        }
        line += countLines(piece, counted, bytesRead);
        at += bytesRead;
      }
    }
    return starts
      .filter(({ at }) => at < file.size)
      .map(({ at, line }, i) => ({ file, from: at, to: starts[i + 1]?.at ?? file.size, line, packing }));
  } finally {
    await handle.close();
  }
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
