import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch, TypeKind } from '#runtime/batch/batch.ts';
import { makeBatch } from '#runtime/batch/column.ts';
import { KeyEncoder } from '#runtime/batch/keys.ts';
import { batchArb, columnOf, fieldsOf, keyText, kindArb, rowsIn } from './columns.ts';

const encode = (encoder: KeyEncoder, batch: Batch, known = false): Int32Array => {
  const lanes = new Int32Array(encoder.width * batch.length);
  encoder.encode(batch.columns, batch.length, known, lanes);
  return lanes;
};
const rowOf = (lanes: Int32Array, width: number, i: number): string => lanes.subarray(i * width, (i + 1) * width).join();

test('lanes are equal exactly when keys are, across batches of other forms, and give the keys back', () => {
  const batchesArb = fc.array(kindArb, { minLength: 1, maxLength: 3 }).chain((kinds) => {
    const schema = fieldsOf(...kinds);
    return fc.tuple(fc.constant(schema), fc.array(batchArb(schema, 12, 3), { minLength: 1, maxLength: 3 }));
  });
  fc.assert(
    fc.property(batchesArb, ([schema, batches]) => {
      const encoder = new KeyEncoder(schema);
      const byLanes = new Map<string, string>();
      const byKey = new Map<string, string>();
      for (const batch of batches) {
        const lanes = encode(encoder, batch);
        const keys = rowsIn(batch).map((row) => keyText(row));
        keys.forEach((key, i) => {
          const row = rowOf(lanes, encoder.width, i);
          assert.equal(byLanes.get(row) ?? key, key);
          assert.equal(byKey.get(key) ?? row, row);
          byLanes.set(row, key);
          byKey.set(key, row);
        });
        const back = makeBatch(schema, batch.length, encoder.decode(lanes, batch.length));
        assert.deepEqual(
          rowsIn(back).map((row) => keyText(row)),
          keys,
        );
      }
    }),
    { numRuns: 200 },
  );
});

test('a text that was never kept has a lane no key has, and is not kept', () => {
  const encoder = new KeyEncoder(fieldsOf('utf8'));
  const batch = (...values: (string | null)[]): Batch => makeBatch(fieldsOf('utf8'), values.length, [columnOf('utf8', values, { dictionary: true })]);
  const known = encode(encoder, batch('a', 'b', null));
  const before = encoder.bytes;
  const probed = encode(encoder, batch('b', 'z', 'b', null), true);
  assert.equal(probed[0], known[1]);
  assert.equal(probed[3], known[2]);
  assert(![...known].includes(probed[1]!));
  assert.equal(encoder.bytes, before);
});

test('an int32 column may stand for a key of 64 bits', () => {
  const encoder = new KeyEncoder([{ type: { kind: 'integer' }, nullable: true }]);
  const wide = encode(encoder, makeBatch(fieldsOf('integer'), 3, [columnOf('integer', [-5, null, 7])]));
  const narrow = encode(encoder, makeBatch(fieldsOf('int32'), 3, [columnOf('int32', [-5, null, 7])]));
  assert.deepEqual(narrow, wide);
});

test('-0 and 0 are one key, as are all NaN', () => {
  const encoder = new KeyEncoder([{ type: { kind: 'float64' }, nullable: false }]);
  const strange = new Float64Array(new BigUint64Array([0xfff8000000000001n, 0x7ff8000000000000n, 0x8000000000000000n, 0n]).buffer);
  const lanes = encode(encoder, makeBatch(fieldsOf('float64'), 4, [{ ...columnOf('float64', [0, 0, 0, 0]), data: strange }]));
  assert.equal(rowOf(lanes, 2, 0), rowOf(lanes, 2, 1));
  assert.equal(rowOf(lanes, 2, 2), rowOf(lanes, 2, 3));
});

test('a null where none may be is a mistake that is noticed', () => {
  for (const kind of ['int32', 'bool', 'utf8', 'float64'] as const satisfies readonly TypeKind[]) {
    const encoder = new KeyEncoder([{ type: { kind }, nullable: false }]);
    assert.throws(() => encode(encoder, makeBatch(fieldsOf(kind), 1, [columnOf(kind, [null])])), { code: 'INTERNAL' });
  }
});

test('no key at all has no lane', () => {
  assert.equal(new KeyEncoder([]).width, 0);
});
