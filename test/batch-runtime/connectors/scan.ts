/** Reads a source as the coordinator and tasks do: plans it, then reads every split. */
import type { Schema } from '#runtime/batch/batch.ts';
import { type PlainValue, plainValue } from '#runtime/batch/rows.ts';
import type { Source } from '#runtime/connectors/connector.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import type { SourceSpec } from '#runtime/graph/plan.ts';
import { fieldsOf, type SchemaShape } from '#runtime/schema.ts';

export interface Scan {
  readonly splits: number;
  readonly rows: PlainValue[][];
}

/** `job` names the staging of what is left aside. */
export async function scan(
  source: Source,
  spec: SourceSpec,
  columns: SchemaShape | Schema,
  predicate: Expression | null = null,
  job = 'scan',
): Promise<Scan> {
  const schema: Schema = Array.isArray(columns) ? (columns as Schema) : fieldsOf(columns as SchemaShape);
  const request = { source: spec, schema, predicate };
  const splits = await source.plan(request);
  const rows: PlainValue[][] = [];
  for (const [task, split] of splits.entries()) {
    // As it comes to a task on another machine.
    const sent = JSON.parse(JSON.stringify(split)) as typeof split;
    for await (const batch of source.read(request, sent, { job, task, attempt: 0 })) {
      for (let i = 0; i < batch.length; i++) rows.push(batch.columns.map((column) => plainValue(column, i)));
    }
  }
  return { splits: splits.length, rows };
}
