import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeColumn } from '#runtime/batch/column.ts';
import { hashBytes, hashColumn } from '#runtime/batch/hash.ts';
import { textMax } from '#runtime/batch/hash-kernel.ts';

test('columns larger than a piece of the kernel, with texts larger than its memory, hash as their values one by one', () => {
  const lengths = Array.from({ length: 10_000 }, (_, i) => (i % 2_500 === 7 ? textMax + (i % 3) : i % 61));
  const offsets = Int32Array.from([0, ...lengths]);
  for (let i = 0; i < lengths.length; i++) offsets[i + 1]! += offsets[i]!;
  const bytes = Uint8Array.from({ length: offsets.at(-1)! }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
  const numbers = Int32Array.from({ length: lengths.length }, (_, i) => Math.imul(i, 0x85ebca6b));
  const texts = makeColumn({ kind: 'utf8' }, lengths.length, bytes, null, offsets);
  const found = new Int32Array(2 * lengths.length);
  const one = new Int32Array(2);
  hashColumn(texts, lengths.length, found);
  for (let i = 0; i < lengths.length; i++) {
    hashBytes(bytes, offsets[i]!, offsets[i + 1]!, one, 0);
    assert.deepEqual([found[2 * i], found[2 * i + 1]], [one[0], one[1]], `text ${i} of ${lengths[i]} bytes`);
  }
  hashColumn(makeColumn({ kind: 'int32' }, lengths.length, numbers, null), lengths.length, found);
  const eight = new Int32Array(2);
  for (let i = 0; i < lengths.length; i++) {
    eight.set([numbers[i]!, numbers[i]! >> 31]);
    hashBytes(new Uint8Array(eight.buffer), 0, 8, one, 0);
    assert.deepEqual([found[2 * i], found[2 * i + 1]], [one[0], one[1]], `number ${i}`);
  }
});
