/**
 * User functions inside expressions: the way of values to them and back. Arguments become what rows show (Temporal for
 * dates and timestamps), results are checked against the declared type, and what a function throws says which function,
 * which row and where. Slow by nature, and one call per row: nothing here is memoised, since a function may not be pure.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type ColumnType, columnTypeText, formOf, plainType } from '../batch/batch.ts';
import { Decimal, fitsDigits, unscaledAt } from '../batch/decimal.ts';
import { fitForm, forms } from '../batch/forms.ts';
import { int64Max, int64Min } from '../batch/lanes.ts';
import { dateOf, daysOf, instantOf, microsOf, momentOf, restOfMoment, tagOfMoment, timeMicros, timeOf } from '../batch/temporal.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { NestedValue, Value } from './values.ts';

/** A value at rest as the row shows it. @throws VALUE_OUT_OF_RANGE beyond what Temporal can say */
export function rowOfValue(value: NestedValue, type: ColumnType): unknown {
  if (value === null) return null;
  if (type.kind === 'list') return (value as readonly NestedValue[]).map((item) => rowOfValue(item, type.item.type));
  if (type.kind === 'struct') {
    const fields = value as Readonly<Record<string, NestedValue>>;
    return Object.fromEntries(type.fields.map((field) => [field.name, rowOfValue(fields[field.name]!, field.type)]));
  }
  const form = formOf(type);
  if (form === 'uint64') return value;
  if (form === 'bytes') return new Uint8Array(Buffer.from(value as string, 'latin1'));
  if (form === 'time') return timeOf(value as number);
  if (form !== null && forms[form].meaning === 'moment') return momentOf(value as bigint, form);
  if (type.kind === 'decimal') return new Decimal(value as bigint, type.scale);
  return type.kind === 'date' ? dateOf(value as number) : type.kind === 'timestamp' ? instantOf(value as bigint) : value;
}

/** What a function gave, as a value at rest. @throws ROW_TYPE */
export function acceptResult({ uid, result }: UserFunction, given: unknown): Value {
  if (given === null && result.nullable) return null;
  const value = given === null ? undefined : restOf(given, result.type);
  if (value !== undefined) return value;
  throw new SluiceError('ROW_TYPE', {
    node: uid,
    what: `${described(given)} in a ${columnTypeText(result.type)} column${given === null ? ' that is not nullable' : ''}`,
  });
}

function restOf(given: unknown, type: ColumnType): NonNullable<Value> | undefined {
  const form = formOf(type);
  if (form === null) return restOfKind(given, type);
  if (form === 'bytes') return given instanceof Uint8Array ? Buffer.from(given).toString('latin1') : undefined;
  if (form === 'time') return tagOf(given) === 'Temporal.PlainTime' ? timeMicros(given as Parameters<typeof timeMicros>[0]) : undefined;
  if (forms[form].meaning === 'moment')
    return tagOf(given) === tagOfMoment(form) ? restOfMoment(given as Parameters<typeof restOfMoment>[0], form) : undefined;
  const value = form === 'uint64' ? (typeof given === 'bigint' ? given : undefined) : restOfKind(given, plainType(type));
  return value === undefined ? undefined : fitForm(value, form);
}

function restOfKind(given: unknown, type: ColumnType): NonNullable<Value> | undefined {
  switch (type.kind) {
    case 'int32':
      return typeof given === 'number' && (given | 0) === given ? given + 0 : undefined;
    case 'integer':
      return Number.isSafeInteger(given) ? (given as number) + 0 : undefined;
    case 'int64':
      return typeof given === 'bigint' && given >= int64Min && given <= int64Max ? given : undefined;
    case 'float64':
      return typeof given === 'number' ? given : undefined;
    case 'decimal': {
      const unscaled = given instanceof Decimal ? unscaledAt(given, type.scale) : null;
      return unscaled !== null && fitsDigits(unscaled, type.precision) ? unscaled : undefined;
    }
    case 'bool':
      return typeof given === 'boolean' ? given : undefined;
    case 'utf8':
      return typeof given === 'string' && given.isWellFormed() ? given : undefined;
    case 'date':
      return tagOf(given) === 'Temporal.PlainDate' ? daysOf(given as Parameters<typeof daysOf>[0]) : undefined;
    case 'timestamp': {
      if (tagOf(given) !== 'Temporal.Instant') return undefined;
      const micros = microsOf(given as Parameters<typeof microsOf>[0]);
      return micros >= int64Min && micros <= int64Max ? micros : undefined;
    }
    case 'list':
    case 'struct':
      return undefined;
  }
}

/** The platform's Temporal and the polyfill's have different classes and the same tag. */
const tagOf = (given: unknown): string =>
  typeof given === 'object' && given !== null ? ((given as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? 'object') : typeof given;

function described(given: unknown): string {
  if (given === null) return 'null';
  if (given instanceof Decimal) return `the decimal ${given}`;
  if (typeof given === 'number' || typeof given === 'bigint') return `${typeof given} ${given}`;
  if (given instanceof Promise) return 'a promise (the function is async)';
  return typeof given === 'string' ? (given.isWellFormed() ? 'string' : 'a string with half a surrogate pair') : tagOf(given);
}

/** Wraps what the function threw. @param row  counted from 0 over the operator's input in this task */
export function functionThrew(
  { uid, run }: Pick<UserFunction, 'uid'> & { readonly run: { readonly name: string } },
  row: number,
  thrown: unknown,
): never {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const place = thrown instanceof Error ? placeOf(thrown) : null;
  throw new SluiceError(
    'FUNCTION_THREW',
    { node: run.name === '' || run.name === 'run' ? uid : `${uid} (${run.name})`, row, what: place === null ? message : `${message} (${place})` },
    { cause: thrown },
  );
}

/** file:line of the innermost frame that is the user's: not Node's, not of a package. */
function placeOf(error: Error): string | null {
  const frames = (error.stack ?? '').split('\n').flatMap((line) => {
    const match = /^\s+at .*?(?:file:\/\/)?(\/[^():]*|[A-Za-z]:[\\/][^():]*):(\d+):\d+\)?$/.exec(line);
    return match ? [`${decodeURI(match[1]!)}:${match[2]}`] : [];
  });
  return frames.find((frame) => !frame.includes('/node_modules/')) ?? frames[0] ?? null;
}
