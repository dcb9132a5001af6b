/**
 * Who is there: workers and executors by id, one incarnation each, kept alive by their long poll. A closed poll is a
 * death at once; silence is one after a lease, or sooner when somebody cannot reach it. Holds no shuffle state and journals nothing: after a restart of the manager
 * everyone registers again. Called by manager.ts.
 */
import type { Clock, Millis } from './process/ports.ts';
import { SluiceError } from './protocol/errors.ts';

export interface MemberFacts {
  readonly id: string;
  readonly incarnation: string;
  readonly host: string;
  /** 0 for executors, which nobody dials. */
  readonly port: number;
  readonly hostLabel: string;
  readonly pid: number;
  /** 0 for workers. */
  readonly slots: number;
}

export type MemberState = 'live' | 'draining' | 'lost';

export interface Member {
  readonly facts: MemberFacts;
  readonly state: MemberState;
  readonly load: Readonly<Record<string, number>>;
}

/** Stored bytes by job, of one worker. */
export type Stored = readonly { readonly job: number; readonly bytes: number }[];

interface Entry {
  facts: MemberFacts;
  load: Record<string, number>;
  stored: Stored;
  /** Outstanding polls of this incarnation. */
  polls: number;
  heardAt: Millis;
  closed: boolean;
  /** Asked to show itself, and not heard of since. */
  doubted: boolean;
  draining: boolean;
  /** As last told to the caller of `sweep`. */
  lost: boolean;
  /** Incarnations that were replaced: they never come back. */
  readonly old: Set<string>;
}

/** What a member that is doubted has to begin its next poll, where a lease is no shorter: one that runs does it at once. */
const answerMs: Millis = 3000;
/** A lost member is forgotten after this many leases. */
const rememberedLeases = 360;

export class Members {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #leaseMs: Millis;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Pick<Clock, 'now'>, leaseMs: Millis) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  /**
   * The same incarnation again: known. Another one replaces it for good.
   * @throws FENCED for an incarnation that was replaced: two processes use one id, or a late message
   */
  register(facts: MemberFacts): 'new' | 'known' | 'replaced' {
    const entry = this.#entries.get(facts.id);
    if (entry?.old.has(facts.incarnation)) throw fenced();
    const known = entry?.facts.incarnation === facts.incarnation;
    const old = entry?.old ?? new Set<string>();
    if (entry !== undefined && !known) old.add(entry.facts.incarnation);
    this.#entries.set(facts.id, {
      facts,
      load: known ? entry.load : {},
      stored: known ? entry.stored : [],
      polls: known ? entry.polls : 0,
      heardAt: this.#clock.now(),
      closed: false,
      doubted: false,
      draining: known && entry.draining,
      lost: false,
      old,
    });
    return entry === undefined ? 'new' : known ? 'known' : 'replaced';
  }

  /** @throws WRONG_INCARNATION (refresh: register again) for one this manager does not know · FENCED for one that was replaced */
  require(id: string, incarnation: string): void {
    const entry = this.#entries.get(id);
    if (entry?.facts.incarnation === incarnation) return;
    if (entry?.old.has(incarnation)) throw fenced();
    throw unknown();
  }

  pollStarted(id: string, incarnation: string, told: { load: Record<string, number>; stored?: Stored; leaving: boolean }): void {
    const entry = this.#of(id, incarnation);
    if (entry === undefined) return;
    entry.polls++;
    entry.heardAt = this.#clock.now();
    entry.closed = false;
    entry.doubted = false;
    entry.load = told.load;
    entry.stored = told.stored ?? [];
    entry.draining ||= told.leaving;
  }

  /** @param closed  the other side hung up, instead of being answered */
  pollEnded(id: string, incarnation: string, closed: boolean): void {
    const entry = this.#of(id, incarnation);
    if (entry === undefined) return;
    entry.polls--;
    entry.heardAt = this.#clock.now();
    entry.closed = closed && entry.polls === 0;
  }

  /** Somebody does not reach it: its poll is to be answered, and is lost unless the next one begins soon. True the first time. */
  doubt(id: string, incarnation: string): boolean {
    const entry = this.#of(id, incarnation);
    if (entry === undefined || entry.doubted) return false;
    entry.doubted = true;
    return true;
  }

  isDoubted(id: string, incarnation: string): boolean {
    return this.#of(id, incarnation)?.doubted === true;
  }

  /** It takes nothing new from now on, as if it had said so itself. undefined: nobody of that id is known. */
  drain(id: string): 'draining' | 'lost' | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    entry.draining = true;
    return this.#stateOf(entry) === 'lost' ? 'lost' : 'draining';
  }

  /** Stored bytes by job, over all who are not lost. */
  storedByJob(): Map<number, number> {
    const sums = new Map<number, number>();
    for (const entry of this.#entries.values()) {
      if (this.#stateOf(entry) === 'lost') continue;
      for (const { job, bytes } of entry.stored) sums.set(job, (sums.get(job) ?? 0) + bytes);
    }
    return sums;
  }

  /** undefined: not known here, or as another incarnation. */
  stateOf(id: string, incarnation: string): MemberState | undefined {
    const entry = this.#of(id, incarnation);
    return entry === undefined ? undefined : this.#stateOf(entry);
  }

  /** @throws WRONG_INCARNATION when nobody of that id is known */
  factsOf(id: string): MemberFacts {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw unknown();
    return entry.facts;
  }

  isKnown(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Everyone remembered, by id. */
  all(): Member[] {
    return [...this.#entries.values()]
      .map((entry) => ({ facts: entry.facts, state: this.#stateOf(entry), load: entry.load }))
      .sort((a, b) => (a.facts.id < b.facts.id ? -1 : 1));
  }

  live(): MemberFacts[] {
    return this.all()
      .filter((member) => member.state === 'live')
      .map((member) => member.facts);
  }

  /** Whether anyone was lost or came back since the last call; forgets those lost long ago. */
  sweep(): boolean {
    let changed = false;
    for (const [id, entry] of this.#entries) {
      const lost = this.#stateOf(entry) === 'lost';
      if (lost !== entry.lost) changed = true;
      entry.lost = lost;
      if (lost && this.#clock.now() - entry.heardAt > rememberedLeases * this.#leaseMs) this.#entries.delete(id);
    }
    return changed;
  }

  #of(id: string, incarnation: string): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry?.facts.incarnation === incarnation ? entry : undefined;
  }

  #stateOf(entry: Entry): MemberState {
    const patienceMs = entry.doubted ? Math.min(answerMs, this.#leaseMs) : this.#leaseMs;
    const silent = entry.polls === 0 && this.#clock.now() - entry.heardAt > patienceMs;
    if (entry.closed || silent) return 'lost';
    return entry.draining ? 'draining' : 'live';
  }
}

const fenced = () => new SluiceError('FENCED', { what: 'process with the same id' });
const unknown = () => new SluiceError('WRONG_INCARNATION', { what: 'this manager does not know it: register again' });
