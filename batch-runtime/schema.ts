/**
 * Schemas as users write them: a plain object of declared column types, to spread, pick from and export. `RowOf` is the row
 * type that follows from one; `fieldsOf` is the same as the engine sees it. Values are checked where data comes in, not here.
 *
 * Temporal types come from the pinned polyfill, so that a stranger's project needs no `lib` setting; at run time the
 * polyfill gives the native objects where there are any.
 */
import type { Temporal } from 'temporal-polyfill';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type ColumnType, columnTypeText, type Field, type Schema, typeOfForm } from './batch/batch.ts';
import { type Decimal, mostDigits } from './batch/decimal.ts';
import type { TimeUnit } from './batch/forms.ts';

declare const row: unique symbol;

/** A column type with the TypeScript type of its values in rows. Columns hold no null unless `nullable()` says so. */
export interface Declared<out T> {
  readonly [row]?: T;
  readonly type: ColumnType;
  readonly isNullable: boolean;
  nullable(): Declared<T | null>;
}

/** What `schema` takes and gives. */
export interface SchemaShape {
  readonly [column: string]: Declared<unknown>;
}

/** The row a function would see. */
export type RowOf<S> = { -readonly [K in keyof S]: S[K] extends Declared<infer T> ? T : never };

/** Any value that can stand in a column. */
export type Value =
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Decimal
  | Temporal.Instant
  | Temporal.PlainDateTime
  | Temporal.PlainDate
  | Temporal.PlainTime;

const declared = <T>(type: ColumnType, isNullable = false): Declared<T> =>
  Object.freeze({ type: Object.freeze(type), isNullable, nullable: () => declared<T | null>(type, true) });

/** true or false. */
export const bool = (): Declared<boolean> => declared({ kind: 'bool' });
/** A whole number of 32 bits. */
export const int32 = (): Declared<number> => declared({ kind: 'int32' });
/** A whole number up to 2^53 - 1 either way, 64 bits at rest; beyond it VALUE_OUT_OF_RANGE, never a rounded number. */
export const integer = (): Declared<number> => declared({ kind: 'integer' });
/** A whole number of 64 bits, a bigint in rows. */
export const int64 = (): Declared<bigint> => declared({ kind: 'int64' });
/** A number as JavaScript has them. */
export const float64 = (): Declared<number> => declared({ kind: 'float64' });
/**
 * A number of `precision` digits, `scale` of them behind the point, exact: a Decimal in rows. Up to 15 digits are as fast as float64.
 * @throws EXPRESSION_TYPE unless 1 <= precision <= 38 and 0 <= scale <= precision
 */
export function decimal(precision: number, scale: number): Declared<Decimal> {
  if (!(Number.isInteger(precision) && precision >= 1 && precision <= mostDigits && Number.isInteger(scale) && scale >= 0 && scale <= precision))
    throw new SluiceError('EXPRESSION_TYPE', {
      what: `decimal(${precision}, ${scale}): it has 1 to ${mostDigits} digits, none to all of them behind the point`,
    });
  return declared({ kind: 'decimal', precision, scale });
}
/** Whole numbers of fewer bits, or without a sign; a number of another type as soon as something is computed from it. */
export const int8 = (): Declared<number> => declared(typeOfForm('int8'));
export const int16 = (): Declared<number> => declared(typeOfForm('int16'));
export const uint8 = (): Declared<number> => declared(typeOfForm('uint8'));
export const uint16 = (): Declared<number> => declared(typeOfForm('uint16'));
export const uint32 = (): Declared<number> => declared(typeOfForm('uint32'));
/** A bigint in rows; it is computed with as a decimal of 20 digits. */
export const uint64 = (): Declared<bigint> => declared(typeOfForm('uint64'));
/** A number of 32 bits at rest outside; it is computed with as a float64. */
export const float32 = (): Declared<number> => declared(typeOfForm('float32'));
/** Bytes. */
export const bytes = (): Declared<Uint8Array> => declared(typeOfForm('bytes'));
/** Text. */
export const utf8 = (): Declared<string> => declared({ kind: 'utf8' });
/** A day, without time and zone: Temporal.PlainDate in rows. */
export const date = (): Declared<Temporal.PlainDate> => declared({ kind: 'date' });
/** A time of day, in microseconds: Temporal.PlainTime in rows. */
export const time = (): Declared<Temporal.PlainTime> => declared(typeOfForm('time'));
/** A moment, UTC, in microseconds or another unit: Temporal.Instant in rows. */
export const timestamp = (options: { readonly unit?: TimeUnit } = {}): Declared<Temporal.Instant> => declared(momentOf('timestamp', options.unit));
/** A day and a time of day, of no zone: Temporal.PlainDateTime in rows. */
export const localTimestamp = (options: { readonly unit?: TimeUnit } = {}): Declared<Temporal.PlainDateTime> =>
  declared(momentOf('localTimestamp', options.unit));

function momentOf(name: 'timestamp' | 'localTimestamp', unit: TimeUnit = 'us'): ColumnType {
  if (unit === 'us') return name === 'timestamp' ? { kind: 'timestamp' } : typeOfForm(name);
  if (unit !== 's' && unit !== 'ms' && unit !== 'ns')
    throw new SluiceError('EXPRESSION_TYPE', { what: `${name}({ unit: '${String(unit)}' }): units are s, ms, us and ns` });
  return typeOfForm(`${name}(${unit})`);
}

/** Any number of values of one type, in order: an array in rows. Passes through every verb, but is no key of one. */
export const list = <T>(item: Declared<T>): Declared<readonly T[]> =>
  declared({ kind: 'list', item: { type: item.type, nullable: item.isNullable } });
/** A value for each field: an object in rows. Passes through every verb, but is no key of one. */
export const struct = <const S extends SchemaShape>(fields: S): Declared<RowOf<S>> => declared({ kind: 'struct', fields: fieldsOf(fields) });

/** Names the columns of a table and their types, in the order of the table. */
export const schema = <const S extends SchemaShape>(columns: S): S => Object.freeze({ ...columns });

/** The schema as the engine has it: fields in the written order. */
export const fieldsOf = (columns: SchemaShape): Schema =>
  Object.entries(columns).map(([name, column]): Field => ({ name, type: column.type, nullable: column.isNullable }));

/** A field in words, for messages: `int32`, `utf8 nullable`. */
export const typeText = (field: { readonly type: ColumnType; readonly nullable: boolean }): string =>
  field.nullable ? `${columnTypeText(field.type)} nullable` : columnTypeText(field.type);
