/**
 * Numbers where JavaScript's own rules are not SQL's: ranges of whole types, int64 as two 32-bit lanes, rounding, and
 * text in and out. The compiled loops call these for what does not fit in one line of code; BigInt appears only when a
 * value leaves +-(2^53 - 1).
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { highLane, highLaneOf, int64Max, int64Min, lanesToBigInt, lanesToNumber, lowLane, lowLaneOf } from '../batch/lanes.ts';

const maxSafe = Number.MAX_SAFE_INTEGER;

export function outOfRange(what: string): never {
  throw new SluiceError('VALUE_OUT_OF_RANGE', { what });
}

export const beyond = (what: string, kind: string): never => outOfRange(`${what} is beyond ${kind}`);

/** @throws VALUE_OUT_OF_RANGE */
export const checkInt64 = (value: bigint, what: string): bigint => (value < int64Min || value > int64Max ? beyond(what, 'int64') : value);

/** Writes the lanes of a * b to out[0] (low) and out[1]. @throws VALUE_OUT_OF_RANGE */
export function multiplyLanes(out: Int32Array, aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  const product = lanesToNumber(aLow, aHigh) * lanesToNumber(bLow, bHigh);
  if (product <= maxSafe && product >= -maxSafe) putDouble(out, product);
  else {
    const [a, b] = [lanesToBigInt(aLow, aHigh), lanesToBigInt(bLow, bHigh)];
    putInt64(out, checkInt64(a * b, `${a} * ${b}`));
  }
}

/** The remainder, with the sign of a. b is not 0. */
export function remainderLanes(out: Int32Array, aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  const a = lanesToNumber(aLow, aHigh);
  const b = lanesToNumber(bLow, bHigh);
  if (Math.abs(a) <= maxSafe && Math.abs(b) <= maxSafe) putDouble(out, a % b);
  else putInt64(out, lanesToBigInt(aLow, aHigh) % lanesToBigInt(bLow, bHigh));
}

export function putInt64(out: Int32Array, value: bigint): void {
  out[0] = lowLaneOf(value);
  out[1] = highLaneOf(value);
}

/** `value` is whole and within int64. */
export function putDouble(out: Int32Array, value: number): void {
  out[0] = lowLane(value);
  out[1] = highLane(value);
}

/** Whole units of `unit` microseconds in (low, high), rounded down. @throws VALUE_OUT_OF_RANGE beyond `integer` */
export function floorLanes(low: number, high: number, unit: number): number {
  const value = lanesToNumber(low, high);
  if (value <= maxSafe && value >= -maxSafe) return Math.floor(value / unit);
  const [exact, divisor] = [lanesToBigInt(low, high), BigInt(unit)];
  const whole = exact / divisor - (exact < 0n && exact % divisor !== 0n ? 1n : 0n);
  return checkInteger(Number(whole), `${exact}`);
}

/** Whole milliseconds from b to a, rounded towards zero. @throws VALUE_OUT_OF_RANGE beyond `integer` */
export function millisBetween(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  const [a, b] = [lanesToNumber(aLow, aHigh), lanesToNumber(bLow, bHigh)];
  const difference = a - b;
  if (Math.abs(a) <= maxSafe && Math.abs(b) <= maxSafe && Math.abs(difference) <= maxSafe) return Math.trunc(difference / 1000) + 0;
  return millisOf(lanesToBigInt(aLow, aHigh) - lanesToBigInt(bLow, bHigh));
}
export const millisOf = (micros: bigint): number => checkInteger(Number(micros / 1000n), `${micros / 1000n} ms`);

/** @throws VALUE_OUT_OF_RANGE unless within +-(2^53 - 1) */
export const checkInteger = (value: number, what: string): number => (value <= maxSafe && value >= -maxSafe ? value : beyond(what, 'integer'));

/** To the nearest whole number, halves to the even one: how float64 is cast. */
export function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return (rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor) + 0;
}

/** To `digits` decimals, halves away from zero, by multiplying and dividing as DuckDB does. `scale` is 10^digits. */
export function roundAway(value: number, scale: number): number {
  const scaled = value * scale;
  const whole = Math.trunc(scaled);
  const rounded = (Math.abs(scaled - whole) >= 0.5 ? whole + Math.sign(scaled) : whole) / scale;
  return Number.isFinite(rounded) ? rounded : value;
}

/** Text as DuckDB writes a DOUBLE: shortest digits, `1.0`, `1e+20`, `1.5e-05`, `inf`, `nan`. */
export function formatFloat64(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (value === Number.POSITIVE_INFINITY) return 'inf';
  if (value === Number.NEGATIVE_INFINITY) return '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [digits, exponentText] = value.toExponential().split('e') as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  if (exponent < 0) {
    const sign = value < 0 ? '-' : '';
    return `${sign}0.${'0'.repeat(-exponent - 1)}${digits.replace(/[-.]/g, '')}`;
  }
  const text = String(value);
  return text.includes('.') ? text : `${text}.0`;
}

const space = '[ \\t\\n\\v\\f\\r]*';
const edges = /^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g;
const wholePattern = new RegExp(`^${space}([+-]?\\d+)${space}$`);
const decimalPattern = new RegExp(`^${space}([+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[+-]?\\d+)?|([+-]?)(?:(inf|infinity)|nan))${space}$`, 'i');

/** Without the space that numbers in text may have around them. */
export const trimSpace = (text: string): string => text.replace(edges, '');

/** A whole number in decimal digits; null when the text is none. */
export function parseWhole(text: string): bigint | null {
  const match = wholePattern.exec(text);
  return match ? BigInt(match[1]!.replace('+', '')) : null;
}

/** A number, `inf`, `infinity` or `nan` in any case; null when the text is none. @throws VALUE_OUT_OF_RANGE when it is too large for float64 */
export function parseFloat64(text: string): number | null {
  const match = decimalPattern.exec(text);
  if (!match) return null;
  if (match[3]) return match[2] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (match[2] !== undefined) return Number.NaN;
  const value = Number(match[1]);
  return Number.isFinite(value) ? value : beyond(text.trim(), 'float64');
}
