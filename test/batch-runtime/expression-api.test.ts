import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Temporal } from 'temporal-polyfill';
import type { Schema } from '#runtime/batch/batch.ts';
import { temporal } from '#runtime/batch/temporal.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { functions } from '#runtime/expression/functions/table.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import type { Value } from '#runtime/expression/values.ts';
import {
  type Columns,
  col,
  columnsOf,
  count,
  type Expr,
  lit,
  literalOf,
  type Scope,
  settle,
  settleAggregate,
  settleCondition,
  Unused,
  udf,
  when,
} from '#runtime/expression-api.ts';
import type { UserFunction } from '#runtime/graph/plan.ts';
import { bool, date, fieldsOf, float64, int32, int64, integer, type RowOf, schema, timestamp, utf8 } from '#runtime/schema.ts';
import { batchOf } from './batch/columns.ts';

const row = schema({
  i: int32(),
  j: int32().nullable(),
  n: integer(),
  l: int64(),
  x: float64(),
  ok: bool(),
  s: utf8(),
  d: date(),
  t: timestamp(),
});
const fields: Schema = fieldsOf(row);
const batch = batchOf(fields, [[7, null, 40, 5n, 2.5, true, ' Abc ', 9204, 795_262_210_000_001n]]);

const slots: UserFunction[] = [];
const scope: Scope = {
  uid: 'here',
  find() {},
  slot: (definition) => slots.push({ uid: 'here', ...definition }) - 1,
};
const t = (): Columns<RowOf<typeof row>> => columnsOf(fields, 'here', new Unused()) as Columns<RowOf<typeof row>>;
const settled = (expression: unknown): Expression => settle(expression, scope);
const value = (expression: unknown): Value => interpret(settled(expression), batch, 0, slots);
const refused = (make: () => unknown, word: string, code = 'EXPRESSION_TYPE'): void =>
  assert.throws(make, (thrown: Error & { code?: string }) => {
    assert.equal(thrown.code, code, thrown.message);
    assert(thrown.message.includes(word), `${word}: ${thrown.message}`);
    return true;
  });
const js = (of: unknown) => of as { [method: string]: (...given: unknown[]) => unknown };

test('every method gives what its name says', () => {
  const c = t();
  const cases: readonly (readonly [Expr<unknown>, Value])[] = [
    [c.i.eq(7), true],
    [c.i.ne(7), false],
    [c.i.lt(8), true],
    [c.i.lte(7), true],
    [c.i.gt(7), false],
    [c.i.gte(7.5), false],
    [c.i.between(7, 8), true],
    [c.s.in([' Abc ', 'x']), true],
    [c.i.in([]), false],
    [c.j.isNull(), true],
    [c.j.isNotNull(), false],
    [c.j.coalesce(3), 3],
    [c.j.coalesce(c.n), 40],
    [c.j.eq(1), null],
    [c.i.cast(utf8()), '7'],
    [c.ok.and(false), false],
    [c.ok.or(c.j.gt(1)), true],
    [c.ok.not(), false],
    [c.i.add(1), 8],
    [c.i.sub(c.n), -33],
    [c.n.mul(2), 80],
    [c.i.div(2), 3.5],
    [c.i.mod(4), 3],
    [c.i.neg(), -7],
    [c.i.neg().abs(), 7],
    [c.x.round(), 3],
    [c.x.div(3).round(2), 0.83],
    [c.s.lower(), ' abc '],
    [c.s.upper(), ' ABC '],
    [c.s.trim(), 'Abc'],
    [c.s.length(), 5],
    [c.s.startsWith(' A'), true],
    [c.s.endsWith('c'), false],
    [c.s.includes('bc'), true],
    [c.s.like('%A_c%'), true],
    [c.s.slice(1), 'Abc '],
    [c.s.slice(-3, -1), 'bc'],
    [c.s.concat('!'), ' Abc !'],
    [c.t.truncate('day'), 795_225_600_000_000n],
    [c.t.plus('1.5 s'), 795_262_211_500_001n],
    [c.t.minus('2 d'), 795_089_410_000_001n],
    [c.t.millisSince(c.t.minus('90 min')), 5_400_000],
    [c.t.epochMillis(), 795_262_210_000],
    [c.t.date(), 9204],
    [c.t.hour(), 10],
    [c.d.year(), 1995],
    [c.d.month(), 3],
    [c.d.day(), 15],
    [c.d.truncate('month'), 9190],
    [c.l.gt(4n), true],
    [c.d.eq('1995-03-15'), true],
    [c.d.lt(temporal.PlainDate.from('1995-03-16')), true],
    [c.t.gte('1995-03-15T00:00:00Z'), true],
    [c.t.lt(Temporal.Instant.from('1996-01-01T00:00:00Z')), true],
    [when(c.i.gt(5), 'big').otherwise('small'), 'big'],
    [when(c.j.gt(5), 'big').when(c.ok, 'ok').otherwise('small'), 'ok'],
    [when(c.j.gt(5), c.i).otherwise(null), null],
    [lit(5, int32()), 5],
    [lit(null, utf8().nullable()), null],
    [lit('1995-03-15', date()), 9204],
    [col('n', integer()).add(1), 41],
    [udf([int32(), int32().nullable()], int32().nullable(), (a, b) => (b === null ? a * 2 : b))(c.i, c.j), 14],
  ];
  for (const [expression, expected] of cases) assert.deepEqual(value(expression), expected, JSON.stringify(settled(expression)));
});

test('each function of the table can be written', () => {
  const built = js(t().i);
  for (const fn of Object.keys(functions)) if (fn !== 'when') assert.equal(typeof built[fn], 'function', fn);
});

test('a plain number takes the narrowest type beside it that holds it', () => {
  const c = t();
  const beside = (expression: unknown): string =>
    (settled(expression) as Extract<Expression, { op: 'call' }>).args.map((arg) => arg.type.kind).join();
  assert.equal(beside(c.i.add(1)), 'int32,int32');
  assert.equal(beside(c.i.add(2 ** 31)), 'integer,integer');
  assert.equal(beside(c.i.add(0.5)), 'float64,float64');
  assert.equal(beside(c.n.gt(1)), 'integer,integer');
  assert.equal(beside(c.x.gt(1)), 'float64,float64');
  assert.deepEqual(settled(1), { op: 'literal', value: 1, type: { kind: 'float64' }, nullable: false });
});

test('what does not fit is refused with a word on what to do', () => {
  const c = t();
  refused(() => js(c.s).add!(1), 'utf8');
  refused(() => js(c.i).lower!(), 'int32');
  refused(() => js(c.s).eq!(5), 'cast');
  refused(() => js(c.i).and!(true), 'int32');
  refused(() => js(c.t).plus!('5 minutes'), "write '30 s'");
  refused(() => js(c.t).plus!(5), 'duration');
  refused(() => js(c.t).truncate!('fortnight'), 'fortnight');
  refused(() => js(c.d).truncate!('hour'), 'hour');
  refused(() => js(c.d).lt!('yesterday'), 'yesterday');
  refused(() => js(c.i).eq!(undefined), 'undefined');
  refused(() => js(c.i).eq!({}), 'object');
  refused(() => js(c.i).eq!(c.i === undefined ? 1 : count()), 'aggregate');
  refused(() => js(c.s).like!(c.s), 'written down');
  refused(() => js(c.x).round!(16), '0 to 15');
  refused(() => js({ when }).when!(c.i, 1), 'bool');
  refused(() => lit(null as unknown as number, int32()), 'nullable');
  refused(() => lit(2 ** 31, int32()), '2147483648', 'VALUE_OUT_OF_RANGE');
  refused(() => literalOf(temporal.PlainDate.from('2000-01-01'), { kind: 'timestamp' }), 'PlainDate');
  refused(() => literalOf(temporal.Instant.from('2000-01-01T00:00Z'), { kind: 'date' }), 'Instant');
  refused(() => literalOf(() => 1, { kind: 'int32' }), 'function');
  const f = udf([int32()], int32(), (n) => n);
  refused(() => js({ f }).f!(), '1 arguments got 0');
  refused(() => js({ f }).f!(c.j), 'nullable');
  refused(() => js({ f }).f!(c.s), 'utf8');
});

test('a column that is not there says so when it is touched', () => {
  refused(() => (t() as unknown as { nothing: unknown }).nothing, 'nothing', 'COLUMN_UNKNOWN');
  assert.deepEqual(
    Object.keys(t()),
    fields.map(({ name }) => name),
  );
  assert.deepEqual(
    Object.keys({ ...t() }),
    fields.map(({ name }) => name),
  );
});

test('what is made and left is known until it is used', () => {
  const unused = new Unused();
  const c = columnsOf(fields, 'here', unused) as Columns<RowOf<typeof row>>;
  const left = c.i.gt(1);
  assert.equal(unused.first(), left);
  const both = left.and(c.i.lt(9));
  assert.equal(unused.first(), both);
  settle(both, scope);
  assert.equal(unused.first(), undefined);
});

test('aggregates: type and null follow from function, argument, filter and keys', () => {
  const c = t();
  const of = (given: unknown, global = false): string => {
    const { fn, type, nullable, filter } = settleAggregate('a', given, global, scope);
    return `${fn} ${type.kind}${nullable ? '?' : ''}${filter === null ? '' : ' filtered'}`;
  };
  assert.deepEqual(
    [
      count(),
      count().filter(c.ok),
      c.j.count(),
      c.i.sum(),
      c.j.sum(),
      c.l.sum(),
      c.i.avg(),
      c.s.max(),
      c.i.min().filter(c.ok).filter(c.ok.not()),
    ].map((each) => of(each)),
    [
      'count integer',
      'count integer filtered',
      'count integer',
      'sum integer',
      'sum integer?',
      'sum int64',
      'avg float64',
      'max utf8',
      'min int32? filtered',
    ],
  );
  assert.deepEqual([of(count(), true), of(c.i.sum(), true)], ['count integer', 'sum integer?']);
  refused(() => of(js(c.s).sum!()), 'sum of a utf8');
  refused(() => of(js(c.ok).min!()), 'min of a bool');
  refused(() => of(c.i), 'not an aggregate');
  refused(() => settleCondition(c.i, scope), 'bool');
});
