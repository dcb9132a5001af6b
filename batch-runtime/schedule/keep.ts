/**
 * Keeps a job's lease at the manager, and tells the coordinator which of its slots are gone. Runs beside the coordinator, from its
 * start to the end of the job.
 */
import type { Clock, Millis } from '#manager/process/ports.ts';
import type { ManagerCalls } from '#manager/protocol/control.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import type { Coordinator } from './coordinator.ts';

/** How long a cluster may be without any executor before the job gives up. */
const executorsPatienceMs: Millis = 5_000;
const pollMs: Millis = 2_000;

export interface KeepOptions {
  readonly manager: Pick<ManagerCalls, 'keepJob' | 'status'>;
  readonly clock: Clock;
  readonly job: number;
  readonly epoch: number;
  /** Wished. */
  readonly slots: number;
  readonly coordinator: Pick<Coordinator, 'leases' | 'checkLeases' | 'fail'>;
  /** Aborted: the job is over. */
  readonly signal: AbortSignal;
}

/** Settles when the job is over. Errors end the job: FENCED, JOB_UNKNOWN, UNAUTHORIZED, NO_EXECUTORS. */
export async function keepJob({ manager, clock, job, epoch, slots, coordinator, signal }: KeepOptions): Promise<void> {
  let after = 0;
  let pauseMs = 50;
  let aloneSince: number | null = null;
  while (!signal.aborted) {
    try {
      const known = coordinator.leases();
      const answer = await manager.keepJob({ job, epoch, after, slots, waitMs: pollMs }, { signal });
      after = answer.version;
      pauseMs = 50;
      coordinator.checkLeases(known, new Set(answer.leases.map(({ lease }) => lease)));
      // Without a slot it may be another job's turn; without an executor it never will be ours.
      const alone = answer.leases.length === 0 && (await manager.status({}, { signal })).executors.length === 0;
      aloneSince = alone ? (aloneSince ?? clock.now()) : null;
      if (aloneSince !== null && clock.now() - aloneSince > executorsPatienceMs) return coordinator.fail(new SluiceError('NO_EXECUTORS'));
    } catch (thrown) {
      if (signal.aborted) return;
      const error = asSluiceError(thrown);
      if (error.remedy === 'fail' && error.code !== 'CLUSTER_UNREACHABLE') return coordinator.fail(error);
      // A manager that restarts is waited for: tasks go on without it.
      pauseMs = Math.min(pauseMs * 2, 2_000);
      await new Promise<void>((settle) => clock.after(pauseMs, settle));
    }
  }
}
