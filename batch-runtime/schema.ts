/**
 * Schemas as users write them: a plain object of declared column types, to spread, pick from and export. `RowOf` is the row
 * type that follows from one; `fieldsOf` is the same as the engine sees it. Values are checked where data comes in, not here.
 *
 * Temporal types come from the pinned polyfill, so that a stranger's project needs no `lib` setting; at run time the
 * polyfill gives the native objects where there are any.
 */
import type { Temporal } from 'temporal-polyfill';
import type { ColumnType, Field, Schema } from './batch/batch.ts';

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
export type Value = boolean | number | bigint | string | Temporal.Instant | Temporal.PlainDate;

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
/** Text. */
export const utf8 = (): Declared<string> => declared({ kind: 'utf8' });
/** A day, without time and zone: Temporal.PlainDate in rows. */
export const date = (): Declared<Temporal.PlainDate> => declared({ kind: 'date' });
/** A moment, in microseconds, UTC: Temporal.Instant in rows. */
export const timestamp = (): Declared<Temporal.Instant> => declared({ kind: 'timestamp' });

/** Names the columns of a table and their types, in the order of the table. */
export const schema = <const S extends SchemaShape>(columns: S): S => Object.freeze({ ...columns });

/** The schema as the engine has it: fields in the written order. */
export const fieldsOf = (columns: SchemaShape): Schema =>
  Object.entries(columns).map(([name, column]): Field => ({ name, type: column.type, nullable: column.isNullable }));

/** A field in words, for messages: `int32`, `utf8 nullable`. */
export const typeText = (field: { readonly type: ColumnType; readonly nullable: boolean }): string =>
  field.nullable ? `${field.type.kind} nullable` : field.type.kind;
