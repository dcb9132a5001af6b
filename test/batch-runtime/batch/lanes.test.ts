import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { highLane, highLaneOf, int64Max, int64Min, lanesToBigInt, lanesToNumber, lowLane, lowLaneOf } from '#runtime/batch/lanes.ts';

const int64Arb = fc.oneof(
  fc.bigInt({ min: int64Min, max: int64Max }),
  fc.constantFrom(int64Min, int64Max, 0n, -1n, 2n ** 32n, -(2n ** 32n), 2n ** 31n, -(2n ** 31n)),
);

test('64 bits go into two lanes and come back', () => {
  fc.assert(
    fc.property(int64Arb, (value) => {
      assert.equal(lanesToBigInt(lowLaneOf(value), highLaneOf(value)), value);
      assert.equal(lanesToNumber(lowLaneOf(value), highLaneOf(value)), Number(value));
    }),
  );
});

test('whole doubles go into the same lanes', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      assert.deepEqual([lowLane(value), highLane(value)], [lowLaneOf(BigInt(value)), highLaneOf(BigInt(value))]);
      assert.equal(lanesToNumber(lowLane(value), highLane(value)), value + 0);
    }),
  );
});
