/**
 * Writes formats of text: a path that ends as the format's files do is one file in row order, else it is a folder of parts.
 * Packed with gzip or zstd when the sink or the name says so. How files become the output is publish.ts; what a line is, is
 * the format's affair. Used by the CSV and JSON sinks.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';
import type { Batch, Schema } from '../batch/batch.ts';
import type { SinkSpec } from '../graph/plan.ts';
import type { Sink, SinkWriter, TaskFolder } from './connector.ts';
import { endings, type Packing, packingOfName, unpackedName } from './input-bytes.ts';
import { bytesOf, discardOutput, guarded, type Output, openAttempt, prepareOutput, publishOutput } from './publish.ts';

export interface TextFormat {
  /** As a sink's. */
  check?(sink: SinkSpec, schema: Schema): void;
  /** What names of its files end with; parts of a folder with the first. */
  readonly endings: readonly string[];
  /** What stands first in each file. */
  head(schema: Schema): string;
  /** Rows [from, to) of a batch. */
  lines(batch: Batch, from: number, to: number): string;
}

/** Rows put into one piece of text before it goes to the file. */
const rowsAtOnce = 4096;

export function textSink(format: TextFormat): Sink {
  const isFile = (sink: SinkSpec): boolean => format.endings.some((ending) => unpackedName(String(sink['path'])).endsWith(ending));
  const outputOf = (sink: SinkSpec): Output => ({
    path: String(sink['path']),
    kind: isFile(sink) ? 'file' : 'folder',
    overwrite: sink['overwrite'] === true,
  });
  return {
    ...(format.check === undefined ? {} : { check: format.check }),
    single: isFile,
    prepare: (sink, job, earlier) => prepareOutput(outputOf(sink), job, earlier),
    createWriter: (sink, schema, task) => {
      const packing = (sink['compression'] as Packing | null | undefined) ?? packingOfName(String(sink['path']));
      return openWriter(format, outputOf(sink), packing, schema, task);
    },
    publish: (sink, job, written) => publishOutput(outputOf(sink), job, written),
    discard: (sink, job) => discardOutput(outputOf(sink), job),
  };
}

async function openWriter(format: TextFormat, output: Output, packing: Packing | null, schema: Schema, task: TaskFolder): Promise<SinkWriter> {
  const { folder, name } = await openAttempt(output, task);
  const file = `part-${String(task.task).padStart(5, '0')}${format.endings[0]}${packing === null ? '' : endings[packing]}`;
  const path = join(folder, file);
  let handle: FileHandle | null = null;
  let packer: Packer | null = null;
  let rows = 0;
  const write = async (text: string): Promise<void> => {
    if (handle === null) {
      handle = await open(path, 'wx');
      if (packing !== null) packer = new Packer(packing, handle);
      await put(format.head(schema));
    }
    await put(text);
  };
  const put = async (text: string): Promise<void> => {
    if (text === '') return;
    if (packer !== null) await packer.write(text);
    else await handle?.appendFile(text);
  };
  return {
    write: (batch) =>
      guarded(output.path, async () => {
        for (let from = 0; from < batch.length; from += rowsAtOnce) await write(format.lines(batch, from, Math.min(batch.length, from + rowsAtOnce)));
        rows += batch.length;
      }),
    finish: () =>
      guarded(output.path, async () => {
        // An output without rows has its columns still: the first task says them.
        if (rows === 0 && task.task === 0) await write('');
        if (handle === null) return { rows: 0, bytes: 0, files: [] };
        await packer?.end();
        await handle.sync();
        await handle.close();
        return { rows, bytes: await bytesOf(path), files: [`${name}/${file}`] };
      }),
    async abort() {
      packer?.destroy();
      await handle?.close().catch(() => {});
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Text in, packed bytes to a file. */
class Packer {
  readonly #stream: Transform;
  readonly #written: Promise<void>;

  constructor(packing: Packing, handle: FileHandle) {
    const stream = packing === 'gzip' ? createGzip({ level: 6 }) : createZstdCompress();
    this.#stream = stream;
    this.#written = (async () => {
      for await (const chunk of stream) await handle.appendFile(chunk as Uint8Array);
    })();
    this.#written.catch(() => {});
  }

  /** @throws what writing the file threw */
  async write(text: string): Promise<void> {
    const taken = new Promise<void>((resolve, reject) => {
      this.#stream.write(text, (thrown) => (thrown ? reject(thrown) : resolve()));
    });
    await Promise.race([taken, this.#written.then(() => taken)]);
  }

  async end(): Promise<void> {
    this.#stream.end();
    await this.#written;
    await finished(this.#stream);
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
