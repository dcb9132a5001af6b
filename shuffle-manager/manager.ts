/**
 * The manager: judges every call of the control plane against ledger, members and leases, journals what it decides, and
 * answers when that is durable. Long polls wait here. It dials nobody, and knows time, disk and randomness only as
 * ports; server.ts puts it on HTTP, the simulator calls it directly.
 */

import { hasVacant, isSealed, isWinning, judgeCommit, layoutOf, mapsHeld, maxLocations, type ShuffleRun } from './cells.ts';
import { Journal } from './journal.ts';
import { LeaseTime } from './lease-time.ts';
import { shareSlots } from './leases.ts';
import {
  apply,
  bitsOfMaps,
  emptyLedger,
  epochOf,
  fateOf,
  type JobEntry,
  type Lease,
  type Ledger,
  type LedgerRecord,
  nextShuffle,
  requireJob,
  requireRun,
  runsOf,
  snapshotOf,
  staleReplica,
} from './ledger.ts';
import { pick, place } from './placement.ts';
import type { Clock, Disk, Log, Millis, Random, Timer } from './process/ports.ts';
import type { Answer, CallName, Layout, ManagerCalls, Orders, Request, ShuffleSpec } from './protocol/control.ts';
import { calls } from './protocol/control.ts';
import { asSluiceError, errors, SluiceError } from './protocol/errors.ts';
import { jobOf, type Location, mint128, protocolVersion, type Replica, shuffleFrom } from './protocol/ids.ts';
import { type Grant, mintToken, requireGrant, TokenChecker } from './protocol/token.ts';
import { type MemberFacts, Members } from './workers.ts';

export interface ManagerPorts {
  readonly clock: Clock;
  readonly random: Random;
  /** The folder of the journal. */
  readonly disk: Disk;
  readonly log: Log;
}

export interface ManagerOptions {
  readonly secret: string;
  /** Version of the program, for hello. */
  readonly release: string;
  /** Silence after which a worker, an executor or a job is gone. */
  readonly leaseMs: Millis;
  /** How long a job with a log outlives its coordinator. */
  readonly resumeMs: Millis;
  /** How long openShuffle waits for a first worker before it answers NO_WORKERS. */
  readonly workerWaitMs: Millis;
  /** What one job may store over all workers; 0 = no limit. */
  readonly jobQuotaBytes: number;
}

/** Who calls, as far as it matters here: the signal is aborted when he hangs up. */
export interface Caller {
  readonly signal?: AbortSignal | undefined;
}

type Handlers = { readonly [N in CallName]: (request: Request<N>, caller: Caller) => Answer<N> | Promise<Answer<N>> };

/** Whether somebody still keeps a thing: polls that wait, and when one was last here. */
interface Attendance {
  polls: number;
  heardAt: Millis;
}

interface Kept extends Attendance {
  /** As wished. */
  slots: number;
  readonly names: Map<string, Attendance>;
}

/** Reports of an unreachable location count at most once in this time, and this many make it lost. */
const reportGapMs = 1000;
const reportsToLose = 3;
/** It is good for nothing once the job is closed, and an application may run for months. */
const jobTokenMs = 365 * 24 * 3_600_000;
const compactBytes = 16 * 1024 * 1024;
/** Of a job's log in one answer. */
const logPageBytes = 8 * 1024 * 1024;
/** Of one look at leases and journal to the next so many times the usual passes: beyond that the manager was held up itself. */
const looksLate = 3;

export class Manager {
  readonly #ports: ManagerPorts;
  readonly #options: ManagerOptions;
  #ledger: Ledger;
  #journal!: Journal<LedgerRecord>;
  readonly #workers: Members;
  readonly #executors: Members;
  readonly #leaseTime: LeaseTime;
  /** In lease time. */
  readonly #startedAt: Millis;
  /** Volatile facts of jobs: what they wish, until when they live, and until when shuffles of some names do. */
  readonly #jobs = new Map<number, Kept>();
  /** Counts changes of what workers and executors should do; above all numbers of earlier terms. */
  #ordersVersion = 0;
  /** The orders version at which something was released, in step with the end of ledger.released. */
  readonly #releasedAt = new Map<string, number>();
  /** Jobs that store more than they may. */
  #overQuota: Orders['overQuota'] = [];
  /** (shuffle, location, incarnation) out of someone's reach: how often reported, when last. */
  readonly #reports = new Map<string, { count: number; at: Millis }>();
  /** Woken when a topic has changed: a shuffle, or one of the words below. */
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #layouts = new Map<string, Layout>();
  #rebuilding: Promise<void> | null = null;
  /** Made at the first token: the cluster is known when the journal has been read. */
  #tokens: TokenChecker | null = null;
  /** Why it knows nothing for certain any more: another manager has taken over, or its journal cannot be read. */
  #fatal: SluiceError | null = null;
  readonly #over = Promise.withResolvers<SluiceError>();
  #tick: Timer | null = null;
  #closed = false;
  readonly #handlers: Handlers = this.#makeHandlers();
  readonly counters = { commits: 0, superseded: 0, cellsVacated: 0, reports: 0, runs: 0, replaced: 0, jobsExpired: 0 };

  private constructor(ports: ManagerPorts, options: ManagerOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#ledger = emptyLedger(mint128(ports.random));
    this.#leaseTime = new LeaseTime(ports.clock, looksLate * lookMs(options));
    this.#workers = new Members(this.#leaseTime, options.leaseMs);
    this.#executors = new Members(this.#leaseTime, options.leaseMs);
    this.#startedAt = this.#leaseTime.now();
  }

  /** Replays the journal, raises the term, and serves. @throws as Journal.open */
  static async open(ports: ManagerPorts, options: ManagerOptions): Promise<Manager> {
    const manager = new Manager(ports, options);
    manager.#journal = await Journal.open<LedgerRecord>({
      disk: ports.disk,
      random: ports.random,
      replay: (record) => apply(manager.#ledger, record),
      snapshot: () => ({ kind: 'snapshot', ledger: snapshotOf(manager.#ledger) }),
      failed: (error) => manager.#rebuild(error),
      compactBytes,
    });
    manager.#ordersVersion = manager.term * 2 ** 32;
    for (const job of manager.#ledger.jobs.keys()) manager.#keep(job);
    manager.#scheduleTick();
    ports.log.info({ term: manager.term, cluster: manager.cluster, jobs: manager.#ledger.jobs.size }, 'manager serves');
    return manager;
  }

  get term(): number {
    return this.#journal.term;
  }

  get cluster(): string {
    return this.#ledger.cluster;
  }

  /** Checks a token before anything of a request is read; null for calls that are open to anyone. @throws UNAUTHORIZED */
  admit(name: CallName, token: string): Grant | null {
    if (calls[name].scope === 'open') return null;
    this.#tokens ??= new TokenChecker({ secret: this.#options.secret, cluster: this.cluster });
    const grant = this.#tokens.verify(token, this.#ports.clock.wall());
    if (calls[name].scope === 'cluster') requireGrant(grant, null);
    return grant;
  }

  /** Checks that the grant reaches the job a request is about. @throws UNAUTHORIZED */
  reach(name: CallName, grant: Grant | null, request: object): void {
    if (grant === null || calls[name].scope !== 'job') return;
    const facts = request as { job?: number; shuffle?: string };
    requireGrant(grant, facts.job ?? jobOf(shuffleFrom(facts.shuffle as string)));
  }

  /** Settles, with the reason, when its journal cannot be read: its process ends, and the next one tries anew. */
  get ended(): Promise<SluiceError> {
    return this.#over.promise;
  }

  /**
   * One call, admitted and valid by its schema. Rejects with the errors of the table. What is answered is durable, but for a commit
   * at the level received.
   */
  async handle<N extends CallName>(name: N, request: Request<N>, caller: Caller = {}): Promise<Answer<N>> {
    try {
      await this.#ready();
      const { failures } = this.#journal.counters;
      const answer = await this.#answer(name, request, caller);
      if (!(name === 'commit' && this.#mayBeLost((request as Request<'commit'>).shuffle))) await this.#journal.flushed();
      // A batch was refused while the answer was made: it may rest on what is no longer so.
      if (this.#journal.counters.failures !== failures) throw refused();
      return answer;
    } catch (thrown) {
      // Whatever it was: the one who comes after this manager knows better.
      throw this.#fatal === null ? thrown : overtaken(this.#fatal);
    }
  }

  /** What cannot be, and what rests on something not being in the ledger, is said only by the newest manager: an older one may not have read it. */
  async #answer<N extends CallName>(name: N, request: Request<N>, caller: Caller): Promise<Answer<N>> {
    try {
      const answer = await this.#handlers[name](request, caller);
      if (name === 'announce') await this.#checkTerm();
      return answer;
    } catch (thrown) {
      if (errors[asSluiceError(thrown).code].remedy !== 'retry') await this.#checkTerm();
      throw thrown;
    }
  }

  /** @throws FENCED: this manager is over */
  async #checkTerm(): Promise<void> {
    try {
      await this.#journal.checkTerm();
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (error.code === 'FENCED') this.#end(error);
      throw thrown;
    }
  }

  #end(error: SluiceError): void {
    if (this.#fatal !== null) return;
    this.#fatal = error;
    this.#ports.log.error({ code: error.code, what: error.message }, 'this manager is over');
    this.#wakeAll();
    // One that was overtaken is not started again: it would take over from the newer one, and that one from it.
    if (error.code !== 'FENCED') this.#over.resolve(error);
  }

  /** The manager as a caller in the same process sees it: the simulator's, and tests'. No tokens. */
  asCalls(): ManagerCalls {
    const entries = (Object.keys(calls) as CallName[]).map((name) => [
      name,
      (request: Request<typeof name>, caller?: Caller) => this.handle(name, structuredClone(request), caller).then(structuredClone),
    ]);
    return Object.fromEntries(entries) as ManagerCalls;
  }

  /** Ends the long polls, writes what is pending, closes the journal. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#tick?.cancel();
    this.#wakeAll();
    await this.#rebuilding;
    await this.#journal.close();
  }

  /** Numbers for the metrics. */
  gauges() {
    const runs = [...runsOf(this.#ledger)];
    return {
      term: this.term,
      workers: this.#workers.live().length,
      executors: this.#executors.live().length,
      jobs: this.#ledger.jobs.size,
      shuffles: runs.length,
      cells: runs.reduce((sum, run) => sum + run.places.length, 0),
      slotsLeased: this.#ledger.leases.reduce((sum, lease) => sum + lease.slots, 0),
      journalBytes: this.#journal.bytes,
      journal: this.#journal.counters,
      polls: [...this.#waiting.values()].reduce((sum, set) => sum + set.size, 0),
      jobsOverQuota: this.#overQuota.length,
    };
  }

  /** Stored bytes by job and its name, the largest first. */
  storedByJob(): { job: number; name: string; bytes: number }[] {
    return [...this.#workers.storedByJob()]
      .map(([job, bytes]) => ({ job, bytes, name: this.#ledger.jobs.get(job)?.name ?? '' }))
      .sort((a, b) => b.bytes - a.bytes || a.job - b.job);
  }

  /** The ledger as JSON: for tests that compare states. */
  snapshot() {
    return snapshotOf(this.#ledger);
  }

  // Deciding: a record is applied at once and answered when it is durable. If the journal refuses it, the ledger is read
  // again from the journal, and everyone whose answer rests on it gets the journal's error.

  #decide(record: LedgerRecord): void {
    if (this.#rebuilding !== null) throw refused();
    apply(this.#ledger, record);
    this.#journal.append(record);
  }

  #rebuild(error: SluiceError): void {
    this.#ports.log.error({ code: error.code, what: error.message }, 'the journal refused a batch');
    if (error.code === 'FENCED') this.#end(error);
    this.#rebuilding = this.#journal
      .replay()
      .catch((thrown) => this.#end(asSluiceError(thrown)))
      .finally(() => {
        this.#rebuilding = null;
        this.#layouts.clear();
        for (const job of this.#jobs.keys()) if (!this.#ledger.jobs.has(job)) this.#jobs.delete(job);
        for (const job of this.#ledger.jobs.keys()) this.#keep(job);
        this.#wakeAll();
      });
  }

  async #ready(): Promise<void> {
    while (this.#rebuilding !== null) await this.#rebuilding;
    if (this.#fatal !== null) throw overtaken(this.#fatal);
    if (this.#closed) throw closing();
  }

  // Waiting.

  /** Calls `ready` now and whenever a topic changes, until it answers; after waitMs takes `late`. Hanging up rejects. */
  async #poll<A>(topics: readonly string[], waitMs: Millis, caller: Caller, ready: () => A | undefined, late: () => A): Promise<A> {
    const deadline = this.#ports.clock.now() + waitMs;
    for (;;) {
      await this.#ready();
      if (caller.signal?.aborted) throw hungUp();
      const answer = ready();
      if (answer !== undefined) return answer;
      const leftMs = deadline - this.#ports.clock.now();
      if (leftMs <= 0) return late();
      await this.#change(topics, leftMs, caller.signal);
    }
  }

  #change(topics: readonly string[], withinMs: Millis, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        signal?.removeEventListener('abort', wake);
        for (const topic of topics) {
          const set = this.#waiting.get(topic);
          set?.delete(wake);
          if (set?.size === 0) this.#waiting.delete(topic);
        }
        resolve();
      };
      const timer = this.#ports.clock.after(withinMs, wake);
      signal?.addEventListener('abort', wake);
      for (const topic of topics) {
        const set = this.#waiting.get(topic) ?? new Set();
        set.add(wake);
        this.#waiting.set(topic, set);
      }
    });
  }

  #wake(topic: string): void {
    for (const wake of this.#waiting.get(topic) ?? []) wake();
  }

  #wakeAll(): void {
    for (const topic of this.#waiting.keys()) this.#wake(topic);
  }

  // Time: leases that run out, and a look for a later manager.

  #scheduleTick(): void {
    this.#tick = this.#ports.clock.after(lookMs(this.#options), () => {
      void this.#onTick().finally(() => {
        if (!this.#closed) this.#scheduleTick();
      });
    });
  }

  async #onTick(): Promise<void> {
    try {
      await this.#ready();
      await this.#checkTerm();
    } catch {
      return;
    }
    if (this.#rebuilding !== null || this.#closed) return;
    this.#leaseTime.look();
    this.#expireJobs();
    this.#membersChanged();
    this.#weigh();
  }

  #expireJobs(): void {
    for (const [job, kept] of this.#jobs) {
      const entry = this.#ledger.jobs.get(job) as JobEntry;
      const isLeft = this.#isLeft(kept);
      const isOver = entry.expiresAt > 0 ? this.#ports.clock.wall() > entry.expiresAt : isLeft && this.#resumableMs(entry, kept) <= 0;
      if (isOver) {
        this.#ports.log.warn({ job, name: entry.name }, 'nobody keeps the job: released');
        this.counters.jobsExpired++;
        this.#closeJob(job);
        continue;
      }
      // What waits for another coordinator keeps its data, and nobody's slots.
      if (isLeft && kept.slots > 0) {
        this.#ports.log.warn({ job, name: entry.name }, 'the coordinator is gone: its job can be resumed');
        kept.slots = 0;
        this.#shareSlots();
      }
      for (const [names, keeper] of kept.names) if (this.#isLeft(keeper)) this.#leaveNames(entry, names);
    }
  }

  /** How long another coordinator may still take the job over. */
  #resumableMs({ log }: JobEntry, { heardAt }: Attendance): Millis {
    return log.length === 0 ? 0 : heardAt + this.#options.resumeMs - this.#leaseTime.now();
  }

  #isLeft({ polls, heardAt }: Attendance): boolean {
    return polls === 0 && this.#leaseTime.now() - heardAt > this.#options.leaseMs;
  }

  #leaveNames(entry: JobEntry, names: string): void {
    const runs = [...entry.runs.values()].filter((run) => run.name.startsWith(names));
    this.#ports.log.warn({ job: entry.job, name: entry.name, names, shuffles: runs.length }, 'nobody keeps these shuffles: released');
    for (const run of runs) this.#release(run.shuffle);
    this.#decide({ kind: 'left', job: entry.job, names });
    this.#jobs.get(entry.job)?.names.delete(names);
  }

  /** After anyone came, went or was seen to be gone. */
  #membersChanged(): void {
    this.#sweepMembers();
    if (this.#rebuilding !== null || this.#closed || this.#fatal !== null) return;
    for (const run of runsOf(this.#ledger)) this.#replace(run);
  }

  #sweepMembers(): void {
    if (this.#rebuilding !== null || this.#closed || this.#fatal !== null) return;
    const workers = this.#workers.sweep();
    const executors = this.#executors.sweep();
    if (workers) this.#wake('workers');
    if (workers || executors) this.#wake('leases');
    this.#shareSlots();
  }

  // Jobs and slots.

  /** What the ledger has read of a job, and was not known of, was heard of just now. */
  #keep(job: number): void {
    const heardAt = this.#leaseTime.now();
    // After a restart a job wishes what it had until it says otherwise.
    const slots = this.#ledger.leases.filter((lease) => lease.job === job).reduce((sum, lease) => sum + lease.slots, 0);
    // The same entry as before: polls that wait count themselves out of it.
    const kept = this.#jobs.get(job) ?? { slots, polls: 0, heardAt, names: new Map<string, Attendance>() };
    for (const names of requireJob(this.#ledger, job).kept) if (!kept.names.has(names)) kept.names.set(names, { polls: 0, heardAt });
    this.#jobs.set(job, kept);
  }

  #openJob(name: string, url: string, slots: number, expiresAt: number): number {
    const job = this.#ledger.lastJob + 1;
    this.#decide({ kind: 'job', job, name, url, openedAt: this.#ports.clock.wall(), expiresAt });
    this.#jobs.set(job, { slots, polls: 0, heardAt: this.#leaseTime.now(), names: new Map() });
    this.#shareSlots();
    return job;
  }

  /** @throws FENCED when another coordinator has taken the job over; JOB_UNKNOWN */
  #requireEpoch(job: number, epoch: number | undefined): JobEntry {
    const entry = requireJob(this.#ledger, job);
    if (epoch !== undefined && epoch !== epochOf(entry)) throw new SluiceError('FENCED', { what: `coordinator of job ${job}` });
    return entry;
  }

  #logJob({ job, epoch, from, entries }: Request<'logJob'>): Answer<'logJob'> {
    const { log } = this.#requireEpoch(job, epoch);
    if (from > log.length) throw new SluiceError('REQUEST_INVALID', { what: `the log of job ${job} ends at ${log.length}, not at ${from}` });
    const fresh = entries.slice(log.length - from);
    if (fresh.length > 0) this.#decide({ kind: 'logged', job, entries: fresh });
    return { length: log.length };
  }

  #readJobLog({ job, from }: Request<'readJobLog'>): Answer<'readJobLog'> {
    const { log } = requireJob(this.#ledger, job);
    const entries: string[] = [];
    for (let bytes = 0; from + entries.length < log.length && bytes < logPageBytes; ) {
      const entry = log[from + entries.length] as string;
      entries.push(entry);
      bytes += entry.length;
    }
    return { length: log.length, entries };
  }

  #resumeJob({ job, url, slots, after, taker }: Request<'resumeJob'>): Answer<'resumeJob'> {
    const entry = requireJob(this.#ledger, job);
    if (entry.log.length === 0) throw new SluiceError('JOB_NOT_RESUMABLE', { job, what: 'it is of another engine, or had not begun; run it again' });
    // A call that comes twice, or late, fences nobody.
    if (entry.takers[after - 1] !== taker) {
      this.#requireEpoch(job, after);
      this.#decide({ kind: 'resumed', job, taker, url });
      const kept = this.#jobs.get(job) as Kept;
      kept.slots = slots;
      kept.heardAt = this.#leaseTime.now();
      this.#order();
      this.#wake('leases');
      this.#shareSlots();
    }
    return { epoch: after + 1, name: entry.name, token: this.#tokenOf(job), term: this.term, leaseMs: this.#options.leaseMs };
  }

  #closeJob(job: number): void {
    for (const run of requireJob(this.#ledger, job).runs.values()) this.#forgetRun(run.shuffle);
    this.#decide({ kind: 'closed', job });
    this.#jobs.delete(job);
    this.#order(`job:${job}`);
    this.#wake('leases');
    this.#shareSlots();
  }

  /** Compares what jobs store with what they may; workers hear when a job comes to be over its quota, or no longer is. */
  #weigh(): void {
    const { jobQuotaBytes: quotaBytes } = this.#options;
    if (quotaBytes === 0) return;
    const was = this.#overQuota.map(({ job }) => job);
    this.#overQuota = [...this.#workers.storedByJob()]
      .filter(([job, bytes]) => bytes > quotaBytes && this.#ledger.jobs.has(job))
      .map(([job, bytes]) => ({ job, what: `job ${job} stores ${bytes} bytes over all workers and may store ${quotaBytes}` }));
    const isSame = this.#overQuota.length === was.length && this.#overQuota.every(({ job }) => was.includes(job));
    if (!isSame) this.#order();
  }

  /** Of a job with a coordinator: the same at any time, since by it the coordinator knows its executors, whenever they come. */
  #tokenOf(job: number): string {
    return this.#jobToken(job, requireJob(this.#ledger, job).openedAt + jobTokenMs);
  }

  #jobToken(job: number, expiresAt: number): string {
    return mintToken({ secret: this.#options.secret, cluster: this.cluster }, { scope: 'job', job }, expiresAt);
  }

  #shareSlots(): void {
    const offers = this.#executors.live().map(({ id, incarnation, slots }) => ({ executor: id, incarnation, slots }));
    const wishes = [...this.#jobs].map(([job, { slots }]) => ({ job, slots }));
    const now = this.#ledger.leases;
    // Executors that were there before this manager started have a lease's time to come back.
    const awaited = now.filter((lease) => this.#inGrace() && !this.#executors.isKnown(lease.executor));
    const wanted = shareSlots(offers, wishes, now).map((share): Lease => {
      const same = now.find((lease) => lease.job === share.job && lease.executor === share.executor && lease.incarnation === share.incarnation);
      return { lease: same?.lease ?? mint128(this.#ports.random), ...share };
    });
    const leases = [...awaited, ...wanted];
    if (JSON.stringify(leases) === JSON.stringify(now)) return;
    this.#decide({ kind: 'leases', leases });
    this.#order();
    this.#wake('leases');
  }

  /** What workers and executors should do has changed. */
  #order(released?: string): void {
    this.#ordersVersion++;
    if (released !== undefined) this.#releasedAt.set(released, this.#ordersVersion);
    for (const text of this.#releasedAt.keys()) if (!this.#ledger.released.includes(text)) this.#releasedAt.delete(text);
    this.#wake('orders');
  }

  #ordersFor(id: string, incarnation: string, after: number): Orders {
    return {
      version: this.#ordersVersion,
      term: this.term,
      released: this.#ledger.released.filter((text) => (this.#releasedAt.get(text) ?? 0) > after || after < this.term * 2 ** 32),
      leases: this.#ledger.leases
        .filter((lease) => lease.executor === id && lease.incarnation === incarnation)
        .map(({ lease, job, slots }) => ({ lease, job, slots, url: requireJob(this.#ledger, job).url, token: this.#tokenOf(job) })),
      drain: (this.#workers.stateOf(id, incarnation) ?? this.#executors.stateOf(id, incarnation)) === 'draining',
      overQuota: this.#overQuota,
    };
  }

  // Shuffles.

  #run(shuffle: string): ShuffleRun {
    return requireRun(this.#ledger, shuffle);
  }

  #layoutOf(run: ShuffleRun): Layout {
    const known = this.#layouts.get(run.shuffle);
    if (known?.version === run.version) return known;
    const layout = layoutOf(run);
    this.#layouts.set(run.shuffle, layout);
    return layout;
  }

  #forgetRun(shuffle: string): void {
    this.#layouts.delete(shuffle);
    for (const key of this.#reports.keys()) if (key.startsWith(`${shuffle} `)) this.#reports.delete(key);
    this.#wake(shuffle);
  }

  #release(shuffle: string): void {
    this.#decide({ kind: 'released', shuffle });
    this.#forgetRun(shuffle);
    this.#order(shuffle);
  }

  async #resolve(job: number, name: string, stageAttempt: number, spec: ShuffleSpec, caller: Caller): Promise<Layout> {
    const current = this.#current(job, name, stageAttempt, spec);
    if (current !== null) return this.#layoutOf(current);
    const over = this.#overQuota.find((one) => one.job === job);
    if (over !== undefined) throw new SluiceError('QUOTA_EXCEEDED', over);
    if (spec.partitions === 0) throw new SluiceError('REQUEST_INVALID', { what: 'a shuffle has at least one partition' });
    // Whoever starts a cluster and a job at once should not have to wait in between.
    const noWorkers = () => {
      throw new SluiceError('NO_WORKERS');
    };
    const workers = await this.#poll(['workers'], this.#options.workerWaitMs, caller, () => this.#placeable(), noWorkers);
    const meanwhile = this.#current(job, name, stageAttempt, spec);
    if (meanwhile !== null) return this.#layoutOf(meanwhile);
    const entry = requireJob(this.#ledger, job);
    const before = entry.names.get(name);
    const shuffle = nextShuffle(entry);
    const places = workers.map((worker) => ({ worker: worker.id, hostLabel: worker.hostLabel }));
    const locations = place({ ...spec, turn: job + entry.lastRun }, places).map(
      ({ workers: chosen, ...rectangle }, id): Location => ({ id, ...rectangle, replicas: chosen.map((i) => replicaOf(workers[i] as MemberFacts)) }),
    );
    this.#decide({ kind: 'run', shuffle, name, stageAttempt, spec, locations });
    this.counters.runs++;
    const older = before === undefined ? undefined : entry.runs.get(before.run);
    if (older !== undefined) this.#release(older.shuffle);
    return this.#layoutOf(this.#run(shuffle));
  }

  /** The run of that name that answers the call; null: a new one is due. What is not deterministic is written by one stage attempt only. */
  #current(job: number, name: string, stageAttempt: number, spec: ShuffleSpec): ShuffleRun | null {
    const entry = requireJob(this.#ledger, job);
    const known = entry.names.get(name);
    if (known === undefined) return null;
    const run = entry.runs.get(known.run);
    const over = run === undefined || run.invalidated || !run.spec.deterministic;
    if (over && stageAttempt > known.stageAttempt) return null;
    if (run === undefined) throw new SluiceError('SHUFFLE_RELEASED', { shuffle: `${name} of job ${job}` });
    if (!isSameSpec(run.spec, spec)) {
      throw new SluiceError('REQUEST_INVALID', { what: `shuffle ${name} of job ${job} is open with another spec` });
    }
    return run;
  }

  /** Workers that take new data; undefined when there are none. */
  #placeable(): MemberFacts[] | undefined {
    const live = this.#workers.live();
    return live.length > 0 ? live : undefined;
  }

  #inGrace(): boolean {
    return this.term > 1 && this.#leaseTime.now() - this.#startedAt < this.#options.leaseMs;
  }

  /** Whether a new attempt should write there. A worker this manager has not heard of yet may still come back. */
  #takesNew(run: ShuffleRun, location: Location): boolean {
    return location.replicas.every((replica) => {
      if ((this.#reports.get(reportKey(run, location, replica))?.count ?? 0) >= reportsToLose) return false;
      const state = this.#workers.stateOf(replica.worker, replica.incarnation);
      if (state === undefined) return this.#inGrace() && !this.#workers.isKnown(replica.worker);
      return state === 'live';
    });
  }

  /** Gives vacant cells whose newest location takes nothing any more a new one, where there is a worker for it. */
  #replace(run: ShuffleRun): void {
    if (run.invalidated) return;
    const added: Location[] = [];
    for (const location of run.locations) {
      if (this.#takesNew(run, location)) continue;
      const avoid = (worker: MemberFacts) => (this.#reports.get(reportKey(run, location, replicaOf(worker)))?.count ?? 0) >= reportsToLose;
      const workers = this.#workers.live().filter((worker) => !avoid(worker));
      if (!hasVacant(run, location) || workers.length === 0 || run.locations.length + added.length >= maxLocations) continue;
      const places = workers.map((worker) => ({ worker: worker.id, hostLabel: worker.hostLabel }));
      const chosen = pick(run.spec.replicas, this.#leastLoaded(run, added, workers), places);
      const replicas = chosen.map((i) => replicaOf(workers[i] as MemberFacts));
      // The whole rectangle, so that it is replaced once, however its cells are reported lost.
      added.push({ ...location, id: run.locations.length + added.length, replicas });
    }
    if (added.length === 0) return;
    this.#decide({ kind: 'located', shuffle: run.shuffle, locations: added });
    this.counters.replaced += added.length;
    this.#wake(run.shuffle);
  }

  /** Index of the worker with the fewest locations of the run. */
  #leastLoaded(run: ShuffleRun, added: readonly Location[], workers: readonly MemberFacts[]): number {
    const load = workers.map(({ id }) => [...run.locations, ...added].filter(({ replicas }) => replicas.some(({ worker }) => worker === id)).length);
    return load.indexOf(Math.min(...load));
  }

  #lost(request: Request<'lost'>): Answer<'lost'> {
    const run = this.#run(request.shuffle);
    const location = run.locations[request.location];
    if (location === undefined) throw new SluiceError('REQUEST_INVALID', { what: `shuffle ${run.shuffle} has no location ${request.location}` });
    this.counters.reports++;
    const replica = location.replicas.findIndex((one) => one.incarnation === request.incarnation);
    // The report is about an older incarnation: what it kept has been settled, the reporter has to look again.
    if (replica < 0) return { version: run.version, vacated: false };
    const seen = request.because === 'missing' || request.because === 'corrupt';
    if (!seen && request.because !== 'incarnation' && !this.#isGone(run, location, location.replicas[replica] as Replica)) {
      return { version: run.version, vacated: false };
    }
    const maps = mapsHeld(run, location, replica, request.maps.length === 0 ? null : request.maps);
    if (maps.length > 0) {
      this.#decide({ kind: 'vacated', shuffle: run.shuffle, location: location.id, replica, maps, maybeBack: !seen });
      this.counters.cellsVacated += maps.length;
      this.#wake(run.shuffle);
    }
    this.#replace(run);
    return { version: run.version, vacated: true };
  }

  /** A worker that hung up or fell silent is gone, for everybody; one that shows itself must be out of reach three times, a second apart. */
  #isGone(run: ShuffleRun, location: Location, replica: Replica): boolean {
    const state = this.#workers.stateOf(replica.worker, replica.incarnation);
    const awaited = state === undefined && this.#inGrace() && !this.#workers.isKnown(replica.worker);
    if (state !== 'live' && !awaited) return true;
    // Stopped, it would count as live as long as its poll is open: it has to begin another one.
    if (this.#workers.doubt(replica.worker, replica.incarnation)) this.#wake('orders');
    const key = reportKey(run, location, replica);
    const now = this.#ports.clock.now();
    const report = this.#reports.get(key);
    if (report === undefined) this.#reports.set(key, { count: 1, at: now });
    else if (report.count < reportsToLose && now - report.at >= reportGapMs) this.#reports.set(key, { count: report.count + 1, at: now });
    return (this.#reports.get(key)?.count ?? 0) >= reportsToLose;
  }

  #announce(request: Request<'announce'>): Answer<'announce'> {
    const { worker, incarnation, held } = request;
    this.#workers.require(worker, incarnation);
    const replica = replicaOf(this.#workers.factsOf(worker));
    const released = new Set<string>();
    const keptMaps = new Map<string, { run: ShuffleRun; location: Location; maps: number[] }>();
    let kept = 0;
    for (const { shuffle, map, attempt, location: id, manifestHash } of held) {
      if (fateOf(this.#ledger, shuffle) !== 'open') {
        released.add(shuffle);
        continue;
      }
      const run = this.#run(shuffle);
      const location = run.locations[id];
      if (location === undefined || !location.replicas.some((one) => one.worker === worker)) continue;
      if (!isWinning(run, location, map, attempt, BigInt(manifestHash))) continue;
      kept++;
      const key = `${shuffle} ${id}`;
      const entry = keptMaps.get(key) ?? { run, location, maps: [] };
      entry.maps.push(map);
      keptMaps.set(key, entry);
    }
    const moved = [...runsOf(this.#ledger)].filter((run) => run.locations.some((location) => staleReplica(location, replica) >= 0));
    if (moved.length > 0) {
      const bits = [...keptMaps.values()]
        .filter(({ location }) => staleReplica(location, replica) >= 0)
        .map(({ run, location, maps }) => [run.shuffle, location.id, bitsOfMaps(maps, location.mapFrom, location.mapTo)] as const);
      this.#decide({ kind: 'announced', replica, kept: bits });
      for (const run of moved) {
        this.#replace(run);
        this.#wake(run.shuffle);
      }
    }
    return { kept, released: [...released] };
  }

  #register(members: Members, facts: MemberFacts, protocol: number): { cluster: string; term: number; leaseMs: number } {
    if (protocol !== protocolVersion) throw new SluiceError('VERSION_UNSUPPORTED', { theirs: protocol, ours: protocolVersion });
    const was = members.register(facts);
    // Polls of the incarnation that was replaced hear of it.
    if (was === 'replaced') this.#wake('orders');
    // A worker that is back announces next what it still has: nothing is given to others before.
    if (was === 'replaced') this.#sweepMembers();
    else this.#membersChanged();
    // A newcomer changes what can be placed even when nobody was lost.
    if (was !== 'known') {
      this.#wake('workers');
      this.#wake('leases');
    }
    return { cluster: this.cluster, term: this.term, leaseMs: this.#options.leaseMs };
  }

  async #orders(request: Request<'orders'>, caller: Caller): Promise<Orders> {
    const { id, incarnation, after } = request;
    const members = this.#executors.isKnown(id) ? this.#executors : this.#workers;
    members.require(id, incarnation);
    members.pollStarted(id, incarnation, request);
    this.#membersChanged();
    this.#weigh();
    let hung = false;
    const answer = () => {
      members.require(id, incarnation);
      return this.#ordersFor(id, incarnation, after);
    };
    try {
      const waitMs = request.leaving ? 0 : request.waitMs;
      return await this.#poll(['orders'], waitMs, caller, () => (this.#isNews(members, id, incarnation, after) ? answer() : undefined), answer);
    } catch (thrown) {
      hung = asSluiceError(thrown).code === 'CONNECTION_LOST';
      throw thrown;
    } finally {
      members.pollEnded(id, incarnation, hung);
      if (hung) this.#membersChanged();
    }
  }

  #drainWorker(worker: string): Answer<'drainWorker'> {
    const state = this.#workers.drain(worker);
    if (state === undefined) throw new SluiceError('WORKER_UNKNOWN', { worker });
    this.#membersChanged();
    this.#order();
    return { state };
  }

  /** A poll of a replaced incarnation ends too: its answer is FENCED. So does that of one that has to show itself. */
  #isNews(members: Members, id: string, incarnation: string, after: number): boolean {
    return this.#ordersVersion > after || members.stateOf(id, incarnation) === undefined || members.isDoubted(id, incarnation);
  }

  async #keepJob(request: Request<'keepJob'>, caller: Caller): Promise<Answer<'keepJob'>> {
    const { job, after, epoch } = request;
    const entry = this.#requireEpoch(job, epoch);
    const kept = this.#jobs.get(job) as Kept;
    const held: Attendance[] = [kept];
    if (request.names !== undefined) {
      if (!entry.kept.has(request.names)) this.#decide({ kind: 'kept', job, names: request.names });
      const keeper = kept.names.get(request.names) ?? { polls: 0, heardAt: 0 };
      kept.names.set(request.names, keeper);
      held.push(keeper);
    }
    kept.slots = request.slots ?? kept.slots;
    this.#shareSlots();
    for (const one of held) one.polls++;
    const answer = (): Answer<'keepJob'> => {
      this.#requireEpoch(job, epoch);
      return {
        version: this.#ordersVersion,
        term: this.term,
        workers: this.#workers.live().length,
        leases: this.#ledger.leases
          .filter((lease) => lease.job === job)
          .map(({ lease, executor, incarnation, slots }) => ({ lease, executor, incarnation, slots })),
      };
    };
    const isNews = () => this.#ordersVersion > after || !this.#ledger.jobs.has(job) || (epoch !== undefined && epochOf(entry) !== epoch);
    try {
      return await this.#poll(['leases', 'orders'], request.waitMs, caller, () => (isNews() ? answer() : undefined), answer);
    } finally {
      for (const one of held) {
        one.polls--;
        one.heardAt = this.#leaseTime.now();
      }
    }
  }

  #commit(request: Request<'commit'>): Answer<'commit'> {
    const { map, attempt } = request;
    const run = this.#run(request.shuffle);
    const judged = judgeCommit(run, map, attempt, request.cells);
    if ('fills' in judged) {
      const cells = judged.fills.map(({ location, hash, mask }) => [location, hash.toString(), mask] as const);
      this.#decide({ kind: 'commit', shuffle: run.shuffle, map, attempt, cells });
      this.counters.commits++;
      this.#wake(run.shuffle);
      return { won: true, winner: attempt, version: run.version, sealed: isSealed(run) };
    }
    if (!judged.won) this.counters.superseded++;
    return { ...judged, version: run.version, sealed: isSealed(run) };
  }

  /**
   * A commit at the level received outlives this process no more than its blocks outlive theirs: its writer does not wait for the disk.
   * Readers go by layouts, which are durable; a commit that was lost is a vacant cell to all of them. While the disk refuses, it waits.
   */
  #mayBeLost(shuffle: string): boolean {
    return !this.#journal.isFailing && this.#run(shuffle).spec.level === 'received';
  }

  #status(): Answer<'status'> {
    const now = this.#ports.clock.now();
    const stored = this.#workers.storedByJob();
    const used = (executor: string) =>
      this.#ledger.leases.filter((lease) => lease.executor === executor).reduce((sum, lease) => sum + lease.slots, 0);
    return {
      cluster: this.cluster,
      term: this.term,
      uptimeMs: now - this.#startedAt,
      workers: this.#workers.all().map(({ facts, state, load }) => {
        const { id, incarnation, host, port, hostLabel, pid } = facts;
        return { worker: id, incarnation, host, port, hostLabel, pid, state, load };
      }),
      executors: this.#executors
        .all()
        // One that is leaving takes no tasks any more.
        .filter((member) => member.state === 'live')
        .map(({ facts: { id, incarnation, host, pid, slots } }) => ({ executor: id, incarnation, host, pid, slots, used: used(id) })),
      jobs: [...this.#ledger.jobs.values()].map((job) => ({
        job: job.job,
        name: job.name,
        shuffles: job.runs.size,
        slots: this.#ledger.leases.filter((lease) => lease.job === job.job).reduce((sum, lease) => sum + lease.slots, 0),
        url: job.url,
        ageMs: Math.max(0, this.#ports.clock.wall() - job.openedAt),
        expiresAt: job.expiresAt,
        resumableUntil: this.#resumableUntil(job),
        epoch: epochOf(job),
        storedBytes: stored.get(job.job) ?? 0,
        quotaBytes: this.#options.jobQuotaBytes,
      })),
    };
  }

  #resumableUntil(entry: JobEntry): number {
    const kept = this.#jobs.get(entry.job) as Kept;
    const leftMs = this.#resumableMs(entry, kept);
    return kept.polls === 0 && kept.slots === 0 && leftMs > 0 ? this.#ports.clock.wall() + leftMs : 0;
  }

  #makeHandlers(): Handlers {
    return {
      hello: () => ({ protocol: protocolVersion, cluster: this.cluster, term: this.term, release: this.#options.release }),
      status: () => this.#status(),
      mintToken: ({ name, expiresMs }) => {
        const expiresAt = this.#ports.clock.wall() + expiresMs;
        const job = this.#openJob(name, '', 0, expiresAt);
        return { job, token: this.#jobToken(job, expiresAt), expiresAt };
      },
      registerWorker: ({ worker, cluster, protocol, ...facts }) => {
        if (cluster !== undefined && cluster !== this.cluster) {
          throw new SluiceError('WORKER_REFUSED', { what: `its data are of cluster ${cluster}, this is ${this.cluster}` });
        }
        return this.#register(this.#workers, { id: worker, slots: 0, ...facts }, protocol);
      },
      registerExecutor: ({ executor, protocol, ...facts }) =>
        this.#register(this.#executors, { id: executor, port: 0, hostLabel: facts.host, ...facts }, protocol),
      announce: (request) => this.#announce(request),
      drainWorker: ({ worker }) => this.#drainWorker(worker),
      orders: (request, caller) => this.#orders(request, caller),
      openJob: ({ name, url, slots }) => {
        const job = this.#openJob(name, url, slots, 0);
        return { job, token: this.#tokenOf(job), term: this.term, leaseMs: this.#options.leaseMs };
      },
      keepJob: (request, caller) => this.#keepJob(request, caller),
      closeJob: ({ job, epoch }) => {
        if (this.#ledger.jobs.has(job)) {
          this.#requireEpoch(job, epoch);
          this.#closeJob(job);
        } else if (job < 1 || job > this.#ledger.lastJob) throw new SluiceError('JOB_UNKNOWN', { job });
        return {};
      },
      logJob: (request) => this.#logJob(request),
      readJobLog: (request) => this.#readJobLog(request),
      resumeJob: (request) => this.#resumeJob(request),
      openShuffle: ({ job, name, spec }, caller) => this.#resolve(job, name, 0, spec, caller),
      resolveShuffle: ({ job, name, stageAttempt, spec }, caller) => this.#resolve(job, name, stageAttempt, spec, caller),
      commit: (request) => this.#commit(request),
      layout: ({ shuffle, after, waitMs }, caller) => {
        const newer = () => (this.#run(shuffle).version > after ? this.#layoutOf(this.#run(shuffle)) : undefined);
        return this.#poll([shuffle], waitMs, caller, newer, () => this.#layoutOf(this.#run(shuffle)));
      },
      lost: (request) => this.#lost(request),
      release: ({ shuffle }) => {
        if (fateOf(this.#ledger, shuffle) === 'released') return {};
        this.#run(shuffle);
        this.#release(shuffle);
        return {};
      },
    };
  }
}

const replicaOf = ({ id, incarnation, host, port, hostLabel }: MemberFacts): Replica => ({ worker: id, incarnation, host, port, hostLabel });
const lookMs = ({ leaseMs }: ManagerOptions): Millis => Math.max(50, leaseMs / 10);
const isSameSpec = (a: ShuffleSpec, b: ShuffleSpec): boolean => (Object.keys(a) as (keyof ShuffleSpec)[]).every((key) => a[key] === b[key]);
const reportKey = (run: ShuffleRun, location: Location, replica: Replica): string => `${run.shuffle} ${location.id} ${replica.incarnation}`;
const hungUp = () => new SluiceError('CONNECTION_LOST', { what: 'the caller hung up' });
const refused = () => new SluiceError('LEDGER_UNAVAILABLE', { what: 'the journal has refused a record' });
const overtaken = ({ message }: SluiceError) => new SluiceError('LEDGER_UNAVAILABLE', { what: message });
const closing = () => new SluiceError('LEDGER_UNAVAILABLE', { what: 'the manager is closing' });
