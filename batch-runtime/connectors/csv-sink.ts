/**
 * Writes CSV: a path that ends in `.csv` is one file in row order, else it is a folder of parts. A header line stands first in
 * each file. Null is nothing between two delimiters and empty text is `""`, so that the two stay apart; text is quoted where
 * it has to be. How files become the output is publish.ts.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Batch, Column, Schema } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { isNull } from '../batch/column.ts';
import { lanesToBigInt } from '../batch/lanes.ts';
import { textAt } from '../batch/rows.ts';
import { formatDate, formatTimestamp } from '../expression/calendar.ts';
import type { SinkSpec } from '../graph/plan.ts';
import type { Sink, SinkWriter, TaskFolder } from './connector.ts';
import { bytesOf, discardOutput, guarded, type Output, openAttempt, prepareOutput, publishOutput } from './publish.ts';

/** Rows put into one piece of text before it goes to the file. */
const rowsAtOnce = 4096;

const isFile = (sink: SinkSpec): boolean => String(sink['path']).endsWith('.csv');
const outputOf = (sink: SinkSpec): Output => ({
  path: String(sink['path']),
  kind: isFile(sink) ? 'file' : 'folder',
  overwrite: sink['overwrite'] === true,
});

export const csvSink: Sink = {
  single: isFile,
  prepare: (sink, job, earlier) => prepareOutput(outputOf(sink), job, earlier),
  createWriter: (sink, schema, task) => openWriter(outputOf(sink), schema, task),
  publish: (sink, job, written) => publishOutput(outputOf(sink), job, written),
  discard: (sink, job) => discardOutput(outputOf(sink), job),
};

async function openWriter(output: Output, schema: Schema, task: TaskFolder): Promise<SinkWriter> {
  const { folder, name } = await openAttempt(output, task);
  const file = `part-${String(task.task).padStart(5, '0')}.csv`;
  const path = join(folder, file);
  let handle: FileHandle | null = null;
  let rows = 0;
  const write = async (text: string): Promise<void> => {
    if (handle === null) {
      handle = await open(path, 'wx');
      await handle.appendFile(record(schema.map((field) => quoted(field.name))));
    }
    await handle.appendFile(text);
  };
  return {
    write: (batch) =>
      guarded(output.path, async () => {
        for (let from = 0; from < batch.length; from += rowsAtOnce) await write(recordsOf(batch, from, Math.min(batch.length, from + rowsAtOnce)));
        rows += batch.length;
      }),
    finish: () =>
      guarded(output.path, async () => {
        // An output without rows has its columns still: the first task says them.
        if (rows === 0 && task.task === 0) await write('');
        if (handle === null) return { rows: 0, bytes: 0, files: [] };
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

/** The records of rows [from, to). */
function recordsOf(batch: Batch, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += record(batch.columns.map((column) => fieldText(column, i)));
  return text;
}

/** A line of fields as they stand in the file. */
export const record = (fields: readonly string[]): string => `${fields.join(',')}\n`;

/** A text as a field: in quotes where it would not be read back as it is. */
export const quoted = (text: string): string => (text === '' || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function fieldText(column: Column, i: number): string {
  if (isNull(column, i)) return '';
  return column.type.kind === 'utf8' ? quoted(textAt(column, i)) : plainText(column, i);
}

/** A value that is there as text without quotes: whole numbers as digits, times as ISO text, UTC. Folders of partitions are named so too. */
export function plainText(column: Column, i: number): string {
  const { data } = column;
  switch (column.type.kind) {
    case 'bool':
      return bitAt(data as Uint8Array, i) === 1 ? 'true' : 'false';
    case 'int32':
      return String(data[i]!);
    case 'float64':
      return Object.is(data[i]!, -0) ? '-0' : String(data[i]!);
    case 'integer':
    case 'int64':
      return String(lanesToBigInt(data[2 * i]!, data[2 * i + 1]!));
    case 'utf8':
      return textAt(column, i);
    case 'date':
      return formatDate(data[i]!);
    case 'timestamp':
      return formatTimestamp(lanesToBigInt(data[2 * i]!, data[2 * i + 1]!));
  }
}
