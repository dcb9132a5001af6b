/**
 * Random expressions over the columns of a table. They avoid what is an error by design (a sum beyond its type) by
 * knowing how large values can be, and what is not exact in any order by knowing which floats are k/1024.
 */

import { isCarried, isDecimal } from './carried.ts';
import type { Expr, Kind } from './case.ts';
import { asDecimal, decimalText, ofDecimal } from './decimals.ts';
import type { Dice } from './dice.ts';
import { type Column, type Computed, call, columnExpr, isNumeric, isWhole, type Known, number, plain } from './known.ts';

const limitBits = { int32: 31, integer: 53, int64: 62, float64: 50 } as const;
const limitOf = (kind: Kind): number => limitBits[kind as keyof typeof limitBits] ?? 0;

const microsText = (micros: number): string => new Date(Math.floor(micros / 1000)).toISOString();
const dayText = (days: number): string => new Date(days * 86_400_000).toISOString().slice(0, 10);

/** A value as values of that column are. */
export function literalBeside(dice: Dice, of: Known): Expr {
  const number = of.low + dice.below(Math.max(1, of.high - of.low + 1));
  const { kind } = of;
  switch (kind) {
    case 'bool':
      return { op: 'literal', kind, value: dice.chance(50) };
    case 'int32':
    case 'integer':
      return { op: 'literal', kind, value: Math.floor(number) };
    case 'int64':
      return { op: 'literal', kind, value: String(Math.floor(number)) };
    case 'float64':
      return { op: 'literal', kind, value: Math.floor(number * 1024) / 1024 };
    case 'utf8':
      return { op: 'literal', kind, value: of.words.length > 0 && !dice.chance(10) ? dice.pick(of.words) : dice.pick(['', 'm', 'é', 'k7']) };
    case 'date':
      return { op: 'literal', kind, value: dayText(Math.floor(number)) };
    case 'timestamp':
      return { op: 'literal', kind, value: microsText(number) };
    default:
      return { op: 'literal', kind, value: isDecimal(kind) ? decimalText(number, kind) : null };
  }
}

/** A condition that is neither always true nor always false, as a rule. */
export function condition(dice: Dice, columns: readonly Column[], depth = 2): Computed {
  const open = columns.filter(({ grain }) => grain !== 'inexact');
  const give = (expr: Expr, nullable: boolean): Computed => ({ ...plain, kind: 'bool', nullable, expr });
  if (depth > 0 && dice.chance(35)) {
    const [a, b] = [condition(dice, columns, depth - 1), condition(dice, columns, depth - 1)];
    if (dice.chance(15)) return give(call('not', [a.expr], 'bool'), a.nullable);
    return give(call(dice.pick(['and', 'or', 'or']), [a.expr, b.expr], 'bool'), a.nullable || b.nullable);
  }
  if (open.length === 0) return give({ op: 'literal', kind: 'bool', value: true }, false);
  const x = dice.chance(75) || depth === 0 ? columnExpr(dice.pick(open)) : computed(dice, columns, depth - 1);
  const isPlain = isDecimal(x.kind) && dice.chance(60);
  if (isCarried(x.kind) && !isPlain) {
    const others = open.filter(({ kind }) => (isDecimal(x.kind) ? isDecimal(kind) || isWhole(kind) : kind === x.kind));
    if (others.length === 0 || dice.chance(30)) return give(call(dice.chance(70) ? 'isNotNull' : 'isNull', [x.expr], 'bool'), false);
    const other = dice.pick(others);
    return give(call(dice.pick(['lte', 'gte', 'eq', 'ne']), [x.expr, columnExpr(other).expr], 'bool'), x.nullable || other.nullable);
  }
  if (x.kind === 'bool' && dice.chance(60)) return give(x.expr, x.nullable);
  if (x.nullable && dice.chance(15)) return give(call(dice.chance(70) ? 'isNotNull' : 'isNull', [x.expr], 'bool'), false);
  if (x.kind === 'utf8' && dice.chance(40)) {
    const word = dice.pick(x.words.length > 0 ? x.words : ['a']);
    const part = [...word].slice(0, dice.between(0, 2)).join('');
    const literal: Expr = { op: 'literal', kind: 'utf8', value: part };
    const fn = dice.pick(['startsWith', 'endsWith', 'includes', 'like', 'like']);
    if (fn !== 'like') return give(call(fn, [x.expr, literal], 'bool'), x.nullable);
    return give(call('like', [x.expr], 'bool', dice.pick([`${part}%`, `%${part}%`, '_%', '%_', `%${part}`])), x.nullable);
  }
  if (x.expr.op !== 'literal' && dice.chance(12)) {
    const values = Array.from({ length: dice.between(1, 5) }, () => literalBeside(dice, x));
    return give(call('in', [x.expr, ...values], 'bool'), x.nullable);
  }
  const twin = open.filter((column) => column.kind === x.kind);
  if (twin.length > 0 && dice.chance(15)) {
    const other = dice.pick(twin);
    return give(call(dice.pick(['lt', 'lte', 'gt', 'gte', 'ne']), [x.expr, columnExpr(other).expr], 'bool'), x.nullable || other.nullable);
  }
  if (x.kind !== 'bool' && dice.chance(20)) {
    return give(call('between', [x.expr, literalBeside(dice, { ...x, high: x.low }), literalBeside(dice, x)], 'bool'), x.nullable);
  }
  const few = x.high - x.low < 20 || x.kind === 'bool';
  const fn = dice.pick(few ? ['eq', 'ne', 'lte', 'gte', 'lt'] : ['lt', 'lte', 'gt', 'gte', 'ne']);
  return give(call(fn, [x.expr, literalBeside(dice, x)], 'bool'), x.nullable);
}

/** An expression of any kind over columns that are exact. */
export function computed(dice: Dice, columns: readonly Column[], depth = 2): Computed {
  const open = columns.filter(({ grain }) => grain !== 'inexact');
  if (open.length === 0) return { ...plain, kind: 'int32', bits: 3, low: 7, high: 7, expr: number(7) };
  const x: Computed = depth > 0 && dice.chance(35) ? computed(dice, columns, depth - 1) : columnExpr(dice.pick(open));
  if (x.expr.op === 'literal') return x;
  if (isCarried(x.kind) && !isDecimal(x.kind)) {
    const other = columnExpr(dice.pick(open.filter((column) => column.kind === x.kind)));
    const nothing: Expr = { op: 'literal', kind: x.kind, value: null };
    return { ...x, nullable: true, expr: call('when', [condition(dice, columns, 0).expr, x.expr, dice.chance(60) ? other.expr : nothing], x.kind) };
  }
  if (x.nullable && dice.chance(20)) return { ...x, nullable: false, expr: call('coalesce', [x.expr, literalBeside(dice, x)], x.kind) };
  if (dice.chance(12)) return choice(dice, columns, x);
  if (isDecimal(x.kind)) return ofDecimal(dice, open, x);
  if (isNumeric(x.kind)) return ofNumber(dice, open, x);
  if (x.kind === 'utf8') return ofText(dice, open, x);
  if (x.kind === 'timestamp') return ofTimestamp(dice, x);
  if (x.kind === 'date') return ofDate(dice, x);
  return dice.chance(50) ? { ...x, expr: call('not', [x.expr], 'bool') } : condition(dice, columns, 0);
}

function choice(dice: Dice, columns: readonly Column[], x: Computed): Computed {
  const a = condition(dice, columns, 0);
  const other = literalBeside(dice, x);
  if (dice.chance(40)) {
    const b = condition(dice, columns, 0);
    return { ...x, expr: call('when', [a.expr, x.expr, b.expr, literalBeside(dice, x), other], x.kind) };
  }
  if (dice.chance(30)) return { ...x, nullable: true, expr: call('when', [a.expr, x.expr, { op: 'literal', kind: x.kind, value: null }], x.kind) };
  return { ...x, expr: call('when', [a.expr, other, x.expr], x.kind) };
}

function ofNumber(dice: Dice, open: readonly Column[], x: Computed): Computed {
  const { kind } = x;
  const small = dice.between(1, 9);
  const whole = isWhole(kind);
  const room = limitOf(kind) - x.bits;
  const onGrid = whole || x.grain === 'grid';
  const twin = open.find((column) => column.kind === kind && (whole || column.grain === 'grid') && column.bits < limitOf(kind));
  switch (dice.below(9)) {
    case 0:
      if (room < 1 || !onGrid) break;
      if (twin !== undefined && dice.chance(60)) {
        const bits = Math.max(x.bits, twin.bits) + 1;
        const [low, high] = [x.low + Math.min(twin.low, 0), x.high + Math.max(twin.high, 0)];
        const fn = dice.pick(['add', 'sub']);
        return { ...x, bits, low, high, nullable: x.nullable || twin.nullable, expr: call(fn, [x.expr, columnExpr(twin).expr], kind) };
      }
      return {
        ...x,
        bits: Math.max(x.bits, 14) + 1,
        low: x.low + small,
        high: x.high + small,
        expr: call('add', [x.expr, number(small, kind)], kind),
      };
    case 1:
      if (room < 4 || !onGrid) break;
      return { ...x, bits: x.bits + 4, low: x.low * small, high: x.high * small, expr: call('mul', [x.expr, number(small, kind)], kind) };
    case 2: {
      // By a column it may be by zero: an infinity or NaN.
      if (twin !== undefined && dice.chance(40)) {
        const nullable = x.nullable || twin.nullable;
        return {
          ...x,
          nullable,
          bits: 60,
          grain: 'loose',
          low: 0,
          high: 2,
          kind: 'float64',
          expr: call('div', [x.expr, columnExpr(twin).expr], 'float64'),
        };
      }
      const by = dice.pick([1, 2, 3, 7, 10, 64]);
      return {
        ...plain,
        kind: 'float64',
        nullable: x.nullable,
        bits: 60,
        grain: 'loose',
        low: x.low / by,
        high: x.high / by,
        expr: call('div', [x.expr, number(by, kind)], 'float64'),
      };
    }
    case 3:
      if (!whole) break;
      return { ...x, bits: 7, low: -small, high: small, expr: call('mod', [x.expr, number(dice.pick([2, 3, 10, 97]), kind)], kind) };
    case 4:
      return { ...x, low: -x.high, high: -x.low, expr: call('neg', [x.expr], kind) };
    case 5:
      return { ...x, low: 0, expr: call('abs', [x.expr], kind) };
    case 6:
      if (whole) break;
      return { ...x, bits: 60, grain: 'loose', expr: call('round', [x.expr], kind, dice.between(0, 3)) };
    case 7:
      if (kind === 'int32' && dice.chance(60)) {
        const to = dice.pick(['integer', 'int64', 'float64'] as const);
        return { ...x, kind: to, grain: 'grid', bits: x.bits + (to === 'float64' ? 10 : 0), expr: call('cast', [x.expr], to) };
      }
      return (onGrid ? asDecimal(dice, x) : null) ?? x;
    case 8:
      if (kind !== 'float64' || !onGrid || room < 1) break;
      return { ...x, nullable: true, bits: x.bits + 1, low: 2 * x.low, high: 2 * x.high, expr: call('twice', [x.expr], kind) };
  }
  return x;
}

function ofText(dice: Dice, open: readonly Column[], x: Computed): Computed {
  const mapped = (words: (word: string) => string): string[] => x.words.map(words);
  switch (dice.below(6)) {
    case 0:
      return { ...x, words: mapped((word) => word.toUpperCase()), expr: call('upper', [x.expr], 'utf8') };
    case 1:
      return { ...x, words: mapped((word) => word.toLowerCase()), expr: call('lower', [x.expr], 'utf8') };
    case 2:
      return { ...x, words: mapped((word) => word.trim()), expr: call('trim', [x.expr], 'utf8') };
    case 3:
      return { ...plain, kind: 'int32', nullable: x.nullable, bits: 10, low: 0, high: 8, expr: call('length', [x.expr], 'int32') };
    case 4: {
      const from = dice.pick([0, 0, 1, 2, -1, -3]);
      const bounds = from < 0 || dice.chance(30) ? [from] : [from, from + dice.between(0, 3)];
      const words = mapped((word) => [...word].slice(...bounds).join(''));
      return { ...x, words, expr: call('slice', [x.expr, ...bounds.map((bound) => number(bound))], 'utf8') };
    }
    default: {
      const flag = open.find(({ kind, nullable }) => kind === 'bool' && !nullable);
      if (flag !== undefined && dice.chance(50)) return { ...x, nullable: true, expr: call('initial', [x.expr, columnExpr(flag).expr], 'utf8') };
      const tail: Expr = { op: 'literal', kind: 'utf8', value: dice.pick(['', '-', 'é', '"']) };
      return { ...x, expr: call('concat', [x.expr, tail], 'utf8') };
    }
  }
}

const hour = 3.6e9;
const day = 24 * hour;

function ofTimestamp(dice: Dice, x: Computed): Computed {
  const fieldOf = (fn: string, kind: Kind, low: number, high: number, bits: number): Computed => ({
    ...plain,
    kind,
    nullable: x.nullable,
    bits,
    low,
    high,
    expr: call(fn, [x.expr], kind),
  });
  switch (dice.below(8)) {
    case 0:
      return {
        ...x,
        expr: call('truncate', [x.expr], 'timestamp', dice.pick(['second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'])),
      };
    case 1:
      return { ...x, expr: call(dice.pick(['plus', 'minus']), [x.expr], 'timestamp', dice.pick(['30 s', '5 min', '2 h', '1 d', '250 ms'])) };
    case 2:
      return fieldOf('date', 'date', Math.floor(x.low / day), Math.floor(x.high / day), 0);
    case 3:
      return fieldOf('hour', 'int32', 0, 23, 5);
    case 4:
      return fieldOf('year', 'int32', 1970, 2010, 12);
    case 5:
      return fieldOf(dice.pick(['month', 'day']), 'int32', 1, 12, 5);
    case 6:
      return fieldOf('epochMillis', 'integer', x.low / 1000, x.high / 1000, 43);
    default: {
      const since = literalBeside(dice, x);
      return { ...fieldOf('millisSince', 'integer', 0, (x.high - x.low) / 1000, 43), expr: call('millisSince', [x.expr, since], 'integer') };
    }
  }
}

function ofDate(dice: Dice, x: Computed): Computed {
  if (dice.chance(40)) return { ...x, expr: call('truncate', [x.expr], 'date', dice.pick(['year', 'quarter', 'month', 'week'])) };
  const fn = dice.pick(['year', 'month', 'day']);
  const [low, high] = fn === 'year' ? [1970, 2010] : [1, 12];
  return { ...plain, kind: 'int32', nullable: x.nullable, bits: 12, low, high, expr: call(fn, [x.expr], 'int32') };
}
