import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationMicros } from '#runtime/fluent/duration.ts';

test('a span of time is a number and a unit', () => {
  assert.deepEqual(['1 ms', '30 s', '-5 min', '1.5 h', '2 d'].map(durationMicros), [1000, 30e6, -300e6, 5400e6, 172_800e6]);
});

test('what is none is refused, with one that is', () => {
  for (const given of ['30s', '5 minutes', '', null, 5, '1e400 s'])
    assert.throws(() => durationMicros(given), { code: 'EXPRESSION_TYPE', message: /'30 s'/ });
});
