/**
 * Takes out of expressions what is made column by column and not in a loop over rows: functions that take or give lists and
 * structs. Each becomes a column beside the batch's own, made before the loop, and its place in the expression a name; so a field of a
 * struct costs nothing per row. What they are made of is evaluated for every row, also where the loop would not have asked for it. Called by
 * compile.ts.
 */
import type { Batch, Column, Schema } from '../batch/batch.ts';
import { makeBatch } from '../batch/column.ts';
import { type Expression, isDeterministic } from './expression.ts';
import { rowOf } from './functions/table.ts';

export interface Lifted {
  /** The schema, and the columns that `extend` adds. */
  readonly schema: Schema;
  readonly expressions: readonly Expression[];
  extend(batch: Batch): Batch;
}

type Step = (batch: Batch) => Column;

/** @param project  makes the columns of arguments from a batch of such a schema */
export function lift(
  given: Schema,
  expressions: readonly Expression[],
  project: (schema: Schema, args: readonly Expression[]) => (batch: Batch) => readonly Column[],
): Lifted {
  const schema = [...given];
  const steps: Step[] = [];
  const known = new Map<string, Expression>();
  const lifted = (expression: Expression): Expression => {
    if (expression.op === 'column' || expression.op === 'literal') return expression;
    const args = expression.args.map(lifted);
    const node = args.every((arg, k) => arg === expression.args[k]) ? expression : { ...expression, args };
    if (node.op === 'udf') return node;
    const row = rowOf(node.fn);
    if (row.nulls !== 'columnar') return node;
    const key = JSON.stringify(node);
    // A function may give something else each time it is asked.
    const before = isDeterministic(node) ? known.get(key) : undefined;
    if (before !== undefined) return before;
    // No column of a user's is named so: names of columns are text, this begins with what no text should.
    const name = `\u0000${steps.length}`;
    const columnsOf = project([...schema], node.args);
    steps.push((batch) => row.columns(columnsOf(batch), batch.length, node));
    schema.push({ name, type: node.type, nullable: node.nullable });
    const made: Expression = { op: 'column', name, type: node.type, nullable: node.nullable };
    known.set(key, made);
    return made;
  };
  const rest = expressions.map(lifted);
  if (steps.length === 0) return { schema: given, expressions, extend: (batch) => batch };
  return {
    schema,
    expressions: rest,
    extend(batch) {
      const columns = [...batch.columns];
      for (const step of steps) {
        const below = makeBatch(schema.slice(0, columns.length), batch.length, columns);
        columns.push(step(below));
      }
      return makeBatch(schema, batch.length, columns);
    },
  };
}
