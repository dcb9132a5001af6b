/** unpivot: columns become rows, each with the name of its column and its value; a null gives no row. SQL: UNPIVOT. */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Field, Schema } from '../batch/batch.ts';
import type { Expression } from '../expression/expression.ts';
import { columnRef, literal } from '../expression/functions.ts';

export interface UnpivotOptions<C, N extends string, V extends string> {
  /** The columns, all of one type. */
  readonly columns: C;
  /** The new column with their names. */
  readonly name: N;
  /** The new column with their values. */
  readonly value: V;
}

export interface Unpivoted {
  readonly projections: readonly (readonly { readonly name: string; readonly expression: Expression }[])[];
  readonly schema: Schema;
  readonly value: Field;
}

const refuse = (what: string): never => {
  throw new SluiceError('PLAN_UNSUPPORTED', { what });
};

/** @param find  a field by its name */
export function unpivoted(
  uid: string,
  fields: Schema,
  find: (name: string) => Field,
  options: UnpivotOptions<readonly string[], string, string>,
): Unpivoted {
  const { columns, name, value } = options;
  const chosen = columns.map(find);
  const [first] = chosen;
  if (first === undefined) return refuse(`${uid} has no columns`);
  for (const field of chosen)
    if (JSON.stringify(field.type) !== JSON.stringify(first.type))
      refuse(`${uid}: ${first.name} is ${first.type.kind}, ${field.name} is ${field.type.kind}: cast one of them`);
  const kept = fields.filter((field) => !columns.includes(field.name));
  const names: Field = { name, type: { kind: 'utf8' }, nullable: false };
  const values: Field = { name: value, type: first.type, nullable: chosen.some(({ nullable }) => nullable) };
  const schema = [...kept, names, values];
  schema.forEach((field, i) => {
    if (schema.findIndex((each) => each.name === field.name) !== i) refuse(`${uid} gives two columns named ${field.name}`);
  });
  const own = kept.map((field) => ({ name: field.name, expression: columnRef(field) }));
  const projections = chosen.map((field) => [
    ...own,
    { name, expression: literal(field.name, names.type) },
    { name: value, expression: columnRef(field) },
  ]);
  return { projections, schema, value: values };
}
