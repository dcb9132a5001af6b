/**
 * The different keys of rows, for a filter of the rows they are joined with (key-filter.ts). Only few of them are worth it: past a bound they
 * are let go, and one row of nulls says so.
 */
import { type Batch, batchRows, type Schema } from '../batch/batch.ts';
import { makeBatch, nullColumn } from '../batch/column.ts';
import { GroupTable } from '../batch/groups.ts';
import { KeyEncoder } from '../batch/keys.ts';
import { slice } from '../batch/slice.ts';
import type { StageOperator } from '../graph/stage.ts';
import { type Share, unbounded } from '../spill/memory.ts';
import { indexesOf } from './join.ts';
import type { Operator } from './operator.ts';

/** Memory: some 40 bytes per key, of `upTo` keys. What does not fit its share counts as too many. */
export function createKeys(spec: Extract<StageOperator, { kind: 'keys' }>, input: Schema, share: Share = unbounded().open()): Operator {
  const columns = indexesOf(input, spec.keys);
  const encoder = new KeyEncoder(columns.map((c) => ({ type: input[c]!.type, nullable: false })));
  let table: GroupTable | null = new GroupTable(encoder.width);
  let lanes = new Int32Array(0);
  let groups = new Int32Array(0);

  const add = (to: GroupTable, batch: Batch): void => {
    const n = batch.length;
    if (groups.length < n) {
      groups = new Int32Array(n);
      lanes = new Int32Array(n * encoder.width);
    }
    encoder.encode(
      columns.map((c) => batch.columns[c]!),
      n,
      false,
      lanes,
    );
    to.add(lanes, n, groups);
    if (to.size <= spec.upTo && share.hold(to.bytes)) return;
    table = null;
    share.hold(0);
  };

  return {
    *process(element) {
      if (element.kind === 'batch') {
        if (table !== null) add(table, element.batch);
        return;
      }
      if (element.kind === 'end') {
        const given =
          table === null
            ? makeBatch(
                spec.schema,
                1,
                spec.schema.map(({ type }) => nullColumn(type, 1)),
              )
            : makeBatch(spec.schema, table.size, encoder.decode(table.keys, table.size));
        for (let from = 0; from < given.length; from += batchRows)
          yield { kind: 'batch', batch: slice(given, from, Math.min(given.length, from + batchRows)) };
        share.hold(0);
      }
      yield element;
    },
  };
}
