/**
 * How a worker belongs to its cluster: it registers, announces what it holds, and follows the manager's orders by long
 * poll, whose arrival is its heartbeat. A manager that has forgotten it is told everything again; a newer process with its id
 * ends it. It decides nothing about data: worker.ts does what it is told here.
 */
import type { Clock, Log, Millis, Random, Timer } from '#manager/process/ports.ts';
import { type RetryOptions, retry, sleep } from '#manager/process/retry.ts';
import type { Answer, ManagerCalls, Orders, Request } from '#manager/protocol/control.ts';
import { asSluiceError, type SluiceError } from '#manager/protocol/errors.ts';

export interface OrdersOptions {
  readonly manager: ManagerCalls;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly self: Request<'registerWorker'>;
  /** Asked for each poll. */
  load(): Record<string, number>;
  /** Stored bytes by job; asked for each poll, and often, since the manager is told when it has changed. */
  stored(): NonNullable<Request<'orders'>['stored']>;
  /** What this worker can serve now, for a manager that does not know. */
  held(): Request<'announce'>['held'];
  /** Shuffles ("123") and jobs ("job:1") whose data go. */
  release(texts: readonly string[]): void;
  drain(): void;
  /** All jobs that may store no more. */
  overQuota(jobs: Orders['overQuota']): void;
}

/** How long one poll waits at the manager. */
const pollMs: Millis = 30_000;
const pauseMs: Millis = 100;
const maxPauseMs: Millis = 3000;
/** What is stored changes all the time: the manager is told so often. */
const reportMs: Millis = 1000;

export class OrderFollower {
  readonly #options: OrdersOptions;
  readonly #abort = new AbortController();
  #after = 0;
  /** This worker wants no new data. The manager is told once: a poll that says it is answered at once. */
  #leaving = false;
  #told = false;
  #announced = false;
  /** As last told to the manager. */
  #stored = '[]';
  #report: Timer | null = null;
  /** Settles when no order is followed any more: null after close, else what has ended it. */
  ended: Promise<SluiceError | null> = Promise.resolve(null);

  constructor(options: OrdersOptions) {
    this.#options = options;
  }

  /** Registers, announces, and follows from then on. @throws WORKER_REFUSED · FENCED · VERSION_UNSUPPORTED · CLUSTER_UNREACHABLE */
  async join(): Promise<Answer<'registerWorker'>> {
    const answer = await retry(this.#retry, () => this.#register());
    this.ended = this.#follow();
    this.#reportLater();
    return answer;
  }

  /** From now on this worker wants no new data. The manager is told at once. */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    void this.#poll(0).catch(() => {});
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#report?.cancel();
    await this.ended;
  }

  /** The long poll said what was stored when it began; a poll that is answered at once says what is. */
  #reportLater(): void {
    this.#report = this.#options.clock.after(reportMs, () => {
      if (this.#announced && JSON.stringify(this.#options.stored()) !== this.#stored) void this.#poll(0).catch(() => {});
      this.#reportLater();
    });
  }

  get #retry(): RetryOptions {
    const { clock, random } = this.#options;
    const again = (error: SluiceError): boolean => error.remedy === 'retry' || error.code === 'CLUSTER_UNREACHABLE';
    return { clock, random, patienceMs: pollMs, signal: this.#abort.signal, again };
  }

  async #register(): Promise<Answer<'registerWorker'>> {
    const { manager, self, held, release } = this.#options;
    this.#announced = false;
    this.#told = false;
    const answer = await manager.registerWorker(self);
    const { kept, released } = await manager.announce({ worker: self.worker, incarnation: self.incarnation, held: held() });
    this.#announced = true;
    if (released.length > 0) release(released);
    this.#options.log.info({ worker: self.worker, incarnation: self.incarnation, kept, released: released.length, term: answer.term }, 'registered');
    return answer;
  }

  async #follow(): Promise<SluiceError | null> {
    const { clock, random, log } = this.#options;
    const { signal } = this.#abort;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (!this.#announced) await this.#register();
        this.#obey(await this.#poll(pollMs));
        failures = 0;
      } catch (thrown) {
        if (signal.aborted) break;
        const error = asSluiceError(thrown);
        // A manager that was started anew knows nobody.
        if (error.code === 'WRONG_INCARNATION') this.#announced = false;
        else if (error.remedy === 'fail' && error.code !== 'CLUSTER_UNREACHABLE') return this.#end(error);
        if (error.code === 'WRONG_INCARNATION' && failures++ === 0) continue;
        log.warn({ code: error.code, what: error.message }, 'no orders');
        await sleep(clock, Math.min(pauseMs * 2 ** failures++, maxPauseMs) * (0.5 + random.next() / 2), signal).catch(() => {});
      }
    }
    return null;
  }

  #end(error: SluiceError): SluiceError {
    this.#options.log.error({ code: error.code, what: error.message }, 'this worker has no cluster any more');
    return error;
  }

  #poll(waitMs: Millis): Promise<Orders> {
    const { manager, self, load } = this.#options;
    const stored = this.#options.stored();
    this.#stored = JSON.stringify(stored);
    const { worker: id, incarnation } = self;
    const leaving = this.#leaving && !this.#told;
    if (leaving) this.#told = true;
    return manager.orders({ id, incarnation, after: this.#after, load: load(), stored, leaving, waitMs }, { signal: this.#abort.signal });
  }

  #obey(orders: Orders): void {
    this.#after = orders.version;
    if (orders.released.length > 0) this.#options.release(orders.released);
    if (orders.drain) this.#options.drain();
    this.#options.overQuota(orders.overQuota);
  }
}
