import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Batch, ColumnType, Schema, TypeKind } from '#runtime/batch/batch.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { call, columnRef, functions, literal } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import type { Value } from '#runtime/expression/values.ts';
import { columnOf, edges, kinds } from './random.ts';

let duck: DuckDBConnection;
let instance: DuckDBInstance;
before(async () => {
  instance = await DuckDBInstance.create();
  duck = await instance.connect();
});
after(() => {
  duck.closeSync();
  instance.closeSync();
});

const sqlTypes: Readonly<Record<TypeKind, string>> = {
  int32: 'INTEGER',
  integer: 'BIGINT',
  int64: 'BIGINT',
  float64: 'DOUBLE',
  bool: 'BOOLEAN',
  utf8: 'VARCHAR',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
};
function sqlOf(value: Value, kind: TypeKind): string {
  if (value === null) return `NULL::${sqlTypes[kind]}`;
  if (kind === 'utf8') return `'${(value as string).replaceAll("'", "''")}'`;
  if (kind === 'date') return `(DATE '1970-01-01' + (${value})::INTEGER)`;
  if (kind === 'timestamp') return `make_timestamp('${value}'::BIGINT)`;
  return `'${Object.is(value, -0) ? '-0' : value}'::${sqlTypes[kind]}`;
}

/** What DuckDB gave, as our value of that kind. */
function ours(given: unknown, kind: TypeKind): Value {
  if (given === null) return null;
  if (kind === 'date') return (given as { days: number }).days;
  if (kind === 'timestamp') return (given as { micros: bigint }).micros;
  if (kind === 'int64') return BigInt(given as number);
  return kind === 'int32' || kind === 'integer' || kind === 'float64' ? Number(given) : (given as Value);
}

interface Case {
  readonly fn: string;
  readonly kinds: readonly TypeKind[];
  /** $1, $2, ... are the arguments. */
  readonly sql: string;
  readonly target?: TypeKind;
  /** Arguments behind the columns. */
  readonly more?: readonly Expression[];
  /** Where SEMANTICS.md has an exception, tested by name below. */
  readonly except?: (values: readonly Value[]) => boolean;
}

const everyRow = (lists: readonly (readonly Value[])[]): Value[][] =>
  lists.reduce<Value[][]>((rows, list) => rows.flatMap((row) => list.map((value) => [...row, value])), [[]]);

const error = 'error';
function evaluate(expression: Expression, batch: Batch, row: number): Value | typeof error {
  try {
    return interpret(expression, batch, row);
  } catch (thrown) {
    if (thrown instanceof SluiceError) return error;
    throw thrown;
  }
}

async function compare(one: Case): Promise<number> {
  const schema: Schema = one.kinds.map((kind, k) => ({ name: `c${k}`, type: { kind }, nullable: true }));
  const rows = everyRow(one.kinds.map((kind) => [null, ...edges[kind].slice(0, one.kinds.length > 2 ? 9 : undefined)])).filter(
    (row) => !one.except?.(row),
  );
  const batch: Batch = {
    schema,
    length: rows.length,
    columns: one.kinds.map((kind, k) =>
      columnOf(
        kind,
        rows.map((row) => row[k]!),
      ),
    ),
  };
  const target: ColumnType | undefined = one.target && { kind: one.target };
  const expression = call(one.fn, [...schema.map(columnRef), ...(one.more ?? [])], target);
  const names = one.kinds.map((_, k) => `c${k}`);
  const values = rows.map((row, i) => `(${i}, ${row.map((value, k) => sqlOf(value, one.kinds[k]!)).join(', ')})`);
  const sql = one.sql.replaceAll(/\$(\d)/g, (_, k) => names[k - 1]!);
  const { kind } = expression.type;
  const typed = kind === 'int32' || kind === 'integer' || kind === 'int64' ? `(${sql})::BIGINT` : sql;
  const answer = await duck.runAndReadAll(`select i, try(${typed}) from (values ${values.join(', ')}) t(i, ${names.join(', ')}) order by i`);
  const given = answer.getRows();
  rows.forEach((row, i) => {
    const mine = evaluate(expression, batch, i);
    const theirs = ours(given[i]![1], kind);
    // try() makes an error a null; without a null argument only errors are null here
    const right =
      mine === error ? theirs === null : Object.is(typeof mine === 'number' ? mine + 0 : mine, typeof theirs === 'number' ? theirs + 0 : theirs);
    if (!right)
      assert.fail(
        `${one.sql} of (${row.map((value) => (typeof value === 'string' ? JSON.stringify(value) : String(value))).join(', ')}): ${String(mine)}, DuckDB ${String(theirs)}`,
      );
  });
  return rows.length;
}

const numbers: readonly TypeKind[] = ['int32', 'integer', 'int64', 'float64'];
const int = (n: number): Expression => literal(n, { kind: 'int32' });
const text = (s: string): Expression => literal(s, { kind: 'utf8' });
const beyondInteger =
  (of: (a: bigint, b: bigint) => bigint) =>
  ([a, b]: readonly Value[]) => {
    if (a == null || b === null) return false;
    const result = of(BigInt(a), BigInt(b ?? 0));
    return result > 9007199254740991n || result < -9007199254740991n;
  };

const signs: Readonly<Record<string, string>> = { eq: '=', ne: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' };
const bigints: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = { '+': (a, b) => a + b, '-': (a, b) => a - b, '*': (a, b) => a * b };
const cases: readonly Case[] = [
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
  { fn: 'date', kinds: ['timestamp'], sql: '$1::DATE' },
  { fn: 'hour', kinds: ['timestamp'], sql: 'hour($1)' },
  ...(['year', 'month', 'day'] as const).flatMap((fn): Case[] => [
    { fn, kinds: ['timestamp'], sql: `${fn}($1)` },
    { fn, kinds: ['date'], sql: `${fn}($1)` },
  ]),
  ...kinds.flatMap((from) =>
    kinds
      .filter((to) => canCast(from, to))
      .map((to): Case => ({ fn: 'cast', kinds: [from], sql: `$1::${sqlTypes[to]}`, target: to, except: ([a]) => castExcepted(from, to, a!) })),
  ),
];

function canCast(from: TypeKind, to: TypeKind): boolean {
  try {
    call('cast', [columnRef({ name: 'x', type: { kind: from }, nullable: true })], { kind: to });
    return true;
  } catch {
    return false;
  }
}
function castExcepted(from: TypeKind, to: TypeKind, value: Value): boolean {
  if (value === null) return false;
  if (to === 'integer' && Math.abs(Number(value)) > 9007199254740991) return true;
  if (from === 'float64' && to === 'int32') return value === 2147483647.5;
  if (from !== 'utf8') return false;
  if (to === 'int32' || to === 'integer' || to === 'int64') return ['1.5', '1e3'].includes(value as string);
  return to === 'date' && value === '2024-02-29 23:59:59.5';
}

test('every function gives what DuckDB gives, on all combinations of edge values', async () => {
  let rows = 0;
  for (const one of cases) rows += await compare(one);
  assert(rows > 20_000, `${rows} rows`);
  assert.deepEqual(
    Object.keys(functions).filter((fn) => !cases.some((one) => one.fn === fn)),
    [],
  );
});

test('lower and upper case map every code point as DuckDB does, but for those newer than its tables', async () => {
  const points = Array.from({ length: 0x1_ffff }, (_, k) => k + 1).filter((k) => k < 0xd800 || k > 0xdfff);
  const answer = await duck.runAndReadAll(`select unicode(lower(chr(i))), unicode(upper(chr(i))) from unnest([${points.join(',')}]) t(i)`);
  const one: Schema = [{ name: 'x', type: { kind: 'utf8' }, nullable: false }];
  const batch: Batch = {
    schema: one,
    length: points.length,
    columns: [
      columnOf(
        'utf8',
        points.map((k) => String.fromCodePoint(k)),
      ),
    ],
  };
  // Cased in Unicode 16 and 17, and with a partner there.
  const newer = /^[\u{19b}\u{264}\u{1c89}\u{1c8a}\u{a7cb}-\u{a7dc}\u{10d50}-\u{10d85}\u{16ea0}-\u{16ed3}]$/u;
  const different: string[] = [];
  for (const [k, fn] of (['lower', 'upper'] as const).entries()) {
    const expression = call(fn, [columnRef(one[0]!)]);
    answer.getRows().forEach((row, i) => {
      const given = interpret(expression, batch, i) as string;
      if (given.codePointAt(0) !== row[k] && !newer.test(String.fromCodePoint(points[i]!))) different.push(`${fn} U+${points[i]!.toString(16)}`);
    });
  }
  assert.deepEqual(different, []);
});
