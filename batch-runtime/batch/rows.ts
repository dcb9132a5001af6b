/**
 * Batches and rows: the doors to user code and tests. A row is a plain object; Temporal values are made for the rows one
 * iterates, never for a batch as a whole. Plain values are the JSON form that plans, samples and bounds use. Not for hot
 * paths.
 */
import type { Temporal } from 'temporal-polyfill';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, type Column, type ColumnType, columnTypeText, type Field, formOf, type Schema, type StructType } from './batch.ts';
import { bitAt } from './bitmap.ts';
import { type BatchBuilder, type ColumnBuilder, createBatchBuilder } from './builder.ts';
import { layoutOf } from './column.ts';
import { Decimal, decimalText, unscaledAt, wideBigInt } from './decimal.ts';
import { fitForm, forms } from './forms.ts';
import { lanesToBigInt, lanesToNumber } from './lanes.ts';
import { dateOf, daysOf, instantOf, microsOf, momentOf, restOfMoment, tagOfMoment, timeMicros, timeOf } from './temporal.ts';

export type RowValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | Decimal
  | Temporal.PlainDate
  | Temporal.PlainTime
  | Temporal.Instant
  | Temporal.PlainDateTime
  | readonly RowValue[]
  | { readonly [field: string]: RowValue }
  | null;
export type Row = Record<string, RowValue>;
/** int64, integer, moments and times (as they are counted), decimal: decimal text · bytes: a character for each · date: days · float64: a number or 'NaN', 'Infinity', '-Infinity' · list: an array · struct: an object · the rest as it is. */
export type PlainValue = string | number | boolean | null | readonly PlainValue[] | { readonly [field: string]: PlainValue };

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The bytes of row i, which is not null: a view. */
export function bytesAt(column: Column, i: number): Uint8Array {
  const entry = column.dictionary === null ? i : (column.data as Int32Array)[i]!;
  const { data, offsets } = column.dictionary ?? column;
  return (data as Uint8Array).subarray(offsets![entry]!, offsets![entry + 1]!);
}

/** The text of row i, which is not null. */
export function textAt(column: Column, i: number): string {
  const entry = column.dictionary === null ? i : (column.data as Int32Array)[i]!;
  const { data, offsets } = column.dictionary ?? column;
  const from = offsets![entry]!;
  const to = offsets![entry + 1]!;
  const bytes = data as Uint8Array;
  if (to - from > 24) return decoder.decode(bytes.subarray(from, to));
  let text = '';
  for (let b = from; b < to; b++) {
    const byte = bytes[b]!;
    if (byte > 0x7f) return decoder.decode(bytes.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
}

/**
 * int32, integer, float64: number · int64, uint64: bigint · decimal: Decimal · date: Temporal.PlainDate · timestamp: Temporal.Instant · localTimestamp:
 * Temporal.PlainDateTime · time: Temporal.PlainTime · bytes: a Uint8Array of their own · null.
 */
export function rowValue(column: Column, i: number): RowValue {
  if (column.validity !== null && bitAt(column.validity, i) === 0) return null;
  const { data } = column;
  const form = formOf(column.type);
  if (form !== null && forms[form].meaning !== 'number') {
    if (form === 'bytes') return bytesAt(column, i).slice();
    const whole = lanesToBigInt(data[2 * i]!, data[2 * i + 1]!);
    return form === 'time' ? timeOf(Number(whole)) : momentOf(whole, form);
  }
  if (form === 'uint64') return unscaledOf(column, i);
  switch (column.type.kind) {
    case 'int32':
    case 'float64':
      return data[i]!;
    case 'integer':
      return lanesToNumber(data[2 * i]!, data[2 * i + 1]!);
    case 'int64':
      return lanesToBigInt(data[2 * i]!, data[2 * i + 1]!);
    case 'decimal':
      return new Decimal(unscaledOf(column, i), column.type.scale);
    case 'bool':
      return bitAt(data as Uint8Array, i) === 1;
    case 'utf8':
      return textAt(column, i);
    case 'date':
      return dateOf(data[i]!);
    case 'timestamp':
      return instantOf(lanesToBigInt(data[2 * i]!, data[2 * i + 1]!));
    case 'list':
      return itemsAt(column, i, rowValue);
    case 'struct':
      return fieldsAt(column, i, rowValue);
  }
}

/** What a list that is not null has, each by `value`. */
export function itemsAt<V>({ offsets, children }: Column, i: number, value: (column: Column, i: number) => V): V[] {
  const items: V[] = [];
  for (let item = offsets![i]!; item < offsets![i + 1]!; item++) items.push(value(children[0]!, item));
  return items;
}

/** What a struct that is not null has, each by `value`, under its name. */
export const fieldsAt = <V>({ type, children }: Column, i: number, value: (column: Column, i: number) => V): Record<string, V> =>
  Object.fromEntries(children.map((child, f) => [(type as StructType).fields[f]!.name, value(child, i)]));

/** The unscaled number of a decimal that is not null. */
export const unscaledOf = ({ type, data }: Column, i: number): bigint =>
  layoutOf(type) === 'double' ? BigInt(data[i]!) : wideBigInt(data as Int32Array, i);

/** Rows as plain objects, made one at a time. */
export function* rowsOf(batch: Batch): Generator<Row> {
  const { schema, columns } = batch;
  for (let i = 0; i < batch.length; i++) {
    const row: Row = {};
    for (let c = 0; c < columns.length; c++) {
      const { name } = schema[c]!;
      const value = rowValue(columns[c]!, i);
      // An assignment to this one name makes no property.
      if (name === '__proto__') Object.defineProperty(row, name, { value, enumerable: true, configurable: true, writable: true });
      else row[name] = value;
    }
    yield row;
  }
}

export function plainValue(column: Column, i: number): PlainValue {
  if (column.validity !== null && bitAt(column.validity, i) === 0) return null;
  const { data } = column;
  switch (column.type.kind) {
    case 'integer':
    case 'int64':
    case 'timestamp':
      return lanesToBigInt(data[2 * i]!, data[2 * i + 1]!).toString();
    case 'decimal':
      return decimalText(unscaledOf(column, i), column.type.scale);
    case 'date':
      return data[i]!;
    case 'utf8':
      return column.type.as === 'bytes' ? Buffer.from(bytesAt(column, i)).toString('latin1') : textAt(column, i);
    case 'float64': {
      const value = data[i]!;
      return Number.isFinite(value) ? value : String(value);
    }
    case 'list':
      return itemsAt(column, i, plainValue);
    case 'struct':
      return fieldsAt(column, i, plainValue);
    default:
      return rowValue(column, i) as PlainValue;
  }
}

/**
 * A batch of row objects; a missing property is a null.
 * @throws NULL_IN_COLUMN, ROW_TYPE, VALUE_OUT_OF_RANGE
 */
export function fromRows(schema: Schema, rows: Iterable<Readonly<Record<string, unknown>>>): Batch {
  return build(schema, rows, (row, field) => propertyOf(row, field.name), appendRowValue);
}

/** A property of a row; what every object has, like `constructor`, is none. */
export const propertyOf = (row: Readonly<Record<string, unknown>>, name: string): unknown =>
  name in Object.prototype && !Object.hasOwn(row, name) ? undefined : row[name];

/** A batch of rows of plain values, in the order of the schema: `values` nodes and range bounds. @throws as fromRows */
export function fromPlain(schema: Schema, rows: Iterable<readonly PlainValue[]>): Batch {
  return build(schema, rows, (row, _, c) => row[c], appendPlain);
}

function build<R>(
  schema: Schema,
  rows: Iterable<R>,
  pick: (row: R, field: Field, c: number) => unknown,
  appendValue: (builder: ColumnBuilder, field: Field, value: unknown) => void,
): Batch {
  const builder: BatchBuilder = createBatchBuilder(schema);
  let row = 0;
  for (const one of rows) {
    schema.forEach((field, c) => {
      const value = pick(one, field, c);
      const column = builder.columns[c]!;
      if (value !== null && value !== undefined) appendValue(column, field, value);
      else if (field.nullable) column.appendNull();
      else throw new SluiceError('NULL_IN_COLUMN', { column: field.name, path: 'rows', row });
    });
    row++;
  }
  const batch = builder.finish();
  return schema.length === 0 ? { ...batch, length: row } : batch;
}

/** A value as rows have it, not null, into a column of that field. @throws ROW_TYPE, VALUE_OUT_OF_RANGE */
export function appendRowValue(builder: ColumnBuilder, field: Field, value: unknown): void {
  const form = formOf(field.type);
  if (form !== null && forms[form].meaning !== 'number') {
    if (!appendMeaning(builder, field.type, value)) throw mistyped(field, value);
    return;
  }
  const fitted = (number: number): number => (form === null ? number : fitForm(number, form));
  switch (field.type.kind) {
    case 'int32':
      if (typeof value !== 'number') break;
      builder.appendWord(fitted(value));
      return;
    case 'integer':
      if (typeof value !== 'number') break;
      builder.appendInteger(fitted(value));
      return;
    case 'int64':
      if (typeof value !== 'bigint') break;
      builder.appendBigInt(value);
      return;
    case 'float64':
      if (typeof value !== 'number') break;
      builder.appendDouble(fitted(value));
      return;
    case 'decimal': {
      if (form === 'uint64') {
        if (typeof value !== 'bigint') break;
        builder.appendDecimal(fitForm(value, form));
        return;
      }
      if (!(value instanceof Decimal)) break;
      const unscaled = unscaledAt(value, field.type.scale);
      if (unscaled === null)
        throw new SluiceError('VALUE_OUT_OF_RANGE', {
          what: `${value} has more than ${field.type.scale} digits behind the point, in column ${field.name}`,
        });
      builder.appendDecimal(unscaled);
      return;
    }
    case 'bool':
      if (typeof value !== 'boolean') break;
      builder.appendBool(value);
      return;
    case 'utf8':
      if (typeof value !== 'string') break;
      builder.appendText(value);
      return;
    case 'date':
      if (tagOf(value) !== 'Temporal.PlainDate') break;
      builder.appendWord(daysOf(value as Temporal.PlainDate));
      return;
    case 'timestamp':
      if (tagOf(value) !== 'Temporal.Instant') break;
      builder.appendBigInt(microsOf(value as Temporal.Instant));
      return;
    case 'list':
    case 'struct':
      appendNested(builder, field, value, appendRowValue);
      return;
  }
  throw mistyped(field, value);
}

/** An array into a list, an object into a struct, what is in them by `append`. */
function appendNested(
  builder: ColumnBuilder,
  { name, type }: Field,
  value: unknown,
  append: (builder: ColumnBuilder, field: Field, value: unknown) => void,
): void {
  const put = (child: ColumnBuilder, field: Field, given: unknown): void => {
    if (given !== null && given !== undefined) append(child, field, given);
    else if (field.nullable) child.appendNull();
    else throw new SluiceError('ROW_TYPE', { node: `'${field.name}'`, what: `null in a ${columnTypeText(field.type)} that is not nullable` });
  };
  if (type.kind === 'list' && Array.isArray(value)) {
    const item: Field = { name: `${name}[]`, ...type.item };
    for (const each of value) put(builder.children[0]!, item, each);
    builder.closeList();
  } else if (type.kind === 'struct' && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    type.fields.forEach((field, f) => {
      put(builder.children[f]!, { ...field, name: `${name}.${field.name}` }, propertyOf(value as Record<string, unknown>, field.name));
    });
    builder.closeStruct();
  } else throw mistyped({ name, type, nullable: false }, value);
}

/** A value of a form that is no number. @returns false when it is none */
function appendMeaning(builder: ColumnBuilder, type: ColumnType, value: unknown): boolean {
  const form = formOf(type)!;
  if (form === 'bytes') {
    if (!(value instanceof Uint8Array)) return false;
    builder.appendBytes(value, 0, value.length);
  } else if (form === 'time') {
    if (tagOf(value) !== 'Temporal.PlainTime') return false;
    builder.appendInteger(timeMicros(value as Temporal.PlainTime));
  } else {
    if (tagOf(value) !== tagOfMoment(form)) return false;
    builder.appendBigInt(restOfMoment(value as Temporal.Instant | Temporal.PlainDateTime, form));
  }
  return true;
}

function appendPlain(builder: ColumnBuilder, field: Field, value: unknown): void {
  switch (field.type.kind) {
    case 'integer':
    case 'int64':
    case 'timestamp':
      if (typeof value === 'number') {
        builder.appendInteger(value);
        return;
      }
      if (!(typeof value === 'string' && /^-?\d+$/.test(value))) break;
      builder.appendBigInt(BigInt(value));
      return;
    case 'decimal':
      if (typeof value !== 'string') break;
      appendRowValue(builder, field, field.type.as === 'uint64' ? BigInt(value) : Decimal.from(value));
      return;
    case 'utf8': {
      if (typeof value !== 'string') break;
      if (field.type.as !== 'bytes') builder.appendText(value);
      else {
        const bytes = Buffer.from(value, 'latin1');
        builder.appendBytes(bytes, 0, bytes.length);
      }
      return;
    }
    case 'date':
      if (typeof value !== 'number') break;
      builder.appendWord(value);
      return;
    case 'float64':
      if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') {
        builder.appendDouble(Number(value));
        return;
      }

      if (typeof value !== 'number') break;
      builder.appendDouble(value);
      return;
    case 'list':
    case 'struct':
      appendNested(builder, field, value, appendPlain);
      return;
    default:
      appendRowValue(builder, field, value);
      return;
  }
  throw mistyped(field, value);
}

/** The platform's Temporal and the polyfill's have different classes and the same tag. */
const tagOf = (value: unknown): string =>
  typeof value === 'object' && value !== null ? ((value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? '') : '';

const mistyped = (field: Field, value: unknown): SluiceError =>
  new SluiceError('ROW_TYPE', { node: `'${field.name}'`, what: `${typeof value} in a ${columnTypeText(field.type)} column` });
