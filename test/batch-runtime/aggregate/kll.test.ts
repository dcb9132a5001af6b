import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addTo, createSketch, mergeInto, quantileOf, readSketch, type Sketch, sketchBytes, writeSketch } from '#runtime/aggregate/kll.ts';
import { randomOf } from '../spill/tight.ts';

const n = 200_000;
const random = randomOf(11);
const inputs: Readonly<Record<string, (i: number) => number>> = {
  ascending: (i) => i,
  descending: (i) => n - i,
  random: () => random(),
  'a few values': () => Math.floor(random() * 10),
  'mostly small': () => 1 / (random() + 1e-9),
  organ: (i) => Math.abs(i - n / 2),
};
const shares = [0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1];

/** The largest distance between the share asked for and those the answer has. */
function worst(sketch: Sketch, values: Float64Array): number {
  const sorted = values.toSorted();
  return Math.max(
    ...shares.map((share) => {
      const value = quantileOf(sketch, share)!;
      const below = sorted.findIndex((each) => each >= value) / (n - 1);
      const upTo = sorted.findLastIndex((each) => each <= value) / (n - 1);
      return Math.max(0, below - share, share - upTo);
    }),
  );
}

test('the true share is within 1 % of what was asked, in one sketch and of many put together', () => {
  for (const [name, of] of Object.entries(inputs)) {
    const values = Float64Array.from({ length: n }, (_, i) => of(i));
    const whole = createSketch();
    for (const value of values) addTo(whole, value);
    assert(worst(whole, values) < 0.01, `${name}: ${worst(whole, values)}`);
    const merged = createSketch();
    for (let from = 0; from < n; from += 9973) {
      const part = createSketch();
      for (const value of values.subarray(from, from + 9973)) addTo(part, value);
      mergeInto(merged, readSketch(writeSketch(part)));
    }
    assert.equal(merged.count, n);
    assert(worst(merged, values) < 0.01, `${name}, put together: ${worst(merged, values)}`);
    assert(merged.size < 1300 && sketchBytes(merged) < 12_000, `${merged.size} values held`);
    assert.equal(
      merged.levels.reduce((sum, level, h) => sum + level.length * 2 ** h, 0),
      n,
    );
  }
});

test('up to 400 values it is exact, and written and read again it is the same', () => {
  const sketch = createSketch();
  assert.equal(quantileOf(sketch, 0.5), null);
  for (let i = 400; i > 0; i--) addTo(sketch, i);
  assert.equal(quantileOf(sketch, 0.5), 200.5);
  assert.equal(quantileOf(sketch, 1), 400);
  assert.deepEqual(readSketch(writeSketch(sketch)), sketch);
  addTo(sketch, Number.NaN);
  assert.equal(quantileOf(sketch, 1), Number.NaN);
});
