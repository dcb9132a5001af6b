/**
 * The executors of one job as its coordinator sees them: a lease each, what runs there, what is to be cancelled, when it was
 * last heard. Holds polls until there is something to say. Which attempt goes where is the coordinator's, by `assign`.
 */
import type { Clock, Millis } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Assignment, Ended, Progress } from './messages.ts';

/** An executor that says nothing for so long is lost, whatever its socket looks like. */
const silenceMs: Millis = 40_000;
const quietLookMs: Millis = 10;

export type AttemptId = Pick<Assignment, 'stage' | 'task' | 'attempt'>;

interface Lease {
  /** By attempt; a cancelled one stays until it has ended, since it holds its slot. */
  readonly running: Map<string, Assignment>;
  readonly cancel: AttemptId[];
  wake: (() => void) | null;
  heardAt: Millis;
}

export interface LeasesOptions {
  readonly clock: Clock;
  /** Attempts for `free` slots of that lease. */
  assign(lease: string, free: number): Assignment[];
  /** An attempt has ended, or is lost; from its assignment until then. */
  took(attempt: AttemptId, ms: Millis): void;
  /** The lease is gone, and what ran there with it. */
  lost(lease: string, running: readonly AttemptId[], error: SluiceError): void;
}

const key = ({ stage, task, attempt }: AttemptId): string => `${stage}.${task}.${attempt}`;

export class Leases {
  readonly #options: LeasesOptions;
  readonly #leases = new Map<string, Lease>();
  /** When running attempts were assigned. */
  readonly #begun = new Map<string, Millis>();
  /** Of running attempts, as far as they have told. */
  readonly #meters = new Map<string, { readonly rows: number; readonly bytes: number }>();
  #over = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  ids(): ReadonlySet<string> {
    return new Set(this.#leases.keys());
  }

  /** What running attempts have done so far, in all. */
  get progress(): { rows: number; bytes: number } {
    let [rows, bytes] = [0, 0];
    for (const meter of this.#meters.values()) {
      rows += meter.rows;
      bytes += meter.bytes;
    }
    return { rows, bytes };
  }

  /** An executor begins with a lease; one that it had begun with before is over, and what ran there with it. */
  join(id: string): void {
    this.lose(id, 'it has begun anew');
    this.#lease(id);
  }

  /** Answers when there is something to run or to cancel, when the job is over, or after `waitMs`. */
  async poll({ lease: id, slots, waitMs }: { lease: string; slots: number; waitMs: Millis }, signal?: AbortSignal) {
    const { clock } = this.#options;
    const lease = this.#lease(id);
    const deadline = clock.now() + waitMs;
    for (;;) {
      // Whoever hung up, or was given up meanwhile, gets nothing: it would run nowhere.
      const isGone = signal?.aborted === true || this.#leases.get(id) !== lease;
      const assignments = this.#over || isGone ? [] : this.#options.assign(id, slots - lease.running.size);
      for (const assignment of assignments) {
        lease.running.set(key(assignment), assignment);
        this.#begun.set(key(assignment), clock.now());
      }
      const cancel = lease.cancel.splice(0);
      const left = deadline - clock.now();
      if (this.#over || assignments.length > 0 || cancel.length > 0 || left <= 0 || isGone) {
        lease.heardAt = clock.now();
        return { assignments, cancel, done: this.#over };
      }
      lease.wake?.();
      await new Promise<void>((resolve) => {
        const timer = clock.after(left, resolve);
        lease.wake = () => {
          timer.cancel();
          resolve();
        };
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
      lease.wake = null;
    }
  }

  report(id: string, ended: readonly Ended[], progress: readonly Progress[]): void {
    const lease = this.#lease(id);
    lease.heardAt = this.#options.clock.now();
    for (const one of progress) if (lease.running.has(key(one))) this.#meters.set(key(one), one);
    for (const one of ended) {
      if (lease.running.delete(key(one))) this.#end(one);
    }
  }

  /** Nobody waits for the end of this attempt any more. */
  cancel(id: string, { stage, task, attempt }: AttemptId): void {
    const lease = this.#leases.get(id);
    if (lease?.running.has(key({ stage, task, attempt })) !== true) return;
    this.#meters.delete(key({ stage, task, attempt }));
    lease.cancel.push({ stage, task, attempt });
    lease.wake?.();
  }

  /** An executor is gone. */
  lose(id: string, what: string): void {
    const lease = this.#leases.get(id);
    if (lease === undefined || this.#over) return;
    this.#leases.delete(id);
    lease.wake?.();
    for (const one of lease.running.values()) this.#end(one);
    this.#options.lost(id, [...lease.running.values()], new SluiceError('EXECUTOR_LOST', { executor: id.slice(0, 8), what }));
  }

  #end(attempt: AttemptId): void {
    const { clock, took } = this.#options;
    took(attempt, clock.now() - (this.#begun.get(key(attempt)) ?? clock.now()));
    this.#begun.delete(key(attempt));
    this.#meters.delete(key(attempt));
  }

  /** Drops leases that run something and say nothing any more. */
  checkSilence(): void {
    const now = this.#options.clock.now();
    for (const [id, lease] of this.#leases) {
      if (lease.running.size > 0 && lease.wake === null && now - lease.heardAt > silenceMs) this.lose(id, 'it has fallen silent');
    }
  }

  wakeAll(): void {
    for (const lease of this.#leases.values()) lease.wake?.();
  }

  /** The job is over: every poll is answered with that. */
  close(): void {
    this.#over = true;
    this.wakeAll();
  }

  /** Settles when no attempt runs any more, or after waitMs: those cancelled last still hold files for a moment. */
  async quiet(waitMs: Millis): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { clock } = this.#options;
    const until = clock.now() + waitMs;
    const look = (): void => {
      if (clock.now() >= until || [...this.#leases.values()].every(({ running }) => running.size === 0)) resolve();
      else clock.after(quietLookMs, look);
    };
    look();
    await promise;
  }

  #lease(id: string): Lease {
    let lease = this.#leases.get(id);
    if (lease === undefined) {
      lease = { running: new Map(), cancel: [], wake: null, heardAt: this.#options.clock.now() };
      this.#leases.set(id, lease);
    }
    return lease;
  }
}
