/**
 * Runs one operator over batches, and the same over plain rows by the reference of graph/reference.ts: what the tests of this
 * folder compare.
 */
import type { Batch, Field, Schema } from '#runtime/batch/batch.ts';
import type { Element } from '#runtime/element.ts';
import type { Value } from '#runtime/expression/values.ts';
import type { PlanNode } from '#runtime/graph/plan.ts';
import type { Operator } from '#runtime/operators/operator.ts';
import { keyText, rowsIn } from '../batch/columns.ts';
import { type TypeName, typeOf } from '../expression/random.ts';
import { type Row, runPlan } from '../graph/reference.ts';

/** What the operator gives to these batches of port 0, with the end behind them. */
export function elementsOf(operator: Operator, batches: readonly Batch[], port = 0): Element[] {
  const given: Element[] = [];
  for (const batch of batches) given.push(...operator.process({ kind: 'batch', batch }, port));
  given.push(...operator.process({ kind: 'end' }, port));
  return given;
}

export const batchesOf = (elements: readonly Element[]): Batch[] => elements.flatMap((element) => (element.kind === 'batch' ? [element.batch] : []));

export const run = (operator: Operator, batches: readonly Batch[]): Batch[] => batchesOf(elementsOf(operator, batches));

export const namedRows = (batches: readonly Batch[]): Row[] =>
  batches.flatMap((batch) => rowsIn(batch).map((row) => Object.fromEntries(batch.schema.map(({ name }, c) => [name, row[c]!]))));

/** The node over tables of rows, by plain loops. `node` refers to its inputs as 0 and 1. */
export function reference(node: PlanNode, ...inputs: readonly { readonly schema: Schema; readonly rows: readonly Row[] }[]): Row[] {
  const scans = inputs.map(
    ({ schema }, i): PlanNode => ({
      kind: 'scan',
      uid: `in-${i}`,
      name: `in-${i}`,
      source: { connector: 'none' },
      columns: schema.map(({ name }) => name),
      predicate: null,
      schema,
    }),
  );
  const rows = Object.fromEntries(inputs.map((input, i) => [`in-${i}`, input.rows]));
  return runPlan({ name: 'test', nodes: [...scans, node], result: scans.length }, rows)['result']!;
}

/** Rows as texts by the order of the schema, sorted: to compare multisets. -0 is 0, as keys and extremes have it. */
export const texts = (rows: readonly Row[], schema: Schema): string[] => inOrder(rows, schema).sort();
export const inOrder = (rows: readonly Row[], schema: Schema): string[] => rows.map((row) => keyText(schema.map(({ name }) => row[name] ?? null)));

export const field = (name: string, kind: TypeName, nullable = true): Field => ({ name, type: typeOf(kind), nullable });
export const cells = (batch: Batch, name: string): Value[] => {
  const column = batch.schema.findIndex((each) => each.name === name);
  return rowsIn(batch).map((row) => row[column]!);
};
