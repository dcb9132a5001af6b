/**
 * Each aggregate of the table as DuckDB's SQL, and the kinds of arguments it is compared on: what table.test.ts runs over groups of
 * edge values.
 */
import type { TypeKind } from '#runtime/batch/batch.ts';
import { kinds } from '../expression/random.ts';

export interface Case {
  readonly fn: string;
  /** Of the argument and the further ones; none: count(). */
  readonly kinds: readonly TypeKind[];
  /** $1, $2 are the arguments, i the number of the row. */
  readonly sql: string;
  /** Digits that agree; without it all of them. */
  readonly digits?: number;
  /** Values of the first argument that are not in its groups: where SEMANTICS.md has an exception, or floats lose digits. */
  readonly without?: (value: unknown) => boolean;
}

const numbers: readonly TypeKind[] = ['int32', 'integer', 'int64', 'float64'];
const large = (value: unknown): boolean => typeof value !== 'boolean' && Math.abs(Number(value)) > 2 ** 50;

export const cases: readonly Case[] = [
  { fn: 'count', kinds: [], sql: 'count(*)' },
  ...kinds.flatMap((kind): Case[] => [
    { fn: 'count', kinds: [kind], sql: 'count($1)' },
    { fn: 'countDistinct', kinds: [kind], sql: 'count(distinct $1)' },
    { fn: 'first', kinds: [kind], sql: 'first($1 order by i)' },
    { fn: 'last', kinds: [kind], sql: 'last($1 order by i)' },
    { fn: 'first', kinds: ['utf8', kind], sql: 'first($1 order by $2, i)' },
    { fn: 'last', kinds: ['utf8', kind], sql: 'last($1 order by $2, i)' },
  ]),
  ...kinds
    .filter((kind) => kind !== 'bool')
    .flatMap((kind): Case[] => [
      { fn: 'min', kinds: [kind], sql: 'min($1)' },
      { fn: 'max', kinds: [kind], sql: 'max($1)' },
    ]),
  ...numbers.flatMap((kind): Case[] => [
    { fn: 'sum', kinds: [kind], sql: 'sum($1)', digits: 12, without: large },
    { fn: 'avg', kinds: [kind], sql: 'avg($1)', digits: 12, without: large },
  ]),
];
