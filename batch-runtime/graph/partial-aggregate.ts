/**
 * What travels between the two phases of an aggregate: the keys, then each aggregate's accumulators. A pure function of the
 * plan, read by stages.ts for the edge's schema and by operators/aggregate.ts, which reads accumulators by position.
 */
import type { ColumnType, Field, Schema } from '../batch/batch.ts';
import type { Aggregate } from '../expression/expression.ts';

/** Sums of whole numbers travel as int64, exact whatever the result's type; of float64 as float64. */
export const sumType = (aggregate: Aggregate): ColumnType => (aggregate.argument?.type.kind === 'float64' ? { kind: 'float64' } : { kind: 'int64' });

/**
 * A sum of 64-bit numbers may leave int64 in one task and come back in the next: `.carry` says how many times 2^64 stand
 * beside it. Narrower numbers cannot get there.
 */
export const hasCarry = ({ argument }: Aggregate): boolean => argument?.type.kind === 'int64' || argument?.type.kind === 'integer';

/** count: the count · sum: the sum, null over nothing, and its carry · avg: as sum, then the count · min, max: the value, null over nothing. */
export function accumulatorFields(aggregate: Aggregate): readonly Field[] {
  const { name } = aggregate;
  const count = (of: string): Field => ({ name: of, type: { kind: 'integer' }, nullable: false });
  const sum = (of: string): Field[] => [
    { name: of, type: sumType(aggregate), nullable: true },
    ...(hasCarry(aggregate) ? [count(`${name}.carry`)] : []),
  ];
  switch (aggregate.fn) {
    case 'count':
      return [count(name)];
    case 'sum':
      return sum(name);
    case 'avg':
      return [...sum(`${name}.sum`), count(`${name}.count`)];
    case 'min':
    case 'max':
      return [{ name, type: aggregate.argument?.type ?? aggregate.type, nullable: true }];
  }
}

/** @param keys  the fields of the keys, in order */
export const partialSchema = (keys: Schema, aggregates: readonly Aggregate[]): Schema => [...keys, ...aggregates.flatMap(accumulatorFields)];
