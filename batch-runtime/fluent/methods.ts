/**
 * The methods of an expression at run time, one row each: which function or aggregate it is, and what its arguments become.
 * Loaded by whoever makes the first expression; expr.ts has their types.
 */
import type { ColumnType } from '../batch/batch.ts';
import type { AggregateOption } from '../expression/expression.ts';
import type { Declared } from '../schema.ts';
import type { InOrder } from './aggregate.ts';
import { apply, Built, BuiltAggregate, operand, refuse } from './built.ts';
import { shiftOf } from './duration.ts';
import { type Ranking, ranking } from './window.ts';

const text: ColumnType = { kind: 'utf8' };
const bool: ColumnType = { kind: 'bool' };
const int32: ColumnType = { kind: 'int32' };
const integer: ColumnType = { kind: 'integer' };

type Method = (self: Built, ...given: unknown[]) => Built | BuiltAggregate | Ranking<unknown>;
/** A method whose operands are of the expression's own type, or of `type`. */
const takes =
  (fn: string, count: number, type: ColumnType | null = null): Method =>
  (self, ...given) =>
    apply(fn, [self, ...Array.from({ length: count }, (_, i) => operand(given[i], type ?? self.node.type))]);
/** A method of as many operands as are given. */
const takesAll =
  (fn: string, type: ColumnType | null = null): Method =>
  (self, ...given) =>
    apply(fn, [self, ...given.map((each) => operand(each, type ?? self.node.type))]);
const aggregates =
  (fn: string): Method =>
  (self, ...options) =>
    new BuiltAggregate(fn, self, [], options as AggregateOption[]);
const shifted = (fn: string, self: Built, rows: unknown, fallback: unknown): Ranking<unknown> =>
  ranking(fn, self, fallback === undefined ? [] : [operand(fallback, self.node.type)], [rows as number]);
/** An aggregate over rows in order: as they come, or by a key. */
const inOrder =
  (fn: string): Method =>
  (self, options) => {
    const key = (options as InOrder | undefined)?.orderBy;
    return new BuiltAggregate(fn, self, key === undefined ? [] : [operand(key, null)]);
  };
/** A span of time, of a fixed length or by the calendar. */
const shifts =
  (sign: 1 | -1): Method =>
  (self, duration) => {
    const [fn, amount] = shiftOf(duration, self.node.type.kind === 'date');
    return fn === 'plus' && sign < 0 ? apply('minus', [self, operand(amount, integer)]) : apply(fn, [self, operand(sign * amount, integer)]);
  };

const pads =
  (fn: string): Method =>
  (self, length, fill = ' ') =>
    apply(fn, [self, operand(length, int32), operand(fill, text)]);
/** Source and flags of a pattern, of which `u` goes without saying and `g` says nothing. */
const patternOf = (given: unknown): Built[] => {
  const [source, flags] = given instanceof RegExp ? [given.source, given.flags.replace(/[gu]/g, '')] : [given, ''];
  if (typeof source !== 'string') return refuse('a pattern is a RegExp or its text, written down');
  return [operand(source, text), operand(flags, text)];
};

export const methods: Readonly<Record<string, Method>> = {
  eq: takes('eq', 1),
  ne: takes('ne', 1),
  lt: takes('lt', 1),
  lte: takes('lte', 1),
  gt: takes('gt', 1),
  gte: takes('gte', 1),
  between: takes('between', 2),
  in: (self, values) => apply('in', [self, ...(values as unknown[]).map((each) => operand(each, self.node.type))]),
  isNull: takes('isNull', 0),
  isNotNull: takes('isNotNull', 0),
  coalesce: takesAll('coalesce'),
  nullIf: takes('nullIf', 1),
  least: takesAll('least'),
  greatest: takesAll('greatest'),
  cast: (self, type) => apply('cast', [self], (type as Declared<unknown>).type),
  tryCast: (self, type) => apply('tryCast', [self], (type as Declared<unknown>).type),
  and: takes('and', 1, bool),
  or: takes('or', 1, bool),
  not: takes('not', 0),
  add: takes('add', 1),
  sub: takes('sub', 1),
  mul: takes('mul', 1),
  div: takes('div', 1),
  mod: takes('mod', 1),
  neg: takes('neg', 0),
  abs: takes('abs', 0),
  round: (self, decimals = 0) => apply('round', [self, operand(decimals, int32)]),
  floor: takes('floor', 0),
  ceil: takes('ceil', 0),
  power: takes('power', 1),
  sqrt: takes('sqrt', 0),
  exp: takes('exp', 0),
  ln: takes('ln', 0),
  log10: takes('log10', 0),
  sign: takes('sign', 0),
  lower: takes('lower', 0),
  upper: takes('upper', 0),
  trim: takes('trim', 0),
  trimStart: takes('trimStart', 0),
  trimEnd: takes('trimEnd', 0),
  padStart: pads('padStart'),
  padEnd: pads('padEnd'),
  reverse: takes('reverse', 0),
  repeat: takes('repeat', 1, int32),
  length: (self) => apply(self.node.type.kind === 'list' ? 'listLength' : 'length', [self]),
  at: (self, index) => apply('at', [self, operand(index, int32)]),
  contains: (self, other) => apply('contains', [self, operand(other, self.node.type.kind === 'list' ? self.node.type.item.type : null)]),
  field: takes('field', 1, text),
  split: takes('split', 1, text),
  startsWith: takes('startsWith', 1, text),
  endsWith: takes('endsWith', 1, text),
  includes: takes('includes', 1, text),
  like: takes('like', 1, text),
  indexOf: takes('indexOf', 1, text),
  replace: takes('replace', 2, text),
  splitPart: (self, separator, index) => apply('splitPart', [self, operand(separator, text), operand(index, int32)]),
  matches: (self, pattern) => apply('matches', [self, ...patternOf(pattern)]),
  extract: (self, pattern, group = 0) => apply('extract', [self, ...patternOf(pattern), operand(group, int32)]),
  replaceMatches: (self, pattern, by) => apply('replaceMatches', [self, ...patternOf(pattern), operand(by, text)]),
  json: takes('json', 1, text),
  slice: (self, ...bounds) => apply('slice', [self, ...bounds.filter((bound) => bound !== undefined).map((bound) => operand(bound, int32))]),
  concat: takesAll('concat', text),
  truncate: takes('truncate', 1, text),
  plus: shifts(1),
  minus: shifts(-1),
  plusDays: takes('plusDays', 1, int32),
  plusMonths: takes('plusMonths', 1, int32),
  diff: (self, other, unit) => apply('diff', [self, operand(other, self.node.type), operand(unit, text)]),
  millisSince: takes('millisSince', 1),
  epochMillis: takes('epochMillis', 0),
  date: takes('date', 0),
  hour: takes('hour', 0),
  year: takes('year', 0),
  month: takes('month', 0),
  day: takes('day', 0),
  quarter: takes('quarter', 0),
  week: takes('week', 0),
  weekYear: takes('weekYear', 0),
  dayOfWeek: takes('dayOfWeek', 0),
  dayOfYear: takes('dayOfYear', 0),
  minute: takes('minute', 0),
  second: takes('second', 0),
  epochSeconds: takes('epochSeconds', 0),
  epochMicros: takes('epochMicros', 0),
  parse: takes('parse', 1, text),
  tryParse: takes('tryParse', 1, text),
  format: takes('format', 1, text),
  hash: takesAll('hash'),
  count: aggregates('count'),
  countDistinct: aggregates('countDistinct'),
  approxCountDistinct: aggregates('approxCountDistinct'),
  lag: (self, rows = 1, fallback = undefined) => shifted('lag', self, rows, fallback),
  lead: (self, rows = 1, fallback = undefined) => shifted('lead', self, rows, fallback),
  first: inOrder('first'),
  last: inOrder('last'),
  sum: aggregates('sum'),
  avg: aggregates('avg'),
  min: aggregates('min'),
  max: aggregates('max'),
  variance: aggregates('variance'),
  variancePop: aggregates('variancePop'),
  stddev: aggregates('stddev'),
  stddevPop: aggregates('stddevPop'),
  quantile: aggregates('quantile'),
  approxQuantile: aggregates('approxQuantile'),
  median: (self) => new BuiltAggregate('quantile', self, [], [0.5]),
  joinText: aggregates('joinText'),
  toList: aggregates('toList'),
};

for (const [name, method] of Object.entries(methods)) {
  Object.defineProperty(Built.prototype, name, {
    value(this: Built, ...given: unknown[]) {
      return method(this, ...given);
    },
  });
}
