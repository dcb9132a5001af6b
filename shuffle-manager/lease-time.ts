/**
 * The time by which leases run out. It stands still while the manager itself is held up, stopped or by a disk that hangs: whoever could
 * not be heard meanwhile was not silent. Nothing but silence is measured by it. Moved on by manager.ts, once its own look
 * at the journal has succeeded.
 */
import type { Clock, Millis } from './process/ports.ts';

export class LeaseTime {
  readonly #clock: Pick<Clock, 'now'>;
  /** From one look to the next at most this much time passes. */
  readonly #stepMs: Millis;
  #lookedAt: Millis;
  #heldMs: Millis = 0;

  constructor(clock: Pick<Clock, 'now'>, stepMs: Millis) {
    this.#clock = clock;
    this.#stepMs = stepMs;
    this.#lookedAt = clock.now();
  }

  now(): Millis {
    return Math.min(this.#clock.now(), this.#lookedAt + this.#stepMs) - this.#heldMs;
  }

  /** The manager is up to date: time goes on from here. */
  look(): void {
    const now = this.#clock.now();
    this.#heldMs += Math.max(0, now - this.#lookedAt - this.#stepMs);
    this.#lookedAt = now;
  }
}
