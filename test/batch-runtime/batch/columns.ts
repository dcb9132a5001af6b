/**
 * Random columns and batches together with the values they hold, in every form a column may have: plain, with a dictionary, cut
 * from a longer one, with a bitmap that says nothing. What the tests of columns, operators and blocks are made of.
 */
import fc from 'fast-check';
import type { Batch, Column, Schema } from '#runtime/batch/batch.ts';
import { sliceColumn } from '#runtime/batch/slice.ts';
import { compareValues, type Value, valueAt } from '#runtime/expression/values.ts';
import { columnOf, edges, kinds, nameOf, type PlainName, type TypeName, typeOf } from '../expression/random.ts';

export { columnOf, edges, kinds, nameOf, type PlainName, type TypeName, typeOf };

export interface Form {
  readonly dictionary: boolean;
  readonly validity: boolean;
  /** Rows cut off in front and behind. */
  readonly cut: number;
}
export const formArb: fc.Arbitrary<Form> = fc.record({
  dictionary: fc.boolean(),
  validity: fc.boolean(),
  cut: fc.constantFrom(0, 0, 1, 8, 11),
});

/** The values as a column of that form. */
export function formed(kind: TypeName, values: readonly Value[], { dictionary, validity, cut }: Form): Column {
  const around = Array<Value>(cut).fill(edges[kind][0]!);
  return sliceColumn(columnOf(kind, [...around, ...values, ...around], { dictionary, validity }), cut, cut + values.length);
}

export const valueArb = (kind: TypeName, nullable = true): fc.Arbitrary<Value> =>
  nullable ? fc.option(fc.constantFrom(...edges[kind]), { freq: 4 }) : fc.constantFrom(...edges[kind]);

/** Values of one kind; `few` different ones now and then, so that rows repeat. */
export const valuesArb = (kind: TypeName, length: { readonly minLength?: number; readonly maxLength: number }, nullable = true) =>
  fc.oneof(fc.array(valueArb(kind, nullable), length), fc.array(fc.constantFrom(...edges[kind].slice(0, 3), ...(nullable ? [null] : [])), length));

export const kindArb: fc.Arbitrary<PlainName> = fc.constantFrom(...kinds);

export const valuesOf = (column: Column): Value[] => Array.from({ length: column.length }, (_, i) => valueAt(column, i));
/** Row by row. */
export const rowsIn = (batch: Batch): Value[][] => Array.from({ length: batch.length }, (_, i) => batch.columns.map((column) => valueAt(column, i)));

export const fieldsOf = (...of: readonly TypeName[]): Schema => of.map((kind, c) => ({ name: `c${c}`, type: typeOf(kind), nullable: true }));

/** Rows as a batch, each column in a form of its own. */
export const batchOf = (schema: Schema, rows: readonly (readonly Value[])[], forms: readonly Form[] = []): Batch => ({
  schema,
  length: rows.length,
  columns: schema.map((field, c) =>
    formed(
      nameOf(field.type),
      rows.map((row) => row[c]!),
      forms[c] ?? { dictionary: false, validity: false, cut: 0 },
    ),
  ),
});

/** Batches of one schema. `few`: how many different values a column has at most. */
export const batchArb = (schema: Schema, maxLength: number, few = 40): fc.Arbitrary<Batch> =>
  fc
    .tuple(
      fc.array(fc.tuple(...schema.map(({ type, nullable }) => pickArb(nameOf(type), nullable, few))), { maxLength }),
      fc.tuple(...schema.map(() => formArb)),
    )
    .map(([rows, forms]) => batchOf(schema, rows, forms));

const pickArb = (kind: TypeName, nullable: boolean, few: number): fc.Arbitrary<Value> => {
  const some = fc.constantFrom(...edges[kind].slice(0, few));
  return nullable ? fc.option(some, { freq: 5 }) : some;
};

/** The one order of values with nulls last, or in descending order. */
export function order(a: Value, b: Value, descending = false): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return descending ? compareValues(b, a) : compareValues(a, b);
}

/** Text that is equal for equal keys: -0 is 0, one NaN. */
export const keyText = (values: readonly Value[]): string => values.map((value) => `${typeof value}:${value}`).join('|');
