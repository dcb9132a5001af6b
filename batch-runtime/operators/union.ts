/**
 * Gives what comes from any of its inputs, as it comes: their columns agree in names, types and order, only what may be null may
 * differ. It ends when all of them have. Made by execute/task.ts for `union` operators of a stage.
 */
import { end } from '../element.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Operator } from './operator.ts';

/** @param inputs  how many there are */
export function createUnion({ schema }: Extract<StageOperator, { kind: 'union' }>, inputs: number): Operator {
  let open = inputs;
  return {
    *process(element) {
      if (element.kind === 'batch') yield { kind: 'batch', batch: { ...element.batch, schema } };
      else if (element.kind === 'end' && --open === 0) yield end;
    },
  };
}
