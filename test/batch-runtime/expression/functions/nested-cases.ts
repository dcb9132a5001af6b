/** The functions of lists and structs as DuckDB's SQL, with the types and values they are compared on. */
import type { ColumnType } from '#runtime/batch/batch.ts';
import type { PlainValue } from '#runtime/batch/rows.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { literal } from '#runtime/expression/functions.ts';
import { type Declared, float64, int32, list, struct, utf8 } from '#runtime/schema.ts';

export interface NestedCase {
  readonly fn: string;
  readonly types: readonly ColumnType[];
  readonly values: readonly (readonly PlainValue[])[];
  /** Arguments behind the columns. */
  readonly more?: readonly Expression[];
  readonly sql: string;
}

const typesOf = (...declared: readonly Declared<unknown>[]): ColumnType[] => declared.map(({ type }) => type);
const text = (value: string): Expression => literal(value, { kind: 'utf8' });
const person = struct({ name: utf8().nullable(), tags: list(utf8()), place: struct({ city: utf8() }).nullable() });
const people: readonly PlainValue[] = [
  null,
  { name: 'ann', tags: ['a', 'b'], place: { city: 'Ulm' } },
  { name: null, tags: [], place: null },
  { name: '', tags: ['é'], place: { city: '' } },
];
const numbers: readonly PlainValue[] = [null, [], [1], [1, null, 3], [null], [2147483647, -2147483648, 0, 1]];
const floats: readonly PlainValue[] = [null, [], [0.5, 'NaN'], [null, 0], ['Infinity', -1]];
const texts: readonly PlainValue[] = [null, '', 'a', 'a,b', ',', 'a,,b,', 'é,😀', 'abcabc', 'xx'];
const lists: readonly PlainValue[] = [null, [], ['a'], ['a', null, 'é'], ['a,b', '']];

export const nestedCases: readonly NestedCase[] = [
  { fn: 'field', types: typesOf(person), values: [people], more: [text('name')], sql: '$1.name' },
  { fn: 'field', types: typesOf(person), values: [people], more: [text('tags')], sql: '$1.tags' },
  { fn: 'field', types: typesOf(person), values: [people], more: [text('place')], sql: '$1.place' },
  { fn: 'listLength', types: typesOf(list(int32().nullable())), values: [numbers], sql: 'len($1)' },
  { fn: 'listLength', types: typesOf(list(utf8().nullable())), values: [lists], sql: 'len($1)' },
  ...[list(int32().nullable()), list(float64().nullable()), list(utf8().nullable())].map(
    (of, k): NestedCase => ({
      fn: 'at',
      types: typesOf(of, int32()),
      values: [[numbers, floats, lists][k]!, [null, 0, 1, 2, 3, -1, -2, -5, 2147483647, -2147483648]],
      // DuckDB counts from 1.
      sql: 'list_extract($1, case when $2 < 0 then $2::BIGINT else $2::BIGINT + 1 end)',
    }),
  ),
  {
    fn: 'contains',
    types: typesOf(list(int32().nullable()), int32()),
    values: [numbers, [null, 1, 3, 0, -2147483648]],
    sql: 'list_contains($1, $2)',
  },
  { fn: 'contains', types: typesOf(list(float64().nullable()), float64()), values: [floats, [null, 0, 'NaN', -1]], sql: 'list_contains($1, $2)' },
  { fn: 'contains', types: typesOf(list(utf8().nullable()), utf8()), values: [lists, [null, '', 'a', 'é', 'z']], sql: 'list_contains($1, $2)' },
  { fn: 'split', types: typesOf(utf8(), utf8()), values: [texts, [',', 'a', 'bc', 'é', '']], sql: 'string_split($1, $2)' },
];
