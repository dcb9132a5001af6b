/**
 * The rows of the fault matrix that the simulator plays, and with which kinds: the numbers are those of docs/EXACTNESS.md. A row
 * is reached when one of its kinds was; of the pairs each two kinds that were reached in one seed count.
 */
import type { FaultKind } from './faults.ts';

export const matrix: Readonly<Record<number, { readonly what: string; readonly kinds: readonly FaultKind[] }>> = {
  1: { what: 'worker killed during a push, no replica', kinds: ['killPushing', 'kill'] },
  2: { what: 'the same with a replica: no map runs again', kinds: ['killReplica'] },
  3: { what: 'killed between acknowledgement and flush', kinds: ['killAcked'] },
  4: { what: 'killed, and again on the same port within a second', kinds: ['bounce'] },
  5: { what: 'killed during a fetch', kinds: ['killFetching'] },
  6: { what: 'stopped for 1 to 120 s', kinds: ['pause'] },
  7: { what: 'manager killed when idle, allocating, committing, sweeping', kinds: ['killIdle', 'killAllocating', 'killCommitting', 'killReleasing'] },
  8: { what: 'journal torn in its last record', kinds: ['tear'] },
  9: { what: 'two managers', kinds: ['twoManagers'] },
  10: { what: 'full partition of client and worker', kinds: ['partition'] },
  11: { what: 'one-way partition, acknowledgements lost', kinds: ['oneWay'] },
  12: { what: 'partition of worker and manager, also longer than the lease', kinds: ['cutOffLong', 'cutOff'] },
  13: { what: 'delay, loss, reordering, reset at a byte of a frame', kinds: ['delay', 'silence', 'cut', 'slowCall', 'lostCall', 'lostAnswer'] },
  14: { what: 'every message twice', kinds: ['twice'] },
  15: { what: 'commit delivered after the next attempt', kinds: ['lateCommit'] },
  16: { what: 'two to four attempts in any order', kinds: ['rival'] },
  17: { what: 'stage runs again while old tasks push', kinds: ['stageRerun'] },
  18: { what: 'map that is not deterministic runs again alone', kinds: ['partRerun'] },
  19: { what: 'bit flips on the wire', kinds: ['flip'] },
  20: { what: 'bits of a segment', kinds: ['rot'] },
  21: { what: 'truncation, zeroed page, stale page, misdirected block', kinds: ['gone', 'zeroPage', 'stalePage', 'misdirected'] },
  22: { what: 'index lost', kinds: ['indexLost'] },
  23: { what: 'no space at a write', kinds: ['full'] },
  24: { what: 'failure of a call of the disk; a failed sync', kinds: ['eio', 'sync'] },
  25: { what: 'disk 10 or 100 times slower, and hanging for 30 s', kinds: ['sluggish', 'slowDisk', 'hang'] },
  26: { what: 'system crash that loses unsynced writes', kinds: ['power', 'torn', 'managerPower'] },
  27: { what: 'reader that never reads', kinds: ['deafReader'] },
  28: { what: 'client dies in a map, in a commit, before a read', kinds: ['dieWriting', 'dieCommitting', 'dieReading'] },
  32: { what: 'wall clock a day off', kinds: ['clockJump'] },
  33: { what: 'release and sweep against create, commit, read', kinds: ['race'] },
  37: { what: 'the above with authorisation and replicas', kinds: ['stranger', 'killReplica'] },
};
/** Row 38. */
export const pairsRow = 38;

/** Rows that the simulator has to have: those marked S. */
export const simulatedRows: readonly number[] = [...Array.from({ length: 28 }, (_, i) => i + 1), 32, 33, 37, pairsRow];

/** How often each row was reached: by all its kinds together. */
export function rowsReached(reached: Readonly<Record<string, number>>, pairs: number): Record<number, number> {
  const rows = Object.entries(matrix).map(([row, { kinds }]) => [row, kinds.reduce((sum, kind) => sum + (reached[kind] ?? 0), 0)] as const);
  return { ...Object.fromEntries(rows), [pairsRow]: pairs };
}
