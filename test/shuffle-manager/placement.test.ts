// Rectangles as values: whatever is asked for, they tile maps x partitions, and where they go is a matter of sizes only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PlaceRequest, pick, place } from '#manager/placement.ts';

const workersOf = (count: number, hosts = count) => Array.from({ length: count }, (_, i) => ({ worker: `w${i}`, hostLabel: `h${i % hosts}` }));
const request = (facts: Partial<PlaceRequest>): PlaceRequest => ({
  maps: 100,
  partitions: 100,
  replicas: 1,
  order: 0,
  bytesHint: 0,
  turn: 0,
  ...facts,
});
const gridOf = (facts: Partial<PlaceRequest>, workers: number) => {
  const rectangles = place(request(facts), workersOf(workers));
  return [new Set(rectangles.map((one) => one.mapFrom)).size, new Set(rectangles.map((one) => one.partitionFrom)).size];
};

const anyRequest = fc.record({
  maps: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 20_000 })),
  partitions: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 20_000 })),
  replicas: fc.integer({ min: 1, max: 4 }),
  order: fc.constantFrom(0 as const, 1 as const, 2 as const),
  bytesHint: fc.constantFrom(0, 1, 1e6, 1e8, 1e12),
  turn: fc.integer({ min: 0, max: 2 ** 31 }),
});

test('rectangles tile the cells exactly: every cell is in one, and a partition range is the same for all maps', () => {
  fc.assert(
    fc.property(anyRequest, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (wanted, count, hosts) => {
      const rectangles = place(wanted, workersOf(count, hosts));
      const columns = [...Map.groupBy(rectangles, (one) => one.partitionFrom).values()];
      let partition = 0;
      for (const column of columns) {
        let map = 0;
        for (const one of column) {
          assert.deepEqual([one.partitionFrom, one.partitionTo], [partition, column[0]!.partitionTo]);
          assert.ok(one.partitionTo > one.partitionFrom);
          assert.equal(one.mapFrom, map);
          assert.ok(one.mapTo > one.mapFrom || wanted.maps === 0);
          map = one.mapTo;
        }
        assert.equal(map, wanted.maps);
        partition = column[0]!.partitionTo;
      }
      assert.equal(partition, wanted.partitions);
      assert.ok(rectangles.length <= Math.max(1, count), 'never more rectangles than workers');
    }),
    { numRuns: 300 },
  );
});

test('replicas are different workers, on different hosts while there are enough; the same call gives the same places', () => {
  fc.assert(
    fc.property(anyRequest, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (wanted, count, hosts) => {
      const workers = workersOf(count, hosts);
      const rectangles = place(wanted, workers);
      for (const { workers: chosen } of rectangles) {
        assert.equal(chosen.length, Math.min(wanted.replicas, count));
        assert.equal(new Set(chosen).size, chosen.length);
        const distinct = new Set(chosen.map((index) => workers[index]!.hostLabel)).size;
        assert.equal(distinct, Math.min(chosen.length, hosts, count));
      }
      assert.deepEqual(place(wanted, workers), rectangles);
    }),
    { numRuns: 200 },
  );
});

test('a small shuffle goes to one worker, and which one it is takes turns', () => {
  assert.deepEqual(gridOf({ maps: 64, partitions: 64, bytesHint: 1e7 }, 20), [1, 1]);
  assert.deepEqual(gridOf({ maps: 16, partitions: 16 }, 20), [1, 1]);
  assert.deepEqual(gridOf({ maps: 10_000, partitions: 10_000, bytesHint: 1000 }, 20), [1, 1]);
  const first = (turn: number) => place(request({ maps: 2, partitions: 2, turn }), workersOf(3))[0]!.workers[0];
  assert.deepEqual([0, 1, 2, 3].map(first), [0, 1, 2, 0]);
  assert.notDeepEqual(gridOf({ maps: 4, partitions: 4, bytesHint: 1e12 }, 20), [1, 1]);
  assert.deepEqual(gridOf({ maps: 32, partitions: 64 }, 2), [1, 2], 'of what nobody knows the size of, 2 GB may come');
});

test('10,000 x 10,000 over 20 workers is a grid of 4 map groups and 5 partition slices', () => {
  assert.deepEqual(gridOf({ maps: 10_000, partitions: 10_000 }, 20), [4, 5]);
});

test('by map a shuffle is not cut by partition, with replicas not by map', () => {
  assert.deepEqual(gridOf({ maps: 10_000, partitions: 10_000, order: 1 }, 20), [20, 1]);
  assert.deepEqual(gridOf({ maps: 10_000, partitions: 10_000, replicas: 2 }, 20), [1, 20]);
});

test('pick starts at its turn and prefers other hosts', () => {
  assert.deepEqual(pick(2, 1, workersOf(4, 2)), [1, 2]);
  assert.deepEqual(
    pick(2, 0, [
      { worker: 'a', hostLabel: 'x' },
      { worker: 'b', hostLabel: 'x' },
      { worker: 'c', hostLabel: 'y' },
    ]),
    [0, 2],
  );
  assert.deepEqual(pick(4, 3, workersOf(2, 1)), [1, 0]);
});
