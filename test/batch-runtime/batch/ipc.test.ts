import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { maxBlockBytes } from '#manager/protocol/ids.ts';
import type { Batch, ColumnType, Schema } from '#runtime/batch/batch.ts';
import { wideBigInt } from '#runtime/batch/decimal.ts';
import { createBatchEncoder, decodeBatch, decodeSchema, encodeBatch, encodeSchema } from '#runtime/batch/ipc.ts';
import type { Value } from '#runtime/expression/values.ts';
import { batchArb, batchOf, columnOf, fieldsOf, kindArb, kinds, rowsIn } from './columns.ts';

const all = fieldsOf(...kinds);
const schemaArb: fc.Arbitrary<Schema> = fc.array(kindArb, { maxLength: 6 }).map((of) => fieldsOf(...of));

test('a batch comes back from its payload, whatever the forms of its columns and wherever the payload lies', () => {
  fc.assert(
    fc.property(
      schemaArb.chain((schema) => batchArb(schema, 20)),
      fc.constantFrom(0, 1, 4, 8),
      (batch, shift) => {
        const encoder = createBatchEncoder(batch.schema);
        const payload = encoder.encode(batch);
        assert.equal(payload.length, encoder.size(batch));
        assert.equal(payload.length % 8, 0);
        const moved = new Uint8Array(payload.length + shift);
        moved.set(payload, shift);
        const back = decodeBatch(batch.schema, moved.subarray(shift));
        assert.equal(back.length, batch.length);
        assert.deepEqual(rowsIn(back), rowsIn(batch));
      },
    ),
    { numRuns: 200 },
  );
});

/** As apache-arrow shows it. */
const shown = (value: unknown, { kind }: ColumnType): Value => {
  if (value === null) return null;
  if (kind === 'decimal') return typeof value === 'number' ? BigInt(value) : wideBigInt(new Int32Array((value as Uint32Array).slice().buffer), 0);
  if (kind === 'integer') return Number(value as bigint);
  if (kind === 'date') return Number(value) / 86_400_000;
  return value as Value;
};

test('schema message and payloads are a stream that apache-arrow reads, dictionaries changing from block to block', () => {
  fc.assert(
    fc.property(fc.array(batchArb(all, 10, 9), { minLength: 1, maxLength: 3 }), (batches) => {
      const stream = Buffer.concat([encodeSchema(all), ...batches.map(encodeBatch)]);
      const read = tableFromIPC(stream).batches.map((batch) =>
        Array.from({ length: batch.numRows }, (_, i) =>
          all.map(({ type }, c) => {
            if (type.kind !== 'timestamp') return shown(batch.getChildAt(c)!.get(i), type);
            // Its getter rounds to milliseconds.
            return batch.getChildAt(c)!.isValid(i) ? (batch.data.children[c]!.values as BigInt64Array)[i]! : null;
          }),
        ),
      );
      assert.deepEqual(
        read,
        batches.filter(({ length }) => length > 0 || read.length === batches.length).map((batch) => rowsIn(batch)),
      );
    }),
    { numRuns: 60 },
  );
});

test('equal batches are equal bytes, whatever stood behind the last bit', () => {
  const schema = fieldsOf('bool', 'int32');
  const batch = (spare: number): Batch => ({
    schema,
    length: 3,
    columns: [
      { ...columnOf('bool', [true, false, true]), data: Uint8Array.of(0b101 | spare) },
      { ...columnOf('int32', [1, null, 3]), validity: Uint8Array.of(0b101 | spare) },
    ],
  });
  assert.deepEqual(encodeBatch(batch(0)), encodeBatch(batch(0b11111000)));
});

test('text without a dictionary comes back without one, with one it keeps it', () => {
  const schema = fieldsOf('utf8');
  const plain = { schema, length: 2, columns: [columnOf('utf8', ['a', 'a'])] };
  assert.equal(decodeBatch(schema, encodeBatch(plain)).columns[0]!.dictionary, null);
  const coded = { schema, length: 4, columns: [columnOf('utf8', ['a', 'b', 'a', 'a'], { dictionary: true })] };
  assert.equal(decodeBatch(schema, encodeBatch(coded)).columns[0]!.dictionary?.length, 3);
});

test('values are views of an aligned payload', () => {
  const payload = encodeBatch(batchOf(fieldsOf('float64'), [[1], [2]]));
  assert.equal(decodeBatch(fieldsOf('float64'), payload).columns[0]!.data.buffer, payload.buffer);
});

test('a payload beyond a block is a mistake of the caller', () => {
  const rows = maxBlockBytes / 8 + 1;
  const batch = { schema: fieldsOf('float64'), length: rows, columns: [{ ...columnOf('float64', []), length: rows, data: new Float64Array(rows) }] };
  assert.throws(() => encodeBatch(batch), RangeError);
});

test('a damaged payload is FILE_CORRUPT or another batch of that schema, never another error', () => {
  const batch = batchOf(all, [[1, 2, 3n, 0.5, true, 'abc', 1, 2n, 3n, 4n], Array(10).fill(null), [4, 5, 6n, 0.25, false, 'de', 7, 8n, 9n, 10n]]);
  const good = encodeBatch(batch);
  let refused = 0;
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.option(fc.nat(good.length)), (at, byte, length) => {
      const bytes = good.slice(0, length ?? good.length);
      if (at < bytes.length) bytes[at] = byte;
      try {
        const back = decodeBatch(all, bytes);
        rowsIn(back);
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, 'FILE_CORRUPT', String((thrown as Error).stack));
        refused++;
      }
    }),
    { numRuns: 1500 },
  );
  assert(refused > 300, `${refused} refused`);
  assert.throws(() => decodeBatch(fieldsOf('int32'), good), { code: 'FILE_CORRUPT' });
  assert.throws(() => decodeBatch(all, Buffer.concat([good, new Uint8Array(8)])), { code: 'FILE_CORRUPT' });
});

test('codes outside of their dictionary and offsets that go back are refused', () => {
  const schema = fieldsOf('utf8');
  const payload = encodeBatch({ schema, length: 4, columns: [columnOf('utf8', ['abc', 'de', 'abc', 'de'], { dictionary: true })] });
  const words = new Int32Array(payload.buffer);
  const damage = (find: (word: number, i: number) => boolean, word: number): void => {
    const at = words.findIndex(find);
    assert(at >= 0);
    const before = words[at]!;
    words[at] = word;
    assert.throws(() => decodeBatch(schema, payload), { code: 'FILE_CORRUPT' });
    words[at] = before;
  };
  // Codes 1 2 1 2 are the last words; offsets are 2 13 ... as the column has an unused entry first.
  damage((_, i) => i === words.length - 4, 9);
  damage((_, i) => i === words.length - 3, -1);
  const offsetsAt = words.findIndex((word, i) => word === 0 && words[i + 1] === 9 && words[i + 2] === 12);
  damage((_, i) => i === offsetsAt + 2, 5);
  damage((_, i) => i === offsetsAt + 3, 10_000);
  assert.deepEqual(rowsIn(decodeBatch(schema, payload)), [['abc'], ['de'], ['abc'], ['de']]);
});

test('the schema beside payloads is that of ipc-schema.ts', () => {
  assert.deepEqual(decodeSchema(encodeSchema(all)), all);
});
