/**
 * Several rows of each: one for every projection. Grouping sets and unpivot are made of it. Rows of one projection follow each other
 * within a batch; the columns of all have the same names and types. Watermarks and barriers pass.
 */
import type { Schema } from '../batch/batch.ts';
import type { Element } from '../element.ts';
import { compileProjection } from '../expression/compile.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Operator } from './operator.ts';

export function createExpand(spec: Extract<StageOperator, { kind: 'expand' }>, input: Schema, functions: readonly UserFunction[]): Operator {
  const projections = spec.projections.map((columns) =>
    compileProjection(
      input,
      columns.map(({ expression }) => expression),
      functions,
    ),
  );
  return {
    *process(element: Element): Iterable<Element> {
      if (element.kind !== 'batch') {
        yield element;
        return;
      }
      const { length } = element.batch;
      for (const project of projections) yield { kind: 'batch', batch: { schema: spec.schema, length, columns: project(element.batch) } };
    },
  };
}
