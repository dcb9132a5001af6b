/**
 * What a source and a sink are. One system, one file; a new one is a file, a test and a line in table.ts. The coordinator calls
 * `plan`, `prepare`, `publish` and `discard`, tasks call `read` and `write`. All values between them are plain JSON.
 */
import type { Batch, Schema } from '../batch/batch.ts';
import type { Expression } from '../expression/expression.ts';
import type { SinkSpec, SourceSpec } from '../graph/plan.ts';
import type { RejectsTaker } from './bad-lines.ts';

/** A part of a source that can be read by itself, plain JSON; `bytes` and `rows` are estimates for the scheduler, 0 = not known. */
export interface Split {
  readonly bytes: number;
  readonly rows: number;
  /** What is read, in this order; the source knows what it means. The parts of several splits, one after the other, are a split too. */
  readonly parts: readonly unknown[];
}

export interface ScanRequest {
  readonly source: SourceSpec;
  /** The declared fields to read, in order. */
  readonly schema: Schema;
  /** Splits and row groups of which the statistics show that it is nowhere true are left out. */
  readonly predicate: Expression | null;
  /** Who looks at a file without a job takes what cannot be read; it is left out. Tasks have the source's `rejects`. */
  readonly rejects?: RejectsTaker;
}

export interface Source {
  /** Columns are stored apart: to read some of them costs a part of what all cost. */
  readonly readsColumns: boolean;
  /** Finds the files, compares their schema with the declared one, cuts them into splits. @throws FILE_MISSING, FILE_CORRUPT, SCHEMA_DIFFERS */
  plan(request: ScanRequest): Promise<readonly Split[]>;
  /** The rows of one split, about batchRows at a time. @throws FILE_CORRUPT, CSV_INVALID, NULL_IN_COLUMN, VALUE_OUT_OF_RANGE */
  read(request: ScanRequest, split: Split, task: TaskFolder): AsyncIterable<Batch>;
  /**
   * The sink of what reading leaves aside (rejects), null = there is none. The coordinator prepares, publishes (with no
   * `written`: it finds what the tasks left) and discards it with the job's sinks; no task writes to it by createWriter.
   */
  side(source: SourceSpec): SinkSpec | null;
}

/** Where a task may leave side files (rejects) that are published with the job: a folder unique to the attempt, made when first used. */
export interface TaskFolder {
  readonly job: string;
  readonly task: number;
  readonly attempt: number;
}

/** What a task wrote, plain JSON; goes home in its end and comes back in `publish`. */
export interface Written {
  readonly rows: number;
  readonly bytes: number;
  /** Paths as written, relative to the staging folder. */
  readonly files: readonly string[];
}

export interface SinkWriter {
  write(batch: Batch): Promise<void>;
  /** Flushes, syncs and closes; nothing is visible to readers of the output yet. */
  finish(): Promise<Written>;
  /** Removes what this attempt wrote. */
  abort(): Promise<void>;
}

/** Every attempt stages for itself and only those named in `publish` count, so that two attempts of a task may write at once. */
export interface Sink {
  /** Refuses what it cannot write, when the job is planned. @throws PLAN_UNSUPPORTED */
  check?(sink: SinkSpec, schema: Schema): void;
  /** True: rows must all come to one task in order (a single file). */
  single(sink: SinkSpec): boolean;
  /**
   * Before the first task: refuses a non-empty output (OUTPUT_NOT_EMPTY) and makes the staging folder beside it. Changes nothing else.
   * @param earlier  names that coordinators before this one staged under, oldest first: what they staged is taken over, by rename, so
   *                 that they can do no more with it
   */
  prepare(sink: SinkSpec, job: string, earlier?: readonly string[]): Promise<void>;
  createWriter(sink: SinkSpec, schema: Schema, task: TaskFolder): Promise<SinkWriter>;
  /** Makes exactly these files the output by rename, replacing an older one only now. Again: does nothing. */
  publish(sink: SinkSpec, job: string, written: readonly Written[]): Promise<void>;
  /** Removes the staging folder. The older output is untouched, byte for byte. */
  discard(sink: SinkSpec, job: string): Promise<void>;
}
