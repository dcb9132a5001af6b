/** Spans of time in words, `'30 s'`: what `plus` adds, and how long a function may take. */
import { refuse } from './built.ts';

const unitMicros: Readonly<Record<string, number>> = { ms: 1000, s: 1_000_000, min: 60_000_000, h: 3_600_000_000, d: 86_400_000_000 };
const microsPerDay = 86_400_000_000;
const unitMonths: Readonly<Record<string, number>> = { mo: 1, y: 12 };

const parts = (given: unknown): readonly [amount: number, unit: string] => {
  const [, amount, unit = ''] = /^(-?\d+(?:\.\d+)?) ([a-z]+)$/.exec(String(given)) ?? [];
  return [Number(amount), unit];
};

/** @throws EXPRESSION_TYPE when it is not one */
export function durationMicros(given: unknown): number {
  const [amount, unit] = parts(given);
  const micros = amount * (unitMicros[unit] ?? Number.NaN);
  return Number.isSafeInteger(micros) ? micros : refuse(`'${String(given)}' is not a duration: write '30 s', '5 min'`);
}

/**
 * The function that a span of time calls for, and how much: months and years go by the calendar, a date takes whole days, all
 * else is microseconds.
 * @throws EXPRESSION_TYPE when it is none, or not one of a date
 */
export function shiftOf(given: unknown, ofDate: boolean): readonly ['plus' | 'plusDays' | 'plusMonths', number] {
  const [amount, unit] = parts(given);
  const months = unitMonths[unit];
  if (months !== undefined && Number.isSafeInteger(amount * months)) return ['plusMonths', amount * months];
  const micros = amount * (unit === 'w' ? 7 * microsPerDay : (unitMicros[unit] ?? Number.NaN));
  if (ofDate && Number.isSafeInteger(micros / microsPerDay)) return ['plusDays', micros / microsPerDay];
  if (!ofDate && Number.isSafeInteger(micros)) return ['plus', micros];
  return refuse(`'${String(given)}' is not a duration ${ofDate ? "of days: write '3 d', '2 w'" : ": write '30 s', '5 min', '2 w'"}, '1 mo' or '1 y'`);
}
