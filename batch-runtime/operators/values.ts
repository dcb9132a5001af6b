/** The rows of a `values` operator as batches: a table written down in the job. Called by execute/task.ts. */
import { type Batch, batchRows } from '../batch/batch.ts';
import { fromPlain } from '../batch/rows.ts';
import type { StageOperator } from '../graph/stage.ts';

/** @throws NULL_IN_COLUMN, ROW_TYPE, VALUE_OUT_OF_RANGE when a value is not of its column */
export function* valuesBatches(spec: Extract<StageOperator, { kind: 'values' }>): Generator<Batch> {
  for (let from = 0; from < spec.rows.length; from += batchRows) yield fromPlain(spec.schema, spec.rows.slice(from, from + batchRows));
}
