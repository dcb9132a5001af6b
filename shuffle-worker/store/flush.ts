/**
 * Writes one batch as one region: sort references, gather into aligned buffers, write; two buffers, so that one is filled
 * while the other is written, and control returns to the event loop between them (a step is at most 2 ms). Called by
 * store.ts, one flush at a time. The trailer goes last: until it stands there is no region.
 */
import type { ShuffleId } from '#manager/protocol/ids.ts';
import type { Batch } from './batch.ts';
import type { Directory } from './directory.ts';
import type { StoreMemory } from './memory.ts';
import { dataOffset, encodeRegionHeader, granuleBytes, pageBytes, regionBytes, regionHeaderBytes } from './region.ts';
import type { StoredRegion } from './stored-region.ts';

export interface FlushOptions {
  readonly memory: StoreMemory;
  readonly directory: Directory;
  readonly batch: Batch;
  readonly shuffle: ShuffleId;
  readonly order: number;
  readonly ordinal: number;
  /** fdatasync before it counts. */
  readonly sync: boolean;
}

/**
 * The region, or null when nothing of the batch is wanted any more. @throws NO_SPACE, DISK_FAILED: nothing is taken from the batch
 * Cost: 0.1-0.2 CPU-s/GB; 32 B a granule stay in memory.
 */
export async function flushBatch(options: FlushOptions): Promise<StoredRegion | null> {
  const { memory, directory, batch, shuffle, order, ordinal, sync } = options;
  const { kernel, index, list, listScratch, granules, granuleCapacity, bytes } = memory;
  const { count, bytes: dataBytes } = batch.list(memory);
  if (count === 0) return null;
  kernel.sort(index.entries, list, listScratch, count, order);
  const granuleCount = kernel.granules(index.entries, list, count, 0, granules, granuleCapacity);
  const indexBytes = granuleCount * granuleBytes;
  const place = await directory.place(regionBytes({ dataBytes, indexBytes }));
  const { file } = place.segment;
  try {
    const header = encodeRegionHeader({
      order,
      shuffle,
      ordinal,
      use: place.use,
      dataBytes,
      page: place.offset / pageBytes,
      blocks: count,
      indexBytes,
      arrivalBase: 0n,
      indexHash: kernel.hash(granules, indexBytes),
    });
    await writeData(memory, count, header, (offset, part) => file.write(place.offset + offset, part));
    const tail = new Uint8Array(indexBytes + regionHeaderBytes);
    tail.set(bytes.subarray(granules, granules + indexBytes));
    tail.set(header, indexBytes);
    await file.write(place.offset + dataOffset + dataBytes, tail);
    if (sync) await directory.sync();
    return { segment: place.segment, offset: place.offset, ordinal, order, dataBytes, index: new Uint32Array(tail.buffer.slice(0, indexBytes)) };
  } catch (thrown) {
    directory.release(place.segment);
    throw thrown;
  }
}

/** Header page and data. At most two writes are under way. */
async function writeData(
  memory: StoreMemory,
  count: number,
  header: Uint8Array,
  write: (offset: number, part: Uint8Array) => Promise<void>,
): Promise<void> {
  const { kernel, index, list, flushBuffers, flushBufferBytes, bytes } = memory;
  const under: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()];
  let offset = 0;
  let place = 0;
  let skip = 0;
  try {
    for (let turn = 0; place < count; turn ^= 1) {
      await under[turn as 0 | 1];
      const buffer = flushBuffers[turn as 0 | 1];
      let filled = 0;
      if (offset === 0) {
        bytes.fill(0, buffer, buffer + pageBytes);
        bytes.set(header, buffer);
        filled = pageBytes;
      }
      const gathered = kernel.gather(index.entries, list, place, count, skip, buffer + filled, flushBufferBytes - filled);
      place = gathered.place;
      skip = gathered.skip;
      filled += gathered.bytes;
      const written = write(offset, bytes.subarray(buffer, buffer + filled));
      // Awaited below; a failure in between must not count as unhandled.
      written.catch(() => {});
      under[turn as 0 | 1] = written;
      offset += filled;
    }
  } finally {
    // The buffers belong to the next flush only when nobody writes from them.
    await Promise.allSettled(under);
  }
  await Promise.all(under);
}
