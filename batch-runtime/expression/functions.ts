/**
 * Nodes of an expression, made with their types resolved by the function table (functions/table.ts): the fluent API and
 * later SQL are built on these three. Exceptions to DuckDB's semantics are in docs/SEMANTICS.md.
 */
import { type ColumnType, type Field, isNested } from '../batch/batch.ts';
import type { Expression } from './expression.ts';
import { wrong } from './functions/row.ts';
import { rowOf } from './functions/table.ts';

export { literal } from './functions/literal.ts';

export const columnRef = (field: Field): Expression => ({ op: 'column', name: field.name, type: field.type, nullable: field.nullable });

const expressionHint = { list: 'ask for one of its values, or unnest it', struct: 'ask for one of its fields' } as const;

/**
 * A call with its types resolved: arguments are widened where the function wants one type (int32 -> integer -> int64 ->
 * float64, date -> timestamp). Times may be compared with their ISO text as a utf8 literal.
 * @param target  for `cast`: the type to cast to
 * @throws        EXPRESSION_TYPE when there is no such function, or not for these types
 */
export function call(fn: string, args: readonly Expression[], target?: ColumnType): Expression {
  const row = rowOf(fn);
  const nested = row.nested ? undefined : args.find((arg) => isNested(arg.type));
  if (nested !== undefined) wrong(`${fn} takes no ${nested.type.kind}: ${expressionHint[nested.type.kind as 'list' | 'struct']}`);
  const signature = row.resolve(fn, args, target);
  return { op: 'call', fn, args: signature.args, type: signature.type, nullable: signature.nullable };
}
