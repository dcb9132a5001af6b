import assert from 'node:assert/strict';
import { test } from 'node:test';
import { approximates } from '#runtime/aggregate/approximate.ts';
import { callOf, createAccumulator } from '#runtime/aggregate/table.ts';
import { makeColumn } from '#runtime/batch/column.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { columnOf, valuesOf } from '../batch/columns.ts';

const of = (kind: 'int32' | 'utf8') => {
  const argument = columnRef({ name: 'x', type: { kind }, nullable: true });
  const accumulator = createAccumulator({ name: 'a', ...callOf('approxCountDistinct', { argument, filter: null }, false) });
  accumulator.grow(1);
  return accumulator;
};

test('from one value to a million the estimate is near, and its errors are about 1.6 %', () => {
  assert.deepEqual(Object.keys(approximates), ['approxCountDistinct']);
  const errors: number[] = [];
  for (const n of [1, 2, 10, 100, 250, 1000, 5000, 20_000, 100_000, 1_000_000]) {
    for (let round = 0; round < (n > 50_000 ? 2 : 12); round++) {
      const one = of('int32');
      const values = Int32Array.from({ length: n }, (_, i) => Math.imul(i + 1, 2_654_435_761) ^ (round * 7919));
      one.update(new Int32Array(n), n, makeColumn({ kind: 'int32' }, n, values), []);
      const [given] = valuesOf(one.final(1)) as [number];
      errors.push((given - n) / n);
      assert(Math.abs(given - n) <= Math.max(0.065 * n, 0), `${given} of ${n}`);
      if (n <= 10) assert.equal(given, n);
    }
  }
  const spread = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);
  assert(spread < 0.018, `${spread}`);
});

test('it does not matter in which order values came, nor how they were spread over states, few or many', () => {
  for (const n of [3, 300, 5000]) {
    const values = Array.from({ length: n }, (_, i) => `value ${i}`);
    const whole = of('utf8');
    whole.update(new Int32Array(n), n, columnOf('utf8', values), []);
    const merged = of('utf8');
    for (const part of [values.slice(0, n >> 1), values.slice(n >> 2), []].reverse()) {
      const one = of('utf8');
      one.update(new Int32Array(part.length), part.length, columnOf('utf8', part.toReversed(), { dictionary: true }), []);
      merged.merge(Int32Array.of(0), 1, one.partial(1));
    }
    assert.deepEqual(valuesOf(merged.final(1)), valuesOf(whole.final(1)));
    assert(merged.bytes > 0);
  }
});
