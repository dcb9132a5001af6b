/**
 * The brain of one job: plans it, opens its shuffles, hands attempts to executors, mends what is lost, publishes the sinks.
 * It is the CoordinatorLink that executors speak to, over HTTP (server.ts) or in this process (memory driver). Lives in the
 * process that called run. Which task comes next is scheduler.ts's business; time comes as a port.
 */
import assert from 'node:assert/strict';
import type { Clock, Log, Millis } from '#manager/process/ports.ts';
import { asSluiceError, fromJson, SluiceError, toJson } from '#manager/protocol/errors.ts';
import { MiB } from '#manager/protocol/ids.ts';
import type { Schema } from '../batch/batch.ts';
import { type Digest, digestText, emptyDigest, mergeDigests } from '../batch/digest.ts';
import { encodeSchema } from '../batch/ipc.ts';
import type { Written } from '../connectors/connector.ts';
import { sinkOf, sourceOf } from '../connectors/table.ts';
import type { Graph, SinkSpec } from '../graph/plan.ts';
import type { Edge, Stage, StageGraph } from '../graph/stage.ts';
import { makeBounds, type Samples } from '../operators/sample.ts';
import type { ShuffleDriver, ShuffleHandle } from '../shuffle/spi.ts';
import type { RangeBounds } from '../shuffle/writer.ts';
import type { EventBody, JobEvent, JobReport } from './events.ts';
import type { Assignment, CoordinatorLink, Ended, JobDescription, Outcome, Progress } from './messages.ts';
import { type PlannedJob, planJob } from './planning.ts';
import { Scheduler } from './scheduler.ts';

/** An executor that says nothing for so long is lost, whatever its socket looks like. */
const silenceMs: Millis = 40_000;

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

interface Lease {
  readonly running: Map<string, Assignment>;
  readonly cancel: Assignment[];
  wake: (() => void) | null;
  heardAt: Millis;
}

const key = (at: { stage: number; task: number; attempt: number }): string => `${at.stage}.${at.task}.${at.attempt}`;

/** One job from plan to published output. */
export class Coordinator implements CoordinatorLink {
  readonly #options: CoordinatorOptions;
  readonly #startedAt: Millis;
  readonly #leases = new Map<string, Lease>();
  readonly #handles = new Map<number, ShuffleHandle>();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #bounds = new Map<number, RangeBounds>();
  readonly #stageStart = new Map<number, Millis>();
  readonly #meters = new Map<string, { rows: number; bytes: number }>();
  readonly #finished = Promise.withResolvers<void>();
  #splits: PlannedJob['splits'] = new Map();
  #stages: StageGraph | null = null;
  #scheduler: Scheduler | null = null;
  readonly #ground = Promise.withResolvers<Ground>();
  #driver: ShuffleDriver | null = null;
  #slots = 1;
  #inputBytes = 0;
  #partitions = 1;
  #over = false;
  #rows = 0;
  #bytes = 0;
  /** Turns of work that must not interleave: mending and preparing stages. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
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
    const handle = this.#handles.get(id);
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
    this.#scheduler = new Scheduler(this.#stages.stages);
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
    this.#driver = ground.driver;
    this.#slots = ground.slots;
    this.#partitions = this.#options.partitions ?? Math.max(ground.slots * 2, Math.min(partitionsMax, Math.ceil(this.#inputBytes / partitionBytes)));
    this.#ground.resolve(ground);
    this.#inTurn(() => this.#advance());
  }

  /** Ends the job before its time: attempts are cancelled, `finished` rejects with `error`. */
  fail(error: SluiceError): void {
    if (this.#over) return;
    this.#over = true;
    this.#finished.reject(error);
    this.#ground.reject(error);
    for (const lease of this.#leases.values()) lease.wake?.();
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
    for (const lease of this.#leases.values()) lease.wake?.();
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
        let digest: Digest = emptyDigest;
        for (let task = 0; task < this.#tasksOf(stage.id); task++) {
          digest = mergeDigests(digest, this.#outcomes.get(`${stage.id}.${task}`)?.digests[index] ?? emptyDigest);
        }
        whole = mergeDigests(whole, digest);
        if (isResult) resultRows = digest.rows;
        else sinkRows += digest.rows;
      }
    }
    const tasks = this.stages.stages.reduce((sum, { id }) => sum + this.#tasksOf(id), 0);
    const ms = Math.round(this.#options.clock.now() - this.#startedAt);
    return { rows: resultRows ?? sinkRows, bytesShuffled: this.#bytes, tasks, tasksRerun: again, resultHash: digestText(whole), ms };
  }

  emit(body: EventBody): void {
    this.#options.emit({ at: Math.round(this.#options.clock.now() - this.#startedAt), job: this.#options.graph.plan.name, ...body });
  }

  /** Progress as it stands; cheap enough for four times a second. */
  progress(): void {
    let { rows, bytes } = { rows: this.#rows, bytes: this.#bytes };
    for (const meter of this.#meters.values()) {
      rows += meter.rows;
      bytes += meter.bytes;
    }
    this.emit({ type: 'progress', stages: this.#planned.counts(), rows, bytesShuffled: bytes });
  }

  // What executors call.

  /** Waits until the job has started. */
  async join({ lease }: { lease: string }): Promise<JobDescription> {
    const { job, descriptor } = await this.#ground.promise;
    this.#lease(lease);
    const { module, params, graph, folder, staging } = this.#options;
    return { job, staging, module, params: { ...params }, digest: graph.digest, folder, plan: graph.plan, stages: this.stages, driver: descriptor };
  }

  async poll({ lease: id, slots, waitMs }: { lease: string; slots: number; waitMs: Millis }, signal?: AbortSignal) {
    const lease = this.#lease(id);
    const deadline = this.#options.clock.now() + waitMs;
    for (;;) {
      const assignments = this.#over ? [] : this.#assign(id, lease, slots - lease.running.size);
      const cancel = lease.cancel.splice(0);
      const left = deadline - this.#options.clock.now();
      if (this.#over || assignments.length > 0 || cancel.length > 0 || left <= 0 || signal?.aborted) {
        lease.heardAt = this.#options.clock.now();
        return { assignments, cancel: cancel.map(({ stage, task, attempt }) => ({ stage, task, attempt })), done: this.#over };
      }
      lease.wake?.();
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.after(left, resolve);
        lease.wake = () => {
          timer.cancel();
          resolve();
        };
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
      lease.wake = null;
    }
  }

  async report({ lease, ended, progress }: { lease: string; ended: readonly Ended[]; progress: readonly Progress[] }) {
    const known = this.#lease(lease);
    known.heardAt = this.#options.clock.now();
    for (const one of progress) if (known.running.has(key(one))) this.#meters.set(key(one), one);
    for (const one of ended) {
      known.running.delete(key(one));
      this.#meters.delete(key(one));
      this.#inTurn(() => this.#ended(one));
    }
    this.#wakeAll();
    return {};
  }

  /** An executor is gone: what ran there runs again elsewhere. */
  lostLease(id: string, what: string): void {
    const lease = this.#leases.get(id);
    if (lease === undefined || this.#over) return;
    this.#leases.delete(id);
    lease.wake?.();
    const error = toJson(new SluiceError('EXECUTOR_LOST', { executor: id.slice(0, 8), what }));
    for (const { stage, task, attempt } of lease.running.values()) {
      this.#meters.delete(key({ stage, task, attempt }));
      this.#inTurn(() => this.#ended({ stage, task, attempt, ms: 0, outcome: null, error }));
    }
  }

  /** The leases that executors have joined with. */
  leases(): ReadonlySet<string> {
    return new Set(this.#leases.keys());
  }

  /**
   * Drops leases that the manager has taken away: those of `known` that it did not name. `known` is leases() as it was before
   * the manager was asked, since its answer may be older than a lease that has joined meanwhile.
   */
  checkLeases(known: ReadonlySet<string>, held: ReadonlySet<string>): void {
    for (const id of known) if (!held.has(id)) this.lostLease(id, 'the manager says so');
  }

  /** Drops leases that run something and say nothing any more. */
  checkSilence(): void {
    const now = this.#options.clock.now();
    for (const [id, lease] of this.#leases) {
      if (lease.running.size > 0 && lease.wake === null && now - lease.heardAt > silenceMs) this.lostLease(id, 'it has fallen silent');
    }
  }

  /** Settles when no attempt runs any more, or after waitMs: those cancelled last still hold files for a moment. */
  async quiet(waitMs: Millis): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { clock } = this.#options;
    const until = clock.now() + waitMs;
    const look = (): void => {
      if (clock.now() >= until || [...this.#leases.values()].every(({ running }) => running.size === 0)) resolve();
      else clock.after(10, look);
    };
    look();
    await promise;
  }

  // Inside.

  get #planned(): Scheduler {
    assert.ok(this.#scheduler, 'planned');
    return this.#scheduler;
  }

  get #shuffles(): ShuffleDriver {
    assert.ok(this.#driver, 'started');
    return this.#driver;
  }

  #lease(id: string): Lease {
    let lease = this.#leases.get(id);
    if (lease === undefined) {
      lease = { running: new Map(), cancel: [], wake: null, heardAt: this.#options.clock.now() };
      this.#leases.set(id, lease);
    }
    return lease;
  }

  #wakeAll(): void {
    for (const lease of this.#leases.values()) lease.wake?.();
  }

  #inTurn(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(async () => {
      if (this.#over) return;
      try {
        await work();
      } catch (error) {
        this.fail(asSluiceError(error));
      }
      this.#wakeAll();
    });
  }

  #assign(id: string, lease: Lease, free: number): Assignment[] {
    const assignments: Assignment[] = [];
    while (assignments.length < free) {
      const start = this.#planned.next(id, this.#leases.size <= 1);
      if (start === null) break;
      const stage = this.#stage(start.stage);
      if (!this.#stageStart.has(stage.id)) {
        this.#stageStart.set(stage.id, this.#options.clock.now());
        this.emit({ type: 'stage', stage: stage.id, state: 'started', tasks: this.#tasksOf(stage.id), ms: 0, rows: 0, bytesShuffled: 0 });
      }
      const assignment = this.#assignment(stage, start.task, start.attempt, start.outputs);
      lease.running.set(key(start), assignment);
      assignments.push(assignment);
    }
    return assignments;
  }

  #assignment(stage: Stage, task: number, attempt: number, outputs: readonly number[]): Assignment {
    const scan = stage.operators.find((operator) => operator.kind === 'scan');
    const tasks = this.#tasksOf(stage.id);
    const partitions = this.#partitionsRead(stage);
    const shuffles: Record<string, ShuffleHandle> = {};
    const bounds: Record<string, RangeBounds> = {};
    for (const operator of stage.operators) {
      if (operator.kind !== 'fetch' && operator.kind !== 'store') continue;
      shuffles[operator.edge] = this.#handle(operator.edge);
      const range = this.#bounds.get(operator.edge);
      if (range !== undefined) bounds[operator.edge] = range;
    }
    return {
      stage: stage.id,
      task,
      attempt,
      split: stage.parallelism.kind === 'splits' && scan !== undefined ? (this.#splits.get(scan.uid)?.[task] ?? null) : null,
      partitionFrom: Math.floor((task * partitions) / tasks),
      partitionTo: Math.floor(((task + 1) * partitions) / tasks),
      shuffles,
      outputs: [...outputs],
      bounds,
    };
  }

  /** Opens what stages that may begin now write to; ends the job when all are complete. */
  async #advance(): Promise<void> {
    for (const stage of this.#planned.ready()) {
      const tasks = this.#taskCount(stage);
      const stores = stage.operators.filter((operator) => operator.kind === 'store');
      for (const store of stores) await this.#openEdge(store.edge, tasks);
      const outputs = stage.operators.flatMap((operator, index) => (operator.kind === 'store' || operator.kind === 'sink' ? [index] : []));
      this.#planned.prepare(stage.id, tasks, outputs);
      if (tasks === 0) return this.#advance();
    }
    if (this.#planned.done) this.#finished.resolve();
  }

  async #openEdge(id: number, maps: number): Promise<void> {
    const edge = this.stages.edges.find((one) => one.id === id);
    assert.ok(edge, `no edge ${id}`);
    const { distribution } = edge;
    const partitions =
      distribution.kind === 'hash' || distribution.kind === 'range' ? this.#partitions : distribution.kind === 'forward' ? Math.max(maps, 1) : 1;
    if (distribution.kind === 'range') this.#bounds.set(id, this.#boundsOf(distribution.sampledBy, distribution.keys, partitions));
    const schema = encodeSchema(edge.schema);
    this.#handles.set(
      id,
      await this.#shuffles.open({ name: `edge-${id}`, maps, partitions, deterministic: edge.deterministic, schema, bytesHint: 0 }),
    );
  }

  #boundsOf(stage: number, keys: Parameters<typeof makeBounds>[2], partitions: number): RangeBounds {
    const sampler = this.#stage(stage).operators.findIndex((operator) => operator.kind === 'sample');
    const samples: Samples[] = [];
    for (let task = 0; task < this.#tasksOf(stage); task++) {
      const one = this.#outcomes.get(`${stage}.${task}`)?.samples[sampler];
      if (one !== undefined) samples.push(one as Samples);
    }
    return makeBounds(samples, partitions, keys);
  }

  async #ended(end: Ended): Promise<void> {
    const scheduler = this.#planned;
    if (!scheduler.isCurrent(end.stage, end.task, end.attempt)) return;
    if (end.outcome !== null) {
      const id = `${end.stage}.${end.task}`;
      // A repair makes fewer outputs than the first run: what that one wrote stays.
      if (!this.#outcomes.has(id)) this.#outcomes.set(id, end.outcome);
      else Object.assign(this.#outcomes.get(id)!.samples, end.outcome.samples);
      this.#rows += end.outcome.rowsRead;
      this.#bytes += end.outcome.bytesShuffled;
      scheduler.succeeded(end.stage, end.task);
      if (scheduler.isComplete(end.stage)) this.#stageDone(end.stage);
      await this.#advance();
      return;
    }
    const error = end.error === null ? new SluiceError('INTERNAL', { what: 'a task ended with neither outcome nor error' }) : fromJson(end.error);
    if (error.remedy === 'recompute') await this.#mend(error);
    if (scheduler.failed(end.stage, end.task, error) === 'again') {
      this.emit({ type: 'retry', stage: end.stage, task: end.task, attempt: end.attempt, because: toJson(error) });
    }
  }

  /** Runs the maps again whose cells are vacant in the shuffle that could not be read. */
  async #mend(error: SluiceError): Promise<void> {
    for (const [id, handle] of this.#handles) {
      if (handle.id !== String(error.facts['shuffle'])) continue;
      const edge = this.stages.edges.find((one) => one.id === id);
      assert.ok(edge, `no edge ${id}`);
      const vacant = await this.#shuffles.vacant(handle);
      const store = this.#stage(edge.from).operators.findIndex((operator) => operator.kind === 'store' && operator.edge === id);
      this.#planned.vacate(edge.from, vacant, [store]);
      this.emit({ type: 'lost', what: error.message, stage: edge.from, maps: vacant });
    }
  }

  /** The result could not be read to its end: makes it whole again. @throws what ends the job */
  async mendResult(error: SluiceError): Promise<void> {
    await this.#mend(error);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.#over) reject(error);
      else if (this.#planned.done) resolve();
      else this.#options.clock.after(20, look);
    };
    this.#wakeAll();
    look();
    return promise;
  }

  #stageDone(stage: number): void {
    let [rows, bytes] = [0, 0];
    for (let task = 0; task < this.#tasksOf(stage); task++) {
      const outcome = this.#outcomes.get(`${stage}.${task}`);
      rows += outcome?.rowsRead ?? 0;
      bytes += outcome?.bytesShuffled ?? 0;
    }
    const ms = Math.round(this.#options.clock.now() - (this.#stageStart.get(stage) ?? this.#startedAt));
    this.emit({ type: 'stage', stage, state: 'done', tasks: this.#tasksOf(stage), ms, rows, bytesShuffled: bytes });
  }

  #stage(id: number): Stage {
    const stage = this.stages.stages.find((one) => one.id === id);
    assert.ok(stage, `no stage ${id}`);
    return stage;
  }

  #handle(edge: number): ShuffleHandle {
    const handle = this.#handles.get(edge);
    assert.ok(handle, `edge ${edge} is open`);
    return handle;
  }

  #tasksOf(stage: number): number {
    return this.#planned.counts().find((one) => one.stage === stage)?.tasks ?? 0;
  }

  /** Partitions of the edges the stage reads by range; broadcast ones do not count. */
  #partitionsRead(stage: Stage): number {
    const counts = stage.operators.flatMap((operator) => {
      if (operator.kind !== 'fetch') return [];
      const edge = this.stages.edges.find((one) => one.id === operator.edge);
      return edge?.distribution.kind === 'broadcast' ? [] : [this.#handle(operator.edge).partitions];
    });
    assert.ok(new Set(counts).size <= 1, 'edges read together have the same partitions');
    return counts[0] ?? 1;
  }

  #taskCount(stage: Stage): number {
    if (stage.parallelism.kind === 'single') return 1;
    if (stage.parallelism.kind === 'splits') {
      const scan = stage.operators.find((operator) => operator.kind === 'scan');
      assert.ok(scan, 'a stage over splits scans');
      return this.#splits.get(scan.uid)?.length ?? 0;
    }
    const partitions = this.#partitionsRead(stage);
    const forward = stage.operators.some(
      (operator) => operator.kind === 'fetch' && this.stages.edges.find((one) => one.id === operator.edge)?.distribution.kind === 'forward',
    );
    return forward ? partitions : Math.min(partitions, Math.max(1, this.#slots * 2));
  }

  /** Sinks of the plan, and what sources leave aside (they have no `written`). */
  async #eachSink(work: (sink: SinkSpec, written: readonly Written[]) => Promise<void>): Promise<void> {
    for (const stage of this.#stages?.stages ?? []) {
      for (const [index, operator] of stage.operators.entries()) {
        if (operator.kind === 'sink') await work(operator.sink, this.#writtenBy(stage.id, index));
        const side = operator.kind === 'scan' ? sourceOf(operator.source).side(operator.source) : null;
        if (side !== null) await work(side, []);
      }
    }
  }

  #writtenBy(stage: number, operator: number): Written[] {
    const tasks = Array.from({ length: this.#tasksOf(stage) }, (_, task) => this.#outcomes.get(`${stage}.${task}`)?.written[operator]);
    return tasks.filter((one) => one !== undefined);
  }
}
