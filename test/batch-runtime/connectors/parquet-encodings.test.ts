import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bitAt } from '#runtime/batch/bitmap.ts';
import {
  decodeBits,
  decodeHybrid,
  decodeOther,
  plainDoubles,
  plainFloats,
  plainLanes,
  plainTexts,
  plainWords,
} from '#runtime/connectors/parquet-encodings.ts';

const varint = (value: number): number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]);

/** A hybrid as the format says: runs as they come, else groups of eight, bit-packed. */
function hybrid(values: readonly number[], width: number): Uint8Array {
  const bytes: number[] = [];
  let i = 0;
  while (i < values.length) {
    let run = 1;
    while (values[i + run] === values[i]) run++;
    if (run >= 8 || i % 3 === 0) {
      bytes.push(...varint(run << 1));
      for (let b = 0; b < Math.ceil(width / 8); b++) bytes.push((values[i]! / 2 ** (8 * b)) & 0xff);
      i += run;
    } else {
      const group = Array.from({ length: 8 }, (_, k) => BigInt(values[i + k] ?? 0));
      bytes.push(...varint((1 << 1) | 1));
      let bits = 0n;
      group.forEach((value, k) => {
        bits |= value << BigInt(k * width);
      });
      for (let b = 0; b < width; b++) bytes.push(Number((bits >> BigInt(8 * b)) & 0xffn));
      i += 8;
    }
  }
  return Uint8Array.from(bytes);
}

test('hybrids of runs give the values that were packed, of every width', () => {
  const packed = fc
    .integer({ min: 1, max: 31 })
    .chain((width) =>
      fc.tuple(fc.constant(width), fc.array(fc.oneof(fc.integer({ min: 0, max: 2 ** width - 1 }), fc.constant(1)), { maxLength: 60 })),
    );
  fc.assert(
    fc.property(packed, ([width, values]) => {
      const bytes = hybrid(values, width);
      assert.deepEqual([...decodeHybrid(bytes, 0, bytes.length, width, values.length, 2 ** width)], values);
    }),
    { numRuns: 200 },
  );
});

test('bits are a bitmap, and null when all are there', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 1, maxLength: 60 }), (values) => {
      const bytes = hybrid(values, 1);
      const bitmap = decodeBits(bytes, 0, bytes.length, values.length);
      if (bitmap === null) assert.ok(values.every((value) => value === 1));
      else
        assert.deepEqual(
          values.map((_, i) => bitAt(bitmap, i)),
          values,
        );
    }),
    { numRuns: 200 },
  );
});

test('a page that ends early, or points outside of its dictionary, is an error', () => {
  const bytes = hybrid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 5);
  for (let end = 0; end < 6; end++) assert.throws(() => decodeHybrid(bytes, 0, end, 5, 10, 32), /ends early/);
  assert.throws(() => decodeHybrid(bytes, 0, bytes.length, 5, 10, 10), /does not have/);
  assert.throws(() => decodeHybrid(bytes, 0, 0, 0, 1, 0), /does not have/);
  assert.throws(() => decodeHybrid(bytes, 0, bytes.length, 33, 10, 99), /33 bits/);
  assert.throws(() => decodeBits(new Uint8Array([2]), 0, 1, 4), /ends early/);
  assert.throws(() => plainWords(new Uint8Array(7), 0, 7, 2), /ends early/);
  assert.throws(() => plainTexts(new Uint8Array([5, 0, 0, 0, 97]), 0, 5, 1), /ends early/);
});

test('plain values are taken wherever they stand in the page, also out of a Buffer', () => {
  const bytes = Buffer.alloc(40);
  bytes.writeInt32LE(-7, 3);
  bytes.writeDoubleLE(0.1, 11);
  bytes.writeFloatLE(0.5, 19);
  bytes.writeBigInt64LE(-5n, 23);
  for (const page of [new Uint8Array(bytes), bytes.subarray(0)].map((one) => new Uint8Array(one.buffer, one.byteOffset, one.length))) {
    assert.deepEqual([...plainWords(page, 3, 40, 1)], [-7]);
    assert.deepEqual([...plainDoubles(page, 11, 40, 1)], [0.1]);
    assert.deepEqual([...plainFloats(page, 19, 40, 1)], [0.5]);
    assert.deepEqual([...plainLanes(page, 23, 40, 1)], [-5, -1]);
  }
});

test('texts are checked to be UTF-8, each by itself', () => {
  const of = (...texts: readonly (readonly number[])[]): Uint8Array => Uint8Array.from(texts.flatMap((text) => [text.length, 0, 0, 0, ...text]));
  const right = of([...Buffer.from('é')], [], [...Buffer.from('日本')]);
  const { offsets, bytes } = plainTexts(right, 0, right.length, 3);
  assert.deepEqual([...offsets], [0, 2, 2, 8]);
  assert.equal(Buffer.from(bytes).toString(), 'é日本');
  const halves = of([0xc3], [0xa9]);
  assert.throws(() => plainTexts(halves, 0, halves.length, 2), /UTF-8/);
});

test('an encoding nobody reads says which', () => {
  assert.throws(() => decodeOther('LATER', 'INT32', new Uint8Array(8), 0, 8, 1), /LATER of INT32/);
});
