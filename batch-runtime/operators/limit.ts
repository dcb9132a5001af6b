/** The first `count` rows of what comes, then nothing more; which rows come first is the input's business. */
import type { Batch } from '../batch/batch.ts';
import { slice } from '../batch/slice.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Operator } from './operator.ts';

export function createLimit(spec: Extract<StageOperator, { kind: 'limit' }>): Operator {
  let left = spec.count;
  return {
    *process(element) {
      if (element.kind !== 'batch') {
        yield element;
        return;
      }
      const batch: Batch = slice(element.batch, 0, Math.min(left, element.batch.length));
      left -= batch.length;
      if (batch.length > 0) yield { kind: 'batch', batch };
    },
  };
}
