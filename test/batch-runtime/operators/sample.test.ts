import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch } from '#runtime/batch/batch.ts';
import type { SortKey } from '#runtime/graph/plan.ts';
import { boundsBatch, createSample, makeBounds, type Samples } from '#runtime/operators/sample.ts';
import { createPartitioner } from '#runtime/shuffle/partitioner.ts';
import { batchArb, batchOf, fieldsOf, kinds, order, rowsIn } from '../batch/columns.ts';
import { batchesOf, elementsOf, field } from './run.ts';

const sampleOf = (schema: Batch['schema'], keys: readonly SortKey[], batches: readonly Batch[]): Samples => {
  const sampler = createSample({ kind: 'sample', uid: 's', input: 0, keys, schema }, schema);
  assert.deepEqual(batchesOf(elementsOf(sampler, batches)), batches);
  return sampler.samples();
};
const partitionsOf = (
  schema: Batch['schema'],
  keys: readonly SortKey[],
  bounds: readonly (readonly unknown[])[],
  batch: Batch,
  partitions: number,
): number[] => {
  const partitioner = createPartitioner({ kind: 'range', keys, sampledBy: 0 }, schema, { partitions, task: 0, bounds: bounds as never });
  const out = new Int32Array(batch.length);
  if (partitioner.constant === null) partitioner.assign(batch, out);
  return [...out];
};

test('bounds cut the rows into ranges that follow each other, whatever the kinds', () => {
  const schema = fieldsOf(...kinds);
  const keysArb = fc.array(fc.record({ name: fc.constantFrom(...schema.map(({ name }) => name)), descending: fc.boolean() }), {
    minLength: 1,
    maxLength: 2,
  });
  fc.assert(
    fc.property(
      fc.array(batchArb(schema, 20), { minLength: 1, maxLength: 3 }),
      keysArb,
      fc.integer({ min: 1, max: 6 }),
      (batches, keys, partitions) => {
        const samples = batches.map((batch) => JSON.parse(JSON.stringify(sampleOf(schema, keys, [batch]))) as Samples);
        const bounds = makeBounds(samples, partitions, keys);
        assert(bounds.length < partitions);
        assert.equal(boundsBatch(schema, keys, bounds).length, bounds.length);
        const placed = batches.flatMap((batch) => {
          const to = partitionsOf(schema, keys, bounds, batch, partitions);
          return rowsIn(batch).map((row, i) => ({ to: to[i]!, key: keys.map(({ name }) => row[Number(name.slice(1))]!) }));
        });
        for (const a of placed) {
          for (const b of placed) {
            const difference = keys.map(({ descending }, k) => order(a.key[k]!, b.key[k]!, descending)).find((each) => each !== 0) ?? 0;
            if (difference < 0) assert(a.to <= b.to);
            if (difference === 0) assert.equal(a.to, b.to);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('partitions come out even, tasks weighing as many rows as they have', () => {
  const schema = [field('a', 'int32')];
  const keys = [{ name: 'a', descending: false }];
  const task = (rows: number, from: number): Batch =>
    batchOf(
      schema,
      Array.from({ length: rows }, (_, i) => [from + (Math.imul(i, 7919) % rows)]),
    );
  const tasks = [task(60_000, 0), task(3000, 60_000)];
  const samples = tasks.map((batch) => sampleOf(schema, keys, [batch]));
  assert.deepEqual(
    samples.map(({ keys: kept }) => kept.length),
    [2000, 2000],
  );
  assert.equal(samples[0]!.rows, 60_000);
  const counts = Array<number>(8).fill(0);
  const bounds = makeBounds(samples, 8, keys);
  for (const batch of tasks) for (const to of partitionsOf(schema, keys, bounds, batch, 8)) counts[to]!++;
  for (const count of counts) assert(count > 0.6 * (63_000 / 8) && count < 1.4 * (63_000 / 8), counts.join());
});

test('the same rows give the same sample', () => {
  const schema = [field('a', 'int32')];
  const keys = [{ name: 'a', descending: false }];
  const batch = batchOf(
    schema,
    Array.from({ length: 20_000 }, (_, i) => [i]),
  );
  assert.deepEqual(sampleOf(schema, keys, [batch]), sampleOf(schema, keys, [batch]));
});

test('a key that fills several partitions takes its quantiles with it; one value alone needs no bound', () => {
  const schema = [field('a', 'int32')];
  const keys = [{ name: 'a', descending: false }];
  const skewed = batchOf(
    schema,
    Array.from({ length: 1000 }, (_, i) => [i < 900 ? 5 : i]),
  );
  const bounds = makeBounds([sampleOf(schema, keys, [skewed])], 10, keys);
  assert(bounds.length >= 1 && bounds.length <= 2);
  assert.deepEqual(makeBounds([sampleOf(schema, keys, [batchOf(schema, [[1], [1]])])], 10, keys), []);
  assert.deepEqual(makeBounds([sampleOf(schema, keys, [])], 10, keys), []);
});

test('long texts are cut, never through a character', () => {
  const schema = [field('a', 'utf8')];
  const keys = [{ name: 'a', descending: false }];
  const { keys: kept } = sampleOf(schema, keys, [batchOf(schema, [[`${'x'.repeat(127)}😀rest`], ['y'.repeat(500)]])]);
  assert.deepEqual(kept, [['x'.repeat(127)], ['y'.repeat(128)]]);
});
