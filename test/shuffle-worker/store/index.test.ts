import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createKernelMemory } from '#worker/kernel/kernel.ts';
import { EntryIndex, type EntryRun, entriesPerChunk } from '#worker/store/index.ts';

const create = (chunks: number): EntryIndex => new EntryIndex(createKernelMemory(1 << 20), 0, 1 << 19, chunks * entriesPerChunk);

test('property: runs of batches never overlap, and free entries are what is left', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(200), fc.boolean()), { maxLength: 60 }), (steps) => {
      const index = create(20);
      const batches: EntryRun[][] = [[], [], [], []];
      for (const [which, wanted, frees] of steps) {
        const runs = batches[which]!;
        if (frees) {
          index.free(runs);
          batches[which] = [];
        } else {
          const run = index.room(runs, wanted);
          if (run) run.used += Math.min(run.capacity - run.used, Math.max(wanted, 1));
          else assert.equal(index.freeEntries, 0);
        }
        const taken = batches
          .flat()
          .flatMap(({ first, capacity }) => Array.from({ length: capacity / entriesPerChunk }, (_, i) => first / entriesPerChunk + i));
        assert.equal(new Set(taken).size, taken.length);
        assert.equal(index.freeEntries, (20 - taken.length) * entriesPerChunk);
        for (const { used, capacity } of batches.flat()) assert.ok(used <= capacity);
      }
    }),
    { numRuns: 200 },
  );
});

test('a run that is full is lengthened while there is room behind it, and its numbers are in the list', () => {
  const memory = createKernelMemory(1 << 20);
  const index = new EntryIndex(memory, 0, 1 << 19, 4 * entriesPerChunk);
  const runs: EntryRun[] = [];
  const run = index.room(runs, 10)!;
  run.used = entriesPerChunk;
  assert.equal(index.room(runs, 10), run);
  assert.equal(run.capacity, 2 * entriesPerChunk);
  assert.deepEqual(
    [...new Uint32Array(memory.buffer, 1 << 19, 128)],
    Array.from({ length: 128 }, (_, i) => i),
  );
  const other: EntryRun[] = [];
  index.room(other, 1);
  run.used = run.capacity;
  // Another batch is behind it now: the third chunk is not its neighbour's.
  const next = index.room(runs, 1)!;
  assert.notEqual(next, run);
  assert.equal(next.first, 3 * entriesPerChunk);
  next.used = next.capacity;
  assert.equal(index.room(runs, 1), null);
});
