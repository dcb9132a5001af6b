import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  Decimal,
  decimalText,
  digitsOf,
  fitsDigits,
  narrowed,
  powerOfTen,
  putWide,
  rescaled,
  unscaledAt,
  wideAt,
  wideBigInt,
} from '#runtime/batch/decimal.ts';

const most = powerOfTen(38) - 1n;
const unscaledArb = fc.oneof(
  fc.bigInt({ min: -most, max: most }),
  fc.bigInt({ min: -(2n ** 54n), max: 2n ** 54n }),
  fc.constantFrom(0n, most, -most, 2n ** 53n, -(2n ** 53n), 2n ** 53n - 1n, 2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, -(2n ** 96n)),
);

test('four lanes hold what was put there; a safe integer comes back as a number, others as bigints', () => {
  const words = new Int32Array(12).fill(77);
  fc.assert(
    fc.property(unscaledArb, (value) => {
      putWide(words, 1, narrowed(value));
      assert.equal(wideBigInt(words, 1), value);
      assert.equal(wideAt(words, 1), Number.isSafeInteger(Number(value)) ? Number(value) : value);
      assert.deepEqual([words[3], words[8]], [77, 77]);
    }),
    { numRuns: 500 },
  );
});

test('text and back, at any scale', () => {
  fc.assert(
    fc.property(unscaledArb, fc.nat(38), (unscaled, scale) => {
      const text = decimalText(unscaled, scale);
      assert.deepEqual(digitsOf(text), { unscaled, scale });
      assert.equal(decimalText(narrowed(unscaled), scale), text);
      assert.deepEqual(Decimal.from(text), new Decimal(unscaled, scale));
    }),
  );
  assert.deepEqual(
    ['12.50', '-.5', '1e3', '1.5e-2', '+7', '5.'].map((text) => String(Decimal.from(text))),
    ['12.50', '-0.5', '1000', '0.015', '7', '5'],
  );
  for (const text of ['', '.', 'e5', '1,5', '0x1', 'nan', '1 2']) assert.equal(digitsOf(text), null, text);
});

test('another scale rounds halves away from zero, and says when digits would be lost', () => {
  fc.assert(
    fc.property(unscaledArb, fc.nat(12), fc.nat(12), (value, from, to) => {
      const given = rescaled(value, from, to);
      // 2 * |given - exact| <= 1, in units of the finer scale.
      const finer = Math.max(from, to);
      const off = given * powerOfTen(finer - to) - value * powerOfTen(finer - from);
      const unit = powerOfTen(finer - to);
      assert(2n * (off < 0n ? -off : off) <= unit);
      if (2n * (off < 0n ? -off : off) === unit && off !== 0n) assert(value < 0n ? off < 0n : off > 0n);
      assert.equal(unscaledAt(new Decimal(value, from), to), off === 0n ? given : null);
    }),
  );
  assert.equal(rescaled(-25n, 1, 0), -3n);
});

test('how many digits fit', () => {
  assert.deepEqual([fitsDigits(99n, 2), fitsDigits(100n, 2), fitsDigits(-99n, 2), fitsDigits(-100n, 2)], [true, false, true, false]);
});

test('a Decimal is what it says and does not change', () => {
  const price = Decimal.from(0.1);
  assert.equal(`${price}`, '0.1');
  assert.equal(price.toNumber(), 0.1);
  assert.equal(JSON.stringify({ price }), '{"price":"0.1"}');
  assert.throws(() => ((price as { scale: number }).scale = 2), TypeError);
  assert.throws(() => Decimal.from('twelve'), { code: 'VALUE_OUT_OF_RANGE' });
});
