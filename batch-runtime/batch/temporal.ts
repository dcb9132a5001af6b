/**
 * Temporal at the row boundary: the platform's own where there is one (Node 26), else the pinned polyfill. Kernels never
 * touch it; they work on days and microseconds.
 */
import type { Temporal as Polyfill } from 'temporal-polyfill';

type Temporal = typeof Polyfill;

/** Loaded once; the polyfill only where the platform has none. */
export const temporal: Temporal =
  (globalThis as { Temporal?: Temporal }).Temporal ?? ((await import('temporal-polyfill')).Temporal as unknown as Temporal);

const dayMs = 86_400_000;

/** Days since 1970-01-01 as a date. */
export function dateOf(days: number): Polyfill.PlainDate {
  const d = new Date(days * dayMs);
  // A Date reaches 273,790 years either way, all of what PlainDate does and less than 2^31 days.
  if (Number.isNaN(d.getTime())) throw new RangeError(`day ${days} is outside of what a date can say`);
  return new temporal.PlainDate(d.getUTCFullYear(), d.getUTCMonth() + 1, d.getUTCDate());
}

export function daysOf(date: Polyfill.PlainDate): number {
  const d = new Date(0);
  d.setUTCFullYear(date.year, date.month - 1, date.day);
  return Math.round(d.getTime() / dayMs);
}

/** Microseconds since 1970-01-01T00:00Z as an instant. */
export function instantOf(micros: bigint): Polyfill.Instant {
  return temporal.Instant.fromEpochNanoseconds(micros * 1000n);
}

/** Microseconds, rounded down: what is finer is not kept. */
export function microsOf(instant: Polyfill.Instant): bigint {
  const nanos = instant.epochNanoseconds;
  const micros = nanos / 1000n;
  return nanos < 0n && micros * 1000n !== nanos ? micros - 1n : micros;
}
