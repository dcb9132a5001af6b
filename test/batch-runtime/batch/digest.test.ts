import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch } from '#runtime/batch/batch.ts';
import { toPlain } from '#runtime/batch/dictionary.ts';
import { type Digest, Digester, digestText, emptyDigest, mergeDigests } from '#runtime/batch/digest.ts';
import { hashRows } from '#runtime/batch/hash.ts';
import { slice } from '#runtime/batch/slice.ts';
import { take } from '#runtime/batch/take.ts';
import { batchArb, batchOf, fieldsOf, kinds } from './columns.ts';

const digestOf = (...batches: readonly Batch[]): Digest => {
  const digester = new Digester();
  for (const batch of batches) digester.add(batch);
  return digester.result();
};

test('order, cuts and encodings do not change a digest; parts add up', () => {
  fc.assert(
    fc.property(batchArb(fieldsOf(...kinds), 30), fc.nat(30), (batch, cut) => {
      const at = Math.min(cut, batch.length);
      const [front, back] = [slice(batch, 0, at), slice(batch, at, batch.length)];
      const whole = digestOf(batch);
      assert.deepEqual(digestOf(back, front), whole);
      assert.deepEqual(mergeDigests(digestOf(front), digestOf(back)), whole);
      const reversed = take(
        batch,
        Int32Array.from({ length: batch.length }, (_, i) => batch.length - 1 - i),
      );
      assert.deepEqual(digestOf(reversed), whole);
      const plain = { ...batch, columns: batch.columns.map((column) => (column.type.kind === 'utf8' ? toPlain(column) : column)) };
      assert.deepEqual(digestOf(plain), whole);
    }),
    { numRuns: 60 },
  );
});

test('it is the sum and the xor of the row hashes', () => {
  const batch = batchOf(fieldsOf('int32'), [[1], [2], [2], [null]]);
  const lanes = new BigUint64Array(hashRows(batch).buffer);
  const { rows, sum, xor } = digestOf(batch);
  assert.equal(rows, 4);
  assert.equal(
    BigInt(`0x${sum}`),
    BigInt.asUintN(
      64,
      [...lanes].reduce((a, b) => a + b),
    ),
  );
  assert.equal(
    BigInt(`0x${xor}`),
    [...lanes].reduce((a, b) => a ^ b),
  );
});

test('another row, one row more and a row twice are other digests', () => {
  const texts = [[[1], [2]], [[1], [3]], [[1], [2], [2], [2]], [[1]], [[1], [null]], []].map((rows) =>
    digestText(digestOf(batchOf(fieldsOf('int32'), rows))),
  );
  assert.equal(new Set(texts).size, texts.length);
});

test('nothing has the empty digest; the text is one line', () => {
  assert.deepEqual(digestOf(), emptyDigest);
  assert.equal(digestText(emptyDigest), '0-0000000000000000-0000000000000000');
});
