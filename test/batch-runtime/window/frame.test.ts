import assert from 'node:assert/strict';
import { test } from 'node:test';
import { framesOf, isRangeKey } from '#runtime/window/frame.ts';
import { windowRows } from '#runtime/window/rows.ts';
import { columnOf } from '../batch/columns.ts';

const seen = (keys: readonly (number | null)[], unit: 'rows' | 'range', start: number | null, end: number | null, descending = false): string[] => {
  const key = columnOf('float64', keys);
  const rows = windowRows([key], keys.length, [], [{ column: 0, descending }]);
  const { from, to } = framesOf(rows, { unit, start, end }, { column: key, descending });
  return keys.map((_, i) => (to[i]! <= from[i]! ? '' : `${from[i]}-${to[i]! - 1}`));
};

test('rows count rows, and stop at the ends of the partition', () => {
  assert.deepEqual(seen([1, 2, 3, 4], 'rows', -1, 1), ['0-1', '0-2', '1-3', '2-3']);
  assert.deepEqual(seen([1, 2, 3, 4], 'rows', 2, null), ['2-3', '3-3', '', '']);
  assert.deepEqual(seen([1, 2, 3], 'rows', null, -1), ['', '0-0', '0-1']);
});

test('range looks at keys; equal ones stand together, nulls see nulls', () => {
  assert.deepEqual(seen([1, 1, 2, 5, null, null], 'range', null, 0), ['0-1', '0-1', '0-2', '0-3', '0-5', '0-5']);
  assert.deepEqual(seen([1, 1, 2, 5, null, null], 'range', -1, 0), ['0-1', '0-1', '0-2', '3-3', '4-5', '4-5']);
  assert.deepEqual(seen([5, 2, 1, null], 'range', -3, 1, true), ['0-0', '0-2', '1-2', '3-3']);
});

test('distances are told of numbers and times', () => {
  assert.ok(isRangeKey({ kind: 'date' }) && !isRangeKey({ kind: 'utf8' }) && !isRangeKey({ kind: 'int64' }));
});
