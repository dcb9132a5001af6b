import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '#manager/protocol/errors.ts';
import { manifestPartition, verifyBlock } from '#worker/protocol/block.ts';
import { segmentPath } from '#worker/store/directory.ts';
import { flushBatch } from '#worker/store/flush.ts';
import {
  dataOffset,
  indexCovers,
  indexMatches,
  indexOffset,
  readGranule,
  readRegionHeader,
  sameHeader,
  trailerOffset,
} from '#worker/store/region.ts';
import { payloadOf } from '../world.ts';
import { type Kept, openKept, put, segmentBytes, shuffleOf, targetOf } from './kept.ts';

const shuffle = shuffleOf(1);

/** Maps 2, 0, 1 with partitions in disorder. */
async function filled(): Promise<Kept> {
  const kept = await openKept();
  for (const map of [2, 0, 1])
    put(
      kept,
      targetOf({ shuffle, map, location: 7 }),
      [3, 0, 3, 1].map((partition, i) => [partition, payloadOf(200 + 8 * map, i)] as const),
    );
  return kept;
}
const batchOf = (kept: Kept) => kept.store.shuffles.get(shuffle)!.shelves[0]!.batches[0]!;

for (const order of [0, 1, 2]) {
  test(`order ${order}: a whole region, its blocks sorted and verbatim, manifests last with their location`, async () => {
    const kept = await filled();
    const { memory, directory, disk } = kept;
    const region = (await flushBatch({ memory, directory, batch: batchOf(kept), shuffle, order, ordinal: 0, sync: false }))!;
    const bytes = disk.bytes(segmentPath(0)).subarray(region.offset);
    const read = readRegionHeader(bytes, { use: 1, page: region.offset / 4096, room: segmentBytes - region.offset });
    assert.ok(read.kind === 'region');
    const { header } = read;
    assert.deepEqual([header.shuffle, header.ordinal, header.order, header.blocks], [shuffle, 0, order, 15]);
    assert.ok(sameHeader(bytes, bytes.subarray(trailerOffset(header))));
    const index = bytes.subarray(indexOffset(header), indexOffset(header) + header.indexBytes);
    assert.ok(indexMatches(header, index) && indexCovers(header, index));
    assert.deepEqual(new Uint8Array(region.index.buffer), Uint8Array.from(index));
    const keys: number[][] = [];
    for (let at = dataOffset; at < dataOffset + header.dataBytes; ) {
      const block = verifyBlock(bytes, at);
      assert.ok(block.kind === 'block');
      const { kind, partition, map, sequence } = block.header;
      keys.push(kind === 2 ? [1, map] : order === 0 ? [0, partition, map, sequence] : order === 1 ? [0, map, partition, sequence] : [0, partition]);
      at += block.bytes;
    }
    // Arrival order keeps what came first in front, manifests too.
    const sorted = order === 2 ? keys.map((key) => key.slice(0, key[0] === 1 ? 1 : 2)) : keys;
    assert.deepEqual(
      sorted,
      [...sorted].sort((a, b) => compare(a, b)),
    );
    const view = new DataView(region.index.buffer);
    const granules = Array.from({ length: header.indexBytes / 32 }, (_, i) => readGranule(view, i * 32));
    assert.deepEqual(
      granules.filter(({ partition }) => partition === manifestPartition).map(({ location, blocks }) => [location, blocks]),
      [
        [7, 1],
        [7, 1],
        [7, 1],
      ],
    );
  });
}

test('large blocks are written from where they lie: the same region, byte for byte, cut where a buffer would end', async () => {
  for (const order of [0, 1, 2]) {
    const kept = await openKept();
    const { memory, directory, disk } = kept;
    const sizes = [40_000, 200_000, 8, 33_000];
    const streams = [1, 0].map((map) =>
      put(
        kept,
        targetOf({ shuffle, map }),
        sizes.map((bytes, i) => [3 - i, payloadOf(bytes + 8 * map, i)] as const),
      ),
    );
    const writes: number[][] = [];
    disk.wrote = (parts) => writes.push(parts.map((part) => part.length));
    const region = (await flushBatch({ memory, directory, batch: batchOf(kept), shuffle, order, ordinal: 0, sync: false }))!;
    // Nothing was gathered: the parts are pieces of the arena, and no write ends within a page but the last one.
    const data = writes.filter((parts) => parts.length > 1);
    assert.ok(data.length === 3 && data.some((parts) => parts.length > 2), JSON.stringify(writes));
    for (const parts of data.slice(0, -1)) assert.equal(parts.reduce((sum, bytes) => sum + bytes, 0) % 4096, 0);
    const bytes = disk.bytes(segmentPath(0)).subarray(region.offset);
    const read = readRegionHeader(bytes, { use: 1, page: region.offset / 4096, room: segmentBytes - region.offset });
    assert.ok(read.kind === 'region');
    assert.ok(sameHeader(bytes, bytes.subarray(trailerOffset(read.header))));
    const found: string[] = [];
    for (let at = dataOffset; at < dataOffset + region.dataBytes; ) {
      const block = verifyBlock(bytes, at);
      assert.ok(block.kind === 'block');
      found.push(Buffer.from(bytes.subarray(at, at + block.bytes)).toString('base64'));
      at += block.bytes;
    }
    const written = streams.flatMap(({ sealed }) => [...sealed.blocks, sealed.manifest].map((block) => Buffer.from(block).toString('base64')));
    assert.deepEqual(found.toSorted(), written.toSorted());
  }
});

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, key] of a.entries()) if (key !== b[i]) return key - (b[i] ?? 0);
  return 0;
}

test('until all is written there is no trailer, and with sync it counts only when it is durable', async () => {
  const kept = await filled();
  const { memory, directory, disk } = kept;
  const flush = (sync: boolean) => flushBatch({ memory, directory, batch: batchOf(kept), shuffle, order: 0, ordinal: 0, sync });
  disk.failSync = new SluiceError('DISK_FAILED', { what: 'sync' });
  await assert.rejects(flush(true), /sync/);
  disk.failSync = null;
  // The segment whose sync failed is given up, and the batch still has everything.
  const region = (await flush(true))!;
  assert.equal(region.segment.number, 1);
  disk.crash();
  const bytes = disk.bytes(segmentPath(1)).subarray(region.offset);
  assert.equal(readRegionHeader(bytes, { use: 2, page: 1, room: segmentBytes - 4096 }).kind, 'region');
});

test('a disk that refuses leaves the batch as it was and the place free', async () => {
  const kept = await filled();
  const { memory, directory, disk } = kept;
  const batch = batchOf(kept);
  const flush = () => flushBatch({ memory, directory, batch, shuffle, order: 0, ordinal: 0, sync: false });
  const { segment } = (await flush())!;
  directory.release(segment);
  disk.failWrite = new SluiceError('NO_SPACE', { what: 'full' });
  await assert.rejects(flush(), /full/);
  assert.equal(segment.regions, 0);
  assert.equal(batch.over, false);
  disk.failWrite = null;
  assert.ok(await flush());
});

test('nothing of a batch that was dropped is written', async () => {
  const kept = await filled();
  const batch = batchOf(kept);
  for (const map of [0, 1, 2]) batch.drop(map, 1, 7);
  const { memory, directory } = kept;
  assert.equal(await flushBatch({ memory, directory, batch, shuffle, order: 0, ordinal: 0, sync: false }), null);
  assert.equal(directory.diskBytes, 0);
});
