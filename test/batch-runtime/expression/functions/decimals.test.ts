import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ColumnType, columnTypeText } from '#runtime/batch/batch.ts';
import { decimalText } from '#runtime/batch/decimal.ts';
import { fromPlain } from '#runtime/batch/rows.ts';
import { compileProjection } from '#runtime/expression/compile.ts';
import { addDecimals, multiplyDecimals, remainderDecimals, subtractDecimals } from '#runtime/expression/functions/decimals.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { valueAt } from '#runtime/expression/values.ts';

const decimal = (precision: number, scale: number): ColumnType => ({ kind: 'decimal', precision, scale });
const typeArb = fc.integer({ min: 1, max: 38 }).chain((precision) => fc.nat(precision).map((scale) => ({ precision, scale })));
const unscaledArb = (precision: number): fc.Arbitrary<bigint> => {
  const most = 10n ** BigInt(precision) - 1n;
  return fc.oneof(fc.bigInt({ min: -most, max: most }), fc.constantFrom(0n, most, -most));
};

const exact = { add: (a: bigint, b: bigint) => a + b, sub: (a: bigint, b: bigint) => a - b, mul: (a: bigint, b: bigint) => a * b };

test('sums, differences and products of columns of any size are those of bigints, or an error', () => {
  const sideArb = typeArb.chain((type) => fc.tuple(fc.constant(type), unscaledArb(type.precision)));
  fc.assert(
    fc.property(sideArb, sideArb, fc.constantFrom('add', 'sub', 'mul'), ([ta, a], [tb, b], fn) => {
      if (fn === 'mul' && ta.scale + tb.scale > 38) return;
      const schema = [
        { name: 'a', type: decimal(ta.precision, ta.scale), nullable: false },
        { name: 'b', type: decimal(tb.precision, tb.scale), nullable: false },
      ];
      const expression = call(fn, schema.map(columnRef));
      const type = expression.type as { readonly precision: number; readonly scale: number };
      const up = (value: bigint, from: number): bigint => (fn === 'mul' ? value : value * 10n ** BigInt(type.scale - from));
      const expected = exact[fn as keyof typeof exact](up(a, ta.scale), up(b, tb.scale));
      const batch = fromPlain(schema, [[decimalText(a, ta.scale), decimalText(b, tb.scale)]]);
      const limit = 10n ** BigInt(type.precision);
      const sides = fn === 'mul' ? [] : [up(a, ta.scale), up(b, tb.scale)];
      const fits = [expected, ...sides].every((value) => value < limit && value > -limit);
      const run = (): unknown => valueAt(compileProjection(schema, [expression])(batch)[0]!, 0);
      if (fits) assert.equal(run(), expected);
      else assert.throws(run, { code: 'VALUE_OUT_OF_RANGE' });
    }),
    { numRuns: 500 },
  );
});

test('a kernel gives a number while it is a safe integer, and a bigint beyond', () => {
  const most = Number.MAX_SAFE_INTEGER;
  assert.deepEqual([addDecimals(most, 0), addDecimals(most, 1)], [most, 2n ** 53n]);
  assert.deepEqual([subtractDecimals(-most, 0), subtractDecimals(-most, 1), subtractDecimals(2n ** 53n, 1)], [-most, -(2n ** 53n), most]);
  assert.deepEqual([multiplyDecimals(0, -5), multiplyDecimals(2 ** 27, 2 ** 27), multiplyDecimals(2n ** 60n, 0)], [0, 2n ** 54n, 0]);
  assert.deepEqual([remainderDecimals(-4, 2), remainderDecimals(2n ** 60n, 7)], [0, Number(2n ** 60n % 7n)]);
});

test("types are DuckDB's, and what has no exact type is refused", () => {
  const of = (fn: string, ...types: readonly ColumnType[]): string =>
    columnTypeText(
      call(
        fn,
        types.map((type, k) => columnRef({ name: `c${k}`, type, nullable: false })),
      ).type,
    );
  assert.equal(of('mul', decimal(15, 2), decimal(15, 2)), 'decimal(18,4)');
  assert.equal(of('sub', decimal(15, 2), decimal(15, 2)), 'decimal(16,2)');
  assert.equal(of('div', decimal(15, 2), decimal(15, 2)), 'float64');
  assert.throws(() => of('mul', decimal(38, 20), decimal(38, 20)), { code: 'EXPRESSION_TYPE', message: /40 digits/ });
  for (const fn of ['add', 'sub', 'mul', 'mod', 'eq', 'coalesce'])
    assert.throws(() => of(fn, decimal(9, 2), { kind: 'float64' }), { code: 'EXPRESSION_TYPE', message: /cast one of them/ });
  assert.equal(literal(0.05, decimal(3, 2)).op, 'literal');
  assert.throws(() => literal(0.055, decimal(3, 2)), { code: 'EXPRESSION_TYPE' });
});
