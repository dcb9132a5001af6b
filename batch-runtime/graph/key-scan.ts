/**
 * A second reading of a file for the sort keys alone: what a global sort needs to know before it moves a row is how its keys are spread. Where
 * columns are stored apart that is much cheaper than to keep all rows until the keys have been seen. Functions of the user's are not called twice
 * for a row. Pure; called by stages.ts.
 */
import { hasFunction } from '../expression/expression.ts';
import type { SourceSpec } from './plan.ts';
import { columnsIn } from './rewrite.ts';
import type { StageOperator } from './stage.ts';

/**
 * The operators that give some columns of what operator `at` gives, from the scan on.
 * @param readsColumns  whether a source reads the wanted columns alone
 * @returns             null when more than a scan, filters and expressions lead there, or nothing would be saved
 */
export function keyScan(
  operators: readonly StageOperator[],
  at: number,
  names: ReadonlySet<string>,
  readsColumns: (source: SourceSpec) => boolean,
): StageOperator[] | null {
  const operator = operators[at]!;
  const schema = operator.schema.filter(({ name }) => names.has(name));
  if (schema.length === 0) return null;
  switch (operator.kind) {
    case 'scan':
      if (!readsColumns(operator.source) || schema.length === operator.schema.length) return null;
      return [{ ...operator, columns: schema.map(({ name }) => name), schema }];
    case 'filter': {
      if (hasFunction(operator.condition)) return null;
      const below = keyScan(operators, operator.input, new Set([...names, ...columnsIn(operator.condition)]), readsColumns);
      return below && [...below, { ...operator, input: below.length - 1, schema: below.at(-1)!.schema }];
    }
    case 'project': {
      const columns = operator.columns.filter(({ name }) => names.has(name));
      if (columns.some(({ expression }) => hasFunction(expression))) return null;
      const needs = new Set(columns.flatMap(({ expression }) => [...columnsIn(expression)]));
      const below = keyScan(operators, operator.input, needs, readsColumns);
      return below && [...below, { ...operator, input: below.length - 1, columns, schema }];
    }
    default:
      return null;
  }
}
