/** Random types with lists and structs in them, values of them, and columns of those values, cut from longer ones now and then. */
import fc from 'fast-check';
import { type Batch, type Column, type ColumnType, type Field, formOf, type Schema, typeOfForm } from '#runtime/batch/batch.ts';
import { decimalText } from '#runtime/batch/decimal.ts';
import { fromPlain, type PlainValue, plainValue } from '#runtime/batch/rows.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { Value } from '#runtime/expression/values.ts';
import { edges, kinds, nameOf, typeOf } from './columns.ts';
import { formEdges, formNames } from './form-values.ts';

/** `depth` levels of lists and structs at most; at 0 a plain type. `forms`: those that stand for another type too. */
export const typeArb = (depth: number, forms = true): fc.Arbitrary<ColumnType> => {
  const plain = fc.constantFrom(...kinds).map((kind) => typeOf(kind));
  const flat = forms ? fc.oneof({ weight: 3, arbitrary: plain }, { weight: 1, arbitrary: fc.constantFrom(...formNames).map(typeOfForm) }) : plain;
  if (depth === 0) return flat;
  const item = fc.record({ type: typeArb(depth - 1, forms), nullable: fc.boolean() }, { noNullPrototype: true });
  const list = item.map((of): ColumnType => ({ kind: 'list', item: of }));
  const struct = fc
    .array(item, { minLength: 1, maxLength: 3 })
    .map((of): ColumnType => ({ kind: 'struct', fields: of.map((field, f): Field => ({ name: `f${f}`, ...field })) }));
  return fc.oneof({ weight: 1, arbitrary: flat }, { weight: 2, arbitrary: list }, { weight: 2, arbitrary: struct });
};

/** Values of a type in their plain form; equal ones are deeply equal. */
export function plainArb(type: ColumnType, nullable: boolean): fc.Arbitrary<PlainValue> {
  const there = (): fc.Arbitrary<PlainValue> => {
    switch (type.kind) {
      case 'list':
        return fc.array(plainArb(type.item.type, type.item.nullable), { maxLength: 3 });
      case 'struct':
        return fc
          .tuple(...type.fields.map((field) => plainArb(field.type, field.nullable)))
          .map((values) => Object.fromEntries(values.map((value, f) => [type.fields[f]!.name, value])));
      default:
        return fc.constantFrom(
          ...edgesOf(type).map((value): PlainValue => {
            if (type.kind === 'decimal') return decimalText(value as bigint, type.scale);
            if (type.kind === 'float64') return Number.isFinite(value) ? (value as number) : String(value);
            return type.kind === 'integer' || typeof value === 'bigint' ? String(value) : value;
          }),
        );
    }
  };
  return nullable ? fc.option(there(), { freq: 4 }) : there();
}

const edgesOf = (type: ColumnType): readonly NonNullable<Value>[] => {
  const form = formOf(type);
  return form === null ? edges[nameOf(type)] : formEdges[form];
};

export const schemaArb = (depth: number, maxLength = 3, forms = true): fc.Arbitrary<Schema> =>
  fc
    .array(fc.record({ type: typeArb(depth, forms), nullable: fc.boolean() }, { noNullPrototype: true }), { minLength: 1, maxLength })
    .map((of) => of.map((field, c) => ({ name: `c${c}`, ...field })));

export const rowsArb = (schema: Schema, maxLength: number): fc.Arbitrary<PlainValue[][]> =>
  fc.array(fc.tuple(...schema.map(({ type, nullable }) => plainArb(type, nullable))), { maxLength });

/** A batch of the rows, which may be cut from a longer one. */
export function nestedBatch(schema: Schema, rows: readonly (readonly PlainValue[])[], cut = 0): Batch {
  const first = rows[0];
  if (first === undefined || cut === 0) return fromPlain(schema, rows);
  const around = Array.from({ length: cut }, () => rows.at(-1)!);
  return slice(fromPlain(schema, [...around, ...rows, ...around]), cut, cut + rows.length);
}

export const nestedBatchArb = (schema: Schema, maxLength = 12): fc.Arbitrary<{ readonly batch: Batch; readonly rows: PlainValue[][] }> =>
  fc.tuple(rowsArb(schema, maxLength), fc.constantFrom(0, 0, 1, 9)).map(([rows, cut]) => ({ batch: nestedBatch(schema, rows, cut), rows }));

export const plainRows = ({ columns, length }: Batch): PlainValue[][] =>
  Array.from({ length }, (_, i) => columns.map((column) => plainValue(column, i)));
export const plainValues = (column: Column): PlainValue[] => Array.from({ length: column.length }, (_, i) => plainValue(column, i));
