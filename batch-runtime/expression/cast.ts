/**
 * Casts between column types: which there are, their reference on single values, and their code. A value that does not
 * fit is VALUE_OUT_OF_RANGE, never a null and never wrapped. Called by functions/ for `cast` and for implicit widening.
 */
import { strict as assert } from 'node:assert';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type ColumnType, columnTypeText, formOf, plainType, sameType, type TypeKind } from '../batch/batch.ts';
import { decimalText, digitsOf, fitsDigits, narrowDigits, narrowed, powerOfTen, rescaled, tens, type Unscaled } from '../batch/decimal.ts';
import { fitForm, forms } from '../batch/forms.ts';
import { int64Max, int64Min } from '../batch/lanes.ts';
import { formatDate, formatTimestamp, microsPerDay, parseDate, parseTimestamp } from './calendar.ts';
import { arena, type Code, type Lanes, scratch, takeScratch, takeText } from './code.ts';
import { formText, momentAs, parseForm, timeOfMicros } from './form-text.ts';
import {
  beyond,
  checkInt64,
  checkInteger,
  formatFloat64,
  outOfRange,
  parseFloat64,
  parseWhole,
  putDouble,
  putInt64,
  roundAway,
  roundEven,
  trimSpace,
} from './numbers.ts';
import { decodeText } from './text.ts';
import { computedType, isNumeric, type Meaning, meaningOf, type Value } from './values.ts';

export function canCast(from: ColumnType, to: ColumnType): boolean {
  const [a, b] = [meaningOf(from), meaningOf(to)];
  if (a === b || a === 'text' || b === 'text') return true;
  const isCountable = (meaning: Meaning): boolean => meaning === 'number' || meaning === 'bool';
  return (isCountable(a) && isCountable(b)) || (a === 'date' && b === 'moment') || (a === 'moment' && (b === 'date' || b === 'time'));
}

/** Casts that can fail, or are not free. */
export function isFreeCast(fromType: ColumnType, toType: ColumnType): boolean {
  if (formOf(toType) !== null || formOf(computedType(fromType)) !== null) return sameType(fromType, toType);
  const [from, to] = [fromType.kind, toType.kind];
  return (
    (from === to && from !== 'decimal') ||
    (from === 'int32' && to !== 'utf8' && to !== 'decimal') ||
    (from === 'integer' && (to === 'int64' || to === 'float64' || to === 'bool')) ||
    (to === 'bool' && from !== 'utf8')
  );
}

/** The reference. @throws VALUE_OUT_OF_RANGE */
export function castValue(value: NonNullable<Value>, from: ColumnType, to: ColumnType): Value {
  if (sameType(from, to)) return value;
  const [source, target] = [meaningOf(from), meaningOf(to)];
  if (target === 'text') return textOf(value, from);
  if (source === 'text') return valueOfText(value as string, to);
  if (source === 'moment' && target !== 'date') return castMoment(value as bigint, from, to);
  if (target === 'moment' && formOf(to) !== null)
    return castMoment(castValue(value, from, { kind: 'timestamp' }) as bigint, { kind: 'timestamp' }, to);
  if (source === 'moment' && formOf(from) !== null)
    return castValue(castMoment(value as bigint, from, { kind: 'timestamp' }), { kind: 'timestamp' }, to);
  if (formOf(from) !== null) return castValue(value, plainType(from), to);
  // A double is rounded as to any whole number, though what it becomes is a decimal.
  const given = formOf(to) === 'uint64' && from.kind === 'float64' ? roundEven(value as number) : value;
  if (formOf(to) !== null) return fitForm(castValue(given, from, plainType(to)), formOf(to)!, () => textOf(value, from));
  if (from.kind === 'date') return checkInt64(BigInt(value) * microsPerDay, `${formatDate(value as number)}`);
  if (from.kind === 'timestamp')
    return Number(((value as bigint) - ((((value as bigint) % microsPerDay) + microsPerDay) % microsPerDay)) / microsPerDay);
  if (to.kind === 'bool') return Number.isNaN(value) || Number(value) !== 0;
  if (to.kind === 'decimal') return toDecimal(value, from, to);
  if (from.kind === 'decimal') return ofDecimal(value as bigint, from, to.kind);
  if (to.kind === 'float64') return Number(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return beyond(formatFloat64(value), to.kind);
  return wholeOf(BigInt(typeof value === 'number' ? roundEven(value) : value), to.kind, String(value));
}

/** As a moment of another form, or the time of day. */
function castMoment(value: bigint, from: ColumnType, to: ColumnType): number | bigint {
  if (meaningOf(to) === 'time') return timeOfMicros(momentAs(value, from, { kind: 'timestamp' }));
  return checkInt64(momentAs(value, from, to), textOf(value, from));
}

type DecimalType = Extract<ColumnType, { kind: 'decimal' }>;

/** Of a number, a bool or another decimal; digits that do not fit behind the point are rounded away, halves away from zero. */
function toDecimal(value: NonNullable<Value>, from: ColumnType, to: DecimalType): bigint {
  if (from.kind === 'decimal')
    return checkDigits(rescaled(value as bigint, from.scale, to.scale), to, () => decimalText(value as bigint, from.scale));
  if (from.kind === 'float64') return ofDouble(value as number, to);
  return checkDigits(BigInt(value) * powerOfTen(to.scale), to, () => String(value));
}

/** The double times 10^scale, rounded. */
function ofDouble(value: number, to: DecimalType): bigint {
  const scaled = value * 10 ** to.scale;
  if (!Number.isFinite(scaled)) return beyond(formatFloat64(value), columnTypeText(to));
  return checkDigits(BigInt(roundAway(scaled, 1)), to, () => formatFloat64(value));
}

function checkDigits(unscaled: bigint, to: DecimalType, what: () => string): bigint {
  return fitsDigits(unscaled, to.precision) ? unscaled : beyond(what(), columnTypeText(to));
}

function ofDecimal(value: bigint, from: DecimalType, to: TypeKind): Value {
  if (to === 'float64') return decimalDouble(value, from.scale);
  return wholeOf(rescaled(value, from.scale, 0), to, decimalText(value, from.scale));
}

/** The decimal as a double, by one division while both sides are exact. */
export function decimalDouble(value: Unscaled, scale: number): number {
  if (typeof value === 'number' && scale <= 22) return value / tens[scale]!;
  return Number(decimalText(value, scale));
}

/** The whole number at or below a decimal (side 0), or at or above it (side 1). */
export function floorDecimal(value: Unscaled, scale: number, side: 0 | 1): Unscaled {
  const unit = powerOfTen(scale);
  const exact = BigInt(value);
  const rest = ((exact % unit) + unit) % unit;
  return narrowed((exact - rest) / unit + (side === 1 && rest !== 0n ? 1n : 0n));
}

/** A decimal as one of another scale and precision; a kernel. */
export function castDecimal(value: Unscaled, from: DecimalType, to: DecimalType): Unscaled {
  return narrowed(toDecimal(BigInt(value), from, to));
}
/** A number as a decimal; a kernel. */
export function decimalFrom(value: number | bigint, from: ColumnType, to: DecimalType): Unscaled {
  return narrowed(toDecimal(from.kind === 'float64' ? value : BigInt(value), from, to));
}
/** A decimal as a whole number; a kernel. */
export const wholeDecimal = (value: Unscaled, from: DecimalType, to: TypeKind): number | bigint =>
  ofDecimal(BigInt(value), from, to) as number | bigint;

function wholeOf(whole: bigint, to: TypeKind, what: string): number | bigint {
  if (to === 'int64') return checkInt64(whole, what);
  if (to === 'integer') return whole > int64Max || whole < int64Min ? beyond(what, to) : checkInteger(Number(whole), what);
  return BigInt.asIntN(32, whole) === whole ? Number(whole) : beyond(what, to);
}

/** Text as DuckDB writes a value of that kind. */
export function textOf(value: NonNullable<Value>, from: ColumnType): string {
  const form = formOf(from);
  const text = form === null ? null : formText(value, form);
  if (text !== null) return text;
  // A moment in coarser units, or without a zone, and a small whole number are written as their kind is.
  if (from.kind === 'float64') return formatFloat64(value as number);
  if (from.kind === 'decimal') return decimalText(value as Unscaled, from.scale);
  if (from.kind === 'date') return formatDate(value as number);
  return from.kind === 'timestamp' ? formatTimestamp(value as bigint) : String(value);
}

/** In any case. */
const truths: ReadonlyMap<string, boolean> = new Map([
  ...['true', 't', 'yes', 'y', '1'].map((text) => [text, true] as const),
  ...['false', 'f', 'no', 'n', '0'].map((text) => [text, false] as const),
]);

/** @throws VALUE_OUT_OF_RANGE when the text is no value of that kind */
export function valueOfText(text: string, to: ColumnType): NonNullable<Value> {
  const value = parse(text, to);
  return value ?? outOfRange(`'${text.length > 100 ? `${text.slice(0, 100)}...` : text}' cannot be cast to ${columnTypeText(to)}`);
}

function parse(text: string, to: ColumnType): Value {
  const form = formOf(to);
  if (form !== null) {
    const parsed = parseForm(text, to);
    if (parsed !== undefined) return typeof parsed === 'bigint' ? fitForm(parsed, form) : parsed;
    const value = parse(text, plainType(to));
    if (value === null) return null;
    return forms[form].meaning === 'moment' ? momentAs(value as bigint, plainType(to), to) : fitForm(value, form, () => text);
  }
  switch (to.kind) {
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
    case 'decimal': {
      const found = digitsOf(trimSpace(text));
      return found && checkDigits(rescaled(found.unscaled, found.scale, to.scale), to, () => text);
    }
    case 'utf8':
      return text;
    default: {
      const whole = parseWhole(text);
      return whole === null ? null : wholeOf(whole, to.kind, text);
    }
  }
}

/** As castValue on a triple; int64 and timestamp go to `out`. The kernel behind casts of text in loops. */
export function castBytes(bytes: Uint8Array, start: number, end: number, to: ColumnType, out: Int32Array): Value {
  const value = valueOfText(decodeText(bytes, start, end), to);
  if (typeof value !== 'bigint') return value;
  if (to.kind === 'decimal') return narrowed(value);
  putInt64(out, value);
  return value;
}

/** As castBytes; null where the text is no value of that kind, without the cost of an error. */
export function tryCastBytes(bytes: Uint8Array, start: number, end: number, to: ColumnType, out: Int32Array): Value {
  let value: Value;
  try {
    value = parse(decodeText(bytes, start, end), to);
  } catch (thrown) {
    if (thrown instanceof SluiceError && thrown.code === 'VALUE_OUT_OF_RANGE') return null;
    throw thrown;
  }
  if (typeof value !== 'bigint') return value;
  if (to.kind === 'decimal') return narrowed(value);
  putInt64(out, value);
  return value;
}

const textOfBytes = (bytes: Uint8Array, start: number, end: number): string =>
  textOf(Buffer.from(bytes.subarray(start, end)).toString('latin1'), { kind: 'utf8', as: 'bytes' });
const bytesOfText = (bytes: Uint8Array, start: number, end: number): Uint8Array =>
  Buffer.from(valueOfText(decodeText(bytes, start, end), { kind: 'utf8', as: 'bytes' }) as string, 'latin1');

/** Midnight of a day to `out`. @throws VALUE_OUT_OF_RANGE */
export function midnight(out: Int32Array, days: number): void {
  const micros = days * 86_400_000_000;
  if (Number.isSafeInteger(micros)) putDouble(out, micros);
  else putInt64(out, checkInt64(BigInt(days) * microsPerDay, formatDate(days)));
}

/** A cast to or from a form that is no number, by the reference. */
function emitMeaning(code: Code, lanes: Lanes, from: ColumnType, to: ColumnType): Lanes {
  const given = from.kind === 'int64' || from.kind === 'timestamp' ? `$lanesToBigInt(${lanes.join(', ')})` : lanes[0]!;
  const value = code.hold(`${code.kernel(castValue)}(${given}, ${code.constant(from)}, ${code.constant(to)})`);
  return to.kind === 'int64' || to.kind === 'timestamp' ? [`$lowLaneOf(${value})`, `$highLaneOf(${value})`] : [value];
}

/** A number that has to fit into a form. */
function emitFit(code: Code, lanes: Lanes, to: ColumnType): Lanes {
  const form = formOf(to)!;
  const value = code.hold(lanes[0]!);
  if (to.kind === 'int32' || to.kind === 'integer') {
    const { least, most } = forms[form];
    code.line(`if (${value} < ${least} || ${value} > ${most}) $beyond(${value}, '${form}');`);
    return [value];
  }
  return [`${code.kernel(fitForm)}(${value}, '${form}')`];
}

/** The code of a cast of a value that is there. */
export function emitCast(code: Code, lanes: Lanes, fromType: ColumnType, toType: ColumnType): Lanes {
  const [from, to] = [fromType.kind, toType.kind];
  if (sameType(fromType, toType)) return lanes;
  if (meaningOf(toType) !== 'text' && meaningOf(fromType) !== 'text' && (formOf(fromType) ?? formOf(toType)) !== null) {
    if (!isNumeric(fromType) && meaningOf(fromType) !== 'bool') return emitMeaning(code, lanes, fromType, toType);
    if (!isNumeric(toType) && meaningOf(toType) !== 'bool') return emitMeaning(code, lanes, fromType, toType);
    const given = formOf(toType) === 'uint64' && from === 'float64' ? [code.hold(`$roundEven(${lanes[0]})`)] : lanes;
    const plain = emitCast(code, given, plainType(fromType), plainType(toType));
    return formOf(toType) === null ? plain : emitFit(code, plain, toType);
  }
  const [a, b] = lanes as [string, string];
  const wide = from === 'int64' || from === 'timestamp';
  if (toType.kind === 'utf8' && formOf(fromType) === 'bytes')
    return takeText(code, `${arena}.putString(${code.kernel(textOfBytes)}(${lanes.join(', ')}));`);
  if (to === 'utf8' && formOf(toType) === null)
    return takeText(code, `${arena}.putString($textOf(${wide ? `$lanesToBigInt(${a}, ${b})` : a}, ${code.constant(fromType)}));`);
  if (formOf(toType) === 'bytes') return takeText(code, `${arena}.putBytes(${code.kernel(bytesOfText)}(${lanes.join(', ')}));`);
  if (from === 'utf8') {
    const value = code.hold(`$castBytes(${lanes.join(', ')}, ${code.constant(toType)}, ${scratch})`);
    return to === 'int64' || to === 'timestamp' ? takeScratch(code) : [value];
  }
  if (fromType.kind === 'decimal') return emitOfDecimal(code, a, fromType, toType);
  if (toType.kind === 'decimal') {
    const exact = wide ? `$lanesToBigInt(${a}, ${b})` : from === 'bool' ? `(${a} ? 1 : 0)` : a;
    // A whole number that fits as it is, and by the product's size too.
    const product = code.hold(`${wide ? `(${b} * 4294967296 + (${a} >>> 0))` : exact} * ${10 ** toType.scale}`);
    const limit = Math.min(9007199254740991, 10 ** toType.precision - 1);
    if (from === 'float64') return [`$decimalFrom(${exact}, ${code.constant(fromType)}, ${code.constant(toType)})`];
    return [
      `${product} <= ${limit} && ${product} >= -${limit} ? ${product} : $decimalFrom(${exact}, ${code.constant(fromType)}, ${code.constant(toType)})`,
    ];
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

/** A decimal's unscaled number as another type. */
function emitOfDecimal(code: Code, a: string, from: DecimalType, to: ColumnType): Lanes {
  if (to.kind === 'bool') return [`${a} !== 0`];
  if (to.kind === 'float64') return [`$decimalDouble(${a}, ${from.scale})`];
  if (to.kind === 'decimal') {
    const general = `$castDecimal(${a}, ${code.constant(from)}, ${code.constant(to)})`;
    if (to.scale < from.scale) return [general];
    const grown = to.precision - to.scale >= from.precision - from.scale;
    if (to.scale === from.scale) return grown ? [a] : [general];
    const factor = 10 ** (to.scale - from.scale);
    if (grown && to.precision <= narrowDigits) return [`${a} * ${factor}`];
    const product = code.hold(`typeof ${a} === 'number' ? ${a} * ${factor} : NaN`);
    const limit = Math.min(9007199254740991, 10 ** to.precision - 1);
    return [`${product} <= ${limit} && ${product} >= -${limit} ? ${product} : ${general}`];
  }
  const whole = code.hold(`$wholeDecimal(${a}, ${code.constant(from)}, '${to.kind}')`);
  return to.kind === 'int64' ? [`$lowLaneOf(${whole})`, `$highLaneOf(${whole})`] : [whole];
}
