/**
 * The one table of aggregates: by name, what each means, what its state is and how it is worked out. The fluent API's types, the
 * operators, the plan and the comparison with DuckDB read it; a new aggregate is a row of a file beside this one.
 */
import type { Field, Schema } from '../batch/batch.ts';
import type { Aggregate } from '../expression/expression.ts';
import { wrong } from '../expression/functions/row.ts';
import { distincts } from './distinct.ts';
import { firsts } from './first.ts';
import type { Accumulator, AggregateRow, AggregateRows } from './row.ts';
import { totals } from './totals.ts';

export const aggregates: AggregateRows = { ...totals, ...distincts, ...firsts };

/** @throws EXPRESSION_TYPE when there is none of that name */
export const aggregateRow = (fn: string): AggregateRow => (Object.hasOwn(aggregates, fn) ? aggregates[fn]! : wrong(`there is no aggregate ${fn}`));

export const createAccumulator = (aggregate: Aggregate): Accumulator => aggregateRow(aggregate.fn).create(aggregate);

/** What travels between the two phases. @param keys  the fields of the keys, in order */
export const partialSchema = (keys: Schema, of: readonly Aggregate[]): Schema => [
  ...keys,
  ...of.flatMap((aggregate): readonly Field[] => aggregateRow(aggregate.fn).fields(aggregate)),
];
