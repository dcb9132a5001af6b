/**
 * Expressions as users write them: `t.delay.coalesce(0).gt(15)`. Each method adds a node to a tree (expression.ts); nothing
 * here runs per row and nobody reads the user's source text. Interfaces by type say which methods make sense; at run
 * time one class has them all and functions.ts refuses what does not fit, so plain JavaScript gets the same answers.
 */
import type { Temporal } from 'temporal-polyfill';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { ColumnType, Schema } from './batch/batch.ts';
import { daysOf, microsOf } from './batch/temporal.ts';
import type { TruncateUnit } from './expression/calendar.ts';
import type { Aggregate as AggregateNode, Expression } from './expression/expression.ts';
import { call, columnRef, literal } from './expression/functions.ts';
import type { UserFunction } from './graph/plan.ts';
import { type Declared, typeText, type Value } from './schema.ts';

declare const value: unique symbol;
declare const aggregated: unique symbol;
declare const counted: unique symbol;

/** An expression with values of type T. It has no method: what may be asked of a value depends on its type. */
export interface Expr<out T> {
  readonly [value]: T;
}

type DateText = `${number}-${number}-${number}`;
type InstantText = `${DateText}T${string}`;
/** ISO text that may stand for a value of time. */
type Text<V> = V extends Temporal.PlainDate ? DateText : V extends Temporal.Instant ? InstantText : never;
/** What an expression of V may be compared and combined with. */
export type Operand<V> = V | Text<V> | Expr<V | null>;
type NullIn<U> = U extends Expr<infer V> ? Extract<V, null> : Extract<U, null>;
type NullOf<T> = Extract<T, null>;
type Condition = Expr<boolean | null>;

/** The expression of a column of type T, with the methods of that type. */
export type ExprOf<T> = [T] extends [boolean | null]
  ? BooleanExpr<T>
  : [T] extends [number | bigint | null]
    ? NumericExpr<T>
    : [T] extends [string | null]
      ? StringExpr<T>
      : [T] extends [Temporal.Instant | null]
        ? TimestampExpr<T>
        : [T] extends [Temporal.PlainDate | null]
          ? DateExpr<T>
          : AnyExpr<T>;

/** The columns of a row, as expressions: the argument of `filter(t => ...)`. Only those touched are made. */
export type Columns<R> = { readonly [K in keyof R]: ExprOf<R[K]> };

/** What every expression can. Comparing with null gives null, as in SQL. */
export interface AnyExpr<out T> extends Expr<T> {
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
  isNull(): BooleanExpr<boolean>;
  isNotNull(): BooleanExpr<boolean>;
  /** This, or where it is null the other. */
  coalesce<U extends Operand<NonNullable<T>>>(other: U): ExprOf<NonNullable<T> | NullIn<U>>;
  /** This as another type; a value that does not fit is VALUE_OUT_OF_RANGE, never a null. */
  cast<V>(type: Declared<V>): ExprOf<NonNullable<V> | NullOf<T>>;
  /** How many rows have a value here. */
  count(): Count;
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
  sum(): Aggregate<T>;
  avg(): Aggregate<number | NullOf<T>>;
  min(): Aggregate<T>;
  max(): Aggregate<T>;
}

/** Lengths and positions count code points; order is that of the UTF-8 bytes. */
export interface StringExpr<out T> extends AnyExpr<T> {
  lower(): StringExpr<T>;
  upper(): StringExpr<T>;
  trim(): StringExpr<T>;
  length(): NumericExpr<number | NullOf<T>>;
  startsWith<U extends Operand<string>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  endsWith<U extends Operand<string>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  includes<U extends Operand<string>>(other: U): BooleanExpr<boolean | NullOf<T> | NullIn<U>>;
  /** SQL's pattern: `%` any text, `_` one character. */
  like(pattern: string): BooleanExpr<boolean | NullOf<T>>;
  /** From `start` up to `end`, not included; negative counts from the end. */
  slice(start: number, end?: number): StringExpr<T>;
  concat<U extends Operand<string>>(other: U): StringExpr<string | NullOf<T> | NullIn<U>>;
  min(): Aggregate<T>;
  max(): Aggregate<T>;
}

/** A span of time in words: `'30 s'`, `'5 min'`. */
export type Duration = `${number} ${'ms' | 's' | 'min' | 'h' | 'd'}`;

/** All in UTC. */
export interface TimestampExpr<out T> extends AnyExpr<T> {
  /** The start of the unit it is in; weeks start on Monday. */
  truncate(unit: TruncateUnit): TimestampExpr<T>;
  plus(duration: Duration): TimestampExpr<T>;
  minus(duration: Duration): TimestampExpr<T>;
  millisSince<U extends Operand<Temporal.Instant>>(other: U): NumericExpr<number | NullOf<T> | NullIn<U>>;
  epochMillis(): NumericExpr<number | NullOf<T>>;
  date(): DateExpr<Temporal.PlainDate | NullOf<T>>;
  hour(): NumericExpr<number | NullOf<T>>;
  year(): NumericExpr<number | NullOf<T>>;
  month(): NumericExpr<number | NullOf<T>>;
  day(): NumericExpr<number | NullOf<T>>;
  min(): Aggregate<T>;
  max(): Aggregate<T>;
}

export interface DateExpr<out T> extends AnyExpr<T> {
  truncate(unit: 'year' | 'quarter' | 'month' | 'week'): DateExpr<T>;
  year(): NumericExpr<number | NullOf<T>>;
  month(): NumericExpr<number | NullOf<T>>;
  day(): NumericExpr<number | NullOf<T>>;
  min(): Aggregate<T>;
  max(): Aggregate<T>;
}

/** Many rows to one value. Not an expression: neither can stand in the other's place. */
export interface Aggregate<out T> {
  readonly [aggregated]: T;
  /** Only over the rows for which it is true; null where there are none. */
  filter(condition: Condition): Aggregate<T | null>;
}
export interface Count extends Aggregate<number> {
  readonly [counted]: true;
  filter(condition: Condition): Count;
}

/** The start of a choice; the first condition that is true decides. */
export interface When<out T> {
  when<U extends Operand<NonNullable<T>> | null>(condition: Condition, then: U): When<T | NullIn<U>>;
  otherwise<U extends Operand<NonNullable<T>> | null>(value: U): ExprOf<T | NullIn<U>>;
}

/** Literals stand for their type. */
export type Widen<V> = V extends string ? string : V extends number ? number : V extends bigint ? bigint : V extends boolean ? boolean : V;
/** What a column may be computed as: an expression or a plain value, which is the same in every row. A plain number is a float64. */
export interface Projection {
  readonly [column: string]: Expr<unknown> | Value;
}
export type ValueOf<P> = P extends Expr<infer T> ? T : Widen<P>;

/** A user function before a graph gave it a slot: hangs on its `udf` node, outside the JSON. */
const definition: unique symbol = Symbol('definition');
export type Definition = Omit<UserFunction, 'uid'>;
interface UdfNode {
  readonly [definition]?: Definition;
}

/** Calls that were made and that nobody has used yet: `a && b` leaves `a` here. */
export class Unused {
  readonly #made = new Set<Built>();

  make(expression: Built, from: readonly Built[]): void {
    for (const part of from) this.#made.delete(part);
    this.#made.add(expression);
  }

  use(expression: Built): void {
    this.#made.delete(expression);
  }

  first(): Built | undefined {
    return this.#made.values().next().value;
  }
}

/** An expression at run time. `unused` is the graph's it belongs to, once it has met a column of one. */
export class Built {
  readonly node: Expression;
  readonly unused: Unused | null;

  constructor(node: Expression, unused: Unused | null, from: readonly Built[] = []) {
    this.node = node;
    this.unused = unused;
    if (node.op === 'call' || node.op === 'udf') unused?.make(this, from);
  }
}

/** An aggregate at run time. */
export class BuiltAggregate {
  readonly fn: AggregateNode['fn'];
  readonly argument: Built | null;
  readonly condition: Built | null;

  constructor(fn: AggregateNode['fn'], argument: Built | null, condition: Built | null = null) {
    this.fn = fn;
    this.argument = argument;
    this.condition = condition;
  }

  filter(condition: Condition): BuiltAggregate {
    const built = conditionOf(condition);
    return new BuiltAggregate(this.fn, this.argument, this.condition === null ? built : apply('and', [this.condition, built]));
  }
}

const refuse = (what: string): never => {
  throw new SluiceError('EXPRESSION_TYPE', { what });
};

const apply = (fn: string, parts: readonly Built[], target?: ColumnType): Built =>
  new Built(
    call(
      fn,
      parts.map((part) => part.node),
      target,
    ),
    parts.find((part) => part.unused !== null)?.unused ?? null,
    parts,
  );

/** An operand as an expression; a plain value becomes a literal of a type that fits `beside`. */
function operand(given: unknown, beside: ColumnType | null): Built {
  if (given instanceof Built) return given;
  if (given instanceof BuiltAggregate) return refuse('an aggregate cannot stand where a value of each row is wanted');
  const type = literalType(given, beside);
  return new Built(literalOf(given, type), null);
}

function conditionOf(given: unknown): Built {
  const built = operand(given, null);
  if (built.node.type.kind !== 'bool') refuse(`a condition must be a bool, not ${typeText(built.node)}`);
  return built;
}

const temporalKind = (given: unknown): 'instant' | 'date' | null => {
  const tag = typeof given === 'object' && given !== null ? (given as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] : null;
  return tag === 'Temporal.Instant' ? 'instant' : tag === 'Temporal.PlainDate' ? 'date' : null;
};

function literalType(given: unknown, beside: ColumnType | null): ColumnType {
  switch (typeof given) {
    case 'boolean':
      return { kind: 'bool' };
    case 'bigint':
      return { kind: 'int64' };
    case 'string':
      return beside?.kind === 'date' || beside?.kind === 'timestamp' ? beside : { kind: 'utf8' };
    case 'number':
      if (beside?.kind === 'int32' && (given | 0) === given) return beside;
      if ((beside?.kind === 'int32' || beside?.kind === 'integer') && Number.isSafeInteger(given)) return { kind: 'integer' };
      return { kind: 'float64' };
    default: {
      const kind = temporalKind(given);
      if (kind !== null) return { kind: kind === 'instant' ? 'timestamp' : 'date' };
      if (given === null && beside !== null) return beside;
      return refuse(`${given === null ? 'null' : typeof given} is not a value of a column: give an expression, or lit(value, type)`);
    }
  }
}

/** A value as rows have it, as a literal. @throws EXPRESSION_TYPE, VALUE_OUT_OF_RANGE when it is not one of that type */
export function literalOf(given: unknown, type: ColumnType): Expression {
  switch (temporalKind(given)) {
    case 'date':
      return type.kind === 'date' ? literal(daysOf(given as Temporal.PlainDate), type) : refuse(`a Temporal.PlainDate is not a ${type.kind}`);
    case 'instant':
      return type.kind === 'timestamp' ? literal(microsOf(given as Temporal.Instant), type) : refuse(`a Temporal.Instant is not a ${type.kind}`);
    default:
      if (typeof given === 'object' ? given !== null : typeof given === 'function' || typeof given === 'symbol' || given === undefined)
        return refuse(`${typeof given} is not a value of type ${type.kind}`);
      return literal(given as Parameters<typeof literal>[0], type);
  }
}

const text: ColumnType = { kind: 'utf8' };
const bool: ColumnType = { kind: 'bool' };
const int32: ColumnType = { kind: 'int32' };
const integer: ColumnType = { kind: 'integer' };

type Method = (self: Built, ...given: unknown[]) => Built | BuiltAggregate;
/** A method whose operands are of the expression's own type, or of `type`. */
const takes =
  (fn: string, count: number, type: ColumnType | null = null): Method =>
  (self, ...given) =>
    apply(fn, [self, ...Array.from({ length: count }, (_, i) => operand(given[i], type ?? self.node.type))]);
const aggregates =
  (fn: AggregateNode['fn']): Method =>
  (self) =>
    new BuiltAggregate(fn, self);
/** A span of time as microseconds. */
const shifts =
  (fn: string): Method =>
  (self, duration) =>
    apply(fn, [self, operand(durationMicros(duration), integer)]);

const methods: Readonly<Record<string, Method>> = {
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
  coalesce: takes('coalesce', 1),
  cast: (self, type) => apply('cast', [self], (type as Declared<unknown>).type),
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
  lower: takes('lower', 0),
  upper: takes('upper', 0),
  trim: takes('trim', 0),
  length: takes('length', 0),
  startsWith: takes('startsWith', 1, text),
  endsWith: takes('endsWith', 1, text),
  includes: takes('includes', 1, text),
  like: takes('like', 1, text),
  slice: (self, ...bounds) => apply('slice', [self, ...bounds.filter((bound) => bound !== undefined).map((bound) => operand(bound, int32))]),
  concat: takes('concat', 1, text),
  truncate: takes('truncate', 1, text),
  plus: shifts('plus'),
  minus: shifts('minus'),
  millisSince: takes('millisSince', 1),
  epochMillis: takes('epochMillis', 0),
  date: takes('date', 0),
  hour: takes('hour', 0),
  year: takes('year', 0),
  month: takes('month', 0),
  day: takes('day', 0),
  count: aggregates('count'),
  sum: aggregates('sum'),
  avg: aggregates('avg'),
  min: aggregates('min'),
  max: aggregates('max'),
};
for (const [name, method] of Object.entries(methods)) {
  Object.defineProperty(Built.prototype, name, {
    value(this: Built, ...given: unknown[]) {
      return method(this, ...given);
    },
  });
}

const unitMicros = { ms: 1e3, s: 1e6, min: 60e6, h: 3600e6, d: 86400e6 } as const;

function durationMicros(given: unknown): number {
  const [, amount, unit] = /^(-?\d+(?:\.\d+)?) (ms|s|min|h|d)$/.exec(String(given)) ?? [];
  const micros = Number(amount) * unitMicros[unit as keyof typeof unitMicros];
  return Number.isSafeInteger(micros) ? micros : refuse(`'${String(given)}' is not a duration: write '30 s', '5 min'`);
}

/** A value that is the same in every row, of a type of your choice; `lit(null, int32().nullable())` is a null. */
export function lit<T>(value: T | Text<T>, type: Declared<T>): ExprOf<T> {
  if (value === null && !type.isNullable) refuse(`null is not a ${type.type.kind}: declare it .nullable()`);
  return new Built(literalOf(value, type.type), null) as unknown as ExprOf<T>;
}

/** A column by name, for tables of which nothing is declared; looked up when a verb uses it. */
export function col<T>(name: string, type: Declared<T>): ExprOf<T> {
  return new Built(columnRef({ name, type: type.type, nullable: type.isNullable }), null) as unknown as ExprOf<T>;
}

/** How many rows. */
export const count = (): Count => new BuiltAggregate('count', null) as unknown as Count;

/** A choice: `when(t.delay.gt(15), 'late').otherwise('in time')`. Without a branch that is true, `otherwise` decides. */
export const when = <U extends Operand<Value>>(condition: Condition, then: U): When<ValueOf<U>> =>
  choice([[conditionOf(condition), then]]) as unknown as When<ValueOf<U>>;

const choice = (branches: readonly (readonly [Built, unknown])[]) => ({
  when: (condition: Condition, then: unknown) => choice([...branches, [conditionOf(condition), then]]),
  otherwise(value: unknown): Built {
    const values = [...branches.map(([, then]) => then), value];
    const typed = values.find((each) => each instanceof Built);
    const first = values.find((each) => each !== null);
    const type = typed?.node.type ?? literalType(first, null);
    return apply('when', [...branches.flatMap(([condition, then]) => [condition, operand(then, type)]), operand(value, type)]);
  },
});

type DeclaredValues<A extends readonly Declared<unknown>[]> = { [I in keyof A]: A[I] extends Declared<infer T> ? T : never };
type Given<T extends readonly unknown[]> = { [I in keyof T]: T[I] | Expr<T[I]> };

interface UdfOptions {
  /** False: the same arguments may give something else another time (random numbers, a clock). What is lost of such a table is made anew as a whole. */
  readonly deterministic?: boolean;
}

/**
 * A function over values, called once per row: the slow way, and marked as such in `--explain`. It sees only its arguments, and
 * depends on them alone or says that it does not. What it returns is checked against the declared type. @throws FUNCTION_THREW, ROW_TYPE at run time
 */
export function udf<const A extends readonly Declared<unknown>[], T>(
  argumentTypes: A,
  result: Declared<T>,
  run: (...values: DeclaredValues<A>) => NoInfer<T>,
  options: UdfOptions = {},
): (...given: Given<DeclaredValues<A>>) => ExprOf<T> {
  const field = (declared: Declared<unknown>) => ({ type: declared.type, nullable: declared.isNullable });
  const defined: Definition = { argumentTypes: argumentTypes.map(field), result: field(result), run: run as UserFunction['run'] };
  return ((...given: readonly unknown[]) => {
    if (given.length !== argumentTypes.length) refuse(`a function of ${argumentTypes.length} arguments got ${given.length}`);
    const parts = defined.argumentTypes.map(({ type, nullable }, i) => {
      const part = operand(given[i], type);
      if (part.node.type.kind !== type.kind || (part.node.nullable && !nullable))
        refuse(`argument ${i + 1} of a function is ${typeText({ type, nullable })}, not ${typeText(part.node)}`);
      return part;
    });
    const args = parts.map((part) => part.node);
    const varies = options.deterministic === false ? ({ deterministic: false } as const) : {};
    const node: Expression & UdfNode = { op: 'udf', slot: -1, args, ...varies, ...defined.result, [definition]: defined };
    return new Built(node, parts.find((part) => part.unused !== null)?.unused ?? null, parts);
  }) as unknown as (...given: Given<DeclaredValues<A>>) => ExprOf<T>;
}

export const unknownColumn = (column: string, where: string, fields: Schema): never => {
  throw new SluiceError('COLUMN_UNKNOWN', { column, where, columns: fields.map((field) => field.name) });
};

/** The columns of a table, made as they are touched; a name that is not there is COLUMN_UNKNOWN. */
export const columnsOf = (fields: Schema, where: string, unused: Unused): Columns<unknown> =>
  new Proxy(
    {},
    {
      get(_, name) {
        if (typeof name === 'symbol') return undefined;
        const field = fields.find((each) => each.name === name) ?? unknownColumn(name, where, fields);
        return new Built(columnRef(field), unused);
      },
      ownKeys: () => fields.map((field) => field.name),
      getOwnPropertyDescriptor: (_, name) => (fields.some((field) => field.name === name) ? { enumerable: true, configurable: true } : undefined),
    },
  );

/** What a verb gives to its expressions: the columns they may name and the graph's functions. */
export interface Scope {
  /** Where, in messages: a uid. */
  readonly uid: string;
  /** Looks a column up in the input. @throws COLUMN_UNKNOWN, EXPRESSION_TYPE when it is not what the expression takes it for */
  find(name: string, as: { readonly type: ColumnType; readonly nullable: boolean }): void;
  slot(definition: Definition): number;
}

/** The expression of a value that a callback gave, every column looked up and every function with its slot. */
export function settle(given: unknown, scope: Scope): Expression {
  const built = operand(given, null);
  built.unused?.use(built);
  return settled(built.node, scope);
}

function settled(node: Expression, scope: Scope): Expression {
  switch (node.op) {
    case 'literal':
      return node;
    case 'column':
      scope.find(node.name, node);
      return node;
    case 'call':
      return { ...node, args: node.args.map((each) => settled(each, scope)) };
    case 'udf': {
      const { [definition]: defined, ...plain }: typeof node & UdfNode = node;
      const args = node.args.map((each) => settled(each, scope));
      return { ...plain, args, slot: defined === undefined ? node.slot : scope.slot(defined) };
    }
  }
}

/** A condition that a callback gave. */
export const settleCondition = (given: unknown, scope: Scope): Expression => {
  const built = conditionOf(given);
  return settle(built, scope);
};

/** An aggregate that a callback gave, under its name; `global` is true for a table of one row, which may be over none. */
export function settleAggregate(name: string, given: unknown, global: boolean, scope: Scope): AggregateNode {
  if (!(given instanceof BuiltAggregate)) return refuse(`${name} in ${scope.uid} is not an aggregate: write count() or t.column.sum()`);
  const argument = given.argument === null ? null : settle(given.argument, scope);
  const filter = given.condition === null ? null : settle(given.condition, scope);
  const type = aggregateType(given.fn, argument);
  const nullable = given.fn !== 'count' && (global || filter !== null || argument?.nullable === true);
  return { name, fn: given.fn, argument, filter, type, nullable };
}

function aggregateType(fn: AggregateNode['fn'], argument: Expression | null): ColumnType {
  if (fn === 'count' || argument === null) return integer;
  const { type } = argument;
  const isNumber = type.kind === 'int32' || type.kind === 'integer' || type.kind === 'int64' || type.kind === 'float64';
  if (fn === 'min' || fn === 'max') return type.kind === 'bool' ? refuse(`${fn} of a bool`) : type;
  if (!isNumber) return refuse(`${fn} of a ${type.kind}`);
  if (fn === 'avg') return { kind: 'float64' };
  return type.kind === 'int32' ? integer : type;
}
