/**
 * Expressions as they are at run time: each method adds a node to a tree (expression/expression.ts); nothing here runs per
 * row and nobody reads the user's source text. A plain value beside an expression becomes a literal of a type that fits.
 */
import type { Temporal } from 'temporal-polyfill';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type ColumnType, columnTypeText, formOf, plainType, sameType, typeOfForm } from '../batch/batch.ts';
import { Decimal, digitsOf, mostDigits } from '../batch/decimal.ts';
import { daysOf, microsOf, restOfMoment, timeMicros } from '../batch/temporal.ts';
import type { AggregateOption, Expression } from '../expression/expression.ts';
import { call, literal } from '../expression/functions.ts';
import { decimalOf, meaningOf, momentType } from '../expression/values.ts';
import { typeText } from '../schema.ts';
import type { Condition } from './expr.ts';
import type { WindowDefinition } from './window.ts';

/** Calls that were made and that nobody has used yet: `a && b` leaves `a` here. */
export class Unused {
  readonly #made = new Map<Built, string | null>();
  readonly #place: (() => string | null) | null;

  /** @param place  says where in the job's file one is just made */
  constructor(place: (() => string | null) | null = null) {
    this.#place = place;
  }

  make(expression: Built, from: readonly Built[]): void {
    for (const part of from) this.#made.delete(part);
    this.#made.set(expression, this.#place?.() ?? null);
  }

  use(expression: Built): void {
    this.#made.delete(expression);
  }

  placeOf(expression: Built): string | null {
    return this.#made.get(expression) ?? null;
  }

  first(): Built | undefined {
    return this.#made.keys().next().value;
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

/** A window function before a verb gave it a column: hangs on a `column` node, outside the JSON. */
export const windowOf: unique symbol = Symbol('window');
export interface WindowNode {
  readonly [windowOf]?: WindowDefinition;
}

/** A column that stands for a window function. */
export function windowColumn(defined: WindowDefinition, type: ColumnType, nullable: boolean, parts: readonly Built[]): Built {
  const node: Expression & WindowNode = { op: 'column', name: defined.fn, type, nullable, [windowOf]: defined };
  return new Built(node, parts.find((part) => part.unused !== null)?.unused ?? null);
}

/** An aggregate at run time. */
export class BuiltAggregate {
  readonly fn: string;
  readonly argument: Built | null;
  readonly more: readonly Built[];
  readonly options: readonly AggregateOption[];
  readonly condition: Built | null;

  constructor(
    fn: string,
    argument: Built | null,
    more: readonly Built[] = [],
    options: readonly AggregateOption[] = [],
    condition: Built | null = null,
  ) {
    this.fn = fn;
    this.argument = argument;
    this.more = more;
    this.options = options;
    this.condition = condition;
  }

  filter(condition: Condition): BuiltAggregate {
    const built = conditionOf(condition);
    return new BuiltAggregate(
      this.fn,
      this.argument,
      this.more,
      this.options,
      this.condition === null ? built : apply('and', [this.condition, built]),
    );
  }
}

export const refuse = (what: string): never => {
  throw new SluiceError('EXPRESSION_TYPE', { what });
};

export const apply = (fn: string, parts: readonly Built[], target?: ColumnType): Built =>
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
export function operand(given: unknown, beside: ColumnType | null): Built {
  if (given instanceof Built) return given;
  if (given instanceof BuiltAggregate) return refuse('an aggregate cannot stand where a value of each row is wanted');
  const type = literalType(given, beside);
  return new Built(literalOf(given, type), null);
}

export function conditionOf(given: unknown): Built {
  const built = operand(given, null);
  if (built.node.type.kind !== 'bool') refuse(`a condition must be a bool, not ${typeText(built.node)}`);
  return built;
}

/** What a value of time is without a column beside it; null: it is none. */
function temporalType(given: unknown): ColumnType | null {
  const tag = typeof given === 'object' && given !== null ? (given as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] : null;
  switch (tag) {
    case 'Temporal.Instant':
      return { kind: 'timestamp' };
    case 'Temporal.PlainDate':
      return { kind: 'date' };
    case 'Temporal.PlainTime':
      return typeOfForm('time');
    case 'Temporal.PlainDateTime':
      return typeOfForm('localTimestamp');
    default:
      return null;
  }
}
/** A type that a value of time may be written as. */
const isTime = (type: ColumnType): boolean => ['date', 'moment', 'time'].includes(meaningOf(type));

/** The decimal that has just the digits of a number as it is written. */
function writtenDecimal(text: string): ColumnType {
  const found = digitsOf(text) ?? refuse(`'${text}' is not a decimal: write one, or cast the column`);
  return decimalTypeOf(found, text);
}

function decimalTypeOf({ unscaled, scale }: { readonly unscaled: bigint; readonly scale: number }, text: string): ColumnType {
  const digits = String(unscaled).replace('-', '').length;
  if (Math.max(digits, scale) > mostDigits) refuse(`${text} has more than ${mostDigits} digits`);
  return decimalOf(Math.max(1, digits - scale), scale);
}

export function literalType(given: unknown, beside: ColumnType | null): ColumnType {
  switch (typeof given) {
    case 'boolean':
      return { kind: 'bool' };
    case 'bigint':
      if (beside !== null && formOf(beside) === 'uint64' && given >= 0n) return beside;
      return beside?.kind === 'decimal' ? writtenDecimal(String(given)) : { kind: 'int64' };
    case 'string':
      if (beside?.kind === 'decimal' && formOf(beside) === null) return writtenDecimal(given);
      return beside !== null && isTime(beside) ? beside : { kind: 'utf8' };
    case 'number':
      if (beside?.kind === 'decimal') return writtenDecimal(String(given));
      if (beside?.kind === 'int32' && (given | 0) === given) return plainType(beside);
      if (beside !== null && formOf(beside) === 'float32' && Math.fround(given) === given) return beside;
      if ((beside?.kind === 'int32' || beside?.kind === 'integer') && Number.isSafeInteger(given)) return { kind: 'integer' };
      return { kind: 'float64' };
    default: {
      if (given instanceof Decimal) return decimalTypeOf(given, String(given));
      if (given instanceof Uint8Array) return typeOfForm('bytes');
      const type = temporalType(given);
      if (type !== null) return beside !== null && sameType(momentType(beside), type) ? beside : type;
      if (given === null && beside !== null) return beside;
      return refuse(`${given === null ? 'null' : typeof given} is not a value of a column: give an expression, or lit(value, type)`);
    }
  }
}

/** A value as rows have it, as a literal. @throws EXPRESSION_TYPE, VALUE_OUT_OF_RANGE when it is not one of that type */
export function literalOf(given: unknown, type: ColumnType): Expression {
  const time = temporalType(given);
  if (time !== null) {
    const form = formOf(type);
    const wanted = meaningOf(type) === 'moment' ? momentType(type) : type;
    if (!sameType(wanted, time))
      return refuse(`a ${(given as { [Symbol.toStringTag]: string })[Symbol.toStringTag]} is not a ${columnTypeText(type)}`);
    if (form === 'time') return literal(timeMicros(given as Temporal.PlainTime), type);
    if (form !== null) return literal(restOfMoment(given as Temporal.Instant | Temporal.PlainDateTime, form), type);
    return literal(type.kind === 'date' ? daysOf(given as Temporal.PlainDate) : microsOf(given as Temporal.Instant), type);
  }
  if (given instanceof Decimal) return literal(given.toString(), type);
  if (given instanceof Uint8Array) return literal(Buffer.from(given).toString('latin1'), type);
  if (typeof given === 'object' ? given !== null : typeof given === 'function' || typeof given === 'symbol' || given === undefined)
    return refuse(`${typeof given} is not a value of type ${columnTypeText(type)}`);
  return literal(given as Parameters<typeof literal>[0], type);
}
