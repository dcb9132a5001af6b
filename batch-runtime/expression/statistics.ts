/**
 * Whether a predicate can be true anywhere in rows of which only smallest and largest values are known: what lets a source
 * leave out row groups and files. Conservative: what it does not understand may be true. Called by sources that have
 * statistics.
 */
import { rescaled } from '../batch/decimal.ts';
import type { Expression } from './expression.ts';
import { asDecimal, type Call, compareValues, literalValue, type Value } from './values.ts';

export interface ColumnStatistics {
  /**
   * A value at or below all that are not null, as expression/values.ts has it at rest (int64 and timestamp may be numbers), null = not known. For
   * text in the order of its UTF-8 bytes. NaN is not counted: for float64 `max` bounds the others only.
   */
  readonly min: Value;
  readonly max: Value;
  /** -1 = not known. */
  readonly nullCount: number;
  readonly rows: number;
}
/** What is known of a column; undefined = nothing. */
export type Statistics = (column: string) => ColumnStatistics | undefined;

/** @returns false only when the predicate is true for no row */
export const mayBeTrue = (predicate: Expression, statistics: Statistics): boolean => (possible(predicate, statistics) & isTrue) !== 0;

// What a condition can be, as a set of bits.
const isTrue = 1;
const isFalse = 2;
const isUnknown = 4;
const anything = 7;

function possible(expression: Expression, statistics: Statistics): number {
  if (expression.op === 'literal')
    return expression.value === null ? isUnknown : expression.value === true ? isTrue : expression.value === false ? isFalse : anything;
  if (expression.op === 'column') return compared('eq', rangeOf(expression, statistics), point(true));
  if (expression.op === 'udf') return anything;
  const { fn, args } = expression;
  switch (fn) {
    case 'and':
    case 'or': {
      const [a, b] = [possible(args[0]!, statistics), possible(args[1]!, statistics)];
      const [decides, other] = fn === 'and' ? [isFalse, isTrue] : [isTrue, isFalse];
      const decided = (a | b) & decides;
      const unknown = (a & isUnknown && b & (isUnknown | other)) || (b & isUnknown && a & (isUnknown | other)) ? isUnknown : 0;
      return decided | (a & b & other) | unknown;
    }
    case 'not': {
      const a = possible(args[0]!, statistics);
      return (a & isUnknown) | (a & isTrue ? isFalse : 0) | (a & isFalse ? isTrue : 0);
    }
    case 'isNull':
    case 'isNotNull': {
      const range = rangeOf(args[0]!, statistics);
      if (range === null) return anything;
      const [none, some] = fn === 'isNull' ? [isTrue, isFalse] : [isFalse, isTrue];
      return (range.nulls ? none : 0) | (range.values ? some : 0);
    }
    case 'eq':
    case 'ne':
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return compared(fn, rangeOf(args[0]!, statistics), rangeOf(args[1]!, statistics));
    case 'between': {
      const x = rangeOf(args[0]!, statistics);
      const [above, below] = [compared('gte', x, rangeOf(args[1]!, statistics)), compared('lte', x, rangeOf(args[2]!, statistics))];
      return above & below & isTrue ? anything : anything & ~isTrue;
    }
    case 'in': {
      const x = rangeOf(args[0]!, statistics);
      const found = args.slice(1).some((arg) => compared('eq', x, rangeOf(arg, statistics)) & isTrue);
      return found ? anything : anything & ~isTrue;
    }
    case 'startsWith':
      return prefixed(expression, statistics);
    default:
      return anything;
  }
}

/** What an expression's values lie between; null = not known. */
interface Range {
  readonly min: Value;
  readonly max: Value;
  /** Some row may be null. */
  readonly nulls: boolean;
  /** Some row may not be. */
  readonly values: boolean;
}
const point = (value: Value): Range => ({ min: value, max: value, nulls: value === null, values: value !== null });

function rangeOf(expression: Expression, statistics: Statistics): Range | null {
  if (expression.op === 'literal') return point(literalValue(expression));
  if (expression.op === 'column') {
    const known = statistics(expression.name);
    if (known === undefined) return null;
    const [min, max] = [atRest(known.min, expression), atRest(known.max, expression)];
    // NaN is above all and not counted, so a float64 has no upper bound; a NaN as a bound says nothing.
    const double = expression.type.kind === 'float64';
    return {
      min: double && Number.isNaN(min) ? null : min,
      max: double ? null : max,
      nulls: known.nullCount !== 0,
      values: known.nullCount !== known.rows,
    };
  }
  if (expression.op !== 'call' || expression.fn !== 'cast') return null;
  // Widening casts keep the order: int32 -> integer -> int64 compare as numbers and bigints alike.
  if (isWidening(expression)) return rangeOf(expression.args[0]!, statistics);
  return decimalRange(expression, statistics);
}

/** Of a number that is cast to a decimal with as many digits behind the point, or more: as a decimal beside another is. */
function decimalRange({ args, type }: Call, statistics: Statistics): Range | null {
  const from = asDecimal(args[0]!.type);
  if (type.kind !== 'decimal' || from === null || from.scale > type.scale) return null;
  const range = rangeOf(args[0]!, statistics);
  const scaled = (value: Value): Value => (value === null ? null : rescaled(BigInt(value), from.scale, type.scale));
  return range && { ...range, min: scaled(range.min), max: scaled(range.max) };
}

const atRest = (value: Value, { type }: Expression): Value => (typeof value === 'bigint' && type.kind === 'integer' ? Number(value) : value);

const whole: readonly string[] = ['int32', 'integer', 'int64'];
function isWidening({ args, type }: Call): boolean {
  const from = args[0]!.type.kind as string;
  return whole.includes(from) && (whole.indexOf(type.kind) >= whole.indexOf(from) || (type.kind === 'float64' && from !== 'int64'));
}

function compared(fn: string, a: Range | null, b: Range | null): number {
  if (a === null || b === null) return anything;
  let bits = a.nulls || b.nulls ? isUnknown : 0;
  if (!a.values || !b.values) return bits;
  const below = order(a.min, b.max) < 0;
  const above = order(b.min, a.max) < 0;
  const meet = order(a.min, b.max) <= 0 && order(b.min, a.max) <= 0;
  const same =
    a.min !== null &&
    b.min !== null &&
    a.max !== null &&
    b.max !== null &&
    compareValues(a.min, a.max) === 0 &&
    compareValues(b.min, b.max) === 0 &&
    compareValues(a.min, b.min) === 0;
  const give = (yes: boolean, no: boolean): void => {
    bits |= (yes ? isTrue : 0) | (no ? isFalse : 0);
  };
  if (fn === 'eq') give(meet, !same);
  else if (fn === 'ne') give(!same, meet);
  else if (fn === 'lt') give(below, above || meet);
  else if (fn === 'gte') give(above || meet, below);
  else if (fn === 'gt') give(above, below || meet);
  else give(below || meet, above);
  return bits;
}

/** Unknown bounds are below and above everything. */
const order = (lower: Value, upper: Value): number => (lower === null || upper === null ? -1 : compareValues(lower, upper));

/** Text that begins with `part` lies at or above it, and below all that is above it and does not begin so. */
function prefixed({ args }: Call, statistics: Statistics): number {
  const range = rangeOf(args[0]!, statistics);
  const other = args[1]!;
  const part = other.op === 'literal' ? other.value : null;
  if (range === null || typeof part !== 'string' || !range.values) return range !== null && !range.values ? anything & ~isTrue : anything;
  const low = range.max !== null && compareValues(range.max, part) < 0;
  const high = range.min !== null && compareValues(range.min, part) > 0 && !(range.min as string).startsWith(part);
  return low || high ? anything & ~isTrue : anything;
}
