import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callOf, createAccumulator } from '#runtime/aggregate/table.ts';
import { variances } from '#runtime/aggregate/variance.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { columnOf, valuesOf } from '../batch/columns.ts';

const argument = columnRef({ name: 'x', type: { kind: 'float64' }, nullable: false });
const accumulator = (fn: string) => createAccumulator({ name: 'a', ...callOf(fn, { argument, filter: null }, false) });

test('large numbers near each other keep their digits, also when states are put together', () => {
  assert.deepEqual(Object.keys(variances), ['variance', 'variancePop', 'stddev', 'stddevPop']);
  const values = [4, 7, 13, 16].map((value) => value + 1e9);
  for (const [fn, expected] of [
    ['variance', 30],
    ['variancePop', 22.5],
    ['stddev', Math.sqrt(30)],
    ['stddevPop', Math.sqrt(22.5)],
  ] as const) {
    const merged = accumulator(fn);
    merged.grow(2);
    for (const part of [values.slice(0, 1), values.slice(1), []]) {
      const one = accumulator(fn);
      one.grow(1);
      one.update(new Int32Array(part.length), part.length, columnOf('float64', part), []);
      merged.merge(Int32Array.of(1), 1, one.partial(1));
    }
    const [none, value] = valuesOf(merged.final(2));
    assert.equal(none, null);
    assert(Math.abs((value as number) - expected) < 1e-9, `${fn} ${String(value)}`);
  }
});

test('of one value a sample has none, everything has 0', () => {
  for (const [fn, expected] of [
    ['variance', null],
    ['stddevPop', 0],
  ] as const) {
    const one = accumulator(fn);
    one.grow(1);
    one.update(Int32Array.of(0), 1, columnOf('float64', [5]), []);
    assert.deepEqual(valuesOf(one.final(1)), [expected]);
  }
});
