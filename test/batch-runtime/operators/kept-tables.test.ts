import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Schema } from '#runtime/batch/batch.ts';
import { joinSchema } from '#runtime/graph/rewrite.ts';
import { createKeptTables, type TablePlace } from '#runtime/operators/kept-tables.ts';
import { createSpillingJoin } from '#runtime/operators/spilling-join.ts';
import { batchOf } from '../batch/columns.ts';
import { tight } from '../spill/tight.ts';
import { batchesOf, elementsOf, field, namedRows } from './run.ts';

const probe: Schema = [field('k', 'utf8'), field('v', 'int32')];
const build: Schema = [field('key', 'utf8'), field('w', 'int32')];
const keys = { how: 'inner', leftKeys: ['k'], rightKeys: ['key'], prefix: '' } as const;
const spec = {
  kind: 'join',
  uid: 'j',
  probe: 0,
  build: 1,
  ...keys,
  where: null,
  probeKeys: keys.leftKeys,
  buildKeys: keys.rightKeys,
  schema: joinSchema(probe, build, keys),
} as const;

/** The rows of a task that has these probe rows; the build side comes unless the join has one. */
function task(place: TablePlace, rows: readonly (readonly [string, number])[], budget = 1_000_000): unknown[] {
  const { memory, remove } = tight(budget);
  const join = createSpillingJoin(spec, [probe, build], [], memory.open(), place);
  if (!place.taken)
    elementsOf(
      join,
      [
        batchOf(build, [
          ['a', 1],
          ['b', 2],
          ['a', 3],
        ]),
      ],
      1,
    );
  const found = namedRows(batchesOf(elementsOf(join, [batchOf(probe, rows)], 0)));
  remove();
  return found.map(({ k, v, w }) => [k, v, w]);
}

test('the next task of a stage uses the table, texts of keys and all', () => {
  const tables = createKeptTables();
  const first = tables.placeOf(3, 1, 'side');
  assert.deepEqual(
    task(first, [
      ['a', 10],
      ['c', 11],
    ]),
    [
      ['a', 10, 1],
      ['a', 10, 3],
    ],
  );
  assert.equal(first.taken, false);
  const second = tables.placeOf(3, 1, 'side');
  assert.deepEqual(
    task(second, [
      ['c', 20],
      ['b', 21],
      ['a', 22],
    ]),
    [
      ['b', 21, 2],
      ['a', 22, 1],
      ['a', 22, 3],
    ],
  );
  assert.equal(second.taken, true);
});

test('another operator, another side and another stage have tables of their own; one that is over keeps none', () => {
  const tables = createKeptTables();
  const old = tables.placeOf(3, 1, 'side');
  task(old, []);
  for (const place of [tables.placeOf(3, 2, 'side'), tables.placeOf(3, 1, 'other')]) assert.equal(place.get(), null);
  assert.ok(tables.placeOf(3, 1, 'side').get() !== null);
  assert.equal(tables.placeOf(4, 1, 'side').get(), null);
  assert.equal(tables.placeOf(3, 1, 'side').get(), null);
  tables.placeOf(4, 1, 'side');
  task(old, []);
  assert.equal(old.get(), null);
});

test('a table that does not fit the memory of the next task is built anew, by its rules', () => {
  const tables = createKeptTables();
  const place = tables.placeOf(1, 1, 'side');
  task(place, []);
  const kept = place.get()!;
  place.put({ ...kept, bytes: 10_000_000 });
  const next = tables.placeOf(1, 1, 'side');
  assert.deepEqual(task(next, [['b', 1]]), [['b', 1, 2]]);
  assert.equal(next.taken, false);
});
