/**
 * The columns between a partial and a final aggregate: what crosses the exchange. Made here because the edge's schema needs
 * them; filled and read by operators/aggregate.ts.
 */
import type { ColumnType, Field, Schema } from '../batch/batch.ts';
import type { Aggregate } from '../expression/expression.ts';

/** Of whole numbers an int64, so that only a total that is too large is an error, not a part of it. */
const sumType = (of: ColumnType | undefined): ColumnType => (of?.kind === 'float64' ? of : { kind: 'int64' });

/**
 * One column or two for an aggregate. count: rows seen · sum, min, max: null = nothing seen · avg: `.sum`, null = nothing seen, and
 * `.count`. Operators go by position: names only help a reader.
 */
export function accumulatorFields({ name, fn, argument, type }: Aggregate): readonly Field[] {
  switch (fn) {
    case 'count':
      return [{ name, type, nullable: false }];
    case 'sum':
      return [{ name, type: sumType(argument?.type), nullable: true }];
    case 'avg':
      return [
        { name: `${name}.sum`, type: sumType(argument?.type), nullable: true },
        { name: `${name}.count`, type: { kind: 'integer' }, nullable: false },
      ];
    case 'min':
    case 'max':
      return [{ name, type, nullable: true }];
  }
}

/** Keys, then the accumulators of each aggregate in order. */
export const partialSchema = (keys: Schema, aggregates: readonly Aggregate[]): Schema => [...keys, ...aggregates.flatMap(accumulatorFields)];
