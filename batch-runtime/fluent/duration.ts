/** Spans of time in words, `'30 s'`: what `plus` adds, and how long a function may take. */
import { refuse } from './built.ts';

const unitMicros = { ms: 1000, s: 1_000_000, min: 60_000_000, h: 3_600_000_000, d: 86_400_000_000 } as const;

/** @throws EXPRESSION_TYPE when it is not one */
export function durationMicros(given: unknown): number {
  const [, amount, unit] = /^(-?\d+(?:\.\d+)?) (ms|s|min|h|d)$/.exec(String(given)) ?? [];
  const micros = Number(amount) * unitMicros[unit as keyof typeof unitMicros];
  return Number.isSafeInteger(micros) ? micros : refuse(`'${String(given)}' is not a duration: write '30 s', '5 min'`);
}
