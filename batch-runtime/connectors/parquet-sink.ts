/**
 * Writes Parquet: a folder with a file per task, or, with `partitionBy`, a file per task in each folder `column=value`; those
 * columns leave the files for the folder names. Row groups are collected in memory and encoded by parquet-encode.ts; head and foot of a file
 * are hyparquet-writer's. How files become the output is publish.ts.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, type Column, type ColumnType, type Field, formOf, isNested, type Schema } from '../batch/batch.ts';
import { isNull, makeBatch } from '../batch/column.ts';
import { concat } from '../batch/concat.ts';
import { Compactor, toPlain } from '../batch/dictionary.ts';
import { type Form, forms } from '../batch/forms.ts';
import { slice } from '../batch/slice.ts';
import { take } from '../batch/take.ts';
import type { SinkSpec } from '../graph/plan.ts';
import type { Sink, SinkWriter, TaskFolder } from './connector.ts';
import { plainText } from './csv-sink.ts';
import { bitsOf, fileUnit } from './form-columns.ts';
import { folderName } from './input-files.ts';
import { writeChunk, writeLeaf } from './parquet-encode.ts';
import { elementsOf, type FileField, fileField, shred } from './parquet-shred.ts';
import { bytesOf, discardOutput, guarded, type Output, openAttempt, prepareOutput, publishOutput } from './publish.ts';

/** Rows of a row group. */
const groupRows = 122_880;
/** Rows that a task keeps over all its folders; then the fullest becomes a row group, however small. */
const keptRowsMax = 1_048_576;
/** Files that are finished at once. */
const finishedAtOnce = 16;

const outputOf = (sink: SinkSpec): Output => ({ path: String(sink['path']), kind: 'folder', overwrite: sink['overwrite'] === true });
const partitionOf = (sink: SinkSpec): readonly string[] => (sink['partitionBy'] as readonly string[] | undefined) ?? [];

export const parquetSink: Sink = {
  check(sink, schema) {
    const nested = schema.find(({ name, type }) => isNested(type) && partitionOf(sink).includes(name));
    if (nested === undefined) return;
    throw new SluiceError('PLAN_UNSUPPORTED', { what: `${sink['path']}: a folder cannot be named for the ${nested.type.kind} ${nested.name}` });
  },
  single: () => false,
  prepare: (sink, job, earlier) => prepareOutput(outputOf(sink), job, earlier),
  createWriter: (sink, schema, task) => openWriter(outputOf(sink), partitionOf(sink), schema, task),
  publish: (sink, job, written) => publishOutput(outputOf(sink), job, written),
  discard: (sink, job) => discardOutput(outputOf(sink), job),
};

async function openWriter(output: Output, partitionBy: readonly string[], schema: Schema, task: TaskFolder): Promise<SinkWriter> {
  const inFolders = partitionBy.map((name) => schema.findIndex((field) => field.name === name));
  const inFiles = schema.map((_, c) => c).filter((c) => !inFolders.includes(c));
  if (inFiles.length === 0) throw new SluiceError('PLAN_UNSUPPORTED', { what: `${output.path}: partitionBy leaves no column for the files` });
  const fields = inFiles.map((c) => schema[c]!);
  const { folder, name } = await openAttempt(output, task);
  const part = `part-${String(task.task).padStart(5, '0')}.parquet`;
  const files = new Map<string, PartFile>();
  let kept = 0;
  let rows = 0;

  const fileOf = (within: string): PartFile => {
    let file = files.get(within);
    if (file === undefined) {
      file = new PartFile(join(folder, within, part), `${name}/${within === '' ? '' : `${within}/`}${part}`, fields);
      files.set(within, file);
    }
    return file;
  };
  const keep = async (file: PartFile, batch: Batch): Promise<void> => {
    file.add(batch);
    kept += batch.length;
    if (file.kept >= groupRows) kept -= await file.flush();
    while (kept > keptRowsMax) kept -= await [...files.values()].reduce((a, b) => (b.kept > a.kept ? b : a)).flush();
  };

  return {
    write: (batch) =>
      guarded(output.path, async () => {
        rows += batch.length;
        const inFile = makeBatch(
          fields,
          batch.length,
          inFiles.map((c) => batch.columns[c]!),
        );
        if (inFolders.length === 0) {
          await keep(fileOf(''), inFile);
          return;
        }
        for (const [within, of] of rowsByFolder(batch, inFolders)) await keep(fileOf(within), take(inFile, Int32Array.from(of)));
      }),
    finish: () =>
      guarded(output.path, async () => {
        // An output without rows has its columns still: the first task says them.
        if (files.size === 0 && task.task === 0 && inFolders.length === 0) fileOf('');
        let bytes = 0;
        // Some at once: a file waits for the disk, and many small ones would wait in a row.
        const all = [...files.values()];
        for (let i = 0; i < all.length; i += finishedAtOnce) {
          const ended = await Promise.allSettled(all.slice(i, i + finishedAtOnce).map((file) => file.finish()));
          for (const one of ended) {
            if (one.status === 'rejected') throw one.reason;
            bytes += one.value;
          }
        }
        return { rows, bytes, files: [...files.values()].map((file) => file.name) };
      }),
    async abort() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The rows of each folder, in order. */
function rowsByFolder(batch: Batch, inFolders: readonly number[]): Map<string, number[]> {
  const columns = inFolders.map((c) => ({ name: batch.schema[c]!.name, column: batch.columns[c]! }));
  const folders = new Map<string, number[]>();
  // Escaping is dear and values repeat: by their plain texts first.
  const known = new Map<string, string>();
  for (let i = 0; i < batch.length; i++) {
    const texts = columns.map(({ column }) => (isNull(column, i) ? null : plainText(column, i)));
    const key = texts.length === 1 ? `${texts[0] === null ? 0 : 1}${texts[0]}` : JSON.stringify(texts);
    let within = known.get(key);
    if (within === undefined) {
      within = texts.map((text, k) => folderName(columns[k]!.name, text)).join('/');
      known.set(key, within);
    }
    const rows = folders.get(within);
    if (rows === undefined) folders.set(within, [i]);
    else rows.push(i);
  }
  return folders;
}

/** One file that is being written; made with its first row group. */
class PartFile {
  readonly name: string;
  readonly #path: string;
  readonly #fields: Schema;
  readonly #elements: readonly FileField[];
  readonly #compactor = new Compactor();
  readonly #bytes = new ByteWriter(65_536);
  readonly #writer: ParquetWriter;
  #isThere = false;
  #batches: Batch[] = [];
  kept = 0;

  constructor(path: string, name: string, fields: Schema) {
    this.#path = path;
    this.name = name;
    this.#fields = fields;
    this.#elements = fields.map((field) => fileField(field, elementOf));
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      schema: [{ name: 'schema', num_children: fields.length }, ...this.#elements.flatMap(elementsOf)],
      createdBy: 'sluice',
    });
  }

  add(batch: Batch): void {
    this.#batches.push(batch);
    this.kept += batch.length;
  }

  /** Makes row groups of what is kept; answers of how many rows. */
  async flush(): Promise<number> {
    const rows = this.kept;
    for (let all = rows > 0 ? concat(this.#fields, this.#batches) : null; all !== null && all.length > 0; ) {
      const count = Math.min(groupRows, all.length);
      this.#writeGroup(slice(all, 0, count));
      all = slice(all, count, all.length);
    }
    this.#batches = [];
    this.kept = 0;
    await this.#drain();
    return rows;
  }

  #writeGroup(batch: Batch): void {
    const from = this.#bytes.offset;
    const { columns } = this.#compactor.compact(batch);
    // A dictionary that hardly repeats costs more than it saves.
    const cheap = (column: Column): Column => (column.dictionary !== null && 2 * column.dictionary.length > column.length ? toPlain(column) : column);
    const chunks = columns.flatMap((column, c) => {
      const field = this.#elements[c]!;
      if (!isNested(column.type)) return [writeChunk(this.#bytes, field.element, cheap(column))];
      return shred(column, field).map((leaf) => writeLeaf(this.#bytes, { ...leaf, values: cheap(leaf.values) }));
    });
    this.#writer.row_groups.push({
      columns: chunks,
      num_rows: BigInt(batch.length),
      total_byte_size: chunks.reduce((sum, { meta_data }) => sum + (meta_data?.total_uncompressed_size ?? 0n), 0n),
      total_compressed_size: BigInt(this.#bytes.offset - from),
    });
    this.#writer.num_rows += BigInt(batch.length);
  }

  /** Answers the bytes of the file. */
  async finish(): Promise<number> {
    await this.flush();
    await this.#writer.finish();
    await this.#drain(true);
    return bytesOf(this.#path);
  }

  /** A file is open only while bytes go to it: there may be more folders than a process may have files. */
  async #drain(sync = false): Promise<void> {
    if (!this.#isThere) await mkdir(dirname(this.#path), { recursive: true });
    const handle = await open(this.#path, this.#isThere ? 'a' : 'wx');
    this.#isThere = true;
    try {
      await handle.appendFile(this.#bytes.getBytes());
      if (sync) await handle.sync();
    } finally {
      await handle.close();
    }
    // The writer goes on counting from where the file is.
    this.#bytes.index = 0;
  }
}

/** A column of a form, as the file says it. */
function formElement(type: ColumnType, form: Form): Omit<SchemaElement, 'name'> {
  const { meaning, isLocal = false } = forms[form];
  if (meaning === 'bytes') return { type: 'BYTE_ARRAY' };
  if (meaning === 'time')
    return { type: 'INT64', converted_type: 'TIME_MICROS', logical_type: { type: 'TIME', isAdjustedToUTC: false, unit: 'MICROS' } };
  if (meaning === 'moment') {
    const unit = ({ ms: 'MILLIS', us: 'MICROS', ns: 'NANOS', s: 'MILLIS' } as const)[fileUnit(type)];
    const logical = { logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: !isLocal, unit } } as const;
    return unit === 'NANOS' || isLocal ? { type: 'INT64', ...logical } : { type: 'INT64', converted_type: `TIMESTAMP_${unit}`, ...logical };
  }
  if (form === 'float32') return { type: 'FLOAT' };
  const { bits, signed } = bitsOf(type)!;
  // The writer's library writes the width of the logical type in a way that others refuse; the older note says the same.
  return { type: bits === 64 ? 'INT64' : 'INT32', converted_type: `${signed ? '' : 'U'}INT_${bits as 8 | 16 | 32 | 64}` };
}

function elementOf({ name, type, nullable }: Field): SchemaElement {
  const common = { name, repetition_type: nullable ? 'OPTIONAL' : 'REQUIRED' } as const;
  const form = formOf(type);
  if (form !== null) return { ...common, ...formElement(type, form) };
  switch (type.kind) {
    case 'bool':
      return { ...common, type: 'BOOLEAN' };
    case 'int32':
      return { ...common, type: 'INT32' };
    case 'integer':
    case 'int64':
      return { ...common, type: 'INT64' };
    case 'float64':
      return { ...common, type: 'DOUBLE' };
    case 'decimal': {
      const { precision, scale } = type;
      const decimal = { converted_type: 'DECIMAL', precision, scale, logical_type: { type: 'DECIMAL', precision, scale } } as const;
      return precision <= 18 ? { ...common, ...decimal, type: 'INT64' } : { ...common, ...decimal, type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16 };
    }
    case 'utf8':
      return { ...common, type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };
    case 'date':
      return { ...common, type: 'INT32', converted_type: 'DATE', logical_type: { type: 'DATE' } };
    case 'timestamp':
      return {
        ...common,
        type: 'INT64',
        converted_type: 'TIMESTAMP_MICROS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
      };
    case 'list':
    case 'struct':
      throw new SluiceError('INTERNAL', { what: `the element of ${name}, which is a ${type.kind}` });
  }
}
