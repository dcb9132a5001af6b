/**
 * Values of forms as text and back, as DuckDB writes them: bytes with what is not printable as \xAA, times of day, moments with
 * nanoseconds, floats of 32 bits by their shortest digits. Values are at rest (values.ts): of bytes a string with one character for each byte.
 */
import { type ColumnType, formOf } from '../batch/batch.ts';
import { type Form, forms, microsOfDay } from '../batch/forms.ts';
import { formatTimestamp, parseTimestamp } from './calendar.ts';
import { formatFloat64 } from './numbers.ts';
import type { Value } from './values.ts';

const two = (n: number): string => String(n).padStart(2, '0');

/** Null where the form writes its values as its kind does. */
export function formText(value: NonNullable<Value>, form: Form): string | null {
  const { meaning, unit } = forms[form];
  if (form === 'float32') return formatFloat64(shortest(value as number));
  if (meaning === 'bytes') return bytesText(value as string);
  if (meaning === 'time') return timeText(value as number);
  return meaning === 'moment' && unit === 'ns' ? nanosText(value as bigint) : null;
}

/** @returns undefined where the form is read as its kind is, null where it is no such value */
export function parseForm(text: string, type: ColumnType): Value | undefined {
  const form = formOf(type);
  if (form === null) return undefined;
  const { meaning, unit } = forms[form];
  if (meaning === 'bytes') return parseBytes(text);
  if (meaning === 'time') return parseTime(text);
  return meaning === 'moment' && unit === 'ns' ? parseNanos(text) : undefined;
}

/** The double with the fewest digits that is this one in 32 bits. */
export function shortest(value: number): number {
  if (!Number.isFinite(value)) return value;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

const isPrintable = (code: number): boolean => code >= 32 && code <= 126 && code !== 92 && code !== 39 && code !== 34;
const bytesText = (bytes: string): string =>
  bytes.replace(/[\s\S]/g, (char) => {
    const code = char.charCodeAt(0);
    return isPrintable(code) ? char : `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`;
  });

/** What is not ASCII, and a backslash, has to be written as \xAA. */
function parseBytes(text: string): string | null {
  if (/[^\0-\x7f]/.test(text)) return null;
  const parts = text.split('\\');
  if (!parts.slice(1).every((part) => /^x[0-9a-f]{2}/i.test(part))) return null;
  return (
    parts[0]! +
    parts
      .slice(1)
      .map((part) => String.fromCharCode(Number.parseInt(part.slice(1, 3), 16)) + part.slice(3))
      .join('')
  );
}

function timeText(micros: number): string {
  const seconds = Math.floor(micros / 1e6);
  const rest = micros - seconds * 1e6;
  const fraction = rest === 0 ? '' : `.${String(rest).padStart(6, '0').replace(/0+$/, '')}`;
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${fraction}`;
}

function parseTime(text: string): number | null {
  const [, hour, minute, second = '0', fraction = ''] = /^\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{0,9}))?)?\s*$/.exec(text) ?? [];
  if (hour === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null;
  return (Number(hour) * 3600 + Number(minute) * 60 + Number(second)) * 1e6 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

function nanosText(nanos: bigint): string {
  const micros = floorDiv(nanos, 1000n);
  const rest = nanos - micros * 1000n;
  const text = formatTimestamp(micros);
  if (rest === 0n) return text;
  const [whole, fraction = ''] = text.split('.') as [string, string?];
  return `${whole}.${(fraction.padEnd(6, '0') + String(rest).padStart(3, '0')).replace(/0+$/, '')}`;
}

function parseNanos(text: string): bigint | null {
  const micros = parseTimestamp(text);
  const finer = /\.\d{6}(\d{1,3})/.exec(text)?.[1] ?? '';
  return micros === null ? null : micros * 1000n + BigInt(finer.padEnd(3, '0'));
}

const floorDiv = (value: bigint, by: bigint): bigint => value / by - (value % by < 0n ? 1n : 0n);
const half = (unit: bigint): bigint => unit / 2n;

/** A moment at rest as one of another form: finer to coarser is rounded, but from nanoseconds cut, as DuckDB does. */
export function momentAs(value: bigint, from: ColumnType, to: ColumnType): bigint {
  const [source, target] = [unitOf(from), unitOf(to)];
  if (source === 'ns') return target === 'ns' ? value : roundTo(value / 1000n, target);
  return target === 'ns' ? value * 1000n : roundTo(value, target);
}
const unitOf = (type: ColumnType) => {
  const form = formOf(type);
  return form === null ? 'us' : (forms[form].unit ?? 'us');
};
function roundTo(micros: bigint, unit: 's' | 'ms' | 'us' | 'ns'): bigint {
  if (unit === 'us' || unit === 'ns') return micros;
  const size = unit === 's' ? 1_000_000n : 1000n;
  return ((micros + (micros < 0n ? -half(size) : half(size))) / size) * size;
}

/** Microseconds since midnight. */
export const timeOfMicros = (micros: bigint): number => Number(((micros % microsOfDay) + microsOfDay) % microsOfDay);
