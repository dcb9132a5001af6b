/**
 * The mutants: one wrong line each, as somebody could write it. Used by mutants.ts, which applies them to a copy of the tree.
 */
import type { FaultKind } from './faults.ts';

export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Only these faults are played; absent: all. */
  readonly faults?: readonly FaultKind[];
}

export const mutants: readonly Mutant[] = [];
