/**
 * A schema as an Arrow IPC schema message, in two forms. In that of a shuffle, which stands in its open record and which payloads
 * (ipc.ts) follow in a legal stream, integer and int64 are both Int64, and a decimal of up to 15
 * digits is its unscaled number in a Float64 (wider ones are Decimal128): the field's metadata `sluice.type` tells. Text is dictionary encoded,
 * the dictionary's id is the number of its node in preorder (of a flat schema: the column's index). In that of a file, for other programs to read, text is plain and every decimal a Decimal128.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type ColumnType, columnTypeText, type Field, formOf, type Schema, typeOfForm } from './batch.ts';
import { type Layout, layoutOf } from './column.ts';
import { openRoot, type Table, type TableValue, type Value, writeRoot } from './flatbuffer.ts';
import { type Form, forms } from './forms.ts';

const schemaHeader = 1;
/** MetadataVersion V5. */
const version = 4;
/** Numbers of Arrow's Type union. */
const arrow = { int: 2, floatingPoint: 3, binary: 4, utf8: 5, bool: 6, decimal: 7, date: 8, time: 9, timestamp: 10, list: 12, struct: 13 } as const;
/** The metadata key of a field under which our type stands, where Arrow has no such one. */
export const typeKey = 'sluice.type';

const byte = (value: number): Value => ({ kind: 'byte', value });
const short = (value: number): Value => ({ kind: 'short', value });
const int = (value: number): Value => ({ kind: 'int', value });
const long = (value: number): Value => ({ kind: 'long', value });
const text = (value: string): Value => ({ kind: 'text', value });
const table = (value: TableValue): Value => ({ kind: 'table', value });
const tables = (value: readonly TableValue[]): Value => ({ kind: 'tables', value });

const signed = (bits: number): TableValue => [int(bits), byte(1)];

/** Who will read it: tasks, or any program. */
export type SchemaForm = 'shuffle' | 'file';

const isDouble = (type: ColumnType, form: SchemaForm): boolean => form === 'shuffle' && layoutOf(type) === 'double';

/** As the file of a form has it, for any program to read. */
function fileTypeOf(type: ColumnType, form: Form): { tag: number; value: TableValue } {
  const { meaning, unit = 'us', isLocal } = forms[form];
  if (meaning === 'bytes') return { tag: arrow.binary, value: [] };
  if (meaning === 'time') return { tag: arrow.time, value: [short(2), int(64)] };
  if (meaning === 'moment') return { tag: arrow.timestamp, value: [short(['s', 'ms', 'us', 'ns'].indexOf(unit)), isLocal ? null : text('UTC')] };
  if (type.kind === 'float64') return { tag: arrow.floatingPoint, value: [short(1)] };
  return { tag: arrow.int, value: [int(Number(/\d+$/.exec(form)![0])), byte(form.startsWith('u') ? 0 : 1)] };
}

function typeOf(type: ColumnType, form: SchemaForm): { tag: number; value: TableValue } {
  const own = formOf(type);
  if (form === 'file' && own !== null) return fileTypeOf(type, own);
  switch (type.kind) {
    case 'int32':
      return { tag: arrow.int, value: signed(32) };
    case 'integer':
    case 'int64':
      return { tag: arrow.int, value: signed(64) };
    case 'float64':
      return { tag: arrow.floatingPoint, value: [short(2)] };
    case 'decimal':
      return isDouble(type, form)
        ? { tag: arrow.floatingPoint, value: [short(2)] }
        : { tag: arrow.decimal, value: [int(type.precision), int(type.scale), int(128)] };
    case 'bool':
      return { tag: arrow.bool, value: [] };
    case 'utf8':
      return { tag: own === 'bytes' ? arrow.binary : arrow.utf8, value: [] };
    case 'date':
      return { tag: arrow.date, value: [short(0)] };
    case 'timestamp':
      return { tag: arrow.timestamp, value: [short(2), text('UTC')] };
    case 'list':
    case 'struct':
      return { tag: arrow[type.kind], value: [] };
  }
}

/** Arrow names the items of a list too. */
const childrenOf = (type: ColumnType): Schema =>
  type.kind === 'list' ? [{ name: 'item', ...type.item }] : type.kind === 'struct' ? type.fields : [];

/** The Schema table: what a schema message and the foot of a file hold. */
export function schemaTable(schema: Schema, form: SchemaForm): TableValue {
  let nodes = 0;
  const fieldOf = (field: Field): TableValue => {
    const c = nodes++;
    const { tag, value } = typeOf(field.type, form);
    const isCoded = field.type.kind === 'utf8' && form === 'shuffle';
    const dictionary: Value | null = isCoded ? table([long(c), table(signed(32)), byte(0)]) : null;
    const isNoted =
      (form === 'shuffle' && formOf(field.type) !== null) ||
      (field.type.kind === 'integer' && formOf(field.type) === null) ||
      (field.type.kind === 'decimal' && isDouble(field.type, form));
    const ours = isNoted ? columnTypeText(field.type) : null;
    const metadata: Value | null = ours === null ? null : tables([[text(typeKey), text(ours)]]);
    return [
      text(field.name),
      byte(field.nullable ? 1 : 0),
      byte(tag),
      table(value),
      dictionary,
      tables(childrenOf(field.type).map(fieldOf)),
      metadata,
    ];
  };
  return [short(0), tables(schema.map(fieldOf))];
}

/** One encapsulated message without a body, a multiple of 8 bytes: its mark, its length, its metadata. */
export function encodeMessage(header: number, value: TableValue, bodyBytes: number): Uint8Array<ArrayBuffer> {
  const metadata = writeRoot([short(version), byte(header), table(value), long(bodyBytes)]);
  const message = new Uint8Array(8 + metadata.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, 0xffff_ffff, true);
  view.setUint32(4, metadata.length, true);
  message.set(metadata, 8);
  return message;
}

/** One encapsulated schema message. */
export const encodeSchema = (schema: Schema, form: SchemaForm = 'shuffle'): Uint8Array<ArrayBuffer> =>
  encodeMessage(schemaHeader, schemaTable(schema, form), 0);

const damaged = (what: string): SluiceError => new SluiceError('FILE_CORRUPT', { path: 'An Arrow IPC schema', what });

/** @throws FILE_CORRUPT when it is damaged or has a type Sluice has not */
export function decodeSchema(message: Uint8Array): Schema {
  try {
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const length = view.getUint32(4, true);
    if (view.getUint32(0, true) !== 0xffff_ffff || length > message.length - 8) throw damaged('it is not a message');
    const root = openRoot(message.subarray(8, 8 + length));
    if (root.byte(1) !== schemaHeader) throw damaged(`a message of kind ${root.byte(1)}`);
    return root.table(2).tables(1).map(decodeField);
  } catch (thrown) {
    if (thrown instanceof RangeError) throw damaged(`it ends early or points outside (${thrown.message})`);
    throw thrown;
  }
}

const decodeField = (field: Table): Field => ({ name: field.text(0), type: decodeType(field), nullable: field.bool(1) });

function decodeType(field: Table): ColumnType {
  const tag = field.byte(2);
  const type = field.table(3);
  const ours = field
    .tables(6)
    .find((entry) => entry.text(0) === typeKey)
    ?.text(1);
  if (ours !== undefined && Object.hasOwn(forms, ours)) return checkedForm(ours as Form, tag);
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(ours ?? '') ?? [];
  if (tag === arrow.int && type.bool(1) && type.int(0) === 32) return { kind: 'int32' };
  if (tag === arrow.int && type.bool(1) && type.int(0) === 64) return { kind: ours === 'integer' ? 'integer' : 'int64' };
  if (tag === arrow.floatingPoint && type.short(0) === 2 && precision !== undefined)
    return checkedDecimal(Number(precision), Number(scale), (layout) => layout === 'double');
  if (tag === arrow.decimal && type.int(2) === 128) return checkedDecimal(type.int(0), type.int(1), (layout) => layout === 'wide');
  if (tag === arrow.floatingPoint && type.short(0) === 2) return { kind: 'float64' };
  if (tag === arrow.bool) return { kind: 'bool' };
  if (tag === arrow.utf8 && field.has(4)) return { kind: 'utf8' };
  if (tag === arrow.date && type.has(0) && type.short(0) === 0) return { kind: 'date' };
  if (tag === arrow.timestamp && type.short(0) === 2) return { kind: 'timestamp' };
  const children = field.tables(5);
  if (tag === arrow.struct) return { kind: 'struct', fields: children.map(decodeField) };
  if (tag === arrow.list && children.length === 1) {
    const { type: item, nullable } = decodeField(children[0]!);
    return { kind: 'list', item: { type: item, nullable } };
  }
  throw damaged(`type ${tag} of column ${field.text(0)}`);
}

/** A form, when the column is kept as it is. */
function checkedForm(form: Form, tag: number): ColumnType {
  const type = typeOfForm(form);
  if (typeOf(type, 'shuffle').tag !== tag) throw damaged(`a column of ${form} as type ${tag}`);
  return type;
}

function checkedDecimal(precision: number, scale: number, fits: (layout: Layout) => boolean): ColumnType {
  const type: ColumnType = { kind: 'decimal', precision, scale };
  if (!(precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision && fits(layoutOf(type))))
    throw damaged(`decimal(${precision},${scale})`);
  return type;
}
