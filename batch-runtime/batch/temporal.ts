/**
 * Temporal at the row boundary: the platform's own where there is one (Node 26), else the pinned polyfill. Kernels never
 * touch it; they work on days and microseconds.
 */
import type { Temporal as Polyfill } from 'temporal-polyfill';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Form, fitForm, forms } from './forms.ts';

type Temporal = typeof Polyfill;

/** Loaded once; the polyfill only where the platform has none. */
export const temporal: Temporal =
  (globalThis as { Temporal?: Temporal }).Temporal ?? ((await import('temporal-polyfill')).Temporal as unknown as Temporal);

const dayMs = 86_400_000;
/** Temporal reaches so many days to either side of 1970, and to the past one more. */
const mostDays = 100_000_000;
const mostMicros = BigInt(mostDays) * 86_400_000_000n;

const beyond = (what: string, kind: string): never => {
  throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `${what} is beyond ${kind}` });
};

/** Days since 1970-01-01 as a date. @throws VALUE_OUT_OF_RANGE beyond what Temporal can say */
export function dateOf(days: number): Polyfill.PlainDate {
  if (days > mostDays || days < -mostDays - 1) return beyond(`Day ${days} since 1970-01-01`, 'Temporal.PlainDate');
  // A Date ends one day before a PlainDate does.
  if (days < -mostDays) return new temporal.PlainDate(-271_821, 4, 19);
  const d = new Date(days * dayMs);
  return new temporal.PlainDate(d.getUTCFullYear(), d.getUTCMonth() + 1, d.getUTCDate());
}

export function daysOf(date: Polyfill.PlainDate): number {
  const d = new Date(0);
  d.setUTCFullYear(date.year, date.month - 1, date.day);
  const time = d.getTime();
  return Number.isNaN(time) ? -mostDays - 1 : time / dayMs;
}

/** Microseconds since 1970-01-01T00:00Z as an instant. @throws VALUE_OUT_OF_RANGE beyond what Temporal can say */
export function instantOf(micros: bigint): Polyfill.Instant {
  if (micros > mostMicros || micros < -mostMicros) return beyond(`${micros} microseconds since 1970-01-01T00:00Z`, 'Temporal.Instant');
  return temporal.Instant.fromEpochNanoseconds(micros * 1000n);
}

/** Microseconds, rounded down: what is finer is not kept. */
export function microsOf(instant: Polyfill.Instant): bigint {
  const nanos = instant.epochNanoseconds;
  const micros = nanos / 1000n;
  return nanos < 0n && micros * 1000n !== nanos ? micros - 1n : micros;
}

/** Microseconds since midnight as a time of day. */
export const timeOf = (micros: number): Polyfill.PlainTime =>
  new temporal.PlainTime(
    Math.floor(micros / 3.6e9),
    Math.floor(micros / 6e7) % 60,
    Math.floor(micros / 1e6) % 60,
    Math.floor(micros / 1000) % 1000,
    micros % 1000,
  );

/** Microseconds since midnight, rounded down: what is finer is not kept. */
export const timeMicros = (time: Polyfill.PlainTime): number =>
  ((time.hour * 60 + time.minute) * 60 + time.second) * 1e6 + time.millisecond * 1000 + time.microsecond;

/** The Temporal class of a form of moments. */
export const tagOfMoment = (form: Form): string => (forms[form].isLocal === true ? 'Temporal.PlainDateTime' : 'Temporal.Instant');

/** A moment at rest as rows show it. @throws VALUE_OUT_OF_RANGE beyond what Temporal can say */
export function momentOf(value: bigint, form: Form): Polyfill.Instant | Polyfill.PlainDateTime {
  const { unit, isLocal } = forms[form];
  const instant = unit === 'ns' ? temporal.Instant.fromEpochNanoseconds(value) : instantOf(value);
  return isLocal === true ? instant.toZonedDateTimeISO('UTC').toPlainDateTime() : instant;
}

/** As it is kept: what is finer than the unit is not. @throws VALUE_OUT_OF_RANGE */
export function restOfMoment(given: Polyfill.Instant | Polyfill.PlainDateTime, form: Form): bigint {
  const instant = forms[form].isLocal === true ? (given as Polyfill.PlainDateTime).toZonedDateTime('UTC').toInstant() : (given as Polyfill.Instant);
  const { unit } = forms[form];
  if (unit === 'ns') return fitForm(instant.epochNanoseconds, form);
  const micros = microsOf(instant);
  const size = unit === 's' ? 1_000_000n : unit === 'ms' ? 1000n : 1n;
  return micros - (((micros % size) + size) % size);
}
