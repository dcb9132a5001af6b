/**
 * unnest: a row for each value of a list; the other columns repeat. The value stands in the list's place, under its name or another; a row whose list is
 * null or empty gives none, or one with a null if that is wanted. SQL: UNNEST, and LEFT JOIN UNNEST as outer.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Field, Schema } from '../batch/batch.ts';
import type { Unnesting } from '../graph/plan.ts';

export interface UnnestOptions {
  /** The name of the values; by default the list's. */
  readonly as?: string;
  /** A further column that says which value of its list it is: 1 is the first. */
  readonly ordinality?: string;
  /** A row whose list is null or empty stays, with a null for the value. */
  readonly outer?: boolean;
}

const refuse = (what: string): never => {
  throw new SluiceError('PLAN_UNSUPPORTED', { what });
};

/** @param list  the column */
export function unnested(uid: string, fields: Schema, list: Field, options: UnnestOptions): Unnesting & { readonly schema: Schema } {
  if (list.type.kind !== 'list') return refuse(`${uid}: ${list.name} is a ${list.type.kind}, not a list`);
  const { as: item = list.name, ordinality = null, outer = false } = options;
  const { type, nullable } = list.type.item;
  const values: Field = { name: item, type, nullable: nullable || outer };
  const places: Field[] = ordinality === null ? [] : [{ name: ordinality, type: { kind: 'integer' }, nullable: outer }];
  const schema = [...fields.map((field) => (field.name === list.name ? values : field)), ...places];
  schema.forEach(({ name }, i) => {
    if (schema.findIndex((field) => field.name === name) !== i) refuse(`${uid} gives two columns named ${name}`);
  });
  return { column: list.name, item, ordinality, outer, schema };
}
