import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { int64Max, int64Min } from '#runtime/batch/lanes.ts';
import { dateOf, daysOf, instantOf, microsOf, temporal } from '#runtime/batch/temporal.ts';

test('days and dates, from one end of what Temporal can say to the other', () => {
  assert.equal(String(dateOf(0)), '1970-01-01');
  assert.equal(String(dateOf(-1)), '1969-12-31');
  assert.equal(String(dateOf(11_016)), '2000-02-29');
  const least = -100_000_001;
  const most = 100_000_000;
  for (const days of [least, most]) assert.equal(daysOf(dateOf(days)), days);
  const epoch = temporal.PlainDate.from('1970-01-01');
  fc.assert(
    fc.property(fc.integer({ min: least, max: most }), (days) => {
      const date = dateOf(days);
      assert.equal(epoch.until(date).days, days);
      assert.equal(daysOf(date), days);
    }),
  );
});

test('microseconds and instants; what is finer is cut off downwards', () => {
  const most = 8_640_000_000_000_000_000n;
  fc.assert(
    fc.property(fc.bigInt({ min: -most, max: most }), (micros) => {
      assert.equal(microsOf(instantOf(micros)), micros);
    }),
  );
  assert.equal(microsOf(temporal.Instant.fromEpochNanoseconds(1999n)), 1n);
  assert.equal(microsOf(temporal.Instant.fromEpochNanoseconds(-1n)), -1n);
  assert.equal(microsOf(temporal.Instant.fromEpochNanoseconds(-1000n)), -1n);
  assert.equal(microsOf(temporal.Instant.fromEpochNanoseconds(-1001n)), -2n);
});

test('what Temporal cannot say is VALUE_OUT_OF_RANGE', () => {
  for (const days of [2 ** 31 - 1, -(2 ** 31), 100_000_001, -100_000_002]) assert.throws(() => dateOf(days), { code: 'VALUE_OUT_OF_RANGE' });
  for (const micros of [int64Max, int64Min]) assert.throws(() => instantOf(micros), { code: 'VALUE_OUT_OF_RANGE' });
});
