/**
 * Writes Arrow IPC files in the file format: a path that ends as such files do is one file in row order, else it is a folder of parts.
 * Small batches are put together to record batches of a useful size. What the bytes are is arrow-encode.ts, how files become the output
 * publish.ts.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Batch, batchRows, type Schema } from '../batch/batch.ts';
import { concat } from '../batch/concat.ts';
import type { SinkSpec } from '../graph/plan.ts';
import { type ArrowEncoder, createArrowEncoder } from './arrow-encode.ts';
import { arrowEndings } from './arrow-source.ts';
import type { Sink, SinkWriter, TaskFolder } from './connector.ts';
import { bytesOf, discardOutput, guarded, type Output, openAttempt, prepareOutput, publishOutput } from './publish.ts';

const isFile = (sink: SinkSpec): boolean => arrowEndings.some((ending) => String(sink['path']).endsWith(ending));
const outputOf = (sink: SinkSpec): Output => ({
  path: String(sink['path']),
  kind: isFile(sink) ? 'file' : 'folder',
  overwrite: sink['overwrite'] === true,
});

export const arrowSink: Sink = {
  single: isFile,
  prepare: (sink, job, earlier) => prepareOutput(outputOf(sink), job, earlier),
  createWriter: (sink, schema, task) => openWriter(outputOf(sink), sink['compression'] === 'zstd', schema, task),
  publish: (sink, job, written) => publishOutput(outputOf(sink), job, written),
  discard: (sink, job) => discardOutput(outputOf(sink), job),
};

async function openWriter(output: Output, isPacked: boolean, schema: Schema, task: TaskFolder): Promise<SinkWriter> {
  const { folder, name } = await openAttempt(output, task);
  const file = `part-${String(task.task).padStart(5, '0')}${arrowEndings[0]}`;
  const path = join(folder, file);
  let handle: FileHandle | null = null;
  let encoder: ArrowEncoder | null = null;
  let kept: Batch[] = [];
  let keptRows = 0;
  let rows = 0;
  const begin = async (): Promise<{ to: FileHandle; by: ArrowEncoder }> => {
    if (handle !== null && encoder !== null) return { to: handle, by: encoder };
    handle = await open(path, 'wx');
    encoder = createArrowEncoder(schema, isPacked);
    await handle.appendFile(encoder.head());
    return { to: handle, by: encoder };
  };
  const flush = async (): Promise<void> => {
    if (keptRows === 0) return;
    const { to, by } = await begin();
    await to.appendFile(Buffer.concat(by.batch(concat(schema, kept))));
    kept = [];
    keptRows = 0;
  };
  return {
    write: (batch) =>
      guarded(output.path, async () => {
        if (batch.length === 0) return;
        if (keptRows + batch.length > batchRows) await flush();
        kept.push(batch);
        keptRows += batch.length;
        rows += batch.length;
      }),
    finish: () =>
      guarded(output.path, async () => {
        await flush();
        // An output without rows has its columns still: the first task says them.
        if (rows === 0 && task.task === 0) await begin();
        if (handle === null || encoder === null) return { rows: 0, bytes: 0, files: [] };
        await handle.appendFile(encoder.foot());
        await handle.sync();
        await handle.close();
        return { rows, bytes: await bytesOf(path), files: [`${name}/${file}`] };
      }),
    async abort() {
      await handle?.close().catch(() => {});
      await rm(folder, { recursive: true, force: true });
    },
  };
}
