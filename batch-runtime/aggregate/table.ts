/**
 * The one table of aggregates: by name, what each means, what its state is and how it is worked out. The fluent API's types, the
 * operators, the plan and the comparison with DuckDB read it; a new aggregate is a row of a file beside this one.
 */
import { type Field, isNested, type Schema } from '../batch/batch.ts';
import type { Aggregate } from '../expression/expression.ts';
import { wrong } from '../expression/functions/row.ts';
import { call } from '../expression/functions.ts';
import { isNumeric } from '../expression/values.ts';
import { approximates } from './approximate.ts';
import { distincts } from './distinct.ts';
import { firsts } from './first.ts';
import { lists } from './list.ts';
import { quantiles } from './quantile.ts';
import type { Accumulator, AggregateRow, AggregateRows } from './row.ts';
import { joinedTexts } from './text.ts';
import { totals } from './totals.ts';
import { variances } from './variance.ts';

export const aggregates: AggregateRows = {
  ...totals,
  ...distincts,
  ...approximates,
  ...firsts,
  ...variances,
  ...quantiles,
  ...joinedTexts,
  ...lists,
};

/** @throws EXPRESSION_TYPE when there is none of that name */
export const aggregateRow = (fn: string): AggregateRow => (Object.hasOwn(aggregates, fn) ? aggregates[fn]! : wrong(`there is no aggregate ${fn}`));

/** What is called, without its name: `argument` as the row takes it, the type, and whether it may be null. */
export function callOf(fn: string, given: Pick<Aggregate, 'argument' | 'more' | 'options' | 'filter'>, global: boolean): Omit<Aggregate, 'name'> {
  const { more = [], options = [], filter } = given;
  const row = aggregateRow(fn);
  const { takes } = row;
  const nested = [...(row.nested || given.argument === null ? [] : [given.argument]), ...more, ...(filter === null ? [] : [filter])].find((each) =>
    isNested(each.type),
  );
  if (nested !== undefined) wrong(`${fn} takes no ${nested.type.kind}: ${nested.type.kind === 'list' ? 'unnest it' : 'ask for one of its fields'}`);
  if (takes !== undefined && (given.argument === null || !isNumeric(given.argument.type)))
    wrong(`${fn} of ${given.argument === null ? 'nothing' : `a ${given.argument.type.kind}`}`);
  const isCast = takes !== undefined && given.argument !== null && given.argument.type.kind !== takes.kind;
  const argument = isCast ? call('cast', [given.argument!], takes) : given.argument;
  const type = row.resolve(fn, argument, more, options);
  const nullable =
    row.lone === 'null' || (row.empty === 'null' && (global || filter !== null || (argument?.nullable === true && row.ofNulls !== 'value')));
  return { fn, argument, ...(more.length > 0 ? { more } : {}), ...(options.length > 0 ? { options } : {}), filter, type, nullable };
}

export const createAccumulator = (aggregate: Aggregate): Accumulator => aggregateRow(aggregate.fn).create(aggregate);

/** What travels between the two phases. @param keys  the fields of the keys, in order */
export const partialSchema = (keys: Schema, of: readonly Aggregate[]): Schema => [
  ...keys,
  ...of.flatMap((aggregate): readonly Field[] => aggregateRow(aggregate.fn).fields(aggregate)),
];
