/**
 * `await using r = await run(job, { params })`: what an application and `sluice run` call, and what they get. The work is
 * submit.ts's, which is loaded only when something is run: executors load this file too, with every job module.
 */
import type { TProperties } from 'typebox';
import type { Level } from '#manager/protocol/control.ts';
import type { Batch, Schema } from './batch/batch.ts';
import type { Job } from './job.ts';
import type { JobEvent, JobReport } from './schedule/events.ts';

export interface RunOptions {
  /** Values, or text as from a command line, by the job's params. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** URL of a manager; without it an embedded cluster starts and stops. */
  readonly cluster?: string;
  /** Token or secret of that cluster. */
  readonly token?: string;
  readonly shuffle?: 'memory' | 'local' | 'remote';
  /** Of the embedded cluster. Default 2 executors, and as many workers as replicas: one that dies comes back, and what it lost is made again. */
  readonly executors?: number;
  readonly workers?: number;
  /** Workers that keep each block of a remote shuffle. Default 1; with 2, a lost worker costs no task that had ended. */
  readonly replicas?: number;
  /** What a finished task's output in a remote shuffle survives. Default received: it is made again when its worker dies soon after. */
  readonly level?: Level;
  /** Goes on with this job of the cluster, whose coordinator has died. Module and params are those it was started with. */
  readonly resume?: number;
  /** Tries the job on the first rows of each source, so many of each; its sinks are left out. */
  readonly sample?: number;
  /** Partitions of each exchange; by default from the size of the input. */
  readonly partitions?: number;
  /**
   * Memory of each executor of the embedded cluster; what its operators keep beyond it goes to files. By default half of the machine's, shared
   * by the executors. With the memory driver it is that of its one executor, and besides of what its shuffles keep (default 512 MiB).
   */
  readonly memoryBudgetBytes?: number;
  /** False: the plan as it was written. The rows are the same; for finding out whether a rule is wrong. */
  readonly optimize?: boolean;
  readonly signal?: AbortSignal;
  /** The file: URL of the module whose default export the job is; by default where job() was called. */
  readonly module?: string;
  readonly onEvent?: (event: JobEvent) => void;
}

export interface Run<R> extends AsyncDisposable {
  /** Rows of the table that build returned, in its order; waits for the job's last stage. */
  rows(): AsyncIterable<R>;
  batches(): AsyncIterable<Batch>;
  /** The columns of the returned table; null when build returned none. */
  readonly schema: Schema | null;
  /** Settles when the outputs are published. @throws what the job failed with; then older outputs are untouched */
  done(): Promise<JobReport>;
  /** Cancels what runs and frees everything. Again: does nothing. */
  close(): Promise<void>;
  /** Where the logs of a failed embedded run were kept, after close(). */
  readonly logs: string | null;
}

/** @throws plan errors (FILE_MISSING, SCHEMA_DIFFERS, PARAMS_INVALID, ...), OUTPUT_NOT_EMPTY and JOB_NOT_RESUMABLE, before anything is started */
export async function run<P extends TProperties, R>(job: Job<P, R>, options: RunOptions = {}): Promise<Run<R>> {
  const { submit } = await import('./submit.ts');
  return submit(job, options);
}
