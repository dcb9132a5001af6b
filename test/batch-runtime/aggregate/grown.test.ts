import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grownBytes, grownDoubles, grownWords } from '#runtime/aggregate/grown.ts';

test('what was there stays, the rest is 0, and there is room for twice as much at least', () => {
  assert.deepEqual([...grownDoubles(Float64Array.of(1, 2), 3)].slice(0, 4), [1, 2, 0, 0]);
  assert.equal(grownWords(new Int32Array(100).fill(7), 101).length, 200);
  assert.equal(grownBytes(new Uint8Array(100).fill(7), 500).length, 500);
  assert.equal(grownBytes(new Uint8Array(0), 1).length, 64);
});
