import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import type { Schema } from '#runtime/batch/batch.ts';
import { fromPlain, fromRows, plainValue, rowsOf, rowValue, textAt } from '#runtime/batch/rows.ts';
import { temporal } from '#runtime/batch/temporal.ts';
import { batchArb, columnOf, edges, fieldsOf, kindArb, rowsIn } from './columns.ts';

test('plain values say a batch completely', () => {
  const plainArb = fc.array(kindArb, { maxLength: 5 }).chain((kinds) => batchArb(fieldsOf(...kinds), 15));
  fc.assert(
    fc.property(plainArb, (batch) => {
      const rows = Array.from({ length: batch.length }, (_, i) => batch.columns.map((column) => plainValue(column, i)));
      const travelled = JSON.parse(JSON.stringify(rows)) as typeof rows;
      const back = fromPlain(batch.schema, travelled);
      assert.equal(back.length, batch.length);
      // JSON has no -0, and it equals 0.
      assert.deepEqual(
        rowsIn(back),
        rowsIn(batch).map((row) => row.map((value) => (value === 0 ? 0 : value))),
      );
    }),
    { numRuns: 150 },
  );
});

const schema: Schema = [
  { name: 'i', type: { kind: 'int32' }, nullable: false },
  { name: 'n', type: { kind: 'integer' }, nullable: true },
  { name: 'b', type: { kind: 'int64' }, nullable: true },
  { name: 'f', type: { kind: 'float64' }, nullable: true },
  { name: 'ok', type: { kind: 'bool' }, nullable: true },
  { name: 's', type: { kind: 'utf8' }, nullable: true },
  { name: 'd', type: { kind: 'date' }, nullable: true },
  { name: 't', type: { kind: 'timestamp' }, nullable: true },
];
const row = {
  i: 1,
  n: 2 ** 40,
  b: 2n ** 62n,
  f: 0.5,
  ok: false,
  s: 'é😀',
  d: temporal.PlainDate.from('1995-03-15'),
  t: temporal.Instant.from('1995-03-15T10:30:00.000001Z'),
};
const nulls = { i: 2, n: null, b: null, f: null, ok: null, s: null, d: null, t: null };

test('rows of objects go in and come out, Temporal for time', () => {
  const batch = fromRows(schema, [row, nulls, { i: 3 }]);
  const [first, ...rest] = [...rowsOf(batch)];
  assert.deepEqual(
    Object.entries(first!).map(([name, value]) => `${name} ${typeof value} ${value}`),
    [
      'i number 1',
      'n number 1099511627776',
      `b bigint ${2n ** 62n}`,
      'f number 0.5',
      'ok boolean false',
      's string é😀',
      'd object 1995-03-15',
      't object 1995-03-15T10:30:00.000001Z',
    ],
  );
  assert.deepEqual(rest, [nulls, { ...nulls, i: 3 }]);
});

test("the polyfill's Temporal is taken as the platform's is", () => {
  const batch = fromRows(schema, [{ i: 1, d: Temporal.PlainDate.from('2000-01-01'), t: Temporal.Instant.fromEpochMilliseconds(5) }]);
  assert.deepEqual([plainValue(batch.columns[6]!, 0), plainValue(batch.columns[7]!, 0)], [10_957, '5000']);
});

test('what does not belong in a column is refused, with its name', () => {
  const refused = (given: object, code: string, word: string): void =>
    assert.throws(
      () => fromRows(schema, [row, given as Record<string, unknown>]),
      (thrown: Error & { code?: string }) => thrown.code === code && thrown.message.includes(word),
    );
  refused({}, 'NULL_IN_COLUMN', 'i');
  refused({ i: null }, 'NULL_IN_COLUMN', 'i');
  const mistyped = { i: '1', n: 1n, b: 1, f: '1', ok: 1, s: 1, d: '1995-03-15', t: new Date(0) };
  for (const [name, value] of Object.entries(mistyped)) refused({ i: 1, [name]: value }, 'ROW_TYPE', name);
  refused({ i: 2 ** 31 }, 'VALUE_OUT_OF_RANGE', '2147483648');
  refused({ i: 1, n: 2 ** 53 }, 'VALUE_OUT_OF_RANGE', '9007199254740992');
  refused({ i: 1, b: 2n ** 63n }, 'VALUE_OUT_OF_RANGE', '9223372036854775808');
  assert.throws(() => fromPlain(schema, [[1, 'x', null, null, null, null, null, null]]), { code: 'ROW_TYPE' });
  assert.throws(() => fromPlain(schema, [[1, null, null, 'big', null, null, null, null]]), { code: 'ROW_TYPE' });
});

test('names that every object has are names like others', () => {
  const odd: Schema = ['__proto__', 'constructor'].map((name) => ({ name, type: { kind: 'int32' }, nullable: true }));
  const batch = fromPlain(odd, [[1, 2]]);
  const [given] = [...rowsOf(batch)];
  assert.deepEqual(Object.entries(given!), [
    ['__proto__', 1],
    ['constructor', 2],
  ]);
  assert.deepEqual(rowsIn(fromRows(odd, [given!, {}])), [
    [1, 2],
    [null, null],
  ]);
});

test('rows without columns are counted', () => {
  assert.equal(fromRows([], [{}, {}]).length, 2);
});

test('texts, long and short, with and without a dictionary', () => {
  const texts = edges.utf8 as readonly string[];
  for (const dictionary of [false, true]) {
    const column = columnOf('utf8', texts, { dictionary });
    assert.deepEqual(
      texts.map((_, i) => textAt(column, i)),
      texts,
    );
    assert.equal(rowValue(columnOf('utf8', [null], { dictionary }), 0), null);
  }
});

test('a byte order mark is part of the text', () => {
  for (const text of ['\ufeffa', `\ufeff${'a'.repeat(30)}`]) assert.equal(textAt(columnOf('utf8', [text]), 0), text);
});
