import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import { createKeptTables, type TablePlace } from '#runtime/operators/kept-tables.ts';
import { createKeyFilter } from '#runtime/operators/key-filter.ts';
import { batchOf, rowsIn } from '../batch/columns.ts';
import { tight } from '../spill/tight.ts';
import { batchesOf, elementsOf, field } from './run.ts';

const probe: Schema = [{ ...field('k', 'int32'), nullable: true }, field('v', 'int32')];
const build: Schema = [{ ...field('key', 'int64'), nullable: true }];
const spec = {
  kind: 'join',
  uid: 'f',
  probe: 0,
  build: 1,
  how: 'semi',
  probeKeys: ['k'],
  buildKeys: ['key'],
  prefix: '',
  where: null,
  keysUpTo: 3,
  schema: probe,
} as const;
const keysOf = (...keys: (bigint | null)[]): Batch =>
  batchOf(
    build,
    keys.map((key) => [key]),
  );
const rows = batchOf(probe, [
  [5, 1],
  [null, 2],
  [-6, 3],
  [7, 4],
]);

/** What passes a filter that has these keys. */
function passed(keys: readonly Batch[], { budget = 1_000_000, place = null as TablePlace | null, batches = [rows] } = {}): unknown[] {
  const { memory, remove } = tight(budget);
  const filter = createKeyFilter(spec, spec.keysUpTo, [probe, build], memory.open(), place);
  elementsOf(filter, keys, 1);
  const given = batchesOf(elementsOf(filter, batches, 0)).flatMap(rowsIn);
  remove();
  return given;
}

test('rows pass whose key is among those of any task; a null is not', () => {
  assert.deepEqual(passed([keysOf(7n), keysOf(-6n, 1n), keysOf(7n)]), [
    [-6, 3],
    [7, 4],
  ]);
  assert.deepEqual(passed([]), []);
});

test('every row passes when a task had too many keys, when all together have, and when they do not fit', () => {
  assert.deepEqual(passed([keysOf(7n), keysOf(null), keysOf(8n)]), rowsIn(rows));
  assert.deepEqual(passed([keysOf(1n, 2n), keysOf(3n, 4n), keysOf(1n)]), rowsIn(rows));
  assert.deepEqual(passed([keysOf(1n)], { budget: 1000 }), rowsIn(rows));
});

test('a filter that leaves nearly nothing out looks at no more rows', () => {
  const many = batchOf(
    probe,
    Array.from({ length: 1 << 16 }, (_, i) => [i % 8 === 0 ? 5 : 7, i]),
  );
  assert.equal(passed([keysOf(7n)], { batches: [many, rows] }).length, (7 / 8) * many.length + rows.length);
});

test('the keys are there for the next task, which asks for none', () => {
  const kept = createKeptTables();
  for (const keys of [[keysOf(7n)], [keysOf(7n), keysOf(null)]]) {
    const side = String(keys.length);
    const first = passed(keys, { place: kept.placeOf(0, 0, side) });
    const place = kept.placeOf(0, 0, side);
    assert.deepEqual(passed([], { place }), first);
    assert.ok(place.taken);
  }
});
