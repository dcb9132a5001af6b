/**
 * What travels between the two phases of an aggregate: the keys, then each aggregate's accumulators. A pure function of the
 * plan, read by stages.ts for the edge's schema and by operators/aggregate.ts, which reads accumulators by position.
 */
import type { ColumnType } from '../batch/batch.ts';
import { mostDigits } from '../batch/decimal.ts';
import type { Aggregate } from '../expression/expression.ts';

/** Sums of whole numbers travel as int64, exact whatever the result's type; of float64 as float64, of decimals as decimals of 38 digits. */
export function sumType({ argument }: Aggregate): ColumnType {
  if (argument?.type.kind === 'decimal') return { kind: 'decimal', precision: mostDigits, scale: argument.type.scale };
  return argument?.type.kind === 'float64' ? { kind: 'float64' } : { kind: 'int64' };
}

/**
 * A sum of 64-bit numbers may leave int64 in one task and come back in the next: `.carry` says how many times 2^64 stand
 * beside it. Narrower numbers cannot get there.
 */
export const hasCarry = ({ argument }: Aggregate): boolean => argument?.type.kind === 'int64' || argument?.type.kind === 'integer';
