import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { highLaneOf, int64Max, int64Min, lanesToBigInt, lowLaneOf } from '#runtime/batch/lanes.ts';
import {
  beyond,
  checkInt64,
  checkInteger,
  floorLanes,
  formatFloat64,
  millisBetween,
  millisOf,
  multiplyLanes,
  outOfRange,
  parseFloat64,
  parseWhole,
  putDouble,
  putInt64,
  remainderLanes,
  roundAway,
  roundEven,
} from '#runtime/expression/numbers.ts';

const int64Arb = fc.oneof(
  fc.bigInt({ min: int64Min, max: int64Max }),
  fc.bigInt({ min: -(2n ** 34n), max: 2n ** 34n }),
  fc.constantFrom(int64Min, int64Max, -1n, 0n, 1n, 2n ** 53n, -(2n ** 53n) - 1n),
);
const lanes = (value: bigint): [number, number] => [lowLaneOf(value), highLaneOf(value)];
const out = new Int32Array(2);
const taken = (): bigint => lanesToBigInt(out[0]!, out[1]!);
const fits = (value: bigint): boolean => value >= int64Min && value <= int64Max;

test('products and remainders of int64 are exact, or VALUE_OUT_OF_RANGE', () => {
  fc.assert(
    fc.property(int64Arb, int64Arb, (a, b) => {
      if (fits(a * b)) {
        multiplyLanes(out, ...lanes(a), ...lanes(b));
        assert.equal(taken(), a * b);
      } else assert.throws(() => multiplyLanes(out, ...lanes(a), ...lanes(b)), { code: 'VALUE_OUT_OF_RANGE' });
      if (b === 0n) return;
      remainderLanes(out, ...lanes(a), ...lanes(b));
      assert.equal(taken(), a % b);
    }),
    { numRuns: 500 },
  );
});

test('lanes are written from bigints and whole doubles', () => {
  fc.assert(
    fc.property(int64Arb, fc.maxSafeInteger(), (value, whole) => {
      putInt64(out, value);
      assert.equal(taken(), value);
      putDouble(out, whole);
      assert.equal(taken(), BigInt(whole));
    }),
  );
});

test('moments are cut down to units, and apart by whole milliseconds', () => {
  const floored = (value: bigint, unit: bigint): bigint => (value - (((value % unit) + unit) % unit)) / unit;
  fc.assert(
    fc.property(int64Arb, int64Arb, fc.constantFrom(1000, 3_600_000_000, 86_400_000_000), (a, b, unit) => {
      const whole = floored(a, BigInt(unit));
      if (whole >= -9007199254740991n && whole <= 9007199254740991n) assert.equal(floorLanes(...lanes(a), unit), Number(whole));
      else assert.throws(() => floorLanes(...lanes(a), unit), { code: 'VALUE_OUT_OF_RANGE' });
      const apart = (a - b) / 1000n;
      if (apart >= -9007199254740991n && apart <= 9007199254740991n) assert.equal(millisBetween(...lanes(a), ...lanes(b)), Number(apart));
      else assert.throws(() => millisBetween(...lanes(a), ...lanes(b)), { code: 'VALUE_OUT_OF_RANGE' });
    }),
    { numRuns: 500 },
  );
  assert.equal(millisOf(-1999n), -1);
});

test('ranges are checked at their ends', () => {
  assert.equal(checkInteger(9007199254740991, 'x'), 9007199254740991);
  assert.equal(checkInt64(int64Max, 'x'), int64Max);
  for (const value of [9007199254740992, -9007199254740992, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => checkInteger(value, 'x'), { code: 'VALUE_OUT_OF_RANGE' });
  for (const value of [int64Max + 1n, int64Min - 1n]) assert.throws(() => checkInt64(value, 'x'), { code: 'VALUE_OUT_OF_RANGE' });
  assert.throws(() => beyond('7', 'int32'), /7 is beyond int32/);
  assert.throws(() => outOfRange('that'), /that/);
});

test('halves go to the even number in casts, away from zero in round', () => {
  assert.deepEqual([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994, 2251799813685249.5].map(roundEven), [0, 2, 2, 0, -2, 0, 2251799813685250]);
  assert.deepEqual(
    [0.5, 1.5, -0.5, -2.5, 1e300].map((value) => roundAway(value, 1)),
    [1, 2, -1, -3, 1e300],
  );
  assert.equal(roundAway(2.345, 100), 2.35);
  assert.equal(roundAway(1e300, 1e15), 1e300);
  assert(Number.isNaN(roundAway(Number.NaN, 10)));
});

test('doubles are written with the fewest digits that give them back', () => {
  const written: Readonly<Record<string, number>> = {
    '1.0': 1,
    '-0.0': -0,
    '0.1': 0.1,
    '1e+20': 1e20,
    '1234567890123456.0': 1234567890123456,
    '1e+16': 1e16,
    '0.0001': 0.0001,
    '1e-05': 0.00001,
    '-1.5e-07': -1.5e-7,
    nan: Number.NaN,
    '-inf': Number.NEGATIVE_INFINITY,
  };
  for (const [text, value] of Object.entries(written)) assert.equal(formatFloat64(value), text);
  fc.assert(
    fc.property(fc.double(), (value) => {
      assert.equal(parseFloat64(formatFloat64(value)), value);
    }),
    { numRuns: 500 },
  );
});

test('numbers are read from text, or nothing is', () => {
  for (const [text, value] of [
    ['12', 12n],
    [' -7\t', -7n],
    ['+0', 0n],
    ['99999999999999999999', 99999999999999999999n],
  ] as const)
    assert.equal(parseWhole(text), value);
  for (const text of ['', '1.0', '1e3', '0x1', '1 2', '٣', '-', '\u00a01']) assert.equal(parseWhole(text), null);
  for (const [text, value] of [
    ['1', 1],
    ['.5', 0.5],
    ['5.', 5],
    ['-1E3', -1000],
    ['inf', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['NaN', Number.NaN],
  ] as const)
    assert.equal(parseFloat64(text), value);
  for (const text of ['', '.', '1e', 'e5', '1_000', '0x1', 'infin', '1,5']) assert.equal(parseFloat64(text), null);
  assert.throws(() => parseFloat64('1e400'), { code: 'VALUE_OUT_OF_RANGE' });
});
