/**
 * Time that is computed instead of waited for: one queue of events, one seed, one trace. Everything that happens in a simulated
 * cluster happens in an event of this queue, and between two events all promises have settled; so the same seed gives the
 * same run, which the trace's hash shows. It knows nothing of disks, networks or shuffles.
 */
import type { Clock, Log, Millis, Random, Timer } from '#manager/process/ports.ts';
import { seededRandom } from '../shuffle-manager/world.ts';

interface Event {
  at: Millis;
  /** Of two events of one moment the one that was planned first comes first. */
  order: number;
  readonly owner: SimulatedProcess | null;
  readonly run: () => void;
  over: boolean;
}

export interface SimulationOptions {
  readonly seed: number;
  /** Told of everything, for a person to read. */
  readonly say?: ((line: string) => void) | undefined;
}

/** Something broke a promise of the product: ends the run. */
export class Violation extends Error {}

export class Simulation {
  readonly seed: number;
  /** For the world: latencies, faults, the job. Processes have their own. */
  readonly random: Random;
  readonly #say: ((line: string) => void) | undefined;
  readonly #queue: Event[] = [];
  #now: Millis = 0;
  #order = 0;
  #events = 0;
  #hash = [0x811c9dc5, 0x9e3779b9] as [number, number];
  #violation: Error | null = null;

  constructor(options: SimulationOptions) {
    this.seed = options.seed;
    this.random = seededRandom(options.seed);
    this.#say = options.say;
  }

  get now(): Millis {
    return this.#now;
  }
  get events(): number {
    return this.#events;
  }
  get traceHash(): string {
    return this.#hash.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }
  get isTelling(): boolean {
    return this.#say !== undefined;
  }

  /** Random numbers of their own for a part of the world: what one part draws does not change another. */
  fork(): Random {
    return seededRandom(Math.floor(this.random.next() * 2 ** 32));
  }

  /** Runs once, `delayMs` from now; not at all when the owner has died by then. */
  after(delayMs: Millis, owner: SimulatedProcess | null, run: () => void): Timer {
    const event: Event = { at: this.#now + Math.max(delayMs, 0), order: this.#order++, owner, run, over: false };
    push(this.#queue, event);
    return {
      cancel: () => {
        event.over = true;
      },
    };
  }

  /** Numbers that have to be the same when the seed runs again. */
  note(...numbers: readonly number[]): void {
    let [a, b] = this.#hash;
    for (const number of numbers) {
      const word = Math.imul(number * 1024, 0x9e3779b1) ^ (number / 4096);
      a = Math.imul(a ^ word, 0x01000193);
      b = Math.imul((b << 5) ^ (b >>> 27) ^ word, 0x85ebca6b);
    }
    this.#hash = [a, b];
  }

  tell(line: () => string): void {
    this.#say?.(`${this.#now.toFixed(3).padStart(12)}  ${line()}`);
  }

  violate(what: string): void {
    this.tell(() => `VIOLATION ${what}`);
    this.#violation ??= new Violation(what);
  }

  /** Runs events until `done`. Answers false when there are none left, or it takes too long. @throws Violation */
  async run(done: () => boolean, limits: { readonly ms: Millis; readonly events: number }): Promise<boolean> {
    const until = this.#events + limits.events;
    await settled();
    while (!done()) {
      const event = pop(this.#queue);
      if (event === undefined) return false;
      if (event.over || event.owner?.alive === false) continue;
      if (event.owner !== null && event.at < event.owner.stoppedUntil) {
        // In the order in which they would have come.
        event.at = event.owner.stoppedUntil;
        event.order = this.#order++;
        push(this.#queue, event);
        event.owner.madeWait();
        continue;
      }
      if (event.at > limits.ms || this.#events > until) return false;
      this.#now = event.at;
      this.#events++;
      this.note(event.at, event.order);
      event.run();
      await settled();
      if (this.#violation !== null) throw this.#violation;
    }
    if (this.#violation !== null) throw this.#violation;
    return true;
  }
}

/** Every promise that can go on has gone on when a turn of the event loop is over. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A process as far as it can die: its timers, and whatever waits for a port, end with it. A restart is another object. */
export class SimulatedProcess {
  readonly simulation: Simulation;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  #alive = true;
  #stoppedUntil: Millis = 0;
  #waits: (() => void) | null = null;
  /** How far its wall clock is off. */
  wallOffsetMs: Millis = 0;
  readonly #deaths: (() => void)[] = [];

  constructor(simulation: Simulation, name: string) {
    this.simulation = simulation;
    this.name = name;
    this.random = simulation.fork();
    this.clock = {
      now: () => simulation.now,
      wall: () => 1_700_000_000_000 + simulation.now + this.wallOffsetMs,
      after: (delayMs, run) => simulation.after(delayMs, this, run),
    };
    const line = (level: string) => (facts: object, text: string) =>
      simulation.tell(
        () => `${name}: ${level}${text} ${JSON.stringify(facts, (_key, value) => (typeof value === 'bigint' ? value.toString() : value))}`,
      );
    this.log = { info: line(''), warn: line('warn: '), error: line('error: ') };
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Stops it for a while, as SIGSTOP and SIGCONT do: all that would happen in it happens afterwards. `waits` is called when something had to. */
  stop(ms: Millis, waits: () => void): void {
    this.#stoppedUntil = Math.max(this.#stoppedUntil, this.simulation.now + ms);
    this.#waits = waits;
  }
  get stoppedUntil(): Millis {
    return this.#stoppedUntil;
  }
  madeWait(): void {
    this.#waits?.();
    this.#waits = null;
  }

  /** Called once, when it dies. */
  atDeath(run: () => void): void {
    this.#deaths.push(run);
  }

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const run of this.#deaths) run();
  }

  /** Resolves after a while, or never when the process has died by then. */
  sleep(delayMs: Millis): Promise<void> {
    return new Promise((resolve) => void this.simulation.after(delayMs, this, resolve));
  }
}

// A binary heap.

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
