import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KiB, MiB, maxBlockBytes } from '#manager/protocol/ids.ts';
import type { Schema } from '#runtime/batch/batch.ts';
import { decodeBatch } from '#runtime/batch/ipc.ts';
import { fromPlain, rowsOf } from '#runtime/batch/rows.ts';
import type { Committed, ShuffleWriter } from '#runtime/shuffle/spi.ts';
import { createBatchWriter } from '#runtime/shuffle/writer.ts';
import { failsWith } from '../../contract/shuffle.ts';

const schema: Schema = [
  { name: 'n', type: { kind: 'int32' }, nullable: false },
  { name: 's', type: { kind: 'utf8' }, nullable: true },
];

/** Takes note of what it is given. */
class Notes implements ShuffleWriter {
  readonly blocks: { readonly partition: number; readonly bytes: number; readonly rows: Record<string, unknown>[] }[] = [];
  aborted = 0;
  async write(partition: number, payload: Uint8Array, records: number): Promise<void> {
    const batch = decodeBatch(schema, payload.slice());
    assert.equal(batch.length, records);
    this.blocks.push({ partition, bytes: payload.length, rows: [...rowsOf(batch)] });
  }
  async commit(): Promise<Committed> {
    return { won: true, blocks: this.blocks.length, records: 0, bytes: 0 };
  }
  async abort(): Promise<void> {
    this.aborted++;
  }
}
const at = { schema, task: 2, bounds: null };
const batchOf = (from: number, count: number, text = 'x') =>
  fromPlain(
    schema,
    Array.from({ length: count }, (_, i) => [from + i, text] as const),
  );

test('each row once, in its partition, in the order it came', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(40), { maxLength: 6 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(1, 600, MiB),
      async (sizes, partitions, bufferBytes) => {
        const notes = new Notes();
        const writer = createBatchWriter(notes, { ...at, partitions, distribution: { kind: 'hash', keys: ['n'] }, bufferBytes });
        let rows = 0;
        for (const size of sizes) {
          await writer.write(batchOf(rows, size));
          rows += size;
        }
        assert.equal((await writer.commit()).won, true);
        const all = notes.blocks.flatMap((block) => block.rows.map((row) => row['n'] as number));
        assert.deepEqual(
          all.toSorted((a, b) => a - b),
          Array.from({ length: rows }, (_, i) => i),
        );
        const of = Map.groupBy(notes.blocks, (block) => block.partition);
        const homes = new Map<unknown, number>();
        for (const [partition, blocks] of of) {
          const ns = blocks.flatMap((block) => block.rows.map((row) => row['n'] as number));
          assert.deepEqual(
            ns,
            ns.toSorted((a, b) => a - b),
            'order within a partition',
          );
          assert.ok(partition < partitions);
          for (const n of ns) homes.set(n, partition);
        }
        assert.equal(homes.size, rows);
      },
    ),
    { numRuns: 40 },
  );
});

test('forwarding writes to the task’s own partition', async () => {
  const notes = new Notes();
  const writer = createBatchWriter(notes, { ...at, partitions: 4, distribution: { kind: 'forward' } });
  await writer.write(batchOf(0, 10));
  await writer.commit();
  assert.deepEqual(
    notes.blocks.map(({ partition, rows }) => [partition, rows.length]),
    [[2, 10]],
  );
});

test('blocks come near their size: many rows are several, few are one', async () => {
  const notes = new Notes();
  const writer = createBatchWriter(notes, { ...at, partitions: 1, distribution: { kind: 'single' } });
  const text = 'y'.repeat(100);
  for (let i = 0; i < 40; i++)
    await writer.write(
      fromPlain(
        schema,
        Array.from({ length: 500 }, (_, k) => [i, `${i}-${k}${text}`] as const),
      ),
    );
  await writer.commit();
  assert.ok(notes.blocks.length > 1);
  for (const { bytes } of notes.blocks) assert.ok(bytes <= 512 * KiB, `${bytes}`);
});

test('nothing is written before the budget is full, and what was kept is forgotten by an abort', async () => {
  const notes = new Notes();
  const writer = createBatchWriter(notes, { ...at, partitions: 2, distribution: { kind: 'hash', keys: ['n'] } });
  await writer.write(batchOf(0, 1000));
  assert.equal(notes.blocks.length, 0);
  await writer.abort();
  assert.equal(notes.aborted, 1);
  await writer.commit();
  assert.equal(notes.blocks.length, 0);
});

test('rows that make a block too large are parted; a row that is too large alone is an error that says so', async () => {
  const notes = new Notes();
  const writer = createBatchWriter(notes, { ...at, partitions: 1, distribution: { kind: 'single' } });
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(maxBlockBytes / 2 - KiB));
  await writer.write(
    fromPlain(
      schema,
      texts.map((text, i) => [i, text] as const),
    ),
  );
  await writer.commit();
  assert.deepEqual(
    notes.blocks.flatMap(({ rows }) => rows.map((row) => row['n'])),
    [0, 1, 2],
  );
  assert.ok(notes.blocks.length > 1 && notes.blocks.every(({ bytes }) => bytes <= maxBlockBytes));
  const tooLarge = createBatchWriter(new Notes(), { ...at, partitions: 1, distribution: { kind: 'single' } });
  await assert.rejects(async () => {
    await tooLarge.write(fromPlain(schema, [[1, 'z'.repeat(maxBlockBytes + 1)]]));
    await tooLarge.commit();
  }, failsWith('VALUE_OUT_OF_RANGE'));
});
