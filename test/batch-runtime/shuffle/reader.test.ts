import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '#manager/protocol/errors.ts';
import { batchRows, type Schema } from '#runtime/batch/batch.ts';
import { createBatchEncoder } from '#runtime/batch/ipc.ts';
import { fromPlain, rowsOf } from '#runtime/batch/rows.ts';
import { readBatches } from '#runtime/shuffle/reader.ts';
import type { ReceivedBlock, ShuffleReader } from '#runtime/shuffle/spi.ts';
import { failsWith } from '../../contract/shuffle.ts';

const schema: Schema = [{ name: 'n', type: { kind: 'int32' }, nullable: false }];
const payloadOf = (from: number, count: number): Uint8Array =>
  createBatchEncoder(schema)
    .encode(
      fromPlain(
        schema,
        Array.from({ length: count }, (_, i) => [from + i] as const),
      ),
    )
    .slice();

/** Gives its payloads in one buffer that is overwritten for each, as drivers may. */
class Given implements ShuffleReader {
  closed = 0;
  readonly #blocks: readonly { readonly payload: Uint8Array; readonly records: number }[];
  readonly #fail: SluiceError | null;
  constructor(blocks: readonly { readonly payload: Uint8Array; readonly records: number }[], fail: SluiceError | null = null) {
    this.#blocks = blocks;
    this.#fail = fail;
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<ReceivedBlock> {
    const buffer = new Uint8Array(Math.max(8, ...this.#blocks.map(({ payload }) => payload.length)) + 1);
    for (const { payload, records } of this.#blocks) {
      // Not on a multiple of 8: a payload lies anywhere.
      buffer.fill(0xee).set(payload, 1);
      yield { partition: 0, map: 0, records, payload: buffer.subarray(1, 1 + payload.length) };
    }
    if (this.#fail) throw this.#fail;
  }
  async close(): Promise<void> {
    this.closed++;
  }
}
const blocksOf = (...counts: readonly number[]) => {
  let from = 0;
  return counts.map((count) => {
    const block = { payload: payloadOf(from, count), records: count };
    from += count;
    return block;
  });
};
const read = async (reader: ShuffleReader): Promise<number[][]> => {
  const batches: number[][] = [];
  for await (const batch of readBatches(reader, schema)) batches.push([...rowsOf(batch)].map((row) => row['n'] as number));
  return batches;
};

test('small blocks are put together, in order; none is lost when their buffer is used again', async () => {
  const reader = new Given(blocksOf(3, 0, 5, 1));
  assert.deepEqual(await read(reader), [[0, 1, 2, 3, 4, 5, 6, 7, 8]]);
  assert.equal(reader.closed, 1);
});

test('a batch goes on as soon as it is worth it', async () => {
  const enough = batchRows / 2;
  const batches = await read(new Given(blocksOf(enough - 1, 1, enough, 7)));
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [enough, enough, 7],
  );
});

test('nothing to read is no batch, and the reader is closed', async () => {
  for (const blocks of [[], blocksOf(0, 0)]) {
    const reader = new Given(blocks);
    assert.deepEqual(await read(reader), []);
    assert.equal(reader.closed, 1);
  }
});

test('an error of the shuffle comes through; leaving early closes the reader', async () => {
  const failing = new Given(blocksOf(2), new SluiceError('MISSING', { shuffle: '1', maps: [0], what: 'gone' }));
  await assert.rejects(read(failing), failsWith('MISSING'));
  assert.equal(failing.closed, 1);
  const left = new Given(blocksOf(batchRows, batchRows));
  for await (const batch of readBatches(left, schema)) {
    assert.equal(batch.length, batchRows);
    break;
  }
  assert.equal(left.closed, 1);
});

test('a payload that is no batch of the schema, or says another count than its block, is an error', async () => {
  await assert.rejects(read(new Given([{ payload: new Uint8Array(64).fill(3), records: 1 }])), failsWith('FILE_CORRUPT', 'INTERNAL'));
  await assert.rejects(read(new Given([{ payload: payloadOf(0, 3), records: 4 }])), failsWith('INTERNAL'));
});
