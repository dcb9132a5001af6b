/**
 * Tries a call again when its error's remedy says so: backoff that doubles, with jitter, over Clock and Random. What to
 * retry is decided by the error table, how long by the caller. Used by the manager's client and by the engine.
 */
import { asSluiceError, type SluiceError } from '../protocol/errors.ts';
import type { Clock, Millis, Random } from './ports.ts';

export interface RetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** No new try starts later than this after the first one. */
  readonly patienceMs: Millis;
  /** First pause; each next one is twice as long, up to maxPauseMs; the actual pause is 50-100 % of it. */
  readonly pauseMs?: Millis;
  readonly maxPauseMs?: Millis;
  readonly signal?: AbortSignal | undefined;
  /** Which errors are tried again; by default those whose remedy is retry. */
  readonly again?: (error: SluiceError) => boolean;
}

/**
 * Runs `call(try)` until it succeeds, its error is not to be tried again, or patience ends; then throws the last error.
 * `retryAfterMs` among the error's facts lengthens the pause. An abort rejects with the signal's reason at once.
 */
export async function retry<T>(options: RetryOptions, call: (attempt: number) => Promise<T>): Promise<T> {
  const { clock, random, signal } = options;
  const again = options.again ?? ((error) => error.remedy === 'retry');
  const deadline = clock.now() + options.patienceMs;
  let pauseMs = options.pauseMs ?? 50;
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await call(attempt);
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = asSluiceError(thrown);
      const wanted = Math.max(pauseMs * (0.5 + random.next() / 2), retryAfter(error));
      if (!again(error) || clock.now() + wanted > deadline) throw error;
      await sleep(clock, wanted, signal);
      pauseMs = Math.min(pauseMs * 2, options.maxPauseMs ?? 2000);
    }
  }
}

const retryAfter = (error: SluiceError): Millis => {
  const value = error.facts['retryAfterMs'];
  return typeof value === 'number' ? value : 0;
};

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delayMs: Millis, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    });
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
