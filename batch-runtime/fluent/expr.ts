/**
 * Expressions as the compiler sees them: `t.delay.coalesce(0).gt(15)`. Interfaces by type say which methods make sense, and
 * nulls are in the type. At run time one class has all methods (methods.ts) and the function table refuses what does not
 * fit, so plain JavaScript gets the same answers.
 */
import type { Temporal } from 'temporal-polyfill';
import type { Decimal } from '../batch/decimal.ts';
import type { DiffUnit, TruncateUnit } from '../expression/calendar.ts';
import type { Declared, Value } from '../schema.ts';
import type { Aggregate, Count, InOrder } from './aggregate.ts';
import type { Ranking } from './window.ts';

declare const value: unique symbol;

/** An expression with values of type T. It has no method: what may be asked of a value depends on its type. */
export interface Expr<out T> {
  readonly [value]: T;
}

type DateText = `${number}-${number}-${number}`;
type InstantText = `${DateText}T${string}`;
/** What may stand for a value: ISO text for one of time; for a decimal a number or the text of one, meant as it is written. */
export type Text<V> = V extends Temporal.PlainDate
  ? DateText
  : V extends Temporal.Instant | Temporal.PlainDateTime
    ? InstantText
    : V extends Decimal
      ? number | bigint | `${number}`
      : never;
/** What an expression of V may be compared and combined with. */
export type Operand<V> = V | Text<V> | Expr<V | null>;
export type NullIn<U> = U extends Expr<infer V> ? Extract<V, null> : Extract<U, null>;
/** Null when each of them may be null; of none of them it is null. */
type NullOfAll<U extends readonly unknown[]> = U extends readonly [infer First, ...infer Rest]
  ? [NullIn<First>] extends [never]
    ? never
    : NullOfAll<Rest>
  : null;
/** Null when one of them may be null. */
type NullInAny<U extends readonly unknown[]> = U extends readonly [infer First, ...infer Rest] ? NullIn<First> | NullInAny<Rest> : NullIn<U[number]>;
export type NullOf<T> = Extract<T, null>;
export type Condition = Expr<boolean | null>;

/** The expression of a column of type T, with the methods of that type. */
export type ExprOf<T> = [T] extends [boolean | null]
  ? BooleanExpr<T>
  : [T] extends [number | bigint | Decimal | null]
    ? NumericExpr<T>
    : [T] extends [string | null]
      ? StringExpr<T>
      : [T] extends [Temporal.Instant | Temporal.PlainDateTime | null]
        ? TimestampExpr<T>
        : [T] extends [Temporal.PlainDate | null]
          ? DateExpr<T>
          : [T] extends [Temporal.PlainTime | null]
            ? ClockExpr<T>
            : [T] extends [readonly unknown[] | null]
              ? ListExpr<T>
              : [T] extends [Uint8Array | null]
                ? AnyExpr<T>
                : [T] extends [object | null]
                  ? StructExpr<T>
                  : AnyExpr<T>;

/** The columns of a row, as expressions: the argument of `filter(t => ...)`. Only those touched are made. */
export type Columns<R> = { readonly [K in keyof R]: ExprOf<R[K]> };

/** What can be asked of a list or a struct too. */
interface PlainExpr<out T> extends Expr<T> {
  isNull(): BooleanExpr<boolean>;
  isNotNull(): BooleanExpr<boolean>;
  /** How many rows have a value here. */
  count(): Count;
  /** The value of the first row, null if that is null: as the rows come, or by a key. */
  first(options?: InOrder): Aggregate<T>;
  /** The value of the last row, null if that is null: as the rows come, or by a key. */
  last(options?: InOrder): Aggregate<T>;
  /** The values of a group as a list, nulls too, in the order of rows. */
  toList(): Aggregate<readonly T[]>;
}

type ItemOf<T> = T extends readonly (infer I)[] ? I : never;

/** Values of one type, in order. It is compared with nothing; `unnest` makes rows of it. */
export interface ListExpr<out T> extends PlainExpr<T> {
  /** How many values, nulls too. */
  length(): NumericExpr<number | NullOf<T>>;
  /** One value: 0 is the first, -1 the last; null when there is none. */
  at<I extends Operand<number>>(index: I): ExprOf<ItemOf<T> | null>;
  /** Has an equal value; a null in the list equals nothing. */
  contains<U extends Operand<NonNullable<ItemOf<T>>>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
}

/** A value for each field. It is compared with nothing; its fields are. */
export interface StructExpr<out T> extends PlainExpr<T> {
  /** The value of a field: `t.place.field('city')`. */
  field<K extends keyof NonNullable<T> & string>(name: K): ExprOf<NonNullable<T>[K] | NullOf<T>>;
}

/** What every other expression can. Comparing with null gives null, as in SQL. */
export interface AnyExpr<out T> extends PlainExpr<T> {
  eq<U extends Operand<NonNullable<T>>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  ne<U extends Operand<NonNullable<T>>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  lt<U extends Operand<NonNullable<T>>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  lte<U extends Operand<NonNullable<T>>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  gt<U extends Operand<NonNullable<T>>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  gte<U extends Operand<NonNullable<T>>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  /** Both ends included. */
  between<L extends Operand<NonNullable<T>>, H extends Operand<NonNullable<T>>>(
    low: L,
    high: H,
  ): BooleanExpr<boolean | NullOf<T> | NullIn<L> | NullIn<H>>;
  /** Equal to one of the values; over none it is false. */
  in(values: readonly (NonNullable<T> | Text<NonNullable<T>>)[]): BooleanExpr<boolean | NullOf<T>>;
  /** This, or where it is null the first of the others that is not. */
  coalesce<U extends readonly Operand<NonNullable<T>>[]>(...others: U): ExprOf<NonNullable<T> | NullOfAll<U>>;
  /** Null where it equals the other. */
  nullIf<U extends Operand<NonNullable<T>>>(other: U): ExprOf<T | null>;
  /** The least of this and the others; nulls do not count. */
  least<U extends readonly Operand<NonNullable<T>>[]>(...others: U): ExprOf<NonNullable<T> | (NullOf<T> & NullOfAll<U>)>;
  /** The greatest of this and the others; nulls do not count. */
  greatest<U extends readonly Operand<NonNullable<T>>[]>(...others: U): ExprOf<NonNullable<T> | (NullOf<T> & NullOfAll<U>)>;
  /** This as another type; a value that does not fit is VALUE_OUT_OF_RANGE, never a null. */
  cast<V>(type: Declared<V>): ExprOf<NonNullable<V> | NullOf<T>>;
  /** This as another type; null where a value does not fit. */
  tryCast<V>(type: Declared<V>): ExprOf<NonNullable<V> | null>;
  /** A number from 0 to 2^32 - 1 that depends on this and the others alone, also where they are null. */
  hash(...others: readonly Expr<unknown>[]): NumericExpr<number>;
  /** How many different values, exactly; null is none. */
  countDistinct(): Count;
  /** About how many different values; the standard error is 1.6 %. */
  approxCountDistinct(): Count;
  /** The value so many rows before in a window's order; beyond its partition the fallback, or null. */
  lag(rows?: number, fallback?: Operand<NonNullable<T>>): Ranking<ExprOf<T | null>>;
  /** The value so many rows behind in a window's order; beyond its partition the fallback, or null. */
  lead(rows?: number, fallback?: Operand<NonNullable<T>>): Ranking<ExprOf<T | null>>;
}

export interface BooleanExpr<out T> extends AnyExpr<T> {
  /** Three-valued: false and null is false. */
  and<U extends Operand<boolean>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  /** Three-valued: true or null is true. */
  or<U extends Operand<boolean>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  not(): BooleanExpr<T>;
}

/** Whole numbers stay whole and are an error beyond their type, except in `div`, which gives float64. */
export interface NumericExpr<out T> extends AnyExpr<T> {
  add<U extends Operand<NonNullable<T>>>(other: U): NumericExpr<T | NullIn<U>>;
  sub<U extends Operand<NonNullable<T>>>(other: U): NumericExpr<T | NullIn<U>>;
  mul<U extends Operand<NonNullable<T>>>(other: U): NumericExpr<T | NullIn<U>>;
  div<U extends Operand<NonNullable<T>>>(other: U): NumericExpr<number | NullOf<T> | NullIn<U>>;
  mod<U extends Operand<NonNullable<T>>>(other: U): NumericExpr<T | NullIn<U>>;
  neg(): NumericExpr<T>;
  abs(): NumericExpr<T>;
  /** To so many decimals, half away from zero. */
  round(decimals?: number): NumericExpr<T>;
  floor(): NumericExpr<T>;
  ceil(): NumericExpr<T>;
  /** To the power of the other, as float64. */
  power<U extends Operand<NonNullable<T>>>(other: U): NumericExpr<number | NullOf<T> | NullIn<U>>;
  /** The square root, as float64; of a negative number it is VALUE_OUT_OF_RANGE. */
  sqrt(): NumericExpr<number | NullOf<T>>;
  exp(): NumericExpr<number | NullOf<T>>;
  /** The natural logarithm; of what is not above 0 it is VALUE_OUT_OF_RANGE. */
  ln(): NumericExpr<number | NullOf<T>>;
  log10(): NumericExpr<number | NullOf<T>>;
  /** -1, 0 or 1. */
  sign(): NumericExpr<number | NullOf<T>>;
  sum(): Aggregate<T>;
  avg(): Aggregate<number | NullOf<T>>;
  /** Of a sample: n - 1 in the divisor; null for a single value. */
  variance(): Aggregate<number | null>;
  /** Of all values: n in the divisor. */
  variancePop(): Aggregate<number | NullOf<T>>;
  /** Of a sample; null for a single value. */
  stddev(): Aggregate<number | null>;
  stddevPop(): Aggregate<number | NullOf<T>>;
  /** The value below which a share of the values lies, exactly: all values of a group are kept. */
  quantile(share: number): Aggregate<number | NullOf<T>>;
  /** quantile(0.5) */
  median(): Aggregate<number | NullOf<T>>;
  /** As quantile, from a sketch: the true share of what it gives is within 1 % of what was asked; exact up to 400 values. */
  approxQuantile(share: number): Aggregate<number | NullOf<T>>;
  min(): Aggregate<T>;
  max(): Aggregate<T>;
}

/** Lengths and positions count code points; order is that of the UTF-8 bytes. */
export interface StringExpr<out T> extends AnyExpr<T> {
  /** The texts of a group one behind the other, in the order of rows. */
  joinText(separator: string): Aggregate<T>;
  lower(): StringExpr<T>;
  upper(): StringExpr<T>;
  trim(): StringExpr<T>;
  trimStart(): StringExpr<T>;
  trimEnd(): StringExpr<T>;
  /** At least so many characters long, by `fill` before it. */
  padStart(length: number, fill?: string): StringExpr<T>;
  /** At least so many characters long, by `fill` behind it. */
  padEnd(length: number, fill?: string): StringExpr<T>;
  reverse(): StringExpr<T>;
  repeat<U extends Operand<number>>(count: U): StringExpr<string | NullOf<T> | NullIn<U>>;
  length(): NumericExpr<number | NullOf<T>>;
  startsWith<U extends Operand<string>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  endsWith<U extends Operand<string>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  includes<U extends Operand<string>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  /** SQL's pattern: `%` any text, `_` one character. */
  like(pattern: string): BooleanExpr<boolean | NullOf<T>>;
  /** Where the other text first is in this, 0 = at the start; -1 when it is not. */
  indexOf<U extends Operand<string>>(other: U): NumericExpr<number | NullOf<T> | NullIn<U>>;
  /** With every occurrence of `part` replaced. */
  replace<U extends Operand<string>, V extends Operand<string>>(part: U, by: V): StringExpr<string | NullOf<T> | NullIn<U> | NullIn<V>>;
  /** What stands between separators: 0 is the first part, -1 the last; empty when there is no such part. */
  splitPart<U extends Operand<string>, I extends Operand<number>>(separator: U, index: I): StringExpr<string | NullOf<T> | NullIn<U> | NullIn<I>>;
  /** What stands between separators, as a list. */
  split<U extends Operand<string>>(separator: U): ListExpr<readonly string[] | NullOf<T> | NullIn<U>>;
  /** Has a part that fits the regular expression, which may not look around or back. */
  matches(pattern: RegExp | string): BooleanExpr<boolean | NullOf<T>>;
  /** The first part that fits, or a group of it; empty when there is none. */
  extract(pattern: RegExp | string, group?: number): StringExpr<T>;
  /** With every part that fits replaced; `$1` and `$<name>` are its groups. */
  replaceMatches(pattern: RegExp | string, by: string): StringExpr<T>;
  /** The moment that it says by a pattern like `%Y-%m-%d %H:%M:%S`; what does not fit is VALUE_OUT_OF_RANGE. */
  parse(pattern: string): TimestampExpr<Temporal.Instant | NullOf<T>>;
  /** As parse; null where it does not fit. */
  tryParse(pattern: string): TimestampExpr<Temporal.Instant | null>;
  /** What a path like `$.a.b[0]` leads to in JSON, as text; null when to nothing. */
  json(path: `$${string}`): StringExpr<string | null>;
  /** From `start` up to `end`, not included; negative counts from the end. */
  slice(start: number, end?: number): StringExpr<T>;
  concat<U extends readonly Operand<string>[]>(...others: U): StringExpr<string | NullOf<T> | NullInAny<U>>;
  min(): Aggregate<T>;
  max(): Aggregate<T>;
}

/** A span of time in words: `'30 s'`, `'5 min'`. Of a fixed length. */
export type Duration = `${number} ${'ms' | 's' | 'min' | 'h' | 'd'}`;
/** A span of days: `'3 d'`, `'2 w'`, and by the calendar `'1 mo'`, `'1 y'`. */
export type Days = `${number} ${'d' | 'w' | 'mo' | 'y'}`;

/** What days and moments have in common, all in UTC. V: what stands beside one of them. */
interface TimeExpr<out T, V> extends AnyExpr<T> {
  year(): NumericExpr<number | NullOf<T>>;
  quarter(): NumericExpr<number | NullOf<T>>;
  month(): NumericExpr<number | NullOf<T>>;
  /** The week by ISO 8601, 1 to 53, and the year it belongs to. */
  week(): NumericExpr<number | NullOf<T>>;
  weekYear(): NumericExpr<number | NullOf<T>>;
  day(): NumericExpr<number | NullOf<T>>;
  /** 1 = Monday to 7 = Sunday. */
  dayOfWeek(): NumericExpr<number | NullOf<T>>;
  dayOfYear(): NumericExpr<number | NullOf<T>>;
  /** How many times a unit begins between the other and this. */
  diff<U extends Operand<V>>(other: U, unit: DiffUnit): NumericExpr<number | NullOf<T> | NullIn<U>>;
  /** As text, by a pattern like `%Y-%m-%d`. */
  format(pattern: string): StringExpr<string | NullOf<T>>;
  min(): Aggregate<T>;
  max(): Aggregate<T>;
}

/** A time of day. */
export interface ClockExpr<out T> extends AnyExpr<T> {
  hour(): NumericExpr<number | NullOf<T>>;
  minute(): NumericExpr<number | NullOf<T>>;
  second(): NumericExpr<number | NullOf<T>>;
  min(): Aggregate<T>;
  max(): Aggregate<T>;
}

export interface TimestampExpr<out T> extends TimeExpr<T, NonNullable<T>> {
  /** The start of the unit it is in; weeks start on Monday. */
  truncate(unit: TruncateUnit): TimestampExpr<T>;
  /** Months and years go by the calendar, to the last day of a month that is too short. */
  plus(duration: Duration | Days): TimestampExpr<T>;
  minus(duration: Duration | Days): TimestampExpr<T>;
  plusMonths<U extends Operand<number>>(months: U): TimestampExpr<T | NullIn<U>>;
  millisSince<U extends Operand<NonNullable<T>>>(other: U): NumericExpr<number | NullOf<T> | NullIn<U>>;
  epochSeconds(): NumericExpr<number | NullOf<T>>;
  epochMillis(): NumericExpr<number | NullOf<T>>;
  epochMicros(): NumericExpr<bigint | NullOf<T>>;
  date(): DateExpr<Temporal.PlainDate | NullOf<T>>;
  hour(): NumericExpr<number | NullOf<T>>;
  minute(): NumericExpr<number | NullOf<T>>;
  second(): NumericExpr<number | NullOf<T>>;
}

export interface DateExpr<out T> extends TimeExpr<T, Temporal.PlainDate> {
  truncate(unit: 'year' | 'quarter' | 'month' | 'week'): DateExpr<T>;
  plus(days: Days): DateExpr<T>;
  minus(days: Days): DateExpr<T>;
  plusDays<U extends Operand<number>>(days: U): DateExpr<T | NullIn<U>>;
  /** By the calendar, to the last day of a month that is too short. */
  plusMonths<U extends Operand<number>>(months: U): DateExpr<T | NullIn<U>>;
}

/** Literals stand for their type. */
export type Widen<V> = V extends string ? string : V extends number ? number : V extends bigint ? bigint : V extends boolean ? boolean : V;
/** What a column may be computed as: an expression or a plain value, which is the same in every row. A plain number is a float64. */
export interface Projection {
  readonly [column: string]: Expr<unknown> | Value;
}
export type ValueOf<P> = P extends Expr<infer T> ? T : Widen<P>;
