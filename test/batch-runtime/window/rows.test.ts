import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windowRows } from '#runtime/window/rows.ts';
import { columnOf } from '../batch/columns.ts';

const by = (column: number) => [{ column, descending: false }];

test('where partitions and peers begin; nulls and NaN equal themselves', () => {
  const p = columnOf('int32', [1, 1, 1, 2, null, null]);
  const k = columnOf('float64', [1, Number.NaN, Number.NaN, Number.NaN, null, null]);
  const rows = windowRows([p, k], 6, by(0), by(1));
  assert.deepEqual([...rows.starts], [0, 3, 4, 6]);
  assert.deepEqual([...rows.partition], [0, 0, 0, 1, 2, 2]);
  assert.deepEqual([...rows.peerStart], [0, 1, 1, 3, 4, 4]);
  assert.deepEqual([...rows.peerEnd], [1, 3, 3, 4, 6, 6]);
});

test('without keys all rows are one partition, without an order all are peers', () => {
  const rows = windowRows([columnOf('int32', [3, 1, 2])], 3, [], []);
  assert.deepEqual(
    [[...rows.starts], [...rows.peerEnd]],
    [
      [0, 3],
      [3, 3, 3],
    ],
  );
  assert.deepEqual([...windowRows([], 0, [], []).starts], [0]);
});
