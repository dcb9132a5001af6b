import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SimpleKind } from '#runtime/batch/batch.ts';
import { decimalText } from '#runtime/batch/decimal.ts';
import { type PlainValue, plainValue } from '#runtime/batch/rows.ts';
import { type FieldParser, fieldParser } from '#runtime/connectors/csv-values.ts';

/** Puts a text in, at some place of a larger buffer, as it stands in a file. */
function put(parser: FieldParser, text: string): string | null {
  const bytes = Buffer.from(`,${text},`);
  return parser.append(bytes, 1, bytes.length - 1);
}
function valuesOf(kind: SimpleKind, texts: readonly (string | null)[]): PlainValue[] {
  const parser = fieldParser({ kind }, texts.length);
  for (const text of texts) {
    if (text === null) parser.appendNull();
    else assert.equal(put(parser, text), null, `${kind}: ${text}`);
  }
  const column = parser.finish();
  return texts.map((_, i) => plainValue(column, i));
}

test('texts become values of each type', () => {
  assert.deepEqual(valuesOf('int32', ['0', '-0', '007', '-2147483648', '2147483647', null]), [0, 0, 7, -2147483648, 2147483647, null]);
  assert.deepEqual(valuesOf('integer', ['9007199254740991', '-9007199254740991', null, '0']), ['9007199254740991', '-9007199254740991', null, '0']);
  assert.deepEqual(valuesOf('int64', ['-9223372036854775808', '9223372036854775807']), ['-9223372036854775808', '9223372036854775807']);
  assert.deepEqual(valuesOf('bool', ['true', 'FALSE', null, 'True']), [true, false, null, true]);
  assert.deepEqual(valuesOf('float64', ['1', '-0.5', '.5', '5.', '1e3', '1E-3', 'nan', '-inf', 'Infinity', '0.1']), [
    1,
    -0.5,
    0.5,
    5,
    1000,
    0.001,
    'NaN',
    '-Infinity',
    'Infinity',
    0.1,
  ]);
  assert.deepEqual(valuesOf('date', ['1970-01-01', '1969-12-31', '2000-02-29', '0001-01-01', null]), [0, -1, 11_016, -719_162, null]);
  assert.deepEqual(
    valuesOf('timestamp', ['1970-01-01T00:00:00Z', '1970-01-01 00:00:00.5', '1969-12-31T23:59:59.999999Z', '2024-02-29T12:00:00+01:00']),
    ['0', '500000', '-1', '1709204400000000'],
  );
  assert.deepEqual(valuesOf('utf8', ['a', '', 'é', null, '日本 😀']), ['a', '', 'é', null, '日本 😀']);
});

test('what is no value is refused with its reason, and leaves no trace', () => {
  const refused: readonly (readonly [SimpleKind, string, RegExp])[] = [
    ['int32', '2147483648', /does not fit in int32/],
    ['int32', '', /not a whole number/],
    ['int32', '1.0', /not a whole number/],
    ['int32', ' 1', /not a whole number/],
    ['int32', '+1', /not a whole number/],
    ['int32', '-', /not a whole number/],
    ['integer', '9007199254740992', /does not fit in integer/],
    ['int64', '9223372036854775808', /does not fit in int64/],
    ['float64', '1,5', /not a number/],
    ['float64', '1e999', /not a number/],
    ['float64', '.', /not a number/],
    ['bool', '1', /not true or false/],
    ['date', '2023-02-29', /not a date/],
    ['date', '2023-1-1', /not a date/],
    ['timestamp', 'yesterday', /not a timestamp/],
    ['timestamp', '2024-01-01T25:00:00Z', /not a timestamp/],
    ['timestamp', '2024-01-01T00:00:00.0000001Z', /finer than a microsecond/],
  ];
  for (const [kind, text, reason] of refused) {
    const parser = fieldParser({ kind }, 2);
    assert.match(put(parser, text) ?? 'taken', reason, `${kind}: ${text}`);
    assert.equal(parser.length, 0);
    parser.appendNull();
    const column = parser.finish();
    assert.equal(column.length, 1);
    assert.equal(plainValue(column, 0), null);
  }
});

test('decimals have the digits they are written with, of either layout; none is rounded away', () => {
  const of = (precision: number, scale: number, texts: readonly string[]): (PlainValue | string)[] =>
    texts.map((text) => {
      const parser = fieldParser({ kind: 'decimal', precision, scale }, 1);
      const wrong = put(parser, text);
      return wrong ?? plainValue(parser.finish(), 0);
    });
  assert.deepEqual(of(9, 2, ['0', '-0', '1', '1.5', '-1.50', '.5', '007.10', '9999999.99', '-9999999.99', '1e2', '1.500', '15e-1']), [
    '0.00',
    '0.00',
    '1.00',
    '1.50',
    '-1.50',
    '0.50',
    '7.10',
    '9999999.99',
    '-9999999.99',
    '100.00',
    '1.50',
    '1.50',
  ]);
  assert.deepEqual(of(38, 10, ['9999999999999999999999999999.9999999999', '-0.0000000001', '12345678901234567.5']), [
    '9999999999999999999999999999.9999999999',
    '-0.0000000001',
    '12345678901234567.5000000000',
  ]);
  assert.deepEqual(of(15, 0, ['999999999999999', '-999999999999999']), ['999999999999999', '-999999999999999']);
  for (const [precision, scale, text, reason] of [
    [9, 2, '1.005', /'1.005' does not fit in decimal\(9,2\)/],
    [9, 2, '10000000', /does not fit in decimal\(9,2\)/],
    [15, 0, '1000000000000000', /does not fit in decimal\(15,0\)/],
    [38, 10, '99999999999999999999999999999', /does not fit in decimal\(38,10\)/],
    [9, 2, '', /'' is not a number/],
    [9, 2, '-', /is not a number/],
    [9, 2, '.', /is not a number/],
    [9, 2, '1,5', /is not a number/],
    [9, 2, 'nan', /is not a number/],
    [9, 2, ' 1', /is not a number/],
    [9, 2, '1.2.3', /is not a number/],
  ] as const)
    assert.match(String(of(precision, scale, [text])[0]), reason, text);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 38 }),
      fc.nat(38),
      fc.bigInt({ min: 0n, max: 10n ** 38n - 1n }),
      fc.boolean(),
      (precision, behind, digits, isNegative) => {
        const scale = Math.min(behind, precision);
        const unscaled = (isNegative ? -1n : 1n) * (digits % 10n ** BigInt(precision));
        const text = decimalText(unscaled, scale);
        assert.deepEqual(of(precision, scale, [text]), [text]);
      },
    ),
  );
});

test('numbers are read as JavaScript reads them', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.deepEqual(valuesOf('float64', [String(value + 0)]), [value + 0]);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) =>
      assert.deepEqual(valuesOf('int64', [String(value)]), [String(value)]),
    ),
  );
});

test('values that are taken back are gone, and others come in their place', () => {
  for (const [kind, first, second] of [
    ['bool', 'true', 'false'],
    ['utf8', 'x', 'y'],
    ['int64', '5', '6'],
  ] as const) {
    const parser = fieldParser({ kind }, 8);
    for (const text of [first, first]) put(parser, text);
    parser.appendNull();
    put(parser, first);
    parser.truncate(1);
    put(parser, second);
    put(parser, second);
    const column = parser.finish();
    const [a, b, c] = [0, 1, 2].map((i) => plainValue(column, i));
    assert.deepEqual([column.length, b, c], [3, c, b]);
    assert.notEqual(a, b);
    assert.notEqual(b, null);
  }
});

test('text that repeats is a dictionary, text that does not is not, and both hold what was read over many batches', () => {
  for (const distinct of [7, 1_000_000]) {
    const parser = fieldParser({ kind: 'utf8' }, 5000);
    let isDictionary = true;
    for (let batch = 0; batch < 5; batch++) {
      const texts = Array.from({ length: 5000 }, (_, i) => `text ${(batch * 5000 + i) % distinct}`);
      texts.forEach((text, i) => {
        if (i % 100 === 99) parser.appendNull();
        else put(parser, text);
      });
      const column = parser.finish();
      isDictionary &&= column.dictionary !== null;
      texts.forEach((text, i) => {
        if (plainValue(column, i) !== (i % 100 === 99 ? null : text)) assert.fail(`row ${i} of batch ${batch}`);
      });
    }
    assert.equal(isDictionary, distinct === 7);
  }
});
