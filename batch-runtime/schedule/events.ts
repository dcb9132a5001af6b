/**
 * What a job tells about itself while it runs: the events of `--json` and of `run().events()`. int64 and decimals are strings.
 */

import type { ErrorJson } from '#manager/protocol/errors.ts';
import type { PlainValue } from '../batch/rows.ts';

export interface StageProgress {
  readonly stage: number;
  readonly tasks: number;
  readonly done: number;
  readonly running: number;
}

/** The report of a finished job. */
export interface JobReport {
  /** Rows of the returned table, or, without one, rows written by sinks. */
  readonly rows: number;
  readonly bytesShuffled: number;
  /** Tasks of the job, each counted once. */
  readonly tasks: number;
  /** Attempts that did a task's work another time. */
  readonly tasksRerun: number;
  /** From assignment to end, over all attempts; and over those that did a task's work another time. */
  readonly tasksMs: number;
  readonly tasksRerunMs: number;
  /** Multiset hash of what the job returned and of what each sink wrote. */
  readonly resultHash: string;
  readonly ms: number;
}

type Body =
  | {
      readonly type: 'plan';
      readonly name: string;
      readonly stages: readonly { readonly stage: number; readonly operators: readonly string[]; readonly after: readonly number[] }[];
    }
  /** It is known to the cluster: `sluice run --resume` takes `id`. Of a job that goes on, `done` tasks are not run again. */
  | { readonly type: 'opened'; readonly id: number; readonly epoch: number; readonly done: number }
  | {
      readonly type: 'stage';
      readonly stage: number;
      readonly state: 'started' | 'done';
      readonly tasks: number;
      readonly ms: number;
      readonly rows: number;
      readonly bytesShuffled: number;
    }
  | { readonly type: 'progress'; readonly stages: readonly StageProgress[]; readonly rows: number; readonly bytesShuffled: number }
  | { readonly type: 'retry'; readonly stage: number; readonly task: number; readonly attempt: number; readonly because: ErrorJson }
  /** An attempt takes too long, so this one runs beside it; the first to end counts. */
  | { readonly type: 'straggler'; readonly stage: number; readonly task: number; readonly attempt: number }
  | { readonly type: 'lost'; readonly what: string; readonly stage: number; readonly maps: readonly number[] }
  | { readonly type: 'row'; readonly row: Readonly<Record<string, PlainValue>> }
  | { readonly type: 'warning'; readonly text: string }
  | { readonly type: 'error'; readonly error: ErrorJson }
  | ({ readonly type: 'done' } & JobReport);

/** `at`: milliseconds since the job began. */
export type JobEvent = { readonly at: number; readonly job: string } & Body;
export type EventBody = Body;
