import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Schema } from '#runtime/batch/batch.ts';
import { hashKeys } from '#runtime/batch/hash.ts';
import { fromPlain } from '#runtime/batch/rows.ts';
import { slice } from '#runtime/batch/slice.ts';
import { createPartitioner } from '#runtime/shuffle/partitioner.ts';

const schema: Schema = [
  { name: 'n', type: { kind: 'int32' }, nullable: true },
  { name: 's', type: { kind: 'utf8' }, nullable: true },
];
const batchOf = (rows: readonly (readonly [number | null, string | null])[]) => fromPlain(schema, rows);
const rowsArb = fc.array(fc.tuple(fc.option(fc.integer({ min: -50, max: 50 })), fc.option(fc.constantFrom('', 'a', 'b', 'ü'))), {
  minLength: 1,
  maxLength: 60,
});

test('single and broadcast: all to partition 0; forward: to the task’s own', () => {
  const at = { partitions: 5, task: 3, bounds: null };
  assert.deepEqual(createPartitioner({ kind: 'single' }, schema, at), { constant: 0 });
  assert.deepEqual(createPartitioner({ kind: 'broadcast' }, schema, at), { constant: 0 });
  assert.deepEqual(createPartitioner({ kind: 'forward' }, schema, at), { constant: 3 });
  assert.deepEqual(createPartitioner({ kind: 'hash', keys: ['n'] }, schema, { ...at, partitions: 1 }), { constant: 0 });
  assert.deepEqual(createPartitioner({ kind: 'range', keys: [{ name: 'n', descending: false }], sampledBy: 0 }, schema, { ...at, bounds: [] }), {
    constant: 0,
  });
});

test('hash: in range, the documented function of the key hash, the same wherever the row stands', () => {
  fc.assert(
    fc.property(rowsArb, fc.integer({ min: 2, max: 5000 }), fc.constantFrom(['n'], ['s'], ['n', 's']), (rows, partitions, keys) => {
      const batch = batchOf(rows);
      const partitioner = createPartitioner({ kind: 'hash', keys }, schema, { partitions, task: 0, bounds: null });
      assert.ok(partitioner.constant === null);
      const out = new Int32Array(rows.length);
      partitioner.assign(batch, out);
      const columns = keys.map((name) => batch.columns[name === 'n' ? 0 : 1]!);
      const hashes = hashKeys(columns, rows.length);
      for (const [i, partition] of out.entries()) assert.equal(partition, Number((BigInt(hashes[i]!) * BigInt(partitions)) >> 32n));
      const half = rows.length >> 1;
      const part = new Int32Array(rows.length - half);
      partitioner.assign(slice(batch, half, rows.length), part);
      assert.deepEqual([...part], [...out.subarray(half)]);
    }),
    { numRuns: 50 },
  );
});

test('hash: a column that is not there is a mistake of the planner', () => {
  assert.throws(() => createPartitioner({ kind: 'hash', keys: ['x'] }, schema, { partitions: 2, task: 0, bounds: null }), assert.AssertionError);
});

test('range: how many bounds are at or before the row; order and neighbours do not matter', () => {
  fc.assert(
    fc.property(
      rowsArb,
      fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      (rows, cuts, descending) => {
        const known = rows.map(([n, s]) => [n ?? 0, s] as const);
        const bounds = cuts.sort((a, b) => (descending ? b - a : a - b)).map((n) => [n] as const);
        const keys = [{ name: 'n', descending }];
        const partitioner = createPartitioner({ kind: 'range', keys, sampledBy: 0 }, schema, { partitions: bounds.length + 1, task: 0, bounds });
        assert.ok(partitioner.constant === null);
        const out = new Int32Array(rows.length);
        partitioner.assign(batchOf(known), out);
        for (const [i, [n]] of known.entries()) {
          assert.equal(out[i], bounds.filter(([bound]) => (descending ? bound >= n : bound <= n)).length);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('range: more bounds than partitions is a mistake of the coordinator', () => {
  const keys = [{ name: 'n', descending: false }];
  assert.throws(
    () => createPartitioner({ kind: 'range', keys, sampledBy: 0 }, schema, { partitions: 2, task: 0, bounds: [[1], [2]] }),
    assert.AssertionError,
  );
  assert.throws(
    () => createPartitioner({ kind: 'range', keys, sampledBy: 0 }, schema, { partitions: 2, task: 0, bounds: null }),
    assert.AssertionError,
  );
});
