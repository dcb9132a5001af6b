/**
 * Keeps the rows for which a condition is true; false and unknown rows go. Watermarks and barriers pass. Made by
 * execute/task.ts for `filter` nodes of a stage.
 */
import type { Schema } from '../batch/batch.ts';
import { take } from '../batch/take.ts';
import type { Element } from '../element.ts';
import { compileFilter } from '../expression/compile.ts';
import type { Expression } from '../expression/expression.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { Operator } from './operator.ts';

/** A batch of which all rows stay is passed on as it is, one of which none stay is dropped. Cost: 4 bytes per row of the largest batch seen. */
export function createFilter(spec: { readonly condition: Expression }, inputSchema: Schema, functions: readonly UserFunction[]): Operator {
  const filter = compileFilter(inputSchema, spec.condition, functions);
  let selection = new Int32Array(0);
  return {
    *process(element: Element): Iterable<Element> {
      if (element.kind !== 'batch') {
        yield element;
        return;
      }
      const { batch } = element;
      if (selection.length < batch.length) selection = new Int32Array(batch.length);
      const count = filter(batch, selection);
      if (count === batch.length && count > 0) yield element;
      else if (count > 0) yield { kind: 'batch', batch: take(batch, selection, count) };
    },
  };
}
