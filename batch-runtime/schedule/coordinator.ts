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
import type { Edge, Stage, StageGraph } from '../graph/stage.ts';
import { makeBounds, type Samples } from '../operators/sample.ts';
import type { ShuffleDriver, ShuffleHandle } from '../shuffle/spi.ts';
import { Blocklist } from './blocklist.ts';
import type { EventBody, JobEvent, JobReport } from './events.ts';
import { Exchanges } from './exchanges.ts';
import { Leases } from './leases.ts';
import type { Assignment, CoordinatorLink, Ended, JobDescription, Outcome, Progress } from './messages.ts';
import { Outcomes } from './outcomes.ts';
import { type PlannedJob, planJob } from './planning.ts';
import { type Dropped, Scheduler } from './scheduler.ts';

/** Input bytes that one partition of an exchange is meant to hold. */
const partitionBytes = 32 * MiB;
const partitionsMax = 1_024;

export interface CoordinatorOptions {
  readonly graph: Graph;
  readonly module: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly folder: string;
  /** Names what this job stages beside its outputs; no other job on any cluster has it. */
  readonly staging: string;
  /** Partitions of hash and range exchanges; null: by the size of the input. */
  readonly partitions: number | null;
  /** A right side of a join up to this size goes to every task whole; by default 10 MB. */
  readonly broadcastBytes?: number;
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
}

/** One job from plan to published output. */
export class Coordinator implements CoordinatorLink {
  readonly #options: CoordinatorOptions;
  readonly #startedAt: Millis;
  readonly #leases: Leases;
  readonly #outcomes = new Outcomes();
  readonly #blocklist = new Blocklist();
  readonly #stageStart = new Map<number, Millis>();
  readonly #finished = Promise.withResolvers<void>();
  #splits: PlannedJob['splits'] = new Map();
  #stages: StageGraph | null = null;
  #scheduler: Scheduler | null = null;
  readonly #ground = Promise.withResolvers<Ground>();
  #exchanges: Exchanges | null = null;
  #inputBytes = 0;
  #over = false;
  /** Turns of work that must not interleave: mending and preparing stages. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#leases = new Leases({
      clock: options.clock,
      assign: (lease, free) => this.#assign(lease, free),
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
    const { plan, stages: graph, splits, bytes } = await planJob(this.#options.graph, this.#options.folder, this.#options.broadcastBytes);
    this.#splits = splits;
    this.#stages = graph;
    const whole = new Set(graph.edges.flatMap(({ from, deterministic }) => (deterministic ? [] : [from])));
    this.#scheduler = new Scheduler(graph.stages, whole);
    this.#inputBytes = bytes;
    const stages = this.#stages.stages.map(({ id, operators, after }) => ({
      stage: id,
      operators: operators.map(({ kind, uid }) => `${kind} ${uid}`),
      after,
    }));
    this.emit({ type: 'plan', name: plan.name, stages });
  }

  /** Makes room for what the sinks will stage. @throws OUTPUT_NOT_EMPTY, OUTPUT_FAILED, NO_SPACE */
  async prepare(): Promise<void> {
    await this.#eachSink((sink) => sinkOf(sink).prepare(sink, this.#options.staging));
  }

  /** Lets tasks go. Errors end the job through `finished`. */
  start(ground: Ground): void {
    const partitions = this.#options.partitions ?? Math.max(ground.slots * 2, Math.min(partitionsMax, Math.ceil(this.#inputBytes / partitionBytes)));
    this.#exchanges = new Exchanges({ stages: this.stages, splits: this.#splits, driver: ground.driver, partitions, slots: ground.slots });
    this.#ground.resolve(ground);
    this.#inTurn(() => this.#advance());
  }

  /** Ends the job before its time: attempts are cancelled, `finished` rejects with `error`. */
  fail(error: SluiceError): void {
    if (this.#over) return;
    this.#over = true;
    this.#finished.reject(error);
    this.#ground.reject(error);
    this.#leases.close();
  }

  /** Makes what the sinks wrote the outputs, all or (on an error before the first rename) none. */
  async publish(): Promise<JobReport> {
    await this.#eachSink((sink, written) => sinkOf(sink).publish(sink, this.#options.staging, written));
    return this.summary();
  }

  /** Removes what sinks have staged; older outputs are untouched. Errors are logged: the job has failed already. */
  async discard(): Promise<void> {
    await this.#eachSink((sink) => sinkOf(sink).discard(sink, this.#options.staging)).catch((error: unknown) =>
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
    return { rows: resultRows ?? sinkRows, bytesShuffled: this.#outcomes.bytes, tasks, tasksRerun: again, resultHash: digestText(whole), ms };
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
    const { module, params, graph, folder, staging } = this.#options;
    return { job, staging, module, params: { ...params }, digest: graph.digest, folder, plan: graph.plan, stages: this.stages, driver: descriptor };
  }

  poll(request: { lease: string; slots: number; waitMs: Millis }, signal?: AbortSignal) {
    return this.#leases.poll(request, signal);
  }

  async report({ lease, ended, progress }: { lease: string; ended: readonly Ended[]; progress: readonly Progress[] }) {
    this.#leases.report(lease, ended, progress);
    for (const one of ended) this.#inTurn(() => this.#ended(one));
    this.#leases.wakeAll();
    return {};
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
      const stores = stage.operators.filter((operator) => operator.kind === 'store');
      for (const { edge } of stores) {
        await this.#open.open(edge, tasks, ({ sampledBy, keys }, partitions) => makeBounds(this.#samplesOf(sampledBy), partitions, keys));
      }
      const outputs = stage.operators.flatMap((operator, index) => (operator.kind === 'store' || operator.kind === 'sink' ? [index] : []));
      this.#planned.prepare(stage.id, { tasks, outputs, bytes: this.#open.bytesOf(stage, tasks) });
      if (tasks === 0) return this.#advance();
    }
    if (this.#planned.done) this.#finished.resolve();
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
    this.#outcomes.accept(stage, task, outcome);
    for (const [index, bytes] of Object.entries(outcome.partitionBytes)) {
      const operator = this.#stage(stage).operators[Number(index)];
      if (operator?.kind === 'store') this.#open.count(operator.edge, bytes);
    }
    this.#drop(this.#planned.succeeded(stage, task, attempt, this.#options.clock.now()));
    if (this.#planned.isComplete(stage)) this.#stageDone(stage);
    await this.#advance();
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
    this.#planned.vacate(edge.from, vacant, [store], error.message);
    this.emit({ type: 'lost', what: error.message, stage: edge.from, maps: vacant });
  }

  /** The stage runs anew with all that came of its old run. */
  async #startOver(stage: number, because: SluiceError): Promise<void> {
    const maps = Array.from({ length: this.#tasksOf(stage) }, (_, task) => task);
    const { stages, dropped } = this.#planned.startOver(stage, because);
    this.#drop(dropped);
    this.emit({ type: 'lost', what: because.message, stage, maps });
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
