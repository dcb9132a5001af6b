/**
 * Casts between column types: which there are, their reference on single values, and their code. A value that does not
 * fit is VALUE_OUT_OF_RANGE, never a null and never wrapped. Called by functions/ for `cast` and for implicit widening.
 */
import { strict as assert } from 'node:assert';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { ColumnType, TypeKind } from '../batch/batch.ts';
import { int64Max, int64Min } from '../batch/lanes.ts';
import { formatDate, formatTimestamp, microsPerDay, parseDate, parseTimestamp } from './calendar.ts';
import { arena, type Code, type Lanes, scratch, takeScratch, takeText } from './code.ts';
import { beyond, checkInt64, checkInteger, formatFloat64, outOfRange, parseFloat64, parseWhole, putDouble, putInt64, roundEven } from './numbers.ts';
import { decodeText } from './text.ts';
import { isNumeric, type Value } from './values.ts';

export const canCast = (from: ColumnType, to: ColumnType): boolean =>
  from.kind === to.kind ||
  from.kind === 'utf8' ||
  to.kind === 'utf8' ||
  ((isNumeric(from) || from.kind === 'bool') && (isNumeric(to) || to.kind === 'bool')) ||
  (from.kind === 'date' && to.kind === 'timestamp') ||
  (from.kind === 'timestamp' && to.kind === 'date');

/** Casts that can fail, or are not free. */
export const isFreeCast = (from: TypeKind, to: TypeKind): boolean =>
  from === to ||
  (from === 'int32' && to !== 'utf8') ||
  (from === 'integer' && (to === 'int64' || to === 'float64' || to === 'bool')) ||
  (to === 'bool' && from !== 'utf8');

/** The reference. @throws VALUE_OUT_OF_RANGE */
export function castValue(value: NonNullable<Value>, from: TypeKind, to: TypeKind): Value {
  if (from === to) return value;
  if (to === 'utf8') return textOf(value, from);
  if (from === 'utf8') return valueOfText(value as string, to);
  if (from === 'date') return checkInt64(BigInt(value) * microsPerDay, `${formatDate(value as number)}`);
  if (from === 'timestamp') return Number(((value as bigint) - ((((value as bigint) % microsPerDay) + microsPerDay) % microsPerDay)) / microsPerDay);
  if (to === 'bool') return Number.isNaN(value) || Number(value) !== 0;
  if (to === 'float64') return Number(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return beyond(formatFloat64(value), to);
  return wholeOf(BigInt(typeof value === 'number' ? roundEven(value) : value), to, String(value));
}

function wholeOf(whole: bigint, to: TypeKind, what: string): number | bigint {
  if (to === 'int64') return checkInt64(whole, what);
  if (to === 'integer') return whole > int64Max || whole < int64Min ? beyond(what, to) : checkInteger(Number(whole), what);
  return BigInt.asIntN(32, whole) === whole ? Number(whole) : beyond(what, to);
}

/** Text as DuckDB writes a value of that kind. */
export function textOf(value: NonNullable<Value>, from: TypeKind): string {
  if (from === 'float64') return formatFloat64(value as number);
  if (from === 'date') return formatDate(value as number);
  return from === 'timestamp' ? formatTimestamp(value as bigint) : String(value);
}

/** In any case. */
const truths: ReadonlyMap<string, boolean> = new Map([
  ...['true', 't', 'yes', 'y', '1'].map((text) => [text, true] as const),
  ...['false', 'f', 'no', 'n', '0'].map((text) => [text, false] as const),
]);

/** @throws VALUE_OUT_OF_RANGE when the text is no value of that kind */
export function valueOfText(text: string, to: TypeKind): NonNullable<Value> {
  const value = parse(text, to);
  return value ?? outOfRange(`'${text.length > 100 ? `${text.slice(0, 100)}...` : text}' cannot be cast to ${to}`);
}

function parse(text: string, to: TypeKind): Value {
  switch (to) {
    case 'bool':
      return truths.get(text.toLowerCase()) ?? null;
    case 'float64':
      return parseFloat64(text);
    case 'date':
      return parseDate(text);
    case 'timestamp': {
      const micros = parseTimestamp(text);
      return micros === null ? null : checkInt64(micros, text);
    }
    case 'utf8':
      return text;
    default: {
      const whole = parseWhole(text);
      return whole === null ? null : wholeOf(whole, to, text);
    }
  }
}

/** As castValue on a triple; int64 and timestamp go to `out`. The kernel behind casts of text in loops. */
export function castBytes(bytes: Uint8Array, start: number, end: number, to: TypeKind, out: Int32Array): Value {
  const value = valueOfText(decodeText(bytes, start, end), to);
  if (typeof value === 'bigint') putInt64(out, value);
  return value;
}

/** As castBytes; null where the text is no value of that kind, without the cost of an error. */
export function tryCastBytes(bytes: Uint8Array, start: number, end: number, to: TypeKind, out: Int32Array): Value {
  let value: Value;
  try {
    value = parse(decodeText(bytes, start, end), to);
  } catch (thrown) {
    if (thrown instanceof SluiceError && thrown.code === 'VALUE_OUT_OF_RANGE') return null;
    throw thrown;
  }
  if (typeof value === 'bigint') putInt64(out, value);
  return value;
}

/** Midnight of a day to `out`. @throws VALUE_OUT_OF_RANGE */
export function midnight(out: Int32Array, days: number): void {
  const micros = days * 86_400_000_000;
  if (Number.isSafeInteger(micros)) putDouble(out, micros);
  else putInt64(out, checkInt64(BigInt(days) * microsPerDay, formatDate(days)));
}

/** The code of a cast of a value that is there. */
export function emitCast(code: Code, lanes: Lanes, from: TypeKind, to: TypeKind): Lanes {
  if (from === to) return lanes;
  const [a, b] = lanes as [string, string];
  const wide = from === 'int64' || from === 'timestamp';
  if (to === 'utf8') return takeText(code, `${arena}.putString($textOf(${wide ? `$lanesToBigInt(${a}, ${b})` : a}, '${from}'));`);
  if (from === 'utf8') {
    const value = code.hold(`$castBytes(${lanes.join(', ')}, '${to}', ${scratch})`);
    return to === 'int64' || to === 'timestamp' ? takeScratch(code) : [value];
  }
  if (from === 'date') {
    code.line(`$midnight(${scratch}, ${a});`);
    return takeScratch(code);
  }
  if (from === 'timestamp') return [`$floorLanes(${a}, ${b}, 86400000000)`];
  const number = wide ? code.hold(`${b} * 4294967296 + (${a} >>> 0)`) : from === 'bool' ? code.hold(`(${a} ? 1 : 0)`) : a;
  switch (to) {
    case 'bool':
      return [wide ? `(${a} | ${b}) !== 0` : `${number} !== 0`];
    case 'float64':
      return [number];
    case 'integer':
      if (from === 'int32' || from === 'bool') return [number];
      return [`$checkInteger(${wide ? number : `$roundEven(${number})`}, ${number})`];
    case 'int32': {
      if (from === 'bool') return [number];
      const whole = from === 'float64' ? code.hold(`$roundEven(${number})`) : number;
      code.line(`if (${whole} !== (${whole} | 0)) $beyond(${number}, 'int32');`);
      return [whole];
    }
    case 'int64': {
      if (from === 'int32' || from === 'bool') return [number, `${number} >> 31`];
      const whole = from === 'float64' ? code.hold(`$roundEven(${number})`) : number;
      if (from === 'float64') code.line(`if (!(${whole} >= -9223372036854775808 && ${whole} < 9223372036854775808)) $beyond(${number}, 'int64');`);
      return [`${whole} | 0`, `Math.floor(${whole} / 4294967296) | 0`];
    }
    default:
      return assert.fail(`no cast from ${from} to ${to}`);
  }
}
