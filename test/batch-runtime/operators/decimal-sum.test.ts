import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decimalText } from '#runtime/batch/decimal.ts';
import { DecimalSum } from '#runtime/operators/decimal-sum.ts';
import { columnOf, edges, type TypeName, typeOf, valuesOf } from '../batch/columns.ts';

const scaleOf = (name: TypeName): number => (typeOf(name) as { readonly scale: number }).scale;
const decimals = ['decimal(9,2)', 'decimal(30,4)'] as const;

test('sums are those of bigints, however they were spread', () => {
  fc.assert(
    fc.property(
      fc
        .constantFrom(...decimals)
        .chain((name) =>
          fc.tuple(
            fc.constant(name),
            fc.array(fc.array(fc.tuple(fc.integer({ min: -1, max: 2 }), fc.constantFrom(...edges[name]))), { maxLength: 4 }),
          ),
        ),
      ([name, parts]) => {
        const whole = new DecimalSum('s', scaleOf(name));
        whole.grow(3);
        for (const part of parts) {
          const one = new DecimalSum('s', scaleOf(name));
          one.grow(3);
          one.update(
            Int32Array.from(part, ([g]) => g),
            part.length,
            columnOf(
              name,
              part.map(([, value]) => value),
            ),
          );
          whole.merge(Int32Array.of(0, 1, 2), 3, one.partial(3));
        }
        const expected = [0, 1, 2].map((g) => {
          const own = parts.flat().filter(([of]) => of === g);
          return own.length === 0 ? null : own.reduce((sum, [, value]) => sum + (value as bigint), 0n);
        });
        assert.deepEqual(valuesOf(whole.final(3)), expected);
        expected.forEach((sum, g) => {
          assert.equal(whole.isEmpty(g), sum === null);
          if (sum !== null) assert.equal(whole.at(g), Number(decimalText(sum, scaleOf(name))));
        });
      },
    ),
    { numRuns: 300 },
  );
});

test('a sum beyond the safe integers is exact, one beyond 38 digits an error', () => {
  const sum = new DecimalSum('total', 0);
  sum.grow(1);
  const most = {
    type: { kind: 'decimal', precision: 38, scale: 0 },
    length: 1,
    offsets: null,
    validity: null,
    dictionary: null,
    children: [],
  } as const;
  const all = Int32Array.of(0);
  const word = Int32Array.of(-1, -1, -1, 0x3fffffff);
  sum.update(all, 1, { ...most, data: word });
  assert.deepEqual(valuesOf(sum.final(1)), [2n ** 126n - 1n]);
  sum.update(all, 1, { ...most, data: word });
  assert.throws(() => sum.final(1), { code: 'VALUE_OUT_OF_RANGE', message: /total is 170141183460469231731687303715884105726/ });
  assert(sum.bytes > 0);
});
