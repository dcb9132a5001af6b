/**
 * The fields of an Arrow file as their Schema table says them: Arrow's types, of which there are more than ours, dictionaries, children;
 * and which of them can be read as a declared type. What lies in the buffers is arrow-values.ts; called by arrow-file.ts.
 */
import { type ColumnType, columnTypeText, type Field, formOf, typeOfForm } from '../batch/batch.ts';
import type { Table } from '../batch/flatbuffer.ts';
import { type Form, forms } from '../batch/forms.ts';
import { typeKey } from '../batch/ipc-schema.ts';
import { holds } from './form-columns.ts';

/** How values of varying length lie: with offsets of 32 or 64 bits, or as views of 16 bytes into any number of buffers. */
export type Spread = 'offsets' | 'long offsets' | 'views';
export type TimeUnit = 'seconds' | 'millis' | 'micros' | 'nanos';

export type ArrowType =
  | { readonly kind: 'null' }
  | { readonly kind: 'int'; readonly bits: number; readonly signed: boolean }
  | { readonly kind: 'float'; readonly bits: number }
  | { readonly kind: 'bool' }
  | { readonly kind: 'text'; readonly spread: Spread }
  | { readonly kind: 'bytes'; readonly spread: Spread }
  | { readonly kind: 'decimal'; readonly bits: number; readonly precision: number; readonly scale: number }
  | { readonly kind: 'date'; readonly unit: 'days' | 'millis' }
  | { readonly kind: 'time'; readonly unit: TimeUnit; readonly bits: number }
  | { readonly kind: 'timestamp'; readonly unit: TimeUnit; readonly hasZone: boolean }
  | { readonly kind: 'list'; readonly spread: 'offsets' | 'long offsets' }
  | { readonly kind: 'struct' }
  /** One that is not read; `buffers` it has beside those of its children. */
  | { readonly kind: 'other'; readonly name: string; readonly buffers: number };

export interface Dictionary {
  readonly id: number;
  readonly index: { readonly bits: number; readonly signed: boolean };
}

export interface ArrowField {
  readonly name: string;
  readonly nullable: boolean;
  readonly type: ArrowType;
  /** Values are codes into the dictionary of that id, which has values of `type`. */
  readonly dictionary: Dictionary | null;
  readonly children: readonly ArrowField[];
  /** Our type as our sink notes it where Arrow has none of its own; ''. */
  readonly noted: string;
}

const units: readonly TimeUnit[] = ['seconds', 'millis', 'micros', 'nanos'];

/** @throws RangeError when it points outside, Error when it makes no sense */
export function readFields(schema: Table): ArrowField[] {
  if (schema.short(0) !== 0) throw new Error('it is big-endian: write it again on a little-endian machine');
  return schema.tables(1).map((field) => readField(field, 0));
}

const maxDepth = 64;

function readField(field: Table, depth: number): ArrowField {
  if (depth > maxDepth) throw new Error(`columns nested deeper than ${maxDepth}`);
  const noted = field.tables(6).find((entry) => entry.text(0) === typeKey);
  return {
    name: field.text(0),
    nullable: field.bool(1),
    type: readType(field.byte(2), field.table(3)),
    dictionary: field.has(4) ? readDictionary(field.table(4)) : null,
    children: field.tables(5).map((child) => readField(child, depth + 1)),
    noted: noted?.text(1) ?? '',
  };
}

const readDictionary = (encoding: Table): Dictionary => ({
  id: encoding.long(0),
  index: encoding.has(1) ? { bits: encoding.table(1).int(0), signed: encoding.table(1).bool(1) } : { bits: 32, signed: true },
});

function readType(tag: number, type: Table): ArrowType {
  const other = (name: string, buffers: number): ArrowType => ({ kind: 'other', name, buffers });
  const unit = (slot: number, fallback: number): number => (type.has(slot) ? type.short(slot) : fallback);
  switch (tag) {
    case 1:
      return { kind: 'null' };
    case 2:
      return { kind: 'int', bits: type.int(0), signed: type.bool(1) };
    case 3:
      return { kind: 'float', bits: [16, 32, 64][type.short(0)] ?? 0 };
    case 4:
      return { kind: 'bytes', spread: 'offsets' };
    case 5:
      return { kind: 'text', spread: 'offsets' };
    case 6:
      return { kind: 'bool' };
    case 7:
      return { kind: 'decimal', bits: type.has(2) ? type.int(2) : 128, precision: type.int(0), scale: type.int(1) };
    case 8:
      return { kind: 'date', unit: unit(0, 1) === 0 ? 'days' : 'millis' };
    case 9:
      return { kind: 'time', unit: units[unit(0, 1)] ?? 'millis', bits: type.has(1) ? type.int(1) : 32 };
    case 10:
      return { kind: 'timestamp', unit: units[unit(0, 0)] ?? 'seconds', hasZone: type.has(1) };
    case 11:
      return other('interval', 2);
    case 12:
      return { kind: 'list', spread: 'offsets' };
    case 13:
      return { kind: 'struct' };
    case 14:
      return other('union', unit(0, 0) === 1 ? 2 : 1);
    case 15:
      return other('bytes of one length', 2);
    case 16:
      return other('list of one length', 1);
    case 17:
      return other('map', 2);
    case 18:
      return other('duration', 2);
    case 19:
      return { kind: 'bytes', spread: 'long offsets' };
    case 20:
      return { kind: 'text', spread: 'long offsets' };
    case 21:
      return { kind: 'list', spread: 'long offsets' };
    case 22:
      return other('run-end encoded', 0);
    case 23:
      return { kind: 'bytes', spread: 'views' };
    case 24:
      return { kind: 'text', spread: 'views' };
    case 25:
    case 26:
      return other('list view', 3);
    default:
      throw new Error(`a column has a type of number ${tag}, which is newer than this program`);
  }
}

/** Its type in our words, for messages. */
export function foundText({ type, noted, children }: ArrowField): string {
  if (noted !== '') return noted;
  switch (type.kind) {
    case 'int':
      return `${type.signed ? '' : 'u'}int${type.bits}`;
    case 'float':
      return `float${type.bits}`;
    case 'text':
      return 'utf8';
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`;
    case 'other':
      return type.name;
    case 'list':
    case 'struct': {
      const texts = children.map(
        (child) => `${type.kind === 'list' ? '' : `${child.name}: `}${foundText(child)}${child.nullable ? ' nullable' : ''}`,
      );
      return `${type.kind}(${texts.join(', ')})`;
    }
    default:
      return type.kind;
  }
}

/** What is declared for a field of the file that nobody has declared yet; null: it cannot be read. */
export function declaredType(field: ArrowField): ColumnType | null {
  const { type, noted } = field;
  if (noted === 'integer') return { kind: 'integer' };
  switch (type.kind) {
    case 'int':
      return type.signed && type.bits >= 32
        ? { kind: type.bits === 32 ? 'int32' : 'int64' }
        : typeOfForm(`${type.signed ? '' : 'u'}int${type.bits}` as Form);
    case 'float':
      return type.bits === 64 ? { kind: 'float64' } : typeOfForm('float32');
    case 'bytes':
    case 'time':
      return typeOfForm(type.kind);
    case 'timestamp': {
      const isFine = type.unit === 'nanos';
      return type.hasZone
        ? isFine
          ? typeOfForm('timestamp(ns)')
          : { kind: 'timestamp' }
        : typeOfForm(isFine ? 'localTimestamp(ns)' : 'localTimestamp');
    }
    case 'text':
    case 'null':
      return { kind: 'utf8' };
    case 'bool':
    case 'date':
      return { kind: type.kind };
    case 'decimal':
      return type.bits <= 128 && type.scale >= 0 && type.scale <= type.precision
        ? { kind: 'decimal', precision: type.precision, scale: type.scale }
        : null;
    case 'list': {
      const item = field.children[0] === undefined ? null : declaredType(field.children[0]);
      return item === null ? null : { kind: 'list', item: { type: item, nullable: field.children[0]!.nullable } };
    }
    case 'struct': {
      const fields = field.children.map(({ name, nullable }, f) => ({ name, type: declaredType(field.children[f]!), nullable }));
      return fields.every((one): one is Field => one.type !== null) ? { kind: 'struct', fields } : null;
    }
    default:
      return null;
  }
}

function readsAsForm(type: ArrowType, form: Form): boolean {
  switch (forms[form].meaning) {
    case 'bytes':
      return type.kind === 'bytes' || type.kind === 'text';
    case 'time':
      return type.kind === 'time';
    case 'moment':
      return type.kind === 'timestamp';
    case 'number':
      return form === 'float32' ? type.kind === 'float' && type.bits <= 32 : type.kind === 'int' && holds(form, type.bits, type.signed);
  }
}

/** Whether values of the file's type are read as the declared one. */
export function readsAs(field: ArrowField, declared: ColumnType): boolean {
  const { type } = field;
  // A column of nulls is one of every type.
  if (type.kind === 'null') return true;
  const form = formOf(declared);
  if (form !== null) return readsAsForm(type, form);
  switch (declared.kind) {
    case 'int32':
      return type.kind === 'int' && (type.bits < 32 || (type.bits === 32 && type.signed));
    case 'integer':
    case 'int64':
      return type.kind === 'int';
    case 'float64':
      return type.kind === 'float';
    case 'decimal':
      return type.kind === 'decimal' && type.bits <= 128 && columnTypeText(declared) === `decimal(${type.precision},${type.scale})`;
    case 'utf8':
      return type.kind === 'text';
    case 'bool':
    case 'date':
    case 'timestamp':
      return type.kind === declared.kind;
    case 'list':
      return type.kind === 'list' && field.dictionary === null && field.children.length === 1 && readsAs(field.children[0]!, declared.item.type);
    case 'struct':
      return (
        type.kind === 'struct' &&
        field.dictionary === null &&
        declared.fields.every(({ name, type: of }) => {
          const child = field.children.find((one) => one.name === name);
          return child !== undefined && readsAs(child, of);
        })
      );
  }
}

/** Buffers of its own, beside those of its children. @param viewed  how many its views point into */
export function buffersOf(type: ArrowType, viewed: () => number): number {
  switch (type.kind) {
    case 'null':
      return 0;
    case 'text':
    case 'bytes':
      return type.spread === 'views' ? 2 + viewed() : 3;
    case 'struct':
      return 1;
    case 'other':
      return type.buffers;
    default:
      return 2;
  }
}
