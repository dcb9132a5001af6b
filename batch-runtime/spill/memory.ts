/**
 * The memory of one task, counted: every operator that keeps rows says how many bytes it holds, and hears whether it may. Nothing
 * is allocated here and nothing is stopped by force: an operator that may not hold what it holds spills, and says so again.
 * Made by execute/task.ts for each attempt; operators know only their share of it.
 */
import { tmpdir } from 'node:os';
import { createScratch, type Scratch } from './scratch.ts';

/** One operator's part of the task's memory. */
export interface Share {
  /** The most it may ever have: the task's budget without what is kept back for the others. */
  readonly limitBytes: number;
  /**
   * Says that the operator holds so many bytes now, instead of what it said last.
   * @returns false when that is more than it may hold: it has to spill, or to end with MEMORY_EXCEEDED
   */
  hold(bytes: number): boolean;
  readonly scratch: Scratch;
}

/** What an executor gives each of its tasks. */
export interface MemoryLimit {
  readonly budgetBytes: number;
  /** Where its tasks' files without a name are. */
  readonly folder: string;
}

export interface TaskMemory {
  readonly budgetBytes: number;
  readonly heldBytes: number;
  /** The most that was held at once. */
  readonly peakBytes: number;
  /** One for each operator, made before any of them holds anything: each has a part that the others cannot take. */
  open(): Share;
}

/** For operators that are run by themselves: nothing ever spills. */
export const unbounded = (): TaskMemory => createTaskMemory(Number.POSITIVE_INFINITY, createScratch(tmpdir()));

/** Of each operator's equal part so much is its own, whatever the others hold. */
const ownPart = 0.25;

/**
 * An operator may have all that the others leave, but never their own parts: a join whose table fills the memory does not keep
 * the aggregate behind it from working.
 * @param budgetBytes  of the task; Infinity: nothing ever spills
 * @param reclaim      called at each `hold`: operators come by here with each batch
 */
export function createTaskMemory(budgetBytes: number, scratch: Scratch, reclaim: () => void = () => {}): TaskMemory {
  const held: number[] = [];
  let peak = 0;
  const total = (): number => held.reduce((sum, bytes) => sum + bytes, 0);
  const isBounded = Number.isFinite(budgetBytes);
  const own = (): number => (isBounded ? (ownPart * budgetBytes) / held.length : 0);
  return {
    budgetBytes,
    get heldBytes() {
      return total();
    },
    get peakBytes() {
      return peak;
    },
    open() {
      const index = held.push(0) - 1;
      return {
        scratch,
        get limitBytes() {
          return budgetBytes - (held.length - 1) * own();
        },
        hold(bytes) {
          held[index] = bytes;
          peak = Math.max(peak, total());
          if (!isBounded) return true;
          reclaim();
          let others = 0;
          for (const [at, has] of held.entries()) if (at !== index) others += Math.max(has, own());
          return bytes <= Math.max(own(), budgetBytes - others);
        },
      };
    },
  };
}
