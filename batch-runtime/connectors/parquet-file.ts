/**
 * What the footer of a Parquet file says: its flat columns, its row groups, where each column chunk lies, its
 * statistics; and how a column of it becomes one of ours. hyparquet parses the footer, everything is checked here before it is
 * believed. Pages are parquet-pages.ts; called by parquet-source.ts.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { FileMetaData, SchemaElement } from 'hyparquet';
import { parquetMetadata } from 'hyparquet/src/metadata.js';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type ColumnType, columnTypeText, type Field, formOf, typeOfForm } from '../batch/batch.ts';
import { mostDigits } from '../batch/decimal.ts';
import { type Form, forms, type TimeUnit } from '../batch/forms.ts';
import type { ColumnStatistics } from '../expression/statistics.ts';
import type { Value } from '../expression/values.ts';
import { holds, nanosOf } from './form-columns.ts';
import { bigEndian } from './parquet-decimals.ts';
import { type ParquetShape, shapeAt } from './parquet-shape.ts';

/** How values lie in the pages, and what is done to them on the way: `unit` is what a timestamp is divided into. */
export type Conversion =
  /** INT32 to one word or, signed or not, two lanes. */
  | { readonly kind: 'int32'; readonly to: 'word' | 'lanes'; readonly unsigned: boolean }
  /** INT64 to two lanes. safe: within +-(2^53 - 1); unsigned: the file's values are, ours are not. */
  | { readonly kind: 'int64'; readonly check: 'none' | 'safe' | 'unsigned' | 'unsigned safe' }
  | { readonly kind: 'timestamp'; readonly unit: 'millis' | 'micros' | 'nanos' | 'int96' }
  /** INT32, INT64, or big-endian bytes, fixed (`bytes` of them) or with a length each (0), as unscaled numbers. */
  | { readonly kind: 'decimal'; readonly from: 'words' | 'lanes' | 'bytes'; readonly bytes: number; readonly precision: number }
  | { readonly kind: 'float32' }
  | { readonly kind: 'float64' }
  /** Whole numbers without a sign, as uint64 has them. */
  | { readonly kind: 'uint64'; readonly lanes: 1 | 2 }
  /** Times of day, and moments in nanoseconds. */
  | { readonly kind: 'time'; readonly from: TimeUnit; readonly to: TimeUnit; readonly lanes: 1 | 2 }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'bool' }
  | { readonly kind: 'utf8' };

/** A top-level column. */
export interface ParquetColumn {
  readonly name: string;
  /** Its place among the chunks of a row group; -1 for a list or a struct. */
  readonly chunk: number;
  readonly shape: ParquetShape;
  readonly optional: boolean;
  readonly physical: string;
  /** Its type in our words, for messages. */
  readonly found: string;
  readonly element: SchemaElement;
}

export interface ColumnChunk {
  readonly from: number;
  readonly to: number;
  readonly codec: string;
  /** Values at rest (expression/values.ts) as bounds, not necessarily reached; null = not known. Raw ones are in the file's unit. */
  readonly min: unknown;
  readonly max: unknown;
  readonly nulls: number | null;
  /** Slots of its levels: of a flat column its rows. */
  readonly values: number;
}

export interface RowGroup {
  readonly firstRow: number;
  readonly rows: number;
  readonly bytes: number;
  readonly chunks: readonly ColumnChunk[];
}

export interface ParquetFile {
  readonly path: string;
  readonly size: number;
  readonly modified: number;
  readonly columns: ReadonlyMap<string, ParquetColumn>;
  readonly groups: readonly RowGroup[];
}

export const corrupt = (path: string, what: string, cause?: unknown): SluiceError => new SluiceError('FILE_CORRUPT', { path, what }, { cause });

/** Footers that were read, so that the splits of one file do not parse it again and again. */
const known = new Map<string, ParquetFile>();
const knownLimit = 64;
/** Read at once from the end; most footers are shorter. */
const footerGuess = 65_536;

/**
 * @returns the footer, read again only if the file's size or time has changed
 * @throws FILE_MISSING, FILE_CORRUPT
 */
export async function readFooter(path: string, handle?: FileHandle): Promise<ParquetFile> {
  const file = handle ?? (await openInput(path));
  try {
    const { size, mtimeMs } = await file.stat();
    const before = known.get(path);
    if (before?.size === size && before.modified === mtimeMs) return before;
    const parquet = parseFooter(await footerBytes(file, path, size), path, size, mtimeMs);
    if (known.size >= knownLimit) known.delete(known.keys().next().value!);
    known.set(path, parquet);
    return parquet;
  } finally {
    if (handle === undefined) await file.close();
  }
}

/** @throws FILE_MISSING, FILE_CORRUPT when it may not be read */
export async function openInput(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') throw new SluiceError('FILE_MISSING', { path }, { cause: thrown });
    throw corrupt(path, (thrown as Error).message, thrown);
  }
}

/** Reads exactly `length` bytes. @throws FILE_CORRUPT when the file ends before */
export async function readRange(file: FileHandle, path: string, from: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await file.read(bytes, at, length - at, from + at).catch((thrown: Error) => {
      throw corrupt(path, thrown.message, thrown);
    });
    if (bytesRead === 0) throw corrupt(path, `it ends at byte ${from + at}, ${length - at} bytes early`);
    at += bytesRead;
  }
  return bytes;
}

async function footerBytes(file: FileHandle, path: string, size: number): Promise<Uint8Array> {
  if (size < 12) throw corrupt(path, `${size} bytes are no Parquet file`);
  const tail = await readRange(file, path, size - Math.min(size, footerGuess), Math.min(size, footerGuess));
  const magic = Buffer.from(tail.subarray(-4)).toString('latin1');
  if (magic === 'PARE') throw corrupt(path, 'it is encrypted');
  if (magic !== 'PAR1') throw corrupt(path, 'it does not end as a Parquet file does: truncated, or another format');
  const length = new DataView(tail.buffer).getUint32(tail.length - 8, true);
  if (length + 12 > size) throw corrupt(path, `its footer says to be ${length} bytes long in a file of ${size}`);
  return length + 8 > tail.length ? readRange(file, path, size - length - 8, length + 8) : tail;
}

function parseFooter(tail: Uint8Array, path: string, size: number, modified: number): ParquetFile {
  // Bounds as they stand in the file: boundOf knows what they mean for a declared column.
  const raw = (value: bigint | number): never => value as never;
  const parsers = {
    timestampFromMilliseconds: raw,
    timestampFromMicroseconds: raw,
    timestampFromNanoseconds: raw,
    dateFromDays: raw,
    stringFromBytes: (bytes: Uint8Array): string => bytes as unknown as string,
  };
  try {
    return checkedFile(path, size, modified, parquetMetadata(tail, { parsers, geoparquet: false }));
  } catch (thrown) {
    if (thrown instanceof SluiceError) throw thrown;
    throw corrupt(path, `its footer cannot be parsed (${(thrown as Error).message})`, thrown);
  }
}

function checkedFile(path: string, size: number, modified: number, metadata: FileMetaData): ParquetFile {
  const columns = new Map<string, ParquetColumn>();
  const leaves = topLevel(path, metadata.schema, columns);
  const groups: RowGroup[] = [];
  let firstRow = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    if (!(rows >= 0) || group.columns.length !== leaves) throw corrupt(path, 'a row group of its footer does not fit the schema');
    const chunks = group.columns.map(({ meta_data: chunk, file_path: elsewhere }): ColumnChunk => {
      if (chunk === undefined || elsewhere) throw corrupt(path, 'it keeps column chunks in other files, or encrypted');
      const dictionary = Number(chunk.dictionary_page_offset ?? 0);
      const data = Number(chunk.data_page_offset);
      const from = dictionary > 0 && dictionary < data ? dictionary : data;
      const to = from + Number(chunk.total_compressed_size);
      if (!(from >= 4 && to >= from && to <= size - 8)) throw corrupt(path, `its footer places a column chunk at bytes ${from} to ${to} of ${size}`);
      const values = Number(chunk.num_values);
      if (!(values >= rows)) throw corrupt(path, `its footer gives a column chunk ${values} values for ${rows} rows`);
      const { statistics } = chunk;
      return {
        from,
        to,
        codec: String(chunk.codec),
        min: statistics?.min_value ?? null,
        max: statistics?.max_value ?? null,
        nulls: statistics?.null_count === undefined ? null : Number(statistics.null_count),
        values,
      };
    });
    groups.push({ firstRow, rows, bytes: chunks.reduce((sum, chunk) => sum + chunk.to - chunk.from, 0), chunks });
    firstRow += rows;
  }
  if (firstRow !== Number(metadata.num_rows)) throw corrupt(path, `its row groups have ${firstRow} rows, its footer says ${metadata.num_rows}`);
  return { path, size, modified, columns, groups };
}

/** Fills `columns` from the schema, a tree in preorder; answers how many leaves there are. */
function topLevel(path: string, schema: readonly SchemaElement[], columns: Map<string, ParquetColumn>): number {
  const cursor = { at: 1, leaf: 0 };
  const count = schema[0]?.num_children ?? 0;
  for (let i = 0; i < count; i++) {
    const element = schema[cursor.at];
    if (element === undefined) throw corrupt(path, 'its schema is cut short');
    const shape = shapeAt(schema, cursor);
    columns.set(element.name, columnOf(element.name, shape));
  }
  return cursor.leaf;
}

/** A column of the shape, which may be one in a list or a struct. */
export const columnOf = (name: string, shape: ParquetShape): ParquetColumn => ({
  name,
  chunk: shape.kind === 'leaf' ? shape.chunk : -1,
  shape,
  optional: shape.nullable,
  physical: shape.kind === 'leaf' ? (shape.element.type ?? '') : 'group',
  found: foundText(shape),
  element: shape.kind === 'leaf' ? shape.element : { name },
});

function foundText(shape: ParquetShape): string {
  const text = (of: ParquetShape): string => `${foundText(of)}${of.nullable ? ' nullable' : ''}`;
  switch (shape.kind) {
    case 'leaf':
      return typeText(shape.element);
    case 'list':
      return `list(${text(shape.item)})`;
    case 'struct':
      return `struct(${[...shape.fields].map(([name, field]) => `${name}: ${text(field)}`).join(', ')})`;
  }
}

/** Where the leaves of a declared list or struct are and how each is read; null: it cannot be. */
export function leavesOf(
  shape: ParquetShape,
  field: Field,
): readonly { readonly column: ParquetColumn; readonly field: Field; readonly conversion: Conversion }[] | null {
  const { type, name } = field;
  if (type.kind === 'list') return shape.kind === 'list' ? leavesOf(shape.item, { name: `${name}[]`, ...type.item }) : null;
  if (type.kind === 'struct') {
    if (shape.kind !== 'struct') return null;
    const all = type.fields.map((each) => {
      const within = shape.fields.get(each.name);
      return within === undefined ? null : leavesOf(within, { ...each, name: `${name}.${each.name}` });
    });
    return all.some((each) => each === null) ? null : all.flatMap((each) => each!);
  }
  if (shape.kind !== 'leaf') return null;
  const column = columnOf(name, shape);
  const conversion = conversionOf(column, field);
  return conversion === null ? null : [{ column, field, conversion }];
}

function typeText(element: SchemaElement): string {
  const { type, type_length, converted_type, logical_type, precision, scale } = element;
  const logical = logical_type?.type;
  if (logical === 'DECIMAL' || converted_type === 'DECIMAL') return `decimal(${precision},${scale ?? 0})`;
  if (logical === 'TIME' || converted_type?.startsWith('TIME_')) return 'time';
  if (logical === 'TIMESTAMP' || converted_type?.startsWith('TIMESTAMP_') || type === 'INT96') return 'timestamp';
  if (logical === 'DATE' || converted_type === 'DATE') return 'date';
  if (isUnsigned(element)) return `u${intText(element)}`;
  switch (type) {
    case 'INT32':
    case 'INT64':
      return intText(element);
    case 'FLOAT':
      return 'float32';
    case 'DOUBLE':
      return 'float64';
    case 'BOOLEAN':
      return 'bool';
    case 'BYTE_ARRAY':
      return isText(element) ? 'utf8' : 'bytes';
    default:
      return logical === undefined ? `${type_length ?? '?'} bytes` : logical.toLowerCase();
  }
}

const intText = ({ type, logical_type, converted_type }: SchemaElement): string =>
  `int${logical_type?.type === 'INTEGER' ? logical_type.bitWidth : (/\d+$/.exec(converted_type ?? '')?.[0] ?? (type === 'INT32' ? 32 : 64))}`;
const isUnsigned = ({ logical_type, converted_type }: SchemaElement): boolean =>
  logical_type?.type === 'INTEGER' ? !logical_type.isSigned : (converted_type?.startsWith('UINT_') ?? false);
const isText = ({ logical_type, converted_type }: SchemaElement): boolean =>
  ['STRING', 'ENUM', 'JSON'].includes(logical_type?.type ?? '') || ['UTF8', 'ENUM', 'JSON'].includes(converted_type ?? '');

/** How a file's column is read as the declared one; null: it cannot be. */
export function conversionOf(column: ParquetColumn, { type: declared }: Field): Conversion | null {
  const { found, element } = column;
  const form = formOf(declared);
  if (form !== null && (forms[form].meaning !== 'moment' || declared.kind === 'int64')) return conversionOfForm(column, form);
  const unsigned = isUnsigned(element);
  const whole = /^u?int(8|16|32|64)$/.test(found);
  switch (declared.kind) {
    case 'int32':
      return whole && element.type === 'INT32' && found !== 'uint32' ? { kind: 'int32', to: 'word', unsigned: false } : null;
    case 'integer':
    case 'int64':
      if (!whole) return null;
      if (element.type === 'INT32') return { kind: 'int32', to: 'lanes', unsigned };
      if (declared.kind === 'integer') return { kind: 'int64', check: unsigned ? 'unsigned safe' : 'safe' };
      return { kind: 'int64', check: unsigned ? 'unsigned' : 'none' };
    case 'float64':
      return found === 'float32' || found === 'float64' ? { kind: found } : null;
    case 'decimal': {
      if (found !== columnTypeText(declared)) return null;
      const { type, type_length: bytes = 0 } = element;
      const from = type === 'INT32' ? 'words' : type === 'INT64' ? 'lanes' : 'bytes';
      return { kind: 'decimal', from, bytes: type === 'FIXED_LEN_BYTE_ARRAY' ? bytes : 0, precision: declared.precision };
    }
    case 'bool':
      return found === 'bool' ? { kind: 'bool' } : null;
    case 'utf8':
      return found === 'utf8' ? { kind: 'utf8' } : null;
    case 'date':
      return found === 'date' && element.type === 'INT32' ? { kind: 'int32', to: 'word', unsigned: false } : null;
    case 'timestamp':
      return found === 'timestamp' ? { kind: 'timestamp', unit: unitOf(element) } : null;
    case 'list':
    case 'struct':
      return null;
  }
}

function conversionOfForm({ found, element }: ParquetColumn, form: Form): Conversion | null {
  const lanes = element.type === 'INT32' ? 1 : 2;
  switch (forms[form].meaning) {
    case 'bytes':
      return found === 'bytes' || found === 'utf8' ? { kind: 'bytes' } : null;
    case 'time':
      return found === 'time' ? { kind: 'time', from: timeUnitOf(element), to: 'us', lanes } : null;
    case 'moment': {
      if (found !== 'timestamp' || element.type === 'INT96') return null;
      return { kind: 'time', from: timeUnitOf(element), to: 'ns', lanes };
    }
    case 'number': {
      if (form === 'float32') return found === 'float32' ? { kind: 'float32' } : null;
      const bits = Number(/^u?int(8|16|32|64)$/.exec(found)?.[1] ?? 0);
      if (bits === 0 || !holds(form, bits, !isUnsigned(element))) return null;
      if (form === 'uint64') return { kind: 'uint64', lanes };
      return { kind: 'int32', to: form === 'uint32' ? 'lanes' : 'word', unsigned: isUnsigned(element) };
    }
  }
}

/** Of a time or a moment. */
function timeUnitOf({ logical_type, converted_type }: SchemaElement): TimeUnit {
  const unit = logical_type !== undefined && 'unit' in logical_type ? String(logical_type.unit) : (converted_type ?? '');
  return unit.endsWith('MILLIS') ? 'ms' : unit.endsWith('NANOS') ? 'ns' : 'us';
}

/** What is declared for a column of the file; null: it cannot be read. */
export function declaredOf({ found, element, chunk }: ParquetColumn): ColumnType | null {
  if (chunk < 0) return null;
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(found) ?? [];
  if (precision !== undefined)
    return Number(precision) <= mostDigits ? { kind: 'decimal', precision: Number(precision), scale: Number(scale) } : null;
  if (found === 'timestamp') {
    const isLocal = element.logical_type?.type === 'TIMESTAMP' && !element.logical_type.isAdjustedToUTC;
    const isFine = element.type !== 'INT96' && timeUnitOf(element) === 'ns';
    return isLocal ? typeOfForm(isFine ? 'localTimestamp(ns)' : 'localTimestamp') : isFine ? typeOfForm('timestamp(ns)') : { kind: 'timestamp' };
  }
  if (Object.hasOwn(forms, found)) return typeOfForm(found as Form);
  return found === 'int32' || found === 'int64' || found === 'float64' || found === 'bool' || found === 'utf8' || found === 'date'
    ? { kind: found }
    : null;
}

function unitOf({ type, logical_type, converted_type }: SchemaElement): 'millis' | 'micros' | 'nanos' | 'int96' {
  if (type === 'INT96') return 'int96';
  if (logical_type?.type === 'TIMESTAMP') return logical_type.unit === 'MILLIS' ? 'millis' : logical_type.unit === 'MICROS' ? 'micros' : 'nanos';
  return converted_type === 'TIMESTAMP_MILLIS' ? 'millis' : 'micros';
}

/** What the footer says of a column of a row group, in values at rest of the declared kind. */
export const statisticsOf = (group: RowGroup, column: ParquetColumn, conversion: Conversion, field: Field): ColumnStatistics => {
  const { min, max, nulls } = group.chunks[column.chunk]!;
  return { min: boundOf(min, -1, conversion, field), max: boundOf(max, 1, conversion, field), nullCount: nulls ?? -1, rows: group.rows };
};

/** @param side  where to go when it is not exact: -1 down, 1 up */
function boundOf(raw: unknown, side: -1 | 1, conversion: Conversion, field: Field): Value {
  if (raw === null || raw === undefined) return null;
  // Of whole numbers without a sign writers disagree how a bound is kept.
  if (formOf(field.type)?.startsWith('uint')) return null;
  switch (conversion.kind) {
    case 'int32':
    case 'int64':
      if (typeof raw !== 'number' && typeof raw !== 'bigint') return null;
      if (field.type.kind === 'int64') return BigInt(raw);
      return Number.isSafeInteger(Number(raw)) ? Number(raw) : null;
    case 'timestamp': {
      if (typeof raw !== 'bigint') return null;
      const { unit } = conversion;
      // What falls off is below a microsecond, and a file where it matters is refused when read.
      return unit === 'millis' ? raw * 1000n : unit === 'micros' ? raw : unit === 'nanos' ? raw / 1000n : null;
    }
    case 'decimal':
      return decimalBound(raw, side, field.type);
    case 'time': {
      if (typeof raw !== 'number' && typeof raw !== 'bigint') return null;
      // What falls off when a unit is finer is refused when read.
      const value = (BigInt(raw) * nanosOf[conversion.from]) / nanosOf[conversion.to];
      return field.type.kind === 'int64' ? value : Number(value);
    }
    case 'bytes':
      return raw instanceof Uint8Array ? Buffer.from(raw).toString('latin1') : null;
    case 'uint64':
      return null;
    case 'bool':
      return typeof raw === 'boolean' ? raw : null;
    case 'float32':
    case 'float64':
      return typeof raw === 'number' && !Number.isNaN(raw) ? raw : null;
    case 'utf8': {
      if (!(raw instanceof Uint8Array)) return null;
      // Writers may cut a bound in the middle of a code point; no text compares as such a bound does.
      const text = Buffer.from(raw).toString();
      return Buffer.from(text).equals(raw) ? text : null;
    }
  }
}

/**
 * Of a decimal hyparquet gives bounds as doubles, divided by what its scale is: a little further out than any rounding can have
 * brought it. Where bytes have their lengths it gives them as they are.
 */
function decimalBound(raw: unknown, side: -1 | 1, type: ColumnType): Value {
  if (type.kind !== 'decimal') return null;
  if (raw instanceof Uint8Array) return raw.length === 0 ? null : bigEndian(raw, 0, raw.length);
  const unscaled = typeof raw === 'number' ? raw * 10 ** type.scale : Number.NaN;
  if (!Number.isFinite(unscaled)) return null;
  const near = BigInt(Math.round(unscaled));
  const size = near < 0n ? -near : near;
  return near + BigInt(side) * (size / 2n ** 48n + 1n);
}
