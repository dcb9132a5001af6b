/**
 * Random arithmetic of decimals. What comes out has a type of its own, so it is cast to one of the four kinds that has room for it; how
 * large a value can be is known, so that none overflows.
 */
import { decimals, isDecimal } from './carried.ts';
import type { DecimalKind, Expr, Kind } from './case.ts';
import type { Dice } from './dice.ts';
import { type Column, type Computed, call, columnExpr, isWhole, type Known, plain } from './known.ts';

const perDigit = Math.log2(10);
const kinds = Object.keys(decimals) as DecimalKind[];
/** |value| < 2^whole. */
const wholeOf = ({ kind, bits }: Known): number => (isDecimal(kind) ? Math.max(1, bits - Math.floor(perDigit * decimals[kind].scale)) : bits);
const roomOf = (kind: DecimalKind): number => Math.floor(perDigit * (decimals[kind].precision - decimals[kind].scale));
const bitsOf = (kind: DecimalKind, whole: number): number => whole + Math.ceil(perDigit * decimals[kind].scale);

/** A value of a column of decimals, with no more digits than it has. */
export const decimalText = (value: number, kind: DecimalKind): string =>
  Math.abs(value) < 1e12 ? value.toFixed(2) : `${BigInt(Math.trunc(value))}.${kind === 'wide' || kind === 'wideTotal' ? '0625' : '05'}`;

/** Numbers as they stand in a program, and the bits of their whole part. */
const written = ['0.05', '-1.5', '100', '0.333', '12.25', '-0.0001', '7'] as const;
const writtenBits = 7;
/** The most bits of a product: with its digits behind the point it stays within 38. */
const productBits = 90;

/** What other decimals and whole numbers stand beside one. */
const beside = (open: readonly Column[]): Column[] => open.filter(({ kind }) => isDecimal(kind) || isWhole(kind));

/** `of`, whose |value| < 2^whole, as one of the kinds that hold it. */
function settled(dice: Dice, of: Expr, x: Known, whole: number): Computed | null {
  const fitting = kinds.filter((kind) => roomOf(kind) > whole + 1);
  if (fitting.length === 0) return null;
  const kind = dice.pick(fitting);
  const within = (value: number): number => Math.max(-(2 ** whole), Math.min(2 ** whole, value));
  return { ...x, kind, bits: bitsOf(kind, whole), low: within(x.low), high: within(x.high), expr: call('cast', [of], kind) };
}

/** A computation of x, a decimal. */
export function ofDecimal(dice: Dice, open: readonly Column[], x: Computed): Computed {
  const kind = x.kind as DecimalKind;
  const whole = wholeOf(x);
  const { scale } = decimals[kind];
  const twin = dice.pick([...beside(open), null]);
  const literal: Expr = { op: 'literal', kind: 'decimal', value: dice.pick(written) };
  const other =
    twin === null
      ? { expr: literal, bits: writtenBits, nullable: false }
      : { expr: columnExpr(twin).expr, bits: wholeOf(twin), nullable: twin.nullable };
  const nullable = x.nullable || other.nullable;
  switch (dice.below(8)) {
    case 0:
    case 1: {
      const fn = dice.pick(['add', 'sub']);
      return settled(dice, call(fn, [x.expr, other.expr], kind), { ...x, nullable }, Math.max(whole, other.bits) + 1) ?? x;
    }
    case 2:
      if (whole + other.bits > productBits) return x;
      return settled(dice, call('mul', [x.expr, other.expr], kind), { ...x, nullable }, whole + other.bits) ?? x;
    case 3:
      return { ...plain, kind: 'float64', nullable, bits: 60, grain: 'inexact', high: 1, expr: call('div', [x.expr, other.expr], 'float64') };
    case 4:
      return { ...x, low: -x.high, high: -x.low, expr: call('neg', [x.expr], kind) };
    case 5:
      return { ...x, low: 0, expr: call('abs', [x.expr], kind) };
    case 6: {
      const fn = dice.pick(['round', 'floor', 'ceil', 'mod']);
      if (fn === 'mod') return settled(dice, call(fn, [x.expr, literal], kind), x, writtenBits) ?? x;
      return settled(dice, fn === 'round' ? call(fn, [x.expr], kind, dice.between(0, scale)) : call(fn, [x.expr], kind), x, whole + 1) ?? x;
    }
    default:
      return castOf(dice, x, whole);
  }
}

function castOf(dice: Dice, x: Computed, whole: number): Computed {
  const as = (kind: Kind, changes: Partial<Known>): Computed => ({ ...x, ...changes, kind, expr: call('cast', [x.expr], kind) });
  const to = dice.pick(['int32', 'integer', 'int64', 'float64', 'utf8', 'decimal'] as const);
  if (to === 'decimal') return settled(dice, x.expr, x, whole) ?? x;
  if (to === 'utf8') return as('utf8', { words: ['0.00', '-1', '1'], low: 0, high: 0 });
  // Beyond 53 bits the nearest double is found in two ways.
  if (to === 'float64') return as(to, { bits: 60, grain: x.bits < 52 ? 'loose' : 'inexact' });
  if (whole + 1 > { int32: 30, integer: 52, int64: 61 }[to]) return x;
  return as(to, { bits: whole + 1, low: Math.floor(x.low), high: Math.ceil(x.high) });
}

/** A number as a decimal; null when none of the kinds holds it. */
export const asDecimal = (dice: Dice, x: Computed): Computed | null =>
  settled(dice, x.expr, x, x.kind === 'float64' ? Math.max(1, x.bits - 10) : x.bits);
