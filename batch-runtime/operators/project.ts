/**
 * Gives columns that are computed from the input's, row by row: select, derive, drop and rename. Columns that are only
 * named are shared with the input. Watermarks and barriers pass. Made by execute/task.ts for `project` nodes of a stage.
 */
import type { Schema } from '../batch/batch.ts';
import type { Element } from '../element.ts';
import { compileProjection } from '../expression/compile.ts';
import type { Expression } from '../expression/expression.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { Operator } from './operator.ts';

export interface ProjectSpec {
  readonly schema: Schema;
  readonly columns: readonly { readonly name: string; readonly expression: Expression }[];
}

export function createProject(spec: ProjectSpec, inputSchema: Schema, functions: readonly UserFunction[]): Operator {
  const expressions = spec.columns.map((column) => column.expression);
  const project = compileProjection(inputSchema, expressions, functions);
  return {
    *process(element: Element): Iterable<Element> {
      if (element.kind !== 'batch') yield element;
      else yield { kind: 'batch', batch: { schema: spec.schema, length: element.batch.length, columns: project(element.batch) } };
    },
  };
}
