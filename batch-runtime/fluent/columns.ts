/** Where expressions start: the columns of a table, a column by its name, a value that is the same in every row. */
import { SluiceError } from '#manager/protocol/errors.ts';
import { columnTypeText, type Schema } from '../batch/batch.ts';
import { columnRef } from '../expression/functions.ts';
import type { Declared } from '../schema.ts';
import { Built, literalOf, refuse, type Unused } from './built.ts';
import type { Columns, ExprOf, Text } from './expr.ts';
import './methods.ts';

/** A value that is the same in every row, of a type of your choice; `lit(null, int32().nullable())` is a null. */
export function lit<T>(value: T | Text<T>, type: Declared<T>): ExprOf<T> {
  if (value === null && !type.isNullable) refuse(`null is not a ${columnTypeText(type.type)}: declare it .nullable()`);
  return new Built(literalOf(value, type.type), null) as unknown as ExprOf<T>;
}

/** A column by name, for tables of which nothing is declared; looked up when a verb uses it. */
export function col<T>(name: string, type: Declared<T>): ExprOf<T> {
  return new Built(columnRef({ name, type: type.type, nullable: type.isNullable }), null) as unknown as ExprOf<T>;
}

export const unknownColumn = (column: string, where: string, fields: Schema): never => {
  throw new SluiceError('COLUMN_UNKNOWN', { column, where, columns: fields.map((field) => field.name) });
};

/** The columns of a table, made as they are touched; a name that is not there is COLUMN_UNKNOWN. */
export const columnsOf = (fields: Schema, where: string, unused: Unused): Columns<unknown> =>
  new Proxy(
    {},
    {
      get(_, name) {
        if (typeof name === 'symbol') return undefined;
        const field = fields.find((each) => each.name === name) ?? unknownColumn(name, where, fields);
        return new Built(columnRef(field), unused);
      },
      ownKeys: () => fields.map((field) => field.name),
      getOwnPropertyDescriptor: (_, name) => (fields.some((field) => field.name === name) ? { enumerable: true, configurable: true } : undefined),
    },
  );
