import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch } from '#runtime/batch/batch.ts';
import { createScratch, type Scratch, type ScratchFile } from '#runtime/spill/scratch.ts';
import { createSpillFile } from '#runtime/spill/spill-file.ts';
import { batchArb, batchOf, fieldsOf, kinds, rowsIn } from '../batch/columns.ts';
import { field } from '../operators/run.ts';
import { randomOf, tight } from './tight.ts';

const schema = fieldsOf(...kinds);
const rowsOf = (batches: Iterable<Batch>) => [...batches].flatMap(rowsIn);

test('each part is read as it was written, as often as wanted, whatever the kinds, forms and sizes of blocks', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), batchArb(schema, 40)), { maxLength: 8 }), fc.constantFrom(64, 1000, 100_000), (writes, blockBytes) => {
      const { scratch, remove } = tight(0);
      const file = createSpillFile(scratch, schema, blockBytes);
      for (const [part, batch] of writes) file.write(part, batch);
      for (let part = 0; part < 5; part++) {
        const expected = writes.flatMap(([to, batch]) => (to === part ? rowsIn(batch) : []));
        assert.deepEqual(rowsOf(file.read(part)), expected);
        assert.deepEqual(rowsOf(file.read(part)), expected);
        assert.equal(file.rows(part), expected.length);
        assert.equal(file.bytes(part) > 0, expected.length > 0);
      }
      file.close();
      assert.equal(scratch.open, 0);
      remove();
    }),
    { numRuns: 60 },
  );
});

const wide = [field('id', 'int32', false), field('text', 'utf8', false)];
const batchOfText = (rows: number, text: (i: number) => string): Batch =>
  batchOf(
    wide,
    Array.from({ length: rows }, (_, i) => [i, text(i)]),
  );

test('what repeats is compressed, what does not is stored as it is, and neither is forgotten', () => {
  const random = randomOf(1);
  const noise = (): string => Array.from({ length: 200 }, () => String.fromCharCode(33 + random() * 90)).join('');
  for (const [text, most, least] of [
    [(i: number) => `${i} and the same words again and again and again and again`, 0.5, 0],
    [noise, 1.3, 0.8],
  ] as const) {
    const { scratch, remove } = tight(0);
    const file = createSpillFile(scratch, wide, 16_384);
    const batch = batchOfText(3000, text);
    file.write(0, batch);
    assert.deepEqual(rowsOf(file.read(0)), rowsIn(batch));
    const ratio = scratch.writtenBytes / file.bytes(0);
    assert.ok(ratio < most && ratio > least, `${ratio}`);
    remove();
  }
});

test('a row that is larger than a piece or a block of the file is a block of its own', () => {
  const { scratch, remove } = tight(0);
  const file = createSpillFile(scratch, wide, 4096);
  const random = randomOf(2);
  const large = Array.from({ length: 300_000 }, () => String.fromCharCode(33 + random() * 90)).join('');
  const batch = batchOfText(5, (i) => (i === 2 ? large : `${i}`));
  file.write(0, batch);
  file.write(1, batch);
  assert.deepEqual(rowsOf(file.read(0)), rowsIn(batch));
  assert.deepEqual(rowsOf(file.read(1)), rowsIn(batch));
  remove();
});

test('few large writes, not one for each batch', () => {
  const { folder, remove } = tight(0);
  const sizes: number[] = [];
  const scratch = createScratch(folder, {
    write(_file, _bytes, _from, length) {
      sizes.push(length);
      return length;
    },
  });
  const random = randomOf(3);
  const file = createSpillFile(scratch, wide, 256 * 1024);
  for (let i = 0; i < 400; i++)
    file.write(
      i % 7,
      batchOfText(100, () => String(random()).repeat(5)),
    );
  assert.ok(sizes.length <= 4 && sizes.every((size) => size > 900_000), `${sizes}`);
  remove();
});

test('whatever byte changes on disk, rows do not', () => {
  const { folder, remove } = tight(0);
  const bytes: number[] = [];
  const memory: ScratchFile = {
    append: (piece) => void bytes.push(...piece),
    read: (into, offset) => into.set(bytes.slice(offset, offset + into.length)),
    close() {},
  };
  const scratch: Scratch = { ...createScratch(folder), create: () => memory };
  const file = createSpillFile(scratch, wide, 1024);
  const batch = batchOfText(100, (i) => `text ${i} text`);
  file.write(0, batch);
  assert.deepEqual(rowsOf(file.read(0)), rowsIn(batch));
  for (let at = 0; at < bytes.length; at += 3) {
    const before = bytes[at]!;
    bytes[at] = before ^ (1 << (at & 7));
    let rows: unknown = null;
    try {
      rows = rowsOf(file.read(0));
    } catch (error) {
      assert.match((error as { code: string }).code, /DISK_FAILED|FILE_CORRUPT/);
    }
    if (rows !== null) assert.deepEqual(rows, rowsIn(batch));
    bytes[at] = before;
  }
  remove();
});
