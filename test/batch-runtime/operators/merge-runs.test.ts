import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat } from '#runtime/batch/concat.ts';
import { sortRows } from '#runtime/batch/sort.ts';
import { take } from '#runtime/batch/take.ts';
import { mergeRuns } from '#runtime/operators/merge-runs.ts';
import { createSpillFile } from '#runtime/spill/spill-file.ts';
import { batchArb, fieldsOf, kinds, rowsIn } from '../batch/columns.ts';
import { rowBatches, rowSchema, tight } from '../spill/tight.ts';

test('runs merged are what all of them sorted are, equal rows in the order of the runs', () => {
  const schema = fieldsOf(...kinds);
  const orderArb = fc.array(fc.record({ column: fc.nat(kinds.length - 1), descending: fc.boolean() }), { minLength: 1, maxLength: 2 });
  fc.assert(
    fc.property(
      fc.array(batchArb(schema, 30, 4), { maxLength: 7 }),
      orderArb,
      fc.constantFrom(40, 300),
      fc.constantFrom(1, 5000),
      (batches, order, blockBytes, outBytes) => {
        const { scratch, remove } = tight(0);
        const file = createSpillFile(scratch, schema, blockBytes);
        for (const [run, batch] of batches.entries()) file.write(run, take(batch, sortRows(batch, order)));
        const all = concat(schema, batches);
        const given = [...mergeRuns(file, 0, batches.length, schema, order, outBytes)].flatMap(rowsIn);
        assert.deepEqual(given, rowsIn(take(all, sortRows(all, order))));
        remove();
      },
    ),
    { numRuns: 60 },
  );
});

test('a part of the runs by itself; it holds a block of each and no more', () => {
  const { scratch, remove } = tight(0);
  const file = createSpillFile(scratch, rowSchema, 2000);
  const order = [{ column: 0, descending: true }];
  const runs = Array.from({ length: 6 }, (_, run) => concat(rowSchema, rowBatches(run, 1500, 300, 'zipf')));
  for (const [run, batch] of runs.entries()) file.write(run, take(batch, sortRows(batch, order)));
  const wanted = concat(rowSchema, runs.slice(2, 5));
  const batches = [...mergeRuns(file, 2, 5, rowSchema, order, 8000)];
  assert.deepEqual(batches.flatMap(rowsIn), rowsIn(take(wanted, sortRows(wanted, order))));
  assert.ok(batches.length > 5 && Math.max(...batches.map(({ length }) => length)) < 1000, 'it leaves in pieces');
  remove();
});
