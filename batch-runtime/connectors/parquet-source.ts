/**
 * Scans Parquet files: row groups are the splits, only declared columns are read, row groups whose statistics rule the
 * predicate out are skipped, and a file's schema is compared with the declared one before any task runs. Columns of
 * `name=value` folders are read too. Footers are parquet-file.ts, pages parquet-pages.ts.
 */
import type { FileHandle } from 'node:fs/promises';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, batchRows, type Column, type ColumnType, type Field, isNested, type Schema } from '../batch/batch.ts';
import { makeBatch, makeColumn, nullColumn } from '../batch/column.ts';
import { sliceColumn } from '../batch/slice.ts';
import { takeColumn } from '../batch/take.ts';
import { mayBeTrue } from '../expression/statistics.ts';
import { valueAt } from '../expression/values.ts';
import { typeText } from '../schema.ts';
import type { ScanRequest, Source, Split } from './connector.ts';
import { type FieldParser, fieldParser } from './csv-values.ts';
import { checkUnchanged, findFiles, folderValues, type InputFile } from './input-files.ts';
import { assemble, type Levels } from './parquet-assemble.ts';
import {
  type Conversion,
  conversionOf,
  corrupt,
  leavesOf,
  openInput,
  type ParquetColumn,
  type ParquetFile,
  type RowGroup,
  readFooter,
  statisticsOf,
} from './parquet-file.ts';
import { ChunkReader } from './parquet-pages.ts';
import type { ParquetShape } from './parquet-shape.ts';

/** Row groups of a split: what one task reads of one file. */
interface Part {
  readonly file: InputFile;
  readonly groups: readonly number[];
}

/** Row groups are put together until a split has this much. */
const splitRows = 131_072;
const splitBytes = 16 * 1024 * 1024;
/** Footers read at once. */
const footersAtOnce = 16;

export const parquetSource: Source = {
  readsColumns: true,

  async plan(request) {
    const files = await findFiles(String(request.source['path']), '.parquet');
    const found: { file: InputFile; groups: readonly number[]; parquet: ParquetFile }[] = [];
    for (let i = 0; i < files.length; i += footersAtOnce) {
      const some = files.slice(i, i + footersAtOnce).map(async (file) => {
        const parquet = await readFooter(file.path);
        const bindings = bind(request.schema, parquet);
        const groups = parquet.groups.flatMap((group, g) => (group.rows > 0 && mayMatch(request, group, bindings) ? [g] : []));
        return { file, groups, parquet };
      });
      found.push(...(await Promise.all(some)));
    }
    return splitsOf(found);
  },

  async *read(request, split) {
    for (const part of split.parts as readonly Part[]) yield* readPart(request.schema, part);
  },

  side: () => null,
};

function splitsOf(found: readonly { file: InputFile; groups: readonly number[]; parquet: ParquetFile }[]): Split[] {
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
  for (const { file, groups, parquet } of found) {
    let some: number[] = [];
    for (const g of groups) {
      const group = parquet.groups[g]!;
      if (rows > 0 && (rows + group.rows > splitRows || bytes + group.bytes > splitBytes)) {
        if (some.length > 0) parts.push({ file, groups: some });
        some = [];
        flush();
      }
      some.push(g);
      rows += group.rows;
      bytes += group.bytes;
    }
    if (some.length > 0) parts.push({ file, groups: some });
  }
  flush();
  return splits;
}

/** Where a declared column comes from: a column of the file, or the value of a folder. */
type Binding =
  | { readonly kind: 'file'; readonly field: Field; readonly column: ParquetColumn; readonly conversion: Conversion }
  /** A list or a struct, put together from these leaves of the file. */
  | { readonly kind: 'nested'; readonly field: Field; readonly shape: ParquetShape; readonly leaves: NonNullable<ReturnType<typeof leavesOf>> }
  | { readonly kind: 'folder'; readonly field: Field; readonly values: Column };

/** @throws SCHEMA_DIFFERS */
function bind(schema: Schema, file: ParquetFile): Binding[] {
  const folders = folderValues(file.path);
  return schema.map((field): Binding => {
    const differs = (found: string): SluiceError =>
      new SluiceError('SCHEMA_DIFFERS', { where: field.name, declared: typeText(field), found, path: file.path });
    const folder = folders.get(field.name);
    if (folder !== undefined) {
      const values = isNested(field.type) ? 'a text' : constant(field, folder);
      if (typeof values === 'string') throw differs(`the folder ${field.name}=${folder ?? ''}, ${values}`);
      return { kind: 'folder', field, values };
    }
    const column = file.columns.get(field.name);
    if (column === undefined) throw differs('no such column');
    if (isNested(field.type)) {
      const leaves = leavesOf(column.shape, field);
      if (leaves === null || leaves.length === 0) throw differs(column.found);
      return { kind: 'nested', field, shape: narrowed(column.shape, field.type), leaves };
    }
    const conversion = column.chunk < 0 ? null : conversionOf(column, field);
    if (conversion === null) throw differs(column.found);
    return { kind: 'file', field, column, conversion };
  });
}

/** The shape with only those fields of structs that are declared, whose leaves alone are read. */
function narrowed(shape: ParquetShape, type: ColumnType): ParquetShape {
  if (shape.kind === 'list' && type.kind === 'list') return { ...shape, item: narrowed(shape.item, type.item.type) };
  if (shape.kind !== 'struct' || type.kind !== 'struct') return shape;
  return { ...shape, fields: new Map(type.fields.map(({ name, type: of }) => [name, narrowed(shape.fields.get(name)!, of)])) };
}

/** A batch's worth of one value; or why it cannot be. */
function constant(field: Field, text: string | null): Column | string {
  if (text === null) return field.nullable ? nullColumn(field.type, batchRows) : 'which is null';
  const parser: FieldParser = fieldParser(field.type, 1);
  const bytes = Buffer.from(text);
  const wrong = parser.append(bytes, 0, bytes.length);
  if (wrong !== null) return wrong;
  const one = parser.finish();
  // Row 0, again and again; of text just the code 0.
  const rows = new Int32Array(batchRows);
  return one.dictionary === null ? takeColumn(one, rows) : makeColumn(one.type, batchRows, rows, null, null, one.dictionary);
}

function mayMatch({ predicate }: ScanRequest, group: RowGroup, bindings: readonly Binding[]): boolean {
  if (predicate === null) return true;
  return mayBeTrue(predicate, (name) => {
    const binding = bindings.find(({ field }) => field.name === name);
    if (binding?.kind === 'file') return statisticsOf(group, binding.column, binding.conversion, binding.field);
    const value = binding?.kind === 'folder' ? valueAt(binding.values, 0) : undefined;
    return value === undefined ? undefined : { min: value, max: value, nullCount: value === null ? group.rows : 0, rows: group.rows };
  });
}

async function* readPart(schema: Schema, { file, groups }: Part): AsyncGenerator<Batch> {
  const handle = await openInput(file.path);
  try {
    await checkUnchanged(handle, file);
    const parquet = await readFooter(file.path, handle);
    const bindings = bind(schema, parquet);
    for (const g of groups) yield* readGroup(handle, parquet, parquet.groups[g]!, schema, bindings);
  } finally {
    await handle.close();
  }
}

async function* readGroup(
  handle: FileHandle,
  { path }: ParquetFile,
  group: RowGroup,
  schema: Schema,
  bindings: readonly Binding[],
): AsyncGenerator<Batch> {
  const readers = await Promise.all(
    bindings.map(async (binding) => {
      if (binding.kind !== 'file') return null;
      const { optional, physical, chunk } = binding.column;
      const place = { path, chunk: group.chunks[chunk]!, rows: group.rows, firstRow: group.firstRow, optional, physical };
      return ChunkReader.open(handle, place, binding.conversion, binding.field);
    }),
  );
  // Lists and structs are put together for the row group as a whole.
  const whole = await Promise.all(bindings.map((binding) => (binding.kind === 'nested' ? readNested(handle, path, group, binding) : null)));
  for (let row = 0; row < group.rows; row += batchRows) {
    const count = Math.min(batchRows, group.rows - row);
    const columns: Column[] = [];
    for (let c = 0; c < bindings.length; c++) {
      const binding = bindings[c]!;
      if (binding.kind === 'folder') columns.push(sliceColumn(binding.values, 0, count));
      else columns.push(binding.kind === 'nested' ? sliceColumn(whole[c]!, row, row + count) : await readers[c]!.read(count));
    }
    yield makeBatch(schema, count, columns);
  }
}

/** A list or a struct of a row group. */
async function readNested(
  handle: FileHandle,
  path: string,
  group: RowGroup,
  { field, shape, leaves }: Extract<Binding, { kind: 'nested' }>,
): Promise<Column> {
  const levels = new Map<number, Levels>();
  for (const leaf of leaves) {
    const { physical, chunk, shape: of } = leaf.column;
    const most = of.kind === 'leaf' ? { rep: of.rep, def: of.def } : { rep: 0, def: 0 };
    const place = { path, chunk: group.chunks[chunk]!, rows: group.rows, firstRow: group.firstRow, optional: false, physical, levels: most };
    const reader = await ChunkReader.open(handle, place, leaf.conversion, { ...leaf.field, nullable: true });
    levels.set(chunk, await reader.readLeaf());
  }
  const of = (chunk: number): Levels => levels.get(chunk)!;
  try {
    const column = assemble(shape, field, { path, firstRow: group.firstRow, of });
    if (column.length !== group.rows) throw new Error(`column ${field.name} has ${column.length} rows, its row group ${group.rows}`);
    return column;
  } catch (thrown) {
    if (thrown instanceof SluiceError) throw thrown;
    throw corrupt(path, (thrown as Error).message, thrown);
  }
}
