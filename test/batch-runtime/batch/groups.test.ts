import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GroupTable } from '#runtime/batch/groups.ts';

const laneArb = fc.oneof(
  fc.integer({ min: -2, max: 2 }),
  fc.integer(),
  fc.nat(100).map((i) => i << 24),
);

test('keys get numbers dense from 0 in order of first sight, whatever their width', () => {
  const keysArb = fc
    .integer({ min: 1, max: 4 })
    .chain((width) => fc.array(fc.array(laneArb, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 60 }));
  fc.assert(
    fc.property(keysArb, fc.nat(60), (keys, cut) => {
      const width = keys[0]!.length;
      const table = new GroupTable(width);
      const distinct = [...new Set(keys.map(String))];
      const groups = new Int32Array(keys.length);
      // In two batches: the second finds what the first made.
      const at = Math.min(cut, keys.length);
      table.add(Int32Array.from(keys.slice(0, at).flat()), at, groups);
      const rest = new Int32Array(keys.length - at);
      table.add(Int32Array.from(keys.slice(at).flat()), rest.length, rest);
      groups.set(rest, at);
      assert.deepEqual(
        [...groups],
        keys.map((key) => distinct.indexOf(String(key))),
      );
      assert.equal(table.size, distinct.length);
      assert.deepEqual(
        [...table.keys],
        distinct.flatMap((key) => key.split(',').map(Number)),
      );
      const found = new Int32Array(keys.length);
      table.lookup(Int32Array.from(keys.flat()), keys.length, found);
      assert.deepEqual(found, groups);
      const none = new Int32Array(1);
      table.lookup(
        Int32Array.from({ length: width }, () => 123_456_789),
        1,
        none,
      );
      assert.equal(none[0], distinct.indexOf(Array(width).fill(123_456_789).join()));
    }),
    { numRuns: 200 },
  );
});

for (const width of [1, 2, 3]) {
  test(`tables of ${width} lanes grow, and keys that differ in few bits do not pile up`, () => {
    const n = 200_000;
    for (const key of [(i: number) => i, (i: number) => i << 12, (i: number) => Math.imul(i, 65_536) ^ (i >>> 16)]) {
      const lanes = new Int32Array(width * n);
      for (let i = 0; i < n; i++) for (let lane = 0; lane < width; lane++) lanes[width * i + lane] = lane === 0 ? key(i) : i & 3;
      const table = new GroupTable(width);
      const groups = new Int32Array(n);
      table.add(lanes, n, groups);
      const distinct = new Map<string, number>();
      for (let i = 0; i < n; i += 997) {
        const text = lanes.subarray(width * i, width * (i + 1)).join();
        assert.equal(groups[i], distinct.get(text) ?? groups[i]);
        distinct.set(text, groups[i]!);
        assert.deepEqual(table.keys.subarray(width * groups[i]!, width * (groups[i]! + 1)), lanes.subarray(width * i, width * (i + 1)));
      }
      assert(table.bytes < 64 * n * width);
    }
  });
}

test('without a key there is one group, once there is a row or it is asked for', () => {
  const table = new GroupTable(0);
  const groups = Int32Array.of(9, 9);
  table.add(new Int32Array(0), 0, groups);
  assert.equal(table.size, 0);
  table.addEmpty();
  assert.equal(table.size, 1);
  table.add(new Int32Array(0), 2, groups);
  assert.deepEqual([...groups], [0, 0]);
  assert.equal(table.size, 1);
});
