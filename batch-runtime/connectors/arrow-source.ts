/**
 * Scans Arrow IPC files, in the file and the stream format: record batches are the splits, only declared columns are read, and a
 * file's schema is compared with the declared one before any task runs. Dictionaries of text stay dictionaries, replaced or added to as
 * the file says. Where things lie is arrow-file.ts, what they mean arrow-values.ts.
 */
import type { FileHandle } from 'node:fs/promises';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, batchRows, type Column, type ColumnType, columnTypeText, type Schema } from '../batch/batch.ts';
import { makeBatch } from '../batch/column.ts';
import { concatColumns } from '../batch/concat.ts';
import { slice } from '../batch/slice.ts';
import { typeText } from '../schema.ts';
import { type ArrowFile, openArrow, openRecord, understood } from './arrow-file.ts';
import { type ArrowField, foundText, readsAs } from './arrow-schema.ts';
import { firstNull, type Place, readValues } from './arrow-values.ts';
import type { Source, Split } from './connector.ts';
import { checkUnchanged, findFiles, type InputFile } from './input-files.ts';
import { openInput } from './parquet-file.ts';

/** What names of Arrow files in a folder end with. */
export const arrowEndings = ['.arrow', '.arrows', '.feather', '.ipc'] as const;

/** Record batches [from, to) of a file. */
interface Part {
  readonly file: InputFile;
  readonly from: number;
  readonly to: number;
}

/** Record batches are put together until a split has this much. */
const splitRows = 131_072;
const splitBytes = 16 * 1024 * 1024;

export const arrowSource: Source = {
  readsColumns: true,

  async plan(request) {
    const splits: Split[] = [];
    let parts: Part[] = [];
    let rows = 0;
    let bytes = 0;
    const flush = (): void => {
      if (parts.length > 0) splits.push({ bytes, rows, parts });
      parts = [];
      rows = 0;
      bytes = 0;
    };
    for (const file of await findFiles(String(request.source['path']), ...arrowEndings)) {
      const arrow = await openArrow(file.path);
      bind(request.schema, arrow);
      let from = 0;
      for (const [b, batch] of arrow.batches.entries()) {
        if (rows > 0 && (rows + batch.rows > splitRows || bytes + batch.bodyBytes > splitBytes)) {
          if (b > from) parts.push({ file, from, to: b });
          from = b;
          flush();
        }
        rows += batch.rows;
        bytes += batch.bodyBytes + batch.metadataBytes;
      }
      if (arrow.batches.length > from) parts.push({ file, from, to: arrow.batches.length });
    }
    if (rows > 0) flush();
    return splits;
  },

  async *read(request, split) {
    for (const part of split.parts as readonly Part[]) yield* readPart(request.schema, part);
  },

  side: () => null,
};

/** Which column of the file each declared one is. @throws SCHEMA_DIFFERS */
function bind(schema: Schema, { fields, path }: ArrowFile): number[] {
  return schema.map((field) => {
    const at = fields.findIndex(({ name }) => name === field.name);
    const found = fields[at];
    if (found !== undefined && readsAs(found, field.type)) return at;
    const what = found === undefined ? 'no such column' : foundText(found);
    throw new SluiceError('SCHEMA_DIFFERS', { where: field.name, declared: typeText(field), found: what, path });
  });
}

async function* readPart(schema: Schema, { file, from, to }: Part): AsyncGenerator<Batch> {
  const handle = await openInput(file.path);
  try {
    await checkUnchanged(handle, file);
    const arrow = await openArrow(file.path, handle);
    const indexes = bind(schema, arrow);
    const dictionaries = new Dictionaries(handle, arrow);
    for (let b = from; b < to; b++) {
      const batch = await understood(file.path, () => readBatch(handle, arrow, b, schema, indexes, dictionaries));
      for (let row = 0; row < batch.length; row += batchRows) yield slice(batch, row, Math.min(batch.length, row + batchRows));
    }
  } finally {
    await handle.close();
  }
}

async function readBatch(
  handle: FileHandle,
  arrow: ArrowFile,
  b: number,
  schema: Schema,
  indexes: readonly number[],
  dictionaries: Dictionaries,
): Promise<Batch> {
  const { path, fields, batches } = arrow;
  const record = await openRecord(handle, path, batches[b]!, fields);
  const columns: Column[] = [];
  for (const [c, field] of schema.entries()) {
    const index = indexes[c]!;
    const found = fields[index]!;
    const values = new Map<string, Column | null>();
    for (const { id, type } of codedIn(found, field.type)) values.set(readAs(id, type), await dictionaries.before(b, id, type));
    const place: Place = { column: field.name, path, dictionary: (id, type) => values.get(readAs(id, type)) ?? null };
    const column = readValues(found, field.type, await record.column(index), place);
    if (column.length !== record.rows) throw new Error(`column ${field.name} has ${column.length} rows, its record batch ${record.rows}`);
    const missing = field.nullable ? column.length : firstNull(column);
    if (missing < column.length) {
      const row = batches.slice(0, b).reduce((sum, one) => sum + one.rows, missing + 1);
      throw new SluiceError('NULL_IN_COLUMN', { column: field.name, path, row });
    }
    columns.push(column);
  }
  return makeBatch(schema, record.rows, columns);
}

/** The dictionaries that a field and its children are coded by, with the types they are read as. */
function codedIn(found: ArrowField, type: ColumnType): { readonly id: number; readonly type: ColumnType }[] {
  if (found.dictionary !== null) return [{ id: found.dictionary.id, type }];
  if (type.kind === 'list') return codedIn(found.children[0]!, type.item.type);
  if (type.kind !== 'struct') return [];
  return type.fields.flatMap((field) => codedIn(found.children.find(({ name }) => name === field.name)!, field.type));
}

/** A dictionary as values of a type: columns that share one may be declared differently. */
const readAs = (id: number, type: ColumnType): string => `${id} ${columnTypeText(type)}`;

/** The dictionaries of a file as they stand before a record batch, each read once; later batches mostly mean the same. */
class Dictionaries {
  readonly #handle: FileHandle;
  readonly #arrow: ArrowFile;
  /** By what it is read as: up to which of the file's dictionaries it is put together, and the values. */
  readonly #read = new Map<string, { readonly last: number; readonly values: Column }>();

  constructor(handle: FileHandle, arrow: ArrowFile) {
    this.#handle = handle;
    this.#arrow = arrow;
  }

  async before(batch: number, id: number, type: ColumnType): Promise<Column | null> {
    const { dictionaries, coded, path } = this.#arrow;
    const last = dictionaries.findLastIndex((one) => one.id === id && one.after <= batch);
    if (last < 0) return null;
    const known = this.#read.get(readAs(id, type));
    if (known?.last === last) return known.values;
    const first = dictionaries.findLastIndex((one, i) => one.id === id && i <= last && !one.isDelta);
    if (first < 0) throw new Error(`dictionary ${id} is added to before it is there`);
    const goesOn = known !== undefined && known.last >= first;
    const parts: Column[] = goesOn ? [known.values] : [];
    const field = coded.get(id)!;
    for (let i = goesOn ? known.last + 1 : first; i <= last; i++) {
      const message = dictionaries[i]!;
      if (message.id !== id) continue;
      const record = await openRecord(this.#handle, path, message, [field], true);
      const place: Place = { column: field.name, path, dictionary: () => null };
      const values = readValues(field, type, await record.column(0), place);
      if (values.length !== message.rows) throw new Error(`dictionary ${id} has ${values.length} values and says ${message.rows}`);
      parts.push(values);
    }
    const values = concatColumns(
      type,
      parts,
      parts.reduce((sum, one) => sum + one.length, 0),
    );
    this.#read.set(readAs(id, type), { last, values });
    return values;
  }
}
