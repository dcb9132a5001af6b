/**
 * Each function of the table as DuckDB's SQL, and the kinds of arguments it is compared on: what the tests beside this file
 * run over all edge values, and what the oracle makes random expressions of.
 */
import type { Expression } from '#runtime/expression/expression.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import type { Value } from '#runtime/expression/values.ts';
import { sqlTypes as formSql } from '../../batch/form-values.ts';
import { kinds, type TypeName, typeOf } from '../random.ts';

export const sqlTypes: Readonly<Record<TypeName, string>> = {
  int32: 'INTEGER',
  integer: 'BIGINT',
  int64: 'BIGINT',
  float64: 'DOUBLE',
  bool: 'BOOLEAN',
  utf8: 'VARCHAR',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
  'decimal(9,2)': 'DECIMAL(9,2)',
  'decimal(30,4)': 'DECIMAL(30,4)',
  ...formSql,
};

export interface Case {
  readonly fn: string;
  readonly kinds: readonly TypeName[];
  /** $1, $2, ... are the arguments; null: DuckDB has nothing of that meaning, and another test says what it gives. */
  readonly sql: string | null;
  readonly target?: TypeName;
  /** Arguments behind the columns. */
  readonly more?: readonly Expression[];
  /** Floats whose last bits are the platform's. */
  readonly near?: true;
  /** Where SEMANTICS.md has an exception, tested by name below. */
  readonly except?: (values: readonly Value[]) => boolean;
}

/** The function of a case on these arguments. */
export const caseCall = ({ fn, more, target }: Case, args: readonly Expression[]): Expression =>
  call(fn, [...args, ...(more ?? [])], target && typeOf(target));

const numbers: readonly TypeName[] = ['int32', 'integer', 'int64', 'float64', 'decimal(9,2)', 'decimal(30,4)'];
const int = (n: number): Expression => literal(n, { kind: 'int32' });
const text = (s: string): Expression => literal(s, { kind: 'utf8' });
const beyondInteger =
  (of: (a: bigint, b: bigint) => bigint) =>
  ([a, b]: readonly Value[]) => {
    if (a == null || b === null) return false;
    const result = of(BigInt(a), BigInt(b ?? 0));
    return result > 9007199254740991n || result < -9007199254740991n;
  };

const patterns = [
  ['b', ''],
  ['B', 'i'],
  ['^a', ''],
  ['[a-c]+$', ''],
  ['(a|b)*c', ''],
  ['^.{2,3}$', 's'],
  ['\\d+', ''],
  ['é', 'i'],
  ['\\p{L}', ''],
  ['[^\\x00-\\x7f]', ''],
  ['x{40}', ''],
  ['(?:^|-)(\\d\\d)', ''],
] as const;
const signs: Readonly<Record<string, string>> = { eq: '=', ne: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' };
const bigints: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = { '+': (a, b) => a + b, '-': (a, b) => a - b, '*': (a, b) => a * b };
export const cases: readonly Case[] = [
  ...Object.entries(signs).flatMap(([fn, sign]) => [
    ...kinds.map((kind): Case => ({ fn, kinds: [kind, kind], sql: `$1 ${sign} $2` })),
    ...(
      [
        ['int32', 'int64'],
        ['integer', 'float64'],
        ['int64', 'float64'],
        ['date', 'timestamp'],
      ] as const
    ).map((pair): Case => ({ fn, kinds: pair, sql: `$1 ${sign} $2` })),
  ]),
  ...kinds.flatMap((kind): Case[] => [
    { fn: 'between', kinds: [kind, kind, kind], sql: '$1 between $2 and $3' },
    { fn: 'in', kinds: [kind, kind, kind], sql: '$1 in ($2, $3)' },
    { fn: 'isNull', kinds: [kind], sql: '$1 is null' },
    { fn: 'isNotNull', kinds: [kind], sql: '$1 is not null' },
    { fn: 'coalesce', kinds: [kind, kind], sql: 'coalesce($1, $2)' },
    { fn: 'nullIf', kinds: [kind, kind], sql: 'nullif($1, $2)' },
    { fn: 'least', kinds: [kind, kind, kind], sql: 'least($1, $2, $3)' },
    { fn: 'greatest', kinds: [kind, kind, kind], sql: 'greatest($1, $2, $3)' },
    { fn: 'when', kinds: ['bool', kind, kind], sql: 'case when $1 then $2 else $3 end' },
  ]),
  { fn: 'when', kinds: ['bool', 'int32', 'bool', 'int64', 'float64'], sql: 'case when $1 then $2 when $3 then $4 else $5 end' },
  { fn: 'coalesce', kinds: ['int32', 'float64'], sql: 'coalesce($1, $2)' },
  { fn: 'and', kinds: ['bool', 'bool'], sql: '$1 and $2' },
  { fn: 'or', kinds: ['bool', 'bool'], sql: '$1 or $2' },
  { fn: 'not', kinds: ['bool'], sql: 'not $1' },
  ...(
    [
      ['add', '+'],
      ['sub', '-'],
      ['mul', '*'],
    ] as const
  ).flatMap(([fn, sign]): Case[] => [
    ...(['int32', 'int64', 'float64'] as const).map((kind): Case => ({ fn, kinds: [kind, kind], sql: `$1 ${sign} $2` })),
    { fn, kinds: ['int32', 'int64'], sql: `$1 ${sign} $2` },
    { fn, kinds: ['integer', 'int32'], sql: `$1 ${sign} $2`, except: beyondInteger(bigints[sign]!) },
    { fn, kinds: ['integer', 'float64'], sql: `$1 ${sign} $2` },
  ]),
  ...(
    [
      ['add', '+'],
      ['sub', '-'],
      ['mul', '*'],
      ['mod', '%'],
    ] as const
  ).flatMap(([fn, sign]) =>
    (
      [
        ['decimal(9,2)', 'decimal(9,2)'],
        ['decimal(9,2)', 'int32'],
        ['int64', 'decimal(9,2)'],
        ['decimal(30,4)', 'decimal(9,2)'],
        ['decimal(30,4)', 'decimal(30,4)'],
      ] as const
    ).map(
      (both): Case => ({
        fn,
        kinds: both,
        sql: `$1 ${sign} $2`,
        ...(fn === 'mod' ? { except: ([, b]: readonly Value[]) => b !== null && Number(b) === 0 } : {}),
      }),
    ),
  ),
  ...(['int32', 'integer', 'int64'] as const).map(
    (kind): Case => ({
      fn: 'mod',
      kinds: [kind, kind],
      sql: '$1 % $2',
      except: ([, b]) => b !== null && (Number(b) === 0 || Number(b) === -1),
    }),
  ),
  { fn: 'mod', kinds: ['float64', 'float64'], sql: '$1 % $2' },
  ...numbers.flatMap((kind): Case[] => [
    { fn: 'div', kinds: [kind, kind], sql: '$1 / $2' },
    { fn: 'neg', kinds: [kind], sql: '-$1' },
    { fn: 'abs', kinds: [kind], sql: 'abs($1)' },
    { fn: 'round', kinds: [kind], sql: 'round($1)' },
    { fn: 'floor', kinds: [kind], sql: kind === 'float64' || kind.startsWith('decimal') ? 'floor($1)' : '$1' },
    { fn: 'ceil', kinds: [kind], sql: kind === 'float64' || kind.startsWith('decimal') ? 'ceil($1)' : '$1' },
    { fn: 'sign', kinds: [kind], sql: 'sign($1)' },
    { fn: 'power', kinds: [kind, kind], sql: 'pow($1, $2)', near: true },
    ...['sqrt', 'exp', 'ln', 'log10'].map((fn): Case => ({ fn, kinds: [kind], sql: `${fn}($1)`, near: true })),
    { fn: 'round', kinds: [kind], sql: 'round($1, 2)', more: [int(2)] },
  ]),
  { fn: 'lower', kinds: ['utf8'], sql: 'lower($1)' },
  { fn: 'upper', kinds: ['utf8'], sql: 'upper($1)' },
  { fn: 'trim', kinds: ['utf8'], sql: 'trim($1)' },
  { fn: 'length', kinds: ['utf8'], sql: 'length($1)' },
  { fn: 'startsWith', kinds: ['utf8', 'utf8'], sql: 'starts_with($1, $2)' },
  { fn: 'endsWith', kinds: ['utf8', 'utf8'], sql: 'ends_with($1, $2)' },
  { fn: 'includes', kinds: ['utf8', 'utf8'], sql: 'contains($1, $2)' },
  { fn: 'concat', kinds: ['utf8', 'utf8'], sql: '$1 || $2' },
  { fn: 'trimStart', kinds: ['utf8'], sql: 'ltrim($1)' },
  { fn: 'trimEnd', kinds: ['utf8'], sql: 'rtrim($1)' },
  // DuckDB cuts what is too long; its reverse keeps what Unicode calls one character together.
  ...[0, 3, 45].flatMap((length) =>
    ['x', 'ab😀'].flatMap((fill): Case[] => [
      { fn: 'padStart', kinds: ['utf8'], sql: `lpad($1, greatest(length($1), ${length})::INTEGER, '${fill}')`, more: [int(length), text(fill)] },
      { fn: 'padEnd', kinds: ['utf8'], sql: `rpad($1, greatest(length($1), ${length})::INTEGER, '${fill}')`, more: [int(length), text(fill)] },
    ]),
  ),
  { fn: 'reverse', kinds: ['utf8'], sql: 'reverse($1)', except: ([a]) => a === 'z😀e\u0301' },
  ...[-1, 0, 1, 3].map((count): Case => ({ fn: 'repeat', kinds: ['utf8'], sql: `repeat($1, ${count})`, more: [int(count)] })),
  { fn: 'indexOf', kinds: ['utf8', 'utf8'], sql: 'strpos($1, $2) - 1' },
  { fn: 'replace', kinds: ['utf8', 'utf8', 'utf8'], sql: 'replace($1, $2, $3)' },
  { fn: 'replace', kinds: ['utf8'], sql: "replace($1, 'b', '😀')", more: [text('b'), text('😀')] },
  ...[0, 1, 2, -1, -2, -9].map(
    (index): Case => ({
      fn: 'splitPart',
      kinds: ['utf8', 'utf8'],
      sql: `split_part($1, $2, ${index < 0 ? index : index + 1})`,
      more: [int(index)],
      except: ([a, by]) => by === '' && a === 'z😀e\u0301',
    }),
  ),
  ...patterns.flatMap(([pattern, flags]): Case[] => {
    const [quoted, given] = [pattern.replaceAll("'", "''"), [text(pattern), text(flags)]];
    const options = flags === '' ? '' : `, '${flags}'`;
    return [
      { fn: 'matches', kinds: ['utf8'], sql: `regexp_matches($1, '${quoted}'${options})`, more: given },
      { fn: 'extract', kinds: ['utf8'], sql: `regexp_extract($1, '${quoted}', 0${options})`, more: [...given, int(0)] },
      { fn: 'replaceMatches', kinds: ['utf8'], sql: `regexp_replace($1, '${quoted}', '<\\0>', 'g${flags}')`, more: [...given, text('<$&>')] },
    ];
  }),
  { fn: 'extract', kinds: ['utf8'], sql: "regexp_extract($1, '(\\w)(b)?', 2)", more: [text('(\\w)(b)?'), text(''), int(2)] },
  { fn: 'replaceMatches', kinds: ['utf8'], sql: "regexp_replace($1, '(.)b', '\\1', 'g')", more: [text('(.)b'), text(''), text('$1')] },
  ...['$', '$.a', '$.a.b[1]', '$.a[-1]', '$."x.y"', '$[0]'].map(
    (path): Case => ({
      fn: 'json',
      kinds: ['utf8'],
      sql: `json_extract_string($1, '${path}')`,
      more: [text(path)],
      except: ([a]) => a === '1e3' || a === 'nan',
    }),
  ),
  ...['', '%', 'a%', '%b', '_', '__', 'a_c', '%a%b%', '%😀%', '_😀%', 'a\\%b', '(', '.*'].map(
    (pattern): Case => ({ fn: 'like', kinds: ['utf8'], sql: `$1 like '${pattern}'`, more: [text(pattern)] }),
  ),
  ...[
    [0, 1],
    [1, 3],
    [0, 0],
    [2, 40],
    [5, 6],
  ].map(([from, to]): Case => ({ fn: 'slice', kinds: ['utf8'], sql: `substring($1, ${from! + 1}, ${to! - from!})`, more: [int(from!), int(to!)] })),
  ...[-1, -3, -99].map((from): Case => ({ fn: 'slice', kinds: ['utf8'], sql: from === -99 ? '$1' : `right($1, ${-from})`, more: [int(from)] })),
  ...['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second'].map(
    (unit): Case => ({ fn: 'truncate', kinds: ['timestamp'], sql: `date_trunc('${unit}', $1)`, more: [text(unit)] }),
  ),
  ...['year', 'quarter', 'month', 'week', 'day'].map(
    (unit): Case => ({ fn: 'truncate', kinds: ['date'], sql: `date_trunc('${unit}', $1)::DATE`, more: [text(unit)] }),
  ),
  { fn: 'plus', kinds: ['timestamp', 'int32'], sql: '$1 + to_microseconds($2)' },
  { fn: 'minus', kinds: ['timestamp', 'int32'], sql: '$1 - to_microseconds($2)' },
  { fn: 'millisSince', kinds: ['timestamp', 'timestamp'], sql: "date_sub('millisecond', $2, $1)" },
  { fn: 'epochMillis', kinds: ['timestamp'], sql: 'epoch_ms($1)', except: ([a]) => a !== null && (a as bigint) < 0n },
  { fn: 'plusDays', kinds: ['date', 'int32'], sql: '$1 + $2', except: ([a, b]) => Math.abs(Number(a) + Number(b)) >= 2147483647 },
  { fn: 'plusMonths', kinds: ['date', 'int32'], sql: '($1 + to_months($2))::DATE' },
  { fn: 'plusMonths', kinds: ['timestamp', 'int32'], sql: '$1 + to_months($2)' },
  ...['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second', 'millisecond', 'microsecond'].flatMap((unit): Case[] => {
    const more = [text(unit)];
    const beyond =
      (micros: number) =>
      ([a, b]: readonly Value[]) =>
        unit === 'microsecond' && Math.abs(Number(a) - Number(b)) * micros > 9007199254740991;
    const sql = `date_diff('${unit}', $2, $1)`;
    return [
      { fn: 'diff', kinds: ['date', 'date'], sql, more, except: beyond(86_400_000_000) },
      { fn: 'diff', kinds: ['timestamp', 'timestamp'], sql, more, except: beyond(1) },
    ];
  }),
  ...['%Y-%m-%d', '%d.%-m.%y %H:%M:%S.%f', '%a %A %b %B %j %-j %I %-I %p %g %% %z'].flatMap((pattern): Case[] => [
    { fn: 'format', kinds: ['timestamp'], sql: `strftime($1, '${pattern}')`, more: [text(pattern)] },
    { fn: 'format', kinds: ['date'], sql: `strftime($1, '${pattern}')`, more: [text(pattern)] },
  ]),
  ...['%Y-%m-%d', '%Y-%m-%d %H:%M:%S.%f', '%m', '%j%y', 'a%Y', '%H%M'].flatMap((pattern): Case[] => [
    { fn: 'parse', kinds: ['utf8'], sql: `strptime($1, '${pattern}')`, more: [text(pattern)] },
    { fn: 'tryParse', kinds: ['utf8'], sql: `try_strptime($1, '${pattern}')`, more: [text(pattern)] },
  ]),
  ...kinds.map((kind): Case => ({ fn: 'hash', kinds: [kind, 'utf8'], sql: null })),
  { fn: 'date', kinds: ['timestamp'], sql: '$1::DATE' },
  ...['hour', 'minute', 'second'].map((fn): Case => ({ fn, kinds: ['timestamp'], sql: `${fn}($1)` })),
  { fn: 'epochSeconds', kinds: ['timestamp'], sql: "date_diff('second', TIMESTAMP '1970-01-01', $1)" },
  { fn: 'epochMicros', kinds: ['timestamp'], sql: 'epoch_us($1)' },
  ...(
    [
      ['year', 'year'],
      ['quarter', 'quarter'],
      ['month', 'month'],
      ['week', 'week'],
      ['weekYear', 'isoyear'],
      ['day', 'day'],
      ['dayOfWeek', 'isodow'],
      ['dayOfYear', 'dayofyear'],
    ] as const
  ).flatMap(([fn, name]): Case[] => [
    { fn, kinds: ['timestamp'], sql: `${name}($1)` },
    { fn, kinds: ['date'], sql: `${name}($1)` },
  ]),
  ...kinds.flatMap((from) =>
    kinds
      .filter((to) => canCast(from, to))
      .flatMap((to): Case[] => {
        const shared = { kinds: [from], target: to, except: ([a]: readonly Value[]) => castExcepted(from, to, a!) };
        return [
          { fn: 'cast', sql: `$1::${sqlTypes[to]}`, ...shared },
          { fn: 'tryCast', sql: `try_cast($1 as ${sqlTypes[to]})`, ...shared },
        ];
      }),
  ),
];

function canCast(from: TypeName, to: TypeName): boolean {
  try {
    call('cast', [columnRef({ name: 'x', type: typeOf(from), nullable: true })], typeOf(to));
    return true;
  } catch {
    return false;
  }
}
function castExcepted(from: TypeName, to: TypeName, value: Value): boolean {
  if (value === null) return false;
  if (to === 'integer' && Math.abs(Number(value)) > 9007199254740991) return true;
  if (from === 'float64' && to === 'int32') return value === 2147483647.5;
  if (from !== 'utf8') return false;
  if (to === 'int32' || to === 'integer' || to === 'int64') return ['1.5', '1e3'].includes(value as string);
  return to === 'date' && value === '2024-02-29 23:59:59.5';
}
