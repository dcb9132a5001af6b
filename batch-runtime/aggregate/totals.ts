/** Counts, sums, means and extremes: the rows of the table; how they are worked out is in operators/accumulate.ts. */
import { type ColumnType, columnTypeText, type Field } from '../batch/batch.ts';
import { mostDigits } from '../batch/decimal.ts';
import type { Aggregate, Expression } from '../expression/expression.ts';
import { wrong } from '../expression/functions/row.ts';
import { computedType, isNumeric } from '../expression/values.ts';
import { hasCarry, sumType } from '../graph/partial-aggregate.ts';
import { Average, Count, createExtreme, createSum } from '../operators/accumulate.ts';
import type { AggregateRow, AggregateRows } from './row.ts';

const numeric = (fn: string, argument: Expression | null): ColumnType =>
  argument !== null && isNumeric(argument.type)
    ? computedType(argument.type)
    : wrong(`${fn} of ${argument === null ? 'nothing' : `a ${columnTypeText(argument.type)}`}`);

const countField = (name: string): Field => ({ name, type: { kind: 'integer' }, nullable: false });
/** The sum, null over nothing, and its carry. */
const sumFields = (aggregate: Aggregate, name: string): readonly Field[] => [
  { name, type: sumType(aggregate), nullable: true },
  ...(hasCarry(aggregate) ? [countField(`${aggregate.name}.carry`)] : []),
];
const floatBits: AggregateRow['order'] = ({ argument }) => (argument?.type.kind === 'float64' ? 'bits' : 'nothing');

const extreme = (doc: string, sign: 1 | -1): AggregateRow => ({
  doc,
  empty: 'null',
  nulls: 'skip',
  order: () => 'nothing',
  resolve: (fn, argument) =>
    argument === null || argument.type.kind === 'bool' ? wrong(`${fn} of ${argument === null ? 'nothing' : 'a bool'}`) : argument.type,
  fields: ({ name, argument, type }) => [{ name, type: argument?.type ?? type, nullable: true }],
  create: ({ argument, type }) => createExtreme(argument?.type ?? type, sign),
});

export const totals: AggregateRows = {
  count: {
    doc: 'How many rows; of an expression, how many values.',
    empty: 'zero',
    nulls: 'skip',
    nested: true,
    order: () => 'nothing',
    resolve: () => ({ kind: 'integer' }),
    fields: ({ name }) => [countField(name)],
    create: () => new Count(),
  },
  sum: {
    doc: 'The sum; of whole numbers and decimals it is exact, and an error when it does not fit.',
    empty: 'null',
    nulls: 'skip',
    order: floatBits,
    resolve: (fn, argument) => {
      const type = numeric(fn, argument);
      if (type.kind === 'decimal') return { ...type, precision: mostDigits };
      return type.kind === 'int32' ? { kind: 'integer' } : type;
    },
    fields: (aggregate) => sumFields(aggregate, aggregate.name),
    create: (aggregate) => createSum(aggregate),
  },
  avg: {
    doc: 'The mean, a float64; of whole numbers their exact sum divided once.',
    empty: 'null',
    nulls: 'skip',
    order: floatBits,
    resolve: (fn, argument) => {
      numeric(fn, argument);
      return { kind: 'float64' };
    },
    fields: (aggregate) => [...sumFields(aggregate, `${aggregate.name}.sum`), countField(`${aggregate.name}.count`)],
    create: (aggregate) => new Average(aggregate),
  },
  min: extreme('The least value; text by its bytes, -0 is 0, NaN is above all.', -1),
  max: extreme('The greatest value; text by its bytes, -0 is 0, NaN is above all.', 1),
};
