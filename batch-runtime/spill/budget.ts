/**
 * How much memory an executor's tasks may use: what the configuration says, else what the container leaves beside the process
 * itself, else a part of the machine's. Also of the executors that share one machine. Called by main.ts, submit.ts and embedded.ts.
 */
import { totalmem } from 'node:os';
import { MiB } from '#manager/protocol/ids.ts';

/** What an executor needs besides: the program, its threads, buffers on their way. */
const besidesBytes = 256 * MiB;
const leastBytes = 64 * MiB;

/** What the system says. */
export interface Machine {
  readonly totalBytes: number;
  /** The limit of the container; 0 or more than there is: none. */
  readonly limitBytes: number;
}
const thisMachine = (): Machine => ({ totalBytes: totalmem(), limitBytes: process.constrainedMemory() });

const isLimited = ({ totalBytes, limitBytes }: Machine): boolean => limitBytes > 0 && limitBytes < totalBytes;

/** @param givenBytes  as configured; 0: from the container's limit, or a quarter of the machine */
export function executorBudget(givenBytes: number, machine: Machine = thisMachine()): number {
  if (givenBytes > 0) return givenBytes;
  if (!isLimited(machine)) return Math.floor(machine.totalBytes / 4);
  return Math.max(leastBytes, Math.floor(Math.min(0.75 * machine.limitBytes, machine.limitBytes - besidesBytes)));
}

/** Of each of several executors on one machine: half of it is theirs, the rest the system's, the workers' and the sources'. */
export const embeddedBudget = (executors: number, machine: Machine = thisMachine()): number =>
  Math.max(leastBytes, Math.floor((isLimited(machine) ? machine.limitBytes : machine.totalBytes) / 2 / Math.max(1, executors)));
