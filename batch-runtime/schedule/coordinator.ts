/**
 * The brain of one job: plans it, opens its shuffles, hands attempts to executors, mends what is lost, publishes the sinks.
 * It is the CoordinatorLink that executors speak to, over HTTP (server.ts) or in this process (memory driver). Lives in the
 * process that called run. Which task comes next is scheduler.ts's business, who is there leases.ts's, where rows go
 * exchanges.ts's, what came home outcomes.ts's; time comes as a port.
 */
import assert from 'node:assert/strict';
import type { Clock, Log, Millis } from '#manager/process/ports.ts';
import { asSluiceError, fromJson, SluiceError, toJson } from '#manager/protocol/errors.ts';
import { MiB } from '#manager/protocol/ids.ts';
import type { Schema } from '../batch/batch.ts';
import { digestText, emptyDigest, mergeDigests } from '../batch/digest.ts';
import type { Written } from '../connectors/connector.ts';
import { sinkOf, sourceOf } from '../connectors/table.ts';
import type { Graph, SinkSpec } from '../graph/plan.ts';
import { type Edge, endsOf, type Stage, type StageGraph } from '../graph/stage.ts';
import { makeBounds, type Samples } from '../operators/sample.ts';
import type { ShuffleDriver, ShuffleHandle } from '../shuffle/spi.ts';
import { Blocklist } from './blocklist.ts';
import type { EventBody, JobEvent, JobReport } from './events.ts';
import { Exchanges } from './exchanges.ts';
import { type BegunEntry, type JobLog, type LogEntry, noLog, type ShuffleWishes, standing } from './job-log.ts';
import { Leases } from './leases.ts';
import type { Assignment, CoordinatorLink, Ended, JobDescription, Outcome, Progress } from './messages.ts';
import { Outcomes } from './outcomes.ts';
import { type PlannedJob, planJob } from './planning.ts';
import { type Dropped, Scheduler } from './scheduler.ts';
import { sharesOf } from './shares.ts';

/** Input bytes that one partition of an exchange is meant to hold. */
const partitionBytes = 32 * MiB;
const partitionsMax = 1_024;
/** Attempts of coordinators that follow one another are told apart by their numbers. */
const attemptsPerEpoch = 2 ** 16;
/** What the manager gets to hear that a job is given up. */
const giveUpMs: Millis = 2_000;

export interface CoordinatorOptions {
  readonly graph: Graph;
  readonly module: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly folder: string;
  /** Names what this job stages beside its outputs; no other job on any cluster has it. */
  readonly staging: string;
  /** For whoever goes on with the job. */
  readonly shuffle?: ShuffleWishes;
  /** Partitions of hash and range exchanges; null: by the size of the input. */
  readonly partitions: number | null;
  /** A right side of a join up to this size goes to every task whole; by default 10 MB. */
  readonly broadcastBytes?: number;
  /** False: the plan as it was written. */
  readonly optimized?: boolean;
  /** The job is tried on so many rows of each source, and writes nothing. */
  readonly sample?: number | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly emit: (event: JobEvent) => void;
}

/** Where the tasks will run. */
export interface Ground {
  readonly job: number;
  readonly driver: ShuffleDriver;
  /** How executors reach the same shuffles; JSON. */
  readonly descriptor: unknown;
  /** Slots hoped for: sets how many tasks read a shuffle. */
  readonly slots: number;
  /** Where decisions are written down for a coordinator that goes on. */
  readonly log: JobLog;
}

/** One job from plan to published output. */
export class Coordinator implements CoordinatorLink {
  readonly #options: CoordinatorOptions;
  readonly #startedAt: Millis;
  readonly #leases: Leases;
  readonly #outcomes = new Outcomes();
  readonly #blocklist = new Blocklist();
  readonly #stageStart = new Map<number, Millis>();
  /** What attempts took, and of that those which did a task's work another time. */
  readonly #took = { ms: 0, againMs: 0 };
  readonly #finished = Promise.withResolvers<void>();
  #splits: PlannedJob['splits'] = new Map();
  #stages: StageGraph | null = null;
  #scheduler: Scheduler | null = null;
  readonly #ground = Promise.withResolvers<Ground>();
  #exchanges: Exchanges | null = null;
  #inputBytes = 0;
  #log: JobLog = noLog;
  /** What the coordinators before this one have written down; empty for a new job. */
  #earlier: readonly LogEntry[] = [];
  #epoch = 1;
  #givenUp: Promise<boolean> | null = null;
  #over = false;
  /** Turns of work that must not interleave: mending and preparing stages. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#leases = new Leases({
      clock: options.clock,
      assign: (lease, free) => this.#assign(lease, free),
      took: ({ attempt }, ms) => {
        this.#took.ms += ms;
        if (attempt % attemptsPerEpoch > 0) this.#took.againMs += ms;
      },
      lost: (_, running, error) => {
        for (const { stage, task, attempt } of running)
          this.#inTurn(() => this.#ended({ stage, task, attempt, ms: 0, outcome: null, error: toJson(error) }));
      },
    });
    this.#finished.promise.catch(() => {});
    this.#ground.promise.catch(() => {});
  }

  get stages(): StageGraph {
    assert.ok(this.#stages, 'planned');
    return this.#stages;
  }

  /** Settles when every task is done (the sinks are not published yet), or with the error that ends the job. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** The handle of the result's shuffle, once its stage has begun. */
  get result(): { handle: ShuffleHandle; edge: Edge } | null {
    const id = this.stages.result;
    if (id === null) return null;
    const handle = this.#exchanges?.handle(id);
    const edge = this.stages.edges.find((one) => one.id === id);
    return handle && edge ? { handle, edge } : null;
  }

  /** The columns of the returned table; null when there is none. */
  get resultSchema(): Schema | null {
    return this.stages.edges.find(({ id }) => id === this.stages.result)?.schema ?? null;
  }

  /**
   * Makes the plan: finds the files, cuts the stages. Changes nothing anywhere.
   * @throws FILE_MISSING, FILE_CORRUPT, SCHEMA_DIFFERS, PLAN_UNSUPPORTED
   */
  async plan(): Promise<void> {
    const { stages: graph, splits, bytes } = await planJob(this.#options.graph, this.#options.folder, this.#options);
    this.#splits = splits;
    this.#inputBytes = bytes;
    this.#lay(graph);
  }

  #lay(graph: StageGraph): void {
    this.#stages = graph;
    const whole = new Set(graph.edges.flatMap(({ from, deterministic }) => (deterministic ? [] : [from])));
    this.#scheduler = new Scheduler(graph.stages, { whole, firstAttempt: (this.#epoch - 1) * attemptsPerEpoch });
    const stages = graph.stages.map(({ id, operators, after }) => ({
      stage: id,
      operators: operators.map(({ kind, uid }) => `${kind} ${uid}`),
      after,
    }));
    this.emit({ type: 'plan', name: this.#options.graph.plan.name, stages });
  }

  /** In place of `plan`: goes on with what coordinators before this one have decided. @param epoch  2 for the first that goes on */
  restore(entries: readonly [BegunEntry, ...LogEntry[]], epoch: number): void {
    const [begun] = entries;
    this.#earlier = entries;
    this.#epoch = epoch;
    this.#lay(begun.stages);
  }

  /** Makes room for what the sinks will stage, or takes over what has been staged. @throws OUTPUT_NOT_EMPTY, OUTPUT_FAILED, NO_SPACE */
  async prepare(): Promise<void> {
    const earlier = Array.from({ length: this.#epoch - 1 }, (_, before) => this.#stagingOf(before + 1));
    await this.#eachSink((sink) => sinkOf(sink).prepare(sink, this.#staging, earlier));
  }

  /** Lets tasks go. Errors end the job through `finished`. */
  start(ground: Ground): void {
    const begun = this.#earlier[0]?.kind === 'job' ? this.#earlier[0] : this.#begin(ground);
    const { stages, splits, slots, partitions } = begun;
    this.#log = ground.log;
    this.#exchanges = new Exchanges({ stages, splits: new Map(splits), driver: ground.driver, partitions, slots });
    this.#ground.resolve(ground);
    this.#inTurn(async () => {
      if (this.#epoch === 1) await this.#log.write(begun);
      else await this.#goOn();
      await this.#advance();
    });
  }

  #begin({ slots }: Ground): BegunEntry {
    const { module, params, graph, folder, staging, shuffle = {} } = this.#options;
    const partitions = this.#options.partitions ?? Math.max(slots * 2, Math.min(partitionsMax, Math.ceil(this.#inputBytes / partitionBytes)));
    return {
      kind: 'job',
      module,
      params,
      digest: graph.digest,
      folder,
      staging,
      shuffle,
      slots,
      partitions,
      stages: this.stages,
      splits: [...this.#splits].map(([uid, splits]) => [uid, sharesOf(splits, slots)]),
    };
  }

  /** Stages and tasks are where they were left; what was lost meanwhile runs again, what was committed and not told does not. */
  async #goOn(): Promise<void> {
    for (const entry of this.#earlier) {
      if (entry.kind !== 'over') continue;
      for (const { id, from } of this.stages.edges) if (entry.stages.includes(from)) this.#open.forget(id);
    }
    const entries = standing(this.#earlier);
    const vacant = new Map<number, ReadonlySet<number>>();
    for (const entry of entries) {
      if (entry.kind !== 'stage') continue;
      for (const { edge, handle, bounds } of entry.edges) {
        this.#open.restore(edge, handle, bounds);
        vacant.set(edge, new Set(await this.#open.vacant(edge)));
      }
    }
    // At once from here on: nobody is given a task that is done.
    for (const entry of entries) {
      if (entry.kind === 'stage') this.#prepare(this.#stage(entry.stage), entry.tasks);
      else if (entry.kind === 'ended') {
        this.#accept(entry.stage, entry.task, entry.outcome);
        this.#planned.restore(entry.stage, entry.task);
      }
    }
    // Readers first: what no stage reads any more may be gone.
    for (const stage of this.stages.stages.toReversed()) {
      if (this.#planned.isPrepared(stage.id)) await this.#compare(stage, vacant);
    }
  }

  /** Compares what a stage's tasks are said to have made with what the ledger has of it. */
  async #compare(stage: Stage, vacant: ReadonlyMap<number, ReadonlySet<number>>): Promise<void> {
    const stores = storesOf(stage);
    const tasks = this.#tasksOf(stage.id);
    const isSilent =
      stage.operators.every(({ kind }) => kind !== 'sink' && kind !== 'sample') && stores.every(({ edge }) => edge !== this.stages.result);
    for (let task = 0; task < tasks; task++) {
      const lost = stores.filter(({ edge }) => vacant.get(edge)?.has(task));
      const missed = this.#outcomes.has(stage.id, task) ? lost.filter(({ edge }) => this.#isWanted(edge)) : [];
      if (missed.length > 0) {
        const handle = this.#open.handle(missed[0]!.edge)!;
        const error = new SluiceError('MISSING', { shuffle: handle.id, maps: [task], what: 'lost while no coordinator was there' });
        if (!this.#planned.isDeterministic(stage.id)) return this.#startOver(stage.id, error);
        this.#planned.vacate(
          stage.id,
          [task],
          missed.map(({ index }) => index),
          error.message,
        );
      } else if (isSilent && stores.length > 0 && lost.length === 0) this.#planned.restore(stage.id, task);
    }
    if (this.#planned.isComplete(stage.id)) this.#stageDone(stage.id);
  }

  /** Whether somebody has yet to read the shuffle of that edge. */
  #isWanted(edge: number): boolean {
    if (edge === this.stages.result) return true;
    const readers = this.stages.stages.filter(({ operators }) => operators.some((operator) => operator.kind === 'fetch' && operator.edge === edge));
    return readers.some(({ id }) => !this.#planned.isComplete(id));
  }

  get #staging(): string {
    return this.#stagingOf(this.#epoch);
  }

  /** Each coordinator stages under a name of its own, so that one that has been overtaken and does not know it harms nothing. */
  #stagingOf(epoch: number): string {
    const { staging } = this.#options;
    return epoch === 1 ? staging : `${staging}.${epoch}`;
  }

  /** Ends the job before its time: attempts are cancelled, `finished` rejects with `error`. */
  fail(error: SluiceError): void {
    if (this.#over) return;
    this.#over = true;
    this.#finished.reject(error);
    this.#ground.reject(error);
    this.#leases.close();
  }

  /**
   * Makes what the sinks wrote the outputs, all or (on an error before the first rename) none. One that goes on does it again.
   * @throws FENCED when another coordinator goes on: what is staged is his
   */
  async publish(): Promise<JobReport> {
    await this.#log.write({ kind: 'publishing' });
    await this.#eachSink((sink, written) => sinkOf(sink).publish(sink, this.#staging, written));
    return this.summary();
  }

  /** Says that nobody is to go on with the job. False: somebody does. */
  giveUp(): Promise<boolean> {
    this.#givenUp ??= new Promise((resolve) => {
      // A manager that is not there lets nobody go on either.
      const timer = this.#options.clock.after(giveUpMs, () => resolve(true));
      this.#log.write({ kind: 'given up' }).then(
        () => resolve(true),
        (thrown: unknown) => resolve(asSluiceError(thrown).code !== 'FENCED'),
      );
      void this.#givenUp?.then(() => timer.cancel());
    });
    return this.#givenUp;
  }

  /** Removes what sinks have staged; older outputs are untouched. Errors are logged: the job has failed already. */
  async discard(): Promise<void> {
    // One that could not go on leaves the job to the next.
    if (this.#epoch > 1 && this.#exchanges === null) return;
    if (!(await this.giveUp())) return;
    await this.#eachSink((sink) => sinkOf(sink).discard(sink, this.#staging)).catch((error: unknown) =>
      this.#options.log.warn({ error: asSluiceError(error).message }, 'staged output is left behind'),
    );
  }

  /** Lets go of every lease: the job is over. */
  close(): void {
    this.#over = true;
    this.#leases.close();
  }

  summary(): JobReport {
    const { again } = this.#planned.totals;
    let whole = emptyDigest;
    let resultRows: number | null = null;
    let sinkRows = 0;
    for (const stage of this.stages.stages) {
      for (const [index, operator] of stage.operators.entries()) {
        const isResult = operator.kind === 'store' && operator.edge === this.stages.result;
        if (operator.kind !== 'sink' && !isResult) continue;
        const digest = this.#outcomes.digest(stage.id, index);
        whole = mergeDigests(whole, digest);
        if (isResult) resultRows = digest.rows;
        else sinkRows += digest.rows;
      }
    }
    const tasks = this.stages.stages.reduce((sum, { id }) => sum + this.#tasksOf(id), 0);
    const ms = Math.round(this.#options.clock.now() - this.#startedAt);
    return {
      rows: resultRows ?? sinkRows,
      bytesShuffled: this.#outcomes.bytes,
      tasks,
      tasksRerun: again,
      tasksMs: Math.round(this.#took.ms),
      tasksRerunMs: Math.round(this.#took.againMs),
      resultHash: digestText(whole),
      ms,
    };
  }

  emit(body: EventBody): void {
    this.#options.emit({ at: Math.round(this.#options.clock.now() - this.#startedAt), job: this.#options.graph.plan.name, ...body });
  }

  /** Progress as it stands; cheap enough for four times a second. */
  progress(): void {
    const { rows, bytes } = this.#leases.progress;
    this.emit({ type: 'progress', stages: this.#planned.counts(), rows: this.#outcomes.rows + rows, bytesShuffled: this.#outcomes.bytes + bytes });
  }

  // What executors call.

  /** Waits until the job has started. */
  async join({ lease }: { lease: string }): Promise<JobDescription> {
    const { job, descriptor } = await this.#ground.promise;
    this.#leases.join(lease);
    const { module, params, graph, folder } = this.#options;
    return {
      job,
      staging: this.#staging,
      module,
      params: { ...params },
      digest: graph.digest,
      hasFunctions: graph.functions.length + graph.rowFunctions.length > 0,
      places: { ...graph.places },
      folder,
      plan: graph.plan,
      stages: this.stages,
      driver: descriptor,
    };
  }

  poll(request: { lease: string; slots: number; waitMs: Millis }, signal?: AbortSignal) {
    return this.#leases.poll(request, signal);
  }

  async report({ lease, ended, progress }: { lease: string; ended: readonly Ended[]; progress: readonly Progress[] }) {
    try {
      // What was decided on is kept first: a coordinator that goes on knows at least what this one did.
      await Promise.all(ended.map((one) => this.#keep(one)));
    } catch (thrown) {
      this.fail(asSluiceError(thrown));
      return {};
    }
    this.#leases.report(lease, ended, progress);
    for (const one of ended) this.#inTurn(() => this.#ended(one));
    this.#leases.wakeAll();
    return {};
  }

  async #keep({ stage, task, attempt, outcome }: Ended): Promise<void> {
    if (outcome !== null && this.#planned.executorOf(stage, task, attempt) !== null) await this.#log.write({ kind: 'ended', stage, task, outcome });
  }

  /** An executor is gone: what ran there runs again elsewhere. */
  lostLease(id: string, what: string): void {
    this.#leases.lose(id, what);
  }

  /** The leases that executors have joined with. */
  leases(): ReadonlySet<string> {
    return this.#leases.ids();
  }

  /**
   * Drops leases that the manager has taken away: those of `known` that it did not name. `known` is leases() as it was before
   * the manager was asked, since its answer may be older than a lease that has joined meanwhile.
   */
  checkLeases(known: ReadonlySet<string>, held: ReadonlySet<string>): void {
    for (const id of known) if (!held.has(id)) this.#leases.lose(id, 'the manager says so');
  }

  /** Drops leases that run something and say nothing any more. */
  checkSilence(): void {
    this.#leases.checkSilence();
  }

  /** Lets idle executors try what takes too long elsewhere. */
  checkStragglers(): void {
    if (!this.#over && this.#planned.hasStraggler(this.#options.clock.now())) this.#leases.wakeAll();
  }

  /** Settles when no attempt runs any more, or after waitMs: those cancelled last still hold files for a moment. */
  quiet(waitMs: Millis): Promise<void> {
    return this.#leases.quiet(waitMs);
  }

  // Inside.

  get #planned(): Scheduler {
    assert.ok(this.#scheduler, 'planned');
    return this.#scheduler;
  }

  get #open(): Exchanges {
    assert.ok(this.#exchanges, 'started');
    return this.#exchanges;
  }

  #inTurn(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(async () => {
      if (this.#over) return;
      try {
        await work();
      } catch (error) {
        this.fail(asSluiceError(error));
      }
      this.#leases.wakeAll();
    });
  }

  #assign(lease: string, free: number): Assignment[] {
    const assignments: Assignment[] = [];
    const now = this.#options.clock.now();
    const allowed = this.#blocklist.allowed(this.#leases.ids(), now);
    if (!allowed.has(lease)) return [];
    while (assignments.length < free) {
      const start = this.#planned.next(lease, allowed.size <= 1, now);
      if (start === null) break;
      const { isSecond, ...attempt } = start;
      const stage = this.#stage(start.stage);
      const tasks = this.#tasksOf(stage.id);
      if (!this.#stageStart.has(stage.id)) {
        this.#stageStart.set(stage.id, now);
        this.emit({ type: 'stage', stage: stage.id, state: 'started', tasks, ms: 0, rows: 0, bytesShuffled: 0 });
      }
      if (isSecond) this.emit({ type: 'straggler', stage: start.stage, task: start.task, attempt: start.attempt });
      assignments.push({ ...attempt, outputs: [...start.outputs], ...this.#open.share(stage, start.task, tasks) });
    }
    return assignments;
  }

  /** Opens what stages that may begin now write to; ends the job when all are complete. */
  async #advance(): Promise<void> {
    for (const stage of this.#planned.ready()) {
      const tasks = this.#open.taskCount(stage);
      const stores = storesOf(stage);
      for (const { edge } of stores) {
        await this.#open.open(edge, tasks, ({ sampledBy, keys }, partitions) => makeBounds(this.#samplesOf(sampledBy), partitions, keys));
      }
      const edges = stores.map(({ edge }) => ({ edge, handle: this.#open.handle(edge)!, bounds: this.#open.bounds(edge) }));
      await this.#log.write({ kind: 'stage', stage: stage.id, tasks, edges });
      this.#prepare(stage, tasks);
      if (tasks === 0) return this.#advance();
    }
    if (this.#planned.done) this.#finished.resolve();
  }

  #prepare(stage: Stage, tasks: number): void {
    this.#planned.prepare(stage.id, { tasks, outputs: endsOf(stage), bytes: this.#open.bytesOf(stage, tasks) });
  }

  #samplesOf(stage: number): Samples[] {
    const sampler = this.#stage(stage).operators.findIndex((operator) => operator.kind === 'sample');
    return this.#outcomes.samples(stage, sampler);
  }

  async #ended({ stage, task, attempt, outcome, error }: Ended): Promise<void> {
    const executor = this.#planned.executorOf(stage, task, attempt);
    if (executor === null) return;
    if (outcome !== null) return this.#succeeded(stage, task, attempt, outcome);
    await this.#failed(
      { stage, task, attempt, executor },
      error === null ? new SluiceError('INTERNAL', { what: 'a task ended with neither outcome nor error' }) : fromJson(error),
    );
  }

  async #succeeded(stage: number, task: number, attempt: number, outcome: Outcome): Promise<void> {
    this.#accept(stage, task, outcome);
    this.#drop(this.#planned.succeeded(stage, task, attempt, this.#options.clock.now()));
    if (this.#planned.isComplete(stage)) this.#stageDone(stage);
    await this.#advance();
  }

  #accept(stage: number, task: number, outcome: Outcome): void {
    this.#outcomes.accept(stage, task, outcome);
    for (const [index, bytes] of Object.entries(outcome.partitionBytes)) {
      const operator = this.#stage(stage).operators[Number(index)];
      if (operator?.kind === 'store') this.#open.count(operator.edge, bytes);
    }
  }

  async #failed({ stage, task, attempt, executor }: Dropped, error: SluiceError): Promise<void> {
    if (error.remedy === 'recompute') await this.#mend(error);
    // Of a map whose rows differ from attempt to attempt, another one has committed, or its run is invalidated: nothing may be mixed with that.
    else if (error.remedy === 'superseded' && !this.#planned.isDeterministic(stage)) await this.#startOver(stage, error);
    if (this.#planned.executorOf(stage, task, attempt) !== null && this.#planned.failed(stage, task, attempt, error) === 'again') {
      this.emit({ type: 'retry', stage, task, attempt, because: toJson(error) });
    }
    const isOwnFault = (error.remedy === 'retry' || error.remedy === 'refresh') && error.code !== 'LEASE_ENDED';
    if (isOwnFault && this.#blocklist.fault(executor, `${stage}.${task}`, this.#options.clock.now())) {
      const text = `attempts keep failing on executor ${executor.slice(0, 8)} (last ${error.code}: ${error.message}): it gets none for a while, unless it is the only one`;
      this.emit({ type: 'warning', text });
    }
  }

  /** Their ends do not count any more. */
  #drop(attempts: readonly Dropped[]): void {
    for (const one of attempts) this.#leases.cancel(one.executor, one);
  }

  /** Makes what could not be read whole again: runs the maps with vacant cells again, or all of it where rows would be mixed. */
  async #mend(error: SluiceError): Promise<void> {
    const edge = this.#open.edgeOf(String(error.facts['shuffle']));
    // Of a run that is over: nobody reads it any more.
    if (edge === null) return;
    if (!edge.deterministic) return this.#startOver(edge.from, error);
    const vacant = await this.#open.vacant(edge.id);
    const store = this.#stage(edge.from).operators.findIndex((operator) => operator.kind === 'store' && operator.edge === edge.id);
    // Others who could not read it either have said so before.
    if (this.#planned.vacate(edge.from, vacant, [store], error.message) > 0)
      this.emit({ type: 'lost', what: error.message, stage: edge.from, maps: vacant });
  }

  /** The stage runs anew with all that came of its old run. */
  async #startOver(stage: number, because: SluiceError): Promise<void> {
    const maps = Array.from({ length: this.#tasksOf(stage) }, (_, task) => task);
    const { stages, dropped } = this.#planned.startOver(stage, because);
    this.#drop(dropped);
    this.emit({ type: 'lost', what: because.message, stage, maps });
    await this.#log.write({ kind: 'over', stages });
    for (const id of stages) {
      this.#outcomes.forget(id);
      this.#stageStart.delete(id);
      for (const { id: edge, from } of this.stages.edges) if (from === id) await this.#open.close(edge);
    }
    await this.#advance();
  }

  /** The result could not be read to its end: makes it whole again. @throws what ends the job */
  async mendResult(error: SluiceError): Promise<void> {
    this.#inTurn(() => this.#mend(error));
    await this.#turn;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.#over) reject(error);
      else if (this.#planned.done) resolve();
      else this.#options.clock.after(20, look);
    };
    this.#leases.wakeAll();
    look();
    return promise;
  }

  #stageDone(stage: number): void {
    const { rows, bytes } = this.#outcomes.totals(stage);
    const ms = Math.round(this.#options.clock.now() - (this.#stageStart.get(stage) ?? this.#startedAt));
    this.emit({ type: 'stage', stage, state: 'done', tasks: this.#tasksOf(stage), ms, rows, bytesShuffled: bytes });
  }

  #stage(id: number): Stage {
    const stage = this.stages.stages.find((one) => one.id === id);
    assert.ok(stage, `no stage ${id}`);
    return stage;
  }

  #tasksOf(stage: number): number {
    return this.#planned.counts().find((one) => one.stage === stage)?.tasks ?? 0;
  }

  /** Sinks of the plan, and what sources leave aside (they have no `written`). */
  async #eachSink(work: (sink: SinkSpec, written: readonly Written[]) => Promise<void>): Promise<void> {
    for (const stage of this.#stages?.stages ?? []) {
      for (const [index, operator] of stage.operators.entries()) {
        if (operator.kind === 'sink') await work(operator.sink, this.#outcomes.written(stage.id, index));
        const side = operator.kind === 'scan' ? sourceOf(operator.source).side(operator.source) : null;
        if (side !== null) await work(side, []);
      }
    }
  }
}

const storesOf = ({ operators }: Stage): { index: number; edge: number }[] =>
  operators.flatMap((operator, index) => (operator.kind === 'store' ? [{ index, edge: operator.edge }] : []));
