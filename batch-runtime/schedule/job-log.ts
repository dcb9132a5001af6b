/**
 * What a coordinator writes down of its decisions, so that another can go on where it ended: the plan, each stage it began, each
 * task that ended. Where a map's output is, is not in it: the ledger knows. The manager keeps the entries as text, in
 * order, and refuses those of a coordinator that has been overtaken. Written by coordinator.ts, read by `--resume`.
 */
import type { Clock, Millis, Random } from '#manager/process/ports.ts';
import { retry } from '#manager/process/retry.ts';
import type { Level, ManagerCalls } from '#manager/protocol/control.ts';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import type { Split } from '../connectors/connector.ts';
import type { StageGraph, StageId } from '../graph/stage.ts';
import type { ShuffleHandle } from '../shuffle/spi.ts';
import type { RangeBounds } from '../shuffle/writer.ts';
import type { Outcome } from './messages.ts';

/** What a run wishes of its remote shuffles; absent: as the driver has it. */
export interface ShuffleWishes {
  readonly replicas?: number;
  readonly level?: Level;
}

/** The first entry: what the job is, and all that was decided before its first task. */
export interface BegunEntry {
  readonly kind: 'job';
  readonly module: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Of the graph. */
  readonly digest: string;
  readonly folder: string;
  readonly staging: string;
  readonly shuffle: ShuffleWishes;
  readonly slots: number;
  /** Of hash and range exchanges. */
  readonly partitions: number;
  readonly stages: StageGraph;
  /** By the uid of a scan: what each of its tasks reads. */
  readonly splits: readonly (readonly [string, readonly Split[]])[];
}

export type LogEntry =
  | BegunEntry
  /** A stage may begin: the shuffles it writes are open. */
  | {
      readonly kind: 'stage';
      readonly stage: StageId;
      readonly tasks: number;
      readonly edges: readonly { readonly edge: number; readonly handle: ShuffleHandle; readonly bounds: RangeBounds | null }[];
    }
  | { readonly kind: 'ended'; readonly stage: StageId; readonly task: number; readonly outcome: Outcome }
  /** These stages start over: what was written down of them does not hold any more. */
  | { readonly kind: 'over'; readonly stages: readonly StageId[] }
  /** All tasks are done; outputs may be in their places from here on. */
  | { readonly kind: 'publishing' }
  /** The job has failed or was interrupted: nobody goes on with it. */
  | { readonly kind: 'given up' };

export interface JobLog {
  /** Settles when the entry is kept; entries are kept in the order of the calls. @throws FENCED, JOB_UNKNOWN, CLUSTER_UNREACHABLE */
  write(entry: LogEntry): Promise<void>;
}

/** Of a run that ends with its coordinator. */
export const noLog: JobLog = { write: async () => {} };

export interface JobLogOptions {
  readonly manager: Pick<ManagerCalls, 'logJob'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly job: number;
  readonly epoch: number;
  /** Entries that are there already. */
  readonly length: number;
  /** Aborted: nothing more is written. */
  readonly signal: AbortSignal;
}

/** Of a manager that may be well again: it is started anew, or goes on in another file. */
const outages: ReadonlySet<ErrorCode> = new Set(['CLUSTER_UNREACHABLE', 'DISK_FAILED']);
/** How long the manager may be away; tasks run on meanwhile, and their ends wait. */
const patienceMs: Millis = 600_000;

/** At the manager. Entries that come while others are under way travel together. Cost: one call for them. */
export function openJobLog({ manager, clock, random, job, epoch, length, signal }: JobLogOptions): JobLog {
  let kept = length;
  let waiting: string[] = [];
  let flight: Promise<void> = Promise.resolve();
  let next: Promise<void> | null = null;
  const send = async (): Promise<void> => {
    const entries = waiting;
    waiting = [];
    next = null;
    // Whoever waits for an answer of it has nothing else to do.
    const again = (error: SluiceError): boolean => error.remedy === 'retry' || outages.has(error.code);
    await retry({ clock, random, patienceMs, signal, again }, () => manager.logJob({ job, epoch, from: kept, entries }));
    kept += entries.length;
  };
  return {
    write(entry) {
      waiting.push(JSON.stringify(entry));
      if (next === null) {
        next = flight.then(send);
        flight = next;
        flight.catch(() => {});
      }
      return next;
    },
  };
}

/** The entries that still hold: not those of stages that have started over since. */
export function standing(entries: readonly LogEntry[]): LogEntry[] {
  let left: LogEntry[] = [];
  for (const entry of entries) {
    if (entry.kind === 'over') left = left.filter((one) => !('stage' in one && entry.stages.includes(one.stage)));
    else left.push(entry);
  }
  return left;
}

/** The whole log of a job. @throws JOB_UNKNOWN · JOB_NOT_RESUMABLE when there is nothing to go on with */
export async function readJobLog(manager: Pick<ManagerCalls, 'readJobLog'>, job: number): Promise<readonly [BegunEntry, ...LogEntry[]]> {
  const entries: LogEntry[] = [];
  for (let length = 1; entries.length < length; ) {
    const page = await manager.readJobLog({ job, from: entries.length });
    length = page.length;
    for (const text of page.entries) entries.push(JSON.parse(text) as LogEntry);
  }
  const [first, ...others] = entries;
  if (first === undefined) throw new SluiceError('JOB_NOT_RESUMABLE', { job, what: 'it is of another engine, or had not begun; run it again' });
  if (first.kind !== 'job') throw new SluiceError('JOB_NOT_RESUMABLE', { job, what: 'another release has begun it' });
  if (others.some(({ kind }) => kind === 'given up')) throw new SluiceError('JOB_NOT_RESUMABLE', { job, what: 'it had failed; run it again' });
  return [first, ...others];
}
