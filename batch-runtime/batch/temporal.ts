/**
 * Temporal at the row boundary: the platform's own where there is one (Node 26), else the pinned polyfill. Kernels never
 * touch it; they work on days and microseconds.
 */
import type { Temporal as Polyfill } from 'temporal-polyfill';
import { SluiceError } from '#manager/protocol/errors.ts';

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
