/**
 * Groups by several sets of keys at once: rollup, cube and groupingSets. Each row becomes one for every set, with null in the place of
 * the keys that are not in it and the number of the set as one more key, so that a null that was there is another group; then it is a
 * groupBy like any other. And pivot, which is an aggregate for each value of a key, over the rows that have it.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Field, Schema } from '../batch/batch.ts';
import type { Expression } from '../expression/expression.ts';
import { columnRef, literal } from '../expression/functions.ts';
import type { Aggregate, Count } from '../fluent/aggregate.ts';
import { Built, BuiltAggregate } from '../fluent/built.ts';
import type { Columns } from '../fluent/expr.ts';

type Column = { readonly name: string; readonly expression: Expression };

/** The name of a column that says which keys are left out, a bit for each, the last key the lowest. SQL: GROUPING(...). */
export interface GroupingOptions<I extends string> {
  readonly id: I;
}

export interface PivotOptions<R, N extends keyof R, V, A> {
  /** The column whose values become columns. */
  readonly key: N;
  /** Those values; others are left out. */
  readonly values: V;
  /** What stands in each of the columns. */
  readonly aggregate: (t: Columns<R>) => A;
}

export const rollupSets = (keys: readonly string[]): string[][] => Array.from({ length: keys.length + 1 }, (_, k) => keys.slice(0, keys.length - k));
export const cubeSets = (keys: readonly string[]): string[][] =>
  Array.from({ length: 2 ** keys.length }, (_, out) => keys.filter((__, k) => ((out >> (keys.length - 1 - k)) & 1) === 0));

/** The most keys of a cube: 2^keys sets. */
const mostCubed = 12;

const refuse = (what: string): never => {
  throw new SluiceError('PLAN_UNSUPPORTED', { what });
};

/** What the verb makes: rows for each set, the keys to group by, and the keys under their names again. */
export interface Grouping {
  readonly projections: readonly (readonly Column[])[];
  readonly schema: Schema;
  readonly keys: readonly string[];
  /** From a key of the aggregate to what the user sees. */
  readonly named: readonly Column[];
}

/** @param sets  of names among the keys */
export function grouping(uid: string, fields: Schema, keys: readonly Field[], sets: readonly (readonly string[])[], id: string | null): Grouping {
  if (sets.length === 0) refuse(`${uid} has no sets`);
  if (keys.length > mostCubed && sets.length > 2 ** mostCubed) refuse(`${uid}: a cube has ${mostCubed} keys at most`);
  for (const name of sets.flat()) if (!keys.some((key) => key.name === name)) refuse(`${uid}: ${name} is not a key of the groupBy`);
  if (id !== null && keys.some(({ name }) => name === id)) refuse(`${uid} gives two columns named ${id}`);
  const copies = keys.map((key, k): Field => ({ ...key, name: `${uid}.key-${k}`, nullable: true }));
  const number: Field = { name: `${uid}.set`, type: { kind: 'int32' }, nullable: false };
  const place: Field = { name: `${uid}.place`, type: { kind: 'int32' }, nullable: false };
  const own = fields.map((field): Column => ({ name: field.name, expression: columnRef(field) }));
  const projections = sets.map((set, at) => [
    ...own,
    ...keys.map((key, k): Column => ({ name: copies[k]!.name, expression: set.includes(key.name) ? columnRef(key) : literal(null, key.type) })),
    {
      name: number.name,
      expression: literal(
        keys.reduce((bits, { name }) => 2 * bits + (set.includes(name) ? 0 : 1), 0),
        number.type,
      ),
    },
    // A set that is given twice is there twice.
    { name: place.name, expression: literal(at, place.type) },
  ]);
  const named = [
    ...keys.map((key, k): Column => ({ name: key.name, expression: columnRef(copies[k]!) })),
    ...(id === null ? [] : [{ name: id, expression: columnRef(number) }]),
  ];
  return { projections, schema: [...fields, ...copies, number, place], keys: [...copies.map(({ name }) => name), number.name, place.name], named };
}

/** The aggregates of a pivot: one for each value, over the rows whose key it is. */
export function pivoted(
  uid: string,
  columns: Columns<never>,
  options: PivotOptions<never, never, readonly unknown[], unknown>,
): Record<string, Aggregate<unknown> | Count> {
  const { key, values, aggregate } = options;
  if (!Array.isArray(values) || values.length === 0)
    return refuse(`${uid} wants the values that become columns: { key, values: ['x', 'y'], aggregate }`);
  return Object.fromEntries(
    values.map((value) => {
      const made = aggregate(columns);
      const column = columns[key] as unknown;
      if (!(made instanceof BuiltAggregate) || !(column instanceof Built)) return refuse(`${uid}: aggregate gives count() or t.column.sum()`);
      const isIt = (column as unknown as { eq(other: unknown): never }).eq(value);
      return [String(value), made.filter(isIt) as unknown as Aggregate<unknown>];
    }),
  );
}
