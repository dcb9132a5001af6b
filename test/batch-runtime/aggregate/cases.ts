/**
 * Each aggregate of the table as DuckDB's SQL, and the kinds of arguments it is compared on: what table.test.ts runs over groups of
 * edge values.
 */
import { type Form, forms } from '#runtime/batch/forms.ts';
import { formNames } from '../batch/form-values.ts';
import { kinds, type TypeName } from '../expression/random.ts';

export interface Case {
  readonly fn: string;
  /** Of the argument and the further ones; none: count(). */
  readonly kinds: readonly TypeName[];
  /** $1, $2 are the arguments, i the number of the row. */
  readonly sql: string;
  readonly options?: readonly (string | number)[];
  /** How far it may be from DuckDB's, in parts of it; without it not at all. */
  readonly within?: number;
  /** Values of the first argument that are not in its groups: where SEMANTICS.md has an exception, or floats lose digits. */
  readonly without?: (value: unknown) => boolean;
}

const numbers: readonly TypeName[] = ['int32', 'integer', 'int64', 'float64', 'decimal(9,2)', 'decimal(30,4)'];
const large = (value: unknown): boolean => typeof value !== 'boolean' && Math.abs(Number(value)) > 2 ** 50;

/** DuckDB refuses a variance of what is not finite. */
const vast = (value: unknown): boolean => large(value) || Number.isNaN(value);

export const cases: readonly Case[] = [
  { fn: 'count', kinds: [], sql: 'count(*)' },
  ...kinds.flatMap((kind): Case[] => [
    { fn: 'count', kinds: [kind], sql: 'count($1)' },
    { fn: 'countDistinct', kinds: [kind], sql: 'count(distinct $1)' },
    { fn: 'approxCountDistinct', kinds: [kind], sql: 'count(distinct $1)', within: 0.05 },
    { fn: 'toList', kinds: [kind], sql: 'list($1 order by i)' },
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
    { fn: 'sum', kinds: [kind], sql: 'sum($1)', within: 1e-12, without: large },
    { fn: 'avg', kinds: [kind], sql: 'avg($1)', within: 1e-12, without: large },
    { fn: 'variance', kinds: [kind], sql: 'var_samp($1)', within: 1e-12, without: vast },
    { fn: 'variancePop', kinds: [kind], sql: 'var_pop($1)', within: 1e-12, without: vast },
    { fn: 'stddev', kinds: [kind], sql: 'stddev_samp($1)', within: 1e-12, without: vast },
    { fn: 'stddevPop', kinds: [kind], sql: 'stddev_pop($1)', within: 1e-12, without: vast },
    ...[0, 0.25, 0.5, 0.99, 1].flatMap((share): Case[] => [
      { fn: 'quantile', kinds: [kind], sql: `quantile_cont($1::DOUBLE, ${share})`, options: [share], within: 1e-12 },
      { fn: 'approxQuantile', kinds: [kind], sql: `quantile_cont($1::DOUBLE, ${share})`, options: [share], within: 1e-12 },
    ]),
  ]),
  ...['', ', ', '😀'].map(
    (separator): Case => ({ fn: 'joinText', kinds: ['utf8'], sql: `string_agg($1, '${separator}' order by i)`, options: [separator] }),
  ),
];

const ofNumbers = new Set(['sum', 'avg', 'variance', 'variancePop', 'stddev', 'stddevPop', 'quantile', 'approxQuantile']);
/** DuckDB's sums of what has no sign are a HUGEINT; floats are added up as doubles. */
const sqlOfNumber = (sql: string, fn: string, form: Form): string => {
  if (form === 'float32') return sql.replace('$1', '$1::DOUBLE');
  return form === 'uint64' && fn === 'sum' ? `${sql}::DECIMAL(38,0)` : sql;
};
/** The same on forms. */
export const formCases: readonly Case[] = formNames.flatMap((form): Case[] => [
  ...cases
    .filter(({ fn, kinds }) => kinds.includes('utf8') && fn !== 'toList' && fn !== 'joinText')
    // Two edges of uint64 happen to share a register of the sketch.
    .filter(({ fn }) => form !== 'uint64' || fn !== 'approxCountDistinct')
    .map((one): Case => ({ ...one, kinds: one.kinds.length === 2 ? ['utf8', form] : [form] })),
  ...cases
    .filter(({ fn, kinds }) => forms[form].meaning === 'number' && kinds[0] === 'int32' && ofNumbers.has(fn))
    .map(
      ({ without: _, ...one }): Case => ({
        ...one,
        kinds: [form],
        sql: sqlOfNumber(one.sql, one.fn, form),
        // Where values are far apart, a variance has few digits left, each in its own way.
        ...(/^(var|std)/.test(one.fn) ? { without: (value: unknown) => Math.abs(Number(value)) > 2 ** 33 } : {}),
      }),
    ),
]);
