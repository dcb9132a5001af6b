/**
 * Which task runs next: a small state object over stages, tasks and attempts, with no clock, no I/O and no messages.
 * The coordinator tells it what ended, what was lost and who is free; it answers with attempts to start. Stages run when the
 * stages before them are complete, and again for just the tasks whose output was lost. O(tasks) memory.
 */
import assert from 'node:assert/strict';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Stage, StageId } from '../graph/stage.ts';

/** Attempts of a task that may fail for the same reason before the job does. */
const failuresMax = 4;
/** Times a task may run again because what it made, or read, was lost. */
const recomputesMax = 20;

interface Task {
  state: 'waiting' | 'running' | 'done';
  /** Attempts started so far; the next one's number. */
  attempts: number;
  failures: number;
  recomputes: number;
  executor: string | null;
  /** The executor of the last failure: another one is preferred. */
  avoid: string | null;
  /** Outputs (operator indexes) the next attempt is to make. */
  outputs: readonly number[];
}

export interface Start {
  readonly stage: StageId;
  readonly task: number;
  readonly attempt: number;
  readonly outputs: readonly number[];
}

export interface StageCounts {
  readonly stage: StageId;
  readonly tasks: number;
  readonly done: number;
  readonly running: number;
}

export class Scheduler {
  readonly #stages: readonly Stage[];
  readonly #tasks = new Map<StageId, Task[]>();
  #started = 0;
  #again = 0;

  constructor(stages: readonly Stage[]) {
    this.#stages = stages;
  }

  /** Tells how many tasks a stage has; it can start once that is known and the stages before it are complete. */
  prepare(stage: StageId, tasks: number, outputs: readonly number[]): void {
    assert.ok(!this.#tasks.has(stage), 'a stage is prepared once');
    const fresh = (): Task => ({ state: 'waiting', attempts: 0, failures: 0, recomputes: 0, executor: null, avoid: null, outputs });
    this.#tasks.set(stage, Array.from({ length: tasks }, fresh));
  }

  isPrepared(stage: StageId): boolean {
    return this.#tasks.has(stage);
  }

  isComplete(stage: StageId): boolean {
    return this.#tasks.get(stage)?.every((task) => task.state === 'done') ?? false;
  }

  /** Stages not prepared yet whose predecessors are complete. */
  ready(): Stage[] {
    return this.#stages.filter((stage) => !this.#tasks.has(stage.id) && stage.after.every((id) => this.isComplete(id)));
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
      const tasks = this.#tasks.get(id) ?? [];
      return {
        stage: id,
        tasks: tasks.length,
        done: tasks.filter((t) => t.state === 'done').length,
        running: tasks.filter((t) => t.state === 'running').length,
      };
    });
  }

  /** The next attempt for this executor, earliest stage first; `alone`: there is no other executor to prefer. */
  next(executor: string, alone: boolean): Start | null {
    for (const stage of this.#stages) {
      const tasks = this.#tasks.get(stage.id);
      if (tasks === undefined || !stage.after.every((id) => this.isComplete(id))) continue;
      const index = tasks.findIndex((task) => task.state === 'waiting' && (alone || task.avoid !== executor));
      const task = tasks[index];
      if (task === undefined) continue;
      const attempt = task.attempts++;
      task.state = 'running';
      task.executor = executor;
      this.#started++;
      if (attempt > 0) this.#again++;
      return { stage: stage.id, task: index, attempt, outputs: task.outputs };
    }
    return null;
  }

  /** True when this attempt is the one its task waits for. */
  isCurrent(stage: StageId, task: number, attempt: number): boolean {
    const found = this.#task(stage, task);
    return found.state === 'running' && found.attempts - 1 === attempt;
  }

  succeeded(stage: StageId, task: number): void {
    const found = this.#task(stage, task);
    found.state = 'done';
    found.executor = null;
  }

  /**
   * The running attempt failed. By the error's remedy: retry, refresh: again, elsewhere if possible · recompute: again,
   * when what it read is there again · superseded: it is done.
   * @throws the error itself (fail), or TASK_FAILED when there were too many
   */
  failed(stage: StageId, task: number, error: SluiceError): 'again' | 'done' {
    const found = this.#task(stage, task);
    if (error.remedy === 'superseded') {
      this.succeeded(stage, task);
      return 'done';
    }
    if (error.remedy === 'fail') throw error;
    if (error.remedy === 'recompute') found.recomputes++;
    // Jobs share slots in turn: losing one says nothing of the task.
    else if (error.code !== 'LEASE_ENDED') found.failures++;
    if (found.failures >= failuresMax || found.recomputes > recomputesMax) {
      throw new SluiceError(
        'TASK_FAILED',
        { task: `${stage}.${task}`, attempts: found.attempts, what: `${error.code}: ${error.message}` },
        { cause: error },
      );
    }
    found.avoid = error.remedy === 'recompute' ? null : found.executor;
    found.state = 'waiting';
    found.executor = null;
    return 'again';
  }

  /** Output of finished tasks is lost: they run again, for these outputs only. Tasks that run already go on. */
  vacate(stage: StageId, tasks: readonly number[], outputs: readonly number[]): number {
    let again = 0;
    for (const index of tasks) {
      const task = this.#task(stage, index);
      if (task.state === 'done') {
        if (++task.recomputes > recomputesMax) {
          throw new SluiceError('TASK_FAILED', { task: `${stage}.${index}`, attempts: task.attempts, what: 'its output was lost again and again' });
        }
        task.state = 'waiting';
        task.avoid = null;
        task.outputs = outputs;
        again++;
      } else if (task.state === 'waiting') {
        task.outputs = [...new Set([...task.outputs, ...outputs])].sort((a, b) => a - b);
      }
    }
    return again;
  }

  #task(stage: StageId, index: number): Task {
    const task = this.#tasks.get(stage)?.[index];
    assert.ok(task, `no task ${stage}.${index}`);
    return task;
  }
}
