/**
 * The machine's clock and randomness behind the ports Clock and Random. Made once by each main.ts; the simulator has its
 * own. Nothing else in the manager, the worker or their clients reads a clock or rolls a die.
 */
import { randomFillSync } from 'node:crypto';
import type { Clock, Millis, Random, Timer } from './ports.ts';

/** Time of this machine. Timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(delayMs: Millis, run: () => void): Timer {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** The operating system's random bytes. `next` has 32 bits of them. */
export const systemRandom: Random = {
  fill: (into) => randomFillSync(into),
  next: () => new DataView(randomFillSync(new Uint8Array(4)).buffer).getUint32(0) / 2 ** 32,
};
