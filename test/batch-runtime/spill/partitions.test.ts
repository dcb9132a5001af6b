import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPartitions, partitionSizes } from '#runtime/spill/partitions.ts';
import type { SpillFile } from '#runtime/spill/spill-file.ts';
import { rowsIn } from '../batch/columns.ts';
import { rowBatches, rowSchema, tight } from './tight.ts';

const spread = (file: SpillFile): unknown[][][] =>
  Array.from({ length: file.parts }, (_, part) => [...file.read(part)].flatMap((batch) => rowsIn(batch)));

test('equal keys are in one partition in the order they came, all rows are in some, and partitions are about even', () => {
  const batches = rowBatches(1, 6000, 1000, 'even');
  const all = batches.flatMap(rowsIn);
  for (const keys of [[0], [1], [0, 1]]) {
    const { scratch, remove } = tight(0);
    const partitions = createPartitions({ scratch, schema: rowSchema, keys, level: 0, partitions: 8, bufferBytes: 20_000, blockBytes: 4096 });
    for (const batch of batches) partitions.write(batch);
    const parts = spread(partitions.finish());
    assert.equal(parts.length, 8);
    const byId = (a: unknown[], b: unknown[]): number => (a[2] as number) - (b[2] as number);
    assert.deepEqual(parts.flat().sort(byId), all);
    for (const rows of parts) {
      assert.deepEqual(rows.toSorted(byId), rows);
      assert.ok(rows.length > 500 && rows.length < 1000, `${rows.length}`);
    }
    const places = new Map<unknown, number>();
    for (const [part, rows] of parts.entries()) {
      for (const row of rows) {
        assert.equal(places.get(row[keys[0]!]) ?? part, part);
        places.set(row[keys[0]!], part);
      }
    }
    remove();
  }
});

test('what shares a partition spreads again at the next level', () => {
  const { scratch, remove } = tight(0);
  const at = (level: number) =>
    createPartitions({ scratch, schema: rowSchema, keys: [0], level, partitions: 8, bufferBytes: 100_000, blockBytes: 4096 });
  const first = at(0);
  for (const batch of rowBatches(2, 8000, 4000, 'even')) first.write(batch);
  const file = first.finish();
  const second = at(1);
  for (const batch of file.read(3)) second.write(batch);
  const again = second.finish();
  const counts = Array.from({ length: 8 }, (_, part) => again.rows(part));
  assert.equal(
    counts.reduce((a, b) => a + b, 0),
    file.rows(3),
  );
  assert.ok(Math.max(...counts) < file.rows(3) / 4, `${counts}`);
  remove();
});

test('without keys all is one partition; sizes follow the memory', () => {
  const { scratch, remove } = tight(0);
  const partitions = createPartitions({ scratch, schema: rowSchema, keys: [], level: 0, partitions: 8, bufferBytes: 1, blockBytes: 4096 });
  for (const batch of rowBatches(3, 100, 10, 'even')) partitions.write(batch);
  const file = partitions.finish();
  assert.equal(file.parts, 1);
  assert.equal(file.rows(0), 100);
  remove();
  for (const bytes of [64 * 1024, 2 ** 26, 2 ** 29, 2 ** 40]) {
    const { partitions: count, bufferBytes, blockBytes } = partitionSizes(bytes);
    assert.ok(bufferBytes <= bytes / 8 && blockBytes <= bytes / 2 && count >= 16);
  }
});
