import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPages } from '#runtime/window/pages.ts';
import { windowRows } from '#runtime/window/rows.ts';
import { batchOf } from '../batch/columns.ts';
import { field, namedRows } from '../operators/run.ts';
import { tight } from '../spill/tight.ts';

const input = [field('k', 'int32'), field('s', 'utf8')];
const rows = Array.from({ length: 500 }, (_, i) => [i < 120 ? null : i >> 5, `row ${i} ${'x'.repeat(40)}`]);
const order = [{ column: 0, descending: false }];

test('any run of pages can be had, and its rows know their places in the whole partition', () => {
  const { scratch, remove } = tight(1_000_000);
  const pages = createPages(scratch, input, order, 2000);
  for (let from = 0; from < rows.length; from += 70) pages.append(batchOf(input, rows.slice(from, from + 70)));
  assert.equal(pages.length, rows.length);
  assert.equal(pages.starts.at(-1), rows.length);
  assert.ok(pages.starts.length > 10);
  const all = batchOf(input, rows);
  const whole = windowRows(all.columns, all.length, [], order);
  for (const [from, to] of [
    [0, 1],
    [3, 4],
    [2, 9],
    [0, pages.starts.length - 1],
  ] as const) {
    const [first, end] = [pages.starts[from]!, pages.starts[to]!];
    assert.deepEqual(namedRows([pages.read(from, to)]), namedRows([all]).slice(first, end));
    assert.ok(pages.bytes(from, to) > 0 && (to - from > 1 || pages.bytes(from, to) <= 2000));
    const seen = pages.rows(from, to);
    assert.deepEqual([...seen.starts], [0 - first, rows.length - first]);
    assert.deepEqual(
      [...seen.peerStart],
      [...whole.peerStart.subarray(first, end)].map((row) => row - first),
    );
    assert.deepEqual(
      [...seen.peerEnd],
      [...whole.peerEnd.subarray(first, end)].map((row) => row - first),
    );
    assert.equal(seen.peersBefore, new Set(whole.peerStart.subarray(0, first)).size);
  }
  pages.close();
  assert.equal(scratch.open, 0);
  remove();
});
