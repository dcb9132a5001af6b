// Lists and structs through every kernel that moves rows, against the values they were made of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnTypeText, sameType } from '#runtime/batch/batch.ts';
import { batchBytes, nullColumn } from '#runtime/batch/column.ts';
import { concat } from '#runtime/batch/concat.ts';
import { Compactor } from '#runtime/batch/dictionary.ts';
import { Digester, digestText } from '#runtime/batch/digest.ts';
import { createBatchEncoder, decodeBatch, decodeSchema, encodeSchema } from '#runtime/batch/ipc.ts';
import { fromRows, rowsOf } from '#runtime/batch/rows.ts';
import { slice } from '#runtime/batch/slice.ts';
import { take, takeOrNull } from '#runtime/batch/take.ts';
import { fieldsOf, int32, list, struct, utf8 } from '#runtime/schema.ts';
import { nestedBatch, nestedBatchArb, plainRows, plainValues, schemaArb, typeArb } from './nested.ts';

const batchArb = schemaArb(3).chain((schema) => nestedBatchArb(schema).map((made) => ({ schema, ...made })));
const digest = (...batches: Parameters<Digester['add']>[0][]): string => {
  const digester = new Digester();
  for (const batch of batches) digester.add(batch);
  return digestText(digester.result());
};

test('a column has the values it was built of, as rows too', () => {
  fc.assert(
    fc.property(batchArb, ({ schema, batch, rows }) => {
      assert.deepEqual(plainRows(batch), rows);
      const again = fromRows(schema, [...rowsOf(batch)]);
      assert.deepEqual(plainRows(again), rows);
    }),
    { numRuns: 200 },
  );
});

test('slices, gathered rows and rows put end to end', () => {
  fc.assert(
    fc.property(batchArb, fc.array(fc.nat(), { maxLength: 20 }), fc.nat(), fc.nat(), ({ schema, batch, rows }, picks, a, b) => {
      const [from, to] = [a % (rows.length + 1), b % (rows.length + 1)].sort((x, y) => x - y) as [number, number];
      assert.deepEqual(plainRows(slice(batch, from, to)), rows.slice(from, to));
      const numbers = rows.length === 0 ? [] : picks.map((pick) => pick % rows.length);
      const taken = take(batch, Int32Array.from(numbers));
      assert.deepEqual(
        plainRows(taken),
        numbers.map((i) => rows[i]),
      );
      const all = concat(schema, [batch, slice(batch, from, to), taken]);
      assert.deepEqual(plainRows(all), [...rows, ...rows.slice(from, to), ...numbers.map((i) => rows[i]!)]);
      const maybe = numbers.map((i, k) => (k % 2 === 0 ? i : -1));
      assert.deepEqual(
        plainValues(takeOrNull(batch.columns[0]!, Int32Array.from(maybe))),
        maybe.map((i) => (i < 0 ? null : rows[i]![0])),
      );
      assert.deepEqual(plainValues(nullColumn(schema[0]!.type, 3)), [null, null, null]);
      assert.deepEqual(plainRows(new Compactor().compact(batch)), rows);
      assert.ok(batchBytes(batch) >= 0);
    }),
    { numRuns: 200 },
  );
});

test('through a payload and back, of any schema, and its schema too', () => {
  fc.assert(
    fc.property(batchArb, fc.constantFrom(0, 4), ({ schema, batch, rows }, shift) => {
      const encoder = createBatchEncoder(schema);
      const payload = encoder.encode(batch);
      assert.equal(payload.length, encoder.size(batch));
      const moved = new Uint8Array(payload.length + shift);
      moved.set(payload, shift);
      assert.deepEqual(plainRows(decodeBatch(schema, moved.subarray(shift))), rows);
      assert.deepEqual(decodeSchema(encodeSchema(schema)), schema);
    }),
    { numRuns: 200 },
  );
});

test('a damaged payload is FILE_CORRUPT or another batch, never another error', () => {
  const schema = fieldsOf({ a: list(struct({ b: utf8().nullable(), c: list(int32()) })).nullable(), d: struct({ e: utf8() }) });
  const good = createBatchEncoder(schema).encode(
    nestedBatch(schema, [
      [
        [
          { b: 'x', c: [1, 2] },
          { b: null, c: [] },
        ],
        { e: 'y' },
      ],
      [null, { e: 'z' }],
    ]),
  );
  let refused = 0;
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
      const bytes = good.slice();
      bytes[at] = byte;
      try {
        plainRows(decodeBatch(schema, bytes));
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, 'FILE_CORRUPT', String((thrown as Error).stack));
        refused++;
      }
    }),
    { numRuns: 1500 },
  );
  assert.ok(refused > 100, `${refused} refused`);
});

test('a digest goes by the values, not by cuts and dictionaries', () => {
  fc.assert(
    fc.property(batchArb, fc.nat(), ({ schema, batch, rows }, at) => {
      const cut = at % (rows.length + 1);
      const again = nestedBatch(schema, rows);
      assert.equal(digest(slice(batch, cut, rows.length), slice(batch, 0, cut)), digest(again));
    }),
    { numRuns: 100 },
  );
  const schema = fieldsOf({ a: list(int32().nullable()) });
  const of = (value: number[] | (number | null)[]) => digest(nestedBatch(schema, [[value]]));
  assert.equal(new Set([of([]), of([1]), of([1, 2]), of([2, 1]), of([null]), of([1, null])]).size, 6);
});

test('types by value and in words', () => {
  fc.assert(
    fc.property(typeArb(3), typeArb(3), (a, b) => {
      assert.equal(sameType(a, structuredClone(a)), true);
      assert.equal(sameType(a, b), columnTypeText(a) === columnTypeText(b));
    }),
  );
  const type = list(struct({ a: int32().nullable(), b: list(utf8()) })).type;
  assert.equal(columnTypeText(type), 'list(struct(a: int32 nullable, b: list(utf8)))');
});

test('what does not fit into a list or a struct says where', () => {
  const schema = fieldsOf({ a: list(struct({ b: int32(), c: list(utf8()) })) });
  const put = (value: unknown) => () => fromRows(schema, [{ a: value }]);
  assert.throws(put(5), { code: 'ROW_TYPE', message: /'a'.*number in a list/ });
  assert.throws(put([5]), { code: 'ROW_TYPE', message: /'a\[\]'.*number in a struct/ });
  assert.throws(put([{ b: 'x', c: [] }]), { code: 'ROW_TYPE', message: /'a\[\]\.b'/ });
  assert.throws(put([{ b: 1, c: [null] }]), { code: 'ROW_TYPE', message: /'a\[\]\.c\[\]'.*not nullable/ });
  assert.throws(put([null]), { code: 'ROW_TYPE', message: /null in a struct/ });
  // A missing field is a null, as a missing column is.
  assert.throws(put([{ b: 1 }]), { code: 'ROW_TYPE', message: /'a\[\]\.c'/ });
  assert.deepEqual(plainRows(fromRows(fieldsOf({ a: struct({ b: int32().nullable() }) }), [{ a: {} }])), [[{ b: null }]]);
});
