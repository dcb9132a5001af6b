import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { grownWords, Interner } from '#runtime/batch/interner.ts';
import { valuesOf } from './columns.ts';

const put = (interner: Interner, text: string): number => {
  const bytes = Buffer.from(`<${text}>`);
  return interner.intern(bytes, 1, bytes.length - 1);
};
const find = (interner: Interner, text: string): number => {
  const bytes = Buffer.from(text);
  return interner.lookup(bytes, 0, bytes.length);
};

test('equal texts get one number, dense from 0 in order of first sight', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string({ maxLength: 3 }), fc.string({ unit: 'grapheme', maxLength: 40 })), { maxLength: 60 }), (texts) => {
      const interner = new Interner();
      const distinct = [...new Set(texts)];
      assert.deepEqual(
        texts.map((text) => put(interner, text)),
        texts.map((text) => distinct.indexOf(text)),
      );
      assert.equal(interner.size, distinct.length);
      assert.deepEqual(valuesOf(interner.toColumn()), distinct);
      assert.equal(find(interner, 'never seen'), -1);
      for (const text of texts) assert.equal(find(interner, text), distinct.indexOf(text));
    }),
  );
});

test('it grows past its first tables, and what it gave before stays', () => {
  const interner = new Interner();
  const texts = Array.from({ length: 5000 }, (_, i) => `${i % 2 ? 'long prefix that is the same '.repeat(3) : ''}${i}`);
  for (const text of texts.slice(0, 100)) put(interner, text);
  const early = interner.toColumn();
  for (const [i, text] of texts.entries()) assert.equal(put(interner, text), i);
  assert.deepEqual(valuesOf(early), texts.slice(0, 100));
  assert.deepEqual(valuesOf(interner.toColumn()), texts);
  assert(interner.bytes >= texts.join('').length);
});

test('texts of one hash are different texts', () => {
  // Among so many some share all 32 bits of a hash, whatever the hash is.
  const n = 300_000;
  const interner = new Interner();
  const words = new Uint32Array(2);
  const bytes = new Uint8Array(words.buffer);
  const each = (visit: (i: number) => void): void => {
    for (let i = 0; i < n; i++) {
      words[0] = Math.imul(i, 2_654_435_761);
      words[1] = Math.imul(i ^ (i >>> 7), 0x85ebca6b) ^ (i << 3);
      visit(i);
    }
  };
  each((i) => assert.equal(interner.intern(bytes, 0, 8), i));
  each((i) => assert.equal(interner.lookup(bytes, 0, 8), i));
  assert.equal(interner.size, n);
});

test('words are copied into a longer array', () => {
  assert.deepEqual([...grownWords(Int32Array.of(1, 2), 4)], [1, 2, 0, 0]);
});
