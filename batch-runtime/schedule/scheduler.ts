/**
 * Which task runs next: a small state object over stages, tasks and attempts, with no clock, no I/O and no messages; time is an
 * argument. The coordinator tells it what ended, what was lost and who is free; it answers with attempts to start. Stages run
 * when the stages before them are complete, and again for just the tasks whose output was lost; a stage that is not
 * deterministic starts over as a whole, with all that has read it. A straggler gets a second attempt: the first end counts.
 * O(tasks) memory.
 */
import assert from 'node:assert/strict';
import type { Millis } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Stage, StageId } from '../graph/stage.ts';
import { type Finished, patienceMs } from './stragglers.ts';

/** Attempts of a task that may fail for the same reason before the job does. */
const failuresMax = 4;
/** Times a task may run again because what it made, or read, was lost. */
const recomputesMax = 20;
/** Times a stage may start over. */
const startOversMax = 4;
/** Attempts of a task that run at once. */
const atOnceMax = 2;

interface Attempt {
  readonly attempt: number;
  readonly executor: string;
  readonly startedAt: Millis;
  readonly outputs: readonly number[];
}

interface Task {
  /** Outputs (operator indexes) that are still to be made; none: the task is done. */
  outputs: readonly number[];
  readonly running: Attempt[];
  /** Attempts started so far; the next one's number. */
  attempts: number;
  failures: number;
  recomputes: number;
  /** The executor of the last failure: another one is preferred. */
  avoid: string | null;
  /** What it reads, in bytes; 0 = not known. */
  readonly bytes: number;
}

/** A stage whose tasks are known. */
interface Prepared {
  readonly tasks: readonly Task[];
  /** Of the tasks that are done, for judging those that are not. */
  readonly finished: Finished[];
}

export interface StageTasks {
  readonly tasks: number;
  /** Operator indexes of what each task makes. */
  readonly outputs: readonly number[];
  /** What each task reads, 0 or absent = not known. */
  readonly bytes?: readonly number[];
}

export interface Start {
  readonly stage: StageId;
  readonly task: number;
  readonly attempt: number;
  readonly outputs: readonly number[];
  /** It runs beside an attempt that takes long. */
  readonly isSecond: boolean;
}

/** An attempt whose end does not count any more. */
export interface Dropped {
  readonly stage: StageId;
  readonly task: number;
  readonly attempt: number;
  readonly executor: string;
}

export interface StageCounts {
  readonly stage: StageId;
  readonly tasks: number;
  readonly done: number;
  readonly running: number;
}

const isDone = ({ outputs }: Task): boolean => outputs.length === 0;
const isWaiting = (task: Task): boolean => !isDone(task) && task.running.length === 0;
const sorted = (outputs: Iterable<number>): number[] => [...new Set(outputs)].sort((a, b) => a - b);

export interface SchedulerOptions {
  /** Stages that are not deterministic. */
  readonly whole?: ReadonlySet<StageId>;
  /** The number of a task's first attempt: those below it are of coordinators before this one. */
  readonly firstAttempt?: number;
}

export class Scheduler {
  readonly #stages: readonly Stage[];
  readonly #firstAttempt: number;
  /** Stages that are never run in part: their rows differ from attempt to attempt. */
  readonly #whole: ReadonlySet<StageId>;
  readonly #prepared = new Map<StageId, Prepared>();
  /** Of a stage that starts over: the attempts its tasks have had, and how often it did. */
  readonly #before = new Map<StageId, { readonly attempts: readonly number[]; readonly startOvers: number }>();
  #started = 0;
  #again = 0;

  constructor(stages: readonly Stage[], { whole = new Set(), firstAttempt = 0 }: SchedulerOptions = {}) {
    this.#stages = stages;
    this.#whole = whole;
    this.#firstAttempt = firstAttempt;
  }

  /** Tells how many tasks a stage has; it can start once that is known and the stages before it are complete. */
  prepare(stage: StageId, { tasks, outputs, bytes = [] }: StageTasks): void {
    assert.ok(!this.#prepared.has(stage), 'a stage is prepared once');
    const before = this.#before.get(stage)?.attempts ?? [];
    const fresh = (_: unknown, task: number): Task => ({
      outputs,
      running: [],
      attempts: before[task] ?? this.#firstAttempt,
      failures: 0,
      recomputes: 0,
      avoid: null,
      bytes: bytes[task] ?? 0,
    });
    this.#prepared.set(stage, { tasks: Array.from({ length: tasks }, fresh), finished: [] });
  }

  /** The task has ended before this scheduler was there. */
  restore(stage: StageId, task: number): void {
    this.#task(stage, task).outputs = [];
  }

  isPrepared(stage: StageId): boolean {
    return this.#prepared.has(stage);
  }

  isComplete(stage: StageId): boolean {
    return this.#prepared.get(stage)?.tasks.every(isDone) ?? false;
  }

  isDeterministic(stage: StageId): boolean {
    return !this.#whole.has(stage);
  }

  /** Stages not prepared yet whose predecessors are complete. */
  ready(): Stage[] {
    return this.#stages.filter((stage) => !this.#prepared.has(stage.id) && stage.after.every((id) => this.isComplete(id)));
  }

  get done(): boolean {
    return this.#stages.every((stage) => this.isComplete(stage.id));
  }

  /** Attempts started, and how many of them did a task's work another time. */
  get totals(): { started: number; again: number } {
    return { started: this.#started, again: this.#again };
  }

  counts(): StageCounts[] {
    return this.#stages.map(({ id }) => {
      const tasks = this.#prepared.get(id)?.tasks ?? [];
      return { stage: id, tasks: tasks.length, done: tasks.filter(isDone).length, running: tasks.filter((task) => task.running.length > 0).length };
    });
  }

  /**
   * The next attempt for this executor, earliest stage first: of a task that waits, else of one that takes much longer than it should.
   * `alone`: there is no other executor to prefer.
   */
  next(executor: string, alone: boolean, now: Millis): Start | null {
    for (const { stage, tasks } of this.#open()) {
      const index = tasks.findIndex((task) => isWaiting(task) && (alone || task.avoid !== executor));
      if (index >= 0) return this.#start(stage, index, executor, now);
    }
    for (const { stage, task, other } of this.#stragglers(now)) if (other !== executor) return this.#start(stage, task, executor, now);
    return null;
  }

  /** Whether an idle executor should ask again. */
  hasStraggler(now: Millis): boolean {
    return !this.#stragglers(now).next().done;
  }

  /** Where the attempt runs; null when its end does not count any more. */
  executorOf(stage: StageId, task: number, attempt: number): string | null {
    return this.#prepared.get(stage)?.tasks[task]?.running.find((one) => one.attempt === attempt)?.executor ?? null;
  }

  /** The attempt has made what it was to make: the others of its task are dropped. */
  succeeded(stage: StageId, task: number, attempt: number, now: Millis): Dropped[] {
    const found = this.#task(stage, task);
    const ended = this.#end(found, attempt);
    found.outputs = found.outputs.filter((output) => !ended.outputs.includes(output));
    this.#prepared.get(stage)?.finished.push({ ms: now - ended.startedAt, bytes: found.bytes });
    if (!isDone(found)) return [];
    return found.running.splice(0).map((one) => ({ stage, task, attempt: one.attempt, executor: one.executor }));
  }

  /**
   * A running attempt failed. By the error's remedy: retry, refresh: again, elsewhere if possible · recompute: again, when what it
   * read is there again · superseded: another attempt has committed; the task is done when that one's end comes, or
   * runs once more to say so. @returns whether it runs again; not while another attempt of it runs
   * @throws the error itself (fail), or TASK_FAILED when there were too many
   */
  failed(stage: StageId, task: number, attempt: number, error: SluiceError): 'again' | 'running' {
    if (error.remedy === 'fail') throw error;
    const found = this.#task(stage, task);
    const ended = this.#end(found, attempt);
    if (error.remedy === 'recompute') found.recomputes++;
    else if (error.remedy === 'superseded') found.recomputes += found.running.length > 0 ? 0 : 1;
    // Jobs share slots in turn: losing one says nothing of the task.
    else if (error.code !== 'LEASE_ENDED') found.failures++;
    if (found.failures >= failuresMax || found.recomputes > recomputesMax) {
      throw new SluiceError(
        'TASK_FAILED',
        { task: `${stage}.${task}`, attempts: found.attempts - this.#firstAttempt, what: `${error.code}: ${error.message}` },
        { cause: error },
      );
    }
    found.avoid = error.remedy === 'recompute' || error.remedy === 'superseded' ? null : ended.executor;
    return found.running.length > 0 ? 'running' : 'again';
  }

  /**
   * Output of finished tasks is lost: they run again, for these outputs only. Tasks that run already go on.
   * @returns the tasks that run again. @throws TASK_FAILED when that has happened too often
   */
  vacate(stage: StageId, tasks: readonly number[], outputs: readonly number[], lost: string): number {
    let again = 0;
    for (const index of tasks) {
      const task = this.#task(stage, index);
      if (task.running.some((one) => outputs.every((output) => one.outputs.includes(output)))) continue;
      if (isDone(task)) {
        if (++task.recomputes > recomputesMax) {
          const what = `its output was lost again and again: ${lost}`;
          throw new SluiceError('TASK_FAILED', { task: `${stage}.${index}`, attempts: task.attempts - this.#firstAttempt, what });
        }
        task.avoid = null;
        again++;
      }
      task.outputs = sorted([...task.outputs, ...outputs]);
    }
    return again;
  }

  /**
   * A stage whose output must not be mixed with another run's is forgotten, and with it every stage that began after it: what they
   * made came of the old run. They are to be prepared again.
   * @returns those stages, and the attempts that ran. @throws TASK_FAILED when that has happened too often
   */
  startOver(stage: StageId, because: SluiceError): { stages: StageId[]; dropped: Dropped[] } {
    const stages = this.#stages.map(({ id }) => id).filter((id) => this.#prepared.has(id) && this.#comesOf(id, stage));
    const dropped: Dropped[] = [];
    for (const id of stages) {
      const { tasks } = this.#prepared.get(id) as Prepared;
      const startOvers = (this.#before.get(id)?.startOvers ?? 0) + (id === stage ? 1 : 0);
      if (startOvers > startOversMax) {
        const what = `stage ${id} started over ${startOversMax} times, last for ${because.code}: ${because.message}`;
        throw new SluiceError(
          'TASK_FAILED',
          { task: `${id}.0`, attempts: (tasks[0]?.attempts ?? this.#firstAttempt) - this.#firstAttempt, what },
          { cause: because },
        );
      }
      const before = this.#before.get(id)?.attempts ?? [];
      this.#before.set(id, {
        attempts: Array.from({ length: Math.max(tasks.length, before.length) }, (_, i) => tasks[i]?.attempts ?? before[i] ?? this.#firstAttempt),
        startOvers,
      });
      for (const [task, { running }] of tasks.entries())
        dropped.push(...running.map((one) => ({ stage: id, task, attempt: one.attempt, executor: one.executor })));
      this.#prepared.delete(id);
    }
    return { stages, dropped };
  }

  /** Stages that may run now, in order. */
  *#open(): Generator<{ stage: StageId; tasks: readonly Task[]; finished: readonly Finished[] }> {
    for (const { id, after } of this.#stages) {
      const prepared = this.#prepared.get(id);
      if (prepared !== undefined && after.every((each) => this.isComplete(each))) yield { stage: id, ...prepared };
    }
  }

  /** Tasks that run once and for too long. Rows that differ from attempt to attempt are not made twice at once. */
  *#stragglers(now: Millis): Generator<{ stage: StageId; task: number; other: string }> {
    for (const { stage, tasks, finished } of this.#open()) {
      if (this.#whole.has(stage)) continue;
      const patience = patienceMs(finished, tasks.length);
      if (patience === null) continue;
      for (const [task, { running, bytes }] of tasks.entries()) {
        const [first] = running;
        if (first !== undefined && running.length < atOnceMax && now - first.startedAt > patience(bytes))
          yield { stage, task, other: first.executor };
      }
    }
  }

  #start(stage: StageId, index: number, executor: string, now: Millis): Start {
    const task = this.#task(stage, index);
    const attempt = task.attempts++;
    const { outputs } = task;
    task.running.push({ attempt, executor, startedAt: now, outputs });
    this.#started++;
    if (attempt > this.#firstAttempt) this.#again++;
    return { stage, task: index, attempt, outputs, isSecond: task.running.length > 1 };
  }

  #end(task: Task, attempt: number): Attempt {
    const at = task.running.findIndex((one) => one.attempt === attempt);
    const [ended] = at < 0 ? [] : task.running.splice(at, 1);
    assert.ok(ended, 'an attempt ends once');
    return ended;
  }

  /** Whether a stage is that one, or waits for it. */
  #comesOf(id: StageId, stage: StageId): boolean {
    return id === stage || (this.#stages.find((one) => one.id === id)?.after ?? []).some((each) => this.#comesOf(each, stage));
  }

  #task(stage: StageId, index: number): Task {
    const task = this.#prepared.get(stage)?.tasks[index];
    assert.ok(task, `no task ${stage}.${index}`);
    return task;
  }
}
