import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationMicros, shiftOf } from '#runtime/fluent/duration.ts';

test('a span of time is a number and a unit', () => {
  assert.deepEqual(['1 ms', '30 s', '-5 min', '1.5 h', '2 d'].map(durationMicros), [1000, 30e6, -300e6, 5400e6, 172_800e6]);
});

test('what is none is refused, with one that is', () => {
  for (const given of ['30s', '5 minutes', '', null, 5, '1e400 s'])
    assert.throws(() => durationMicros(given), { code: 'EXPRESSION_TYPE', message: /'30 s'/ });
});

test('a span by the calendar is months, of a date it is days, all else microseconds', () => {
  assert.deepEqual(shiftOf('2 y', false), ['plusMonths', 24]);
  assert.deepEqual(shiftOf('-1 mo', true), ['plusMonths', -1]);
  assert.deepEqual(shiftOf('2 w', true), ['plusDays', 14]);
  assert.deepEqual(shiftOf('48 h', true), ['plusDays', 2]);
  assert.deepEqual(shiftOf('1 w', false), ['plus', 604_800_000_000]);
  for (const [given, ofDate] of [
    ['1.5 mo', false],
    ['5 h', true],
    ['5 minutes', false],
    [5, false],
  ] as const)
    assert.throws(() => shiftOf(given, ofDate), { code: 'EXPRESSION_TYPE', message: /duration/ });
});
