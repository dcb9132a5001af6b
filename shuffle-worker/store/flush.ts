/**
 * Writes one batch as one region: sort references, then write; small blocks are gathered into aligned buffers, of which one is
 * filled while the other is written, large ones are written from where they lie. Control returns to the event loop between them (a step is at most 2 ms). Called by
 * store.ts, one flush at a time. The trailer goes last: until it stands there is no region.
 */
import { KiB, type ShuffleId } from '#manager/protocol/ids.ts';
import { entryBytes } from '../kernel/kernel.ts';
import type { Batch } from './batch.ts';
import type { Directory } from './directory.ts';
import type { StoreMemory } from './memory.ts';
import { dataOffset, encodeRegionHeader, granuleBytes, pageBytes, regionBytes, regionHeaderBytes } from './region.ts';
import type { StoredRegion } from './stored-region.ts';

/** From this average length on a block is not copied before it is written. */
const directBytes = 32 * KiB;
/** Parts of one write. */
const mostParts = 500;

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
 * Cost: 0.1-0.2 CPU-s/GB besides the system's; 32 B a granule stay in memory.
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
    const write = (offset: number, ...parts: readonly Uint8Array[]): Promise<void> => file.write(place.offset + offset, ...parts);
    const next = dataBytes / count < directBytes ? gathering(memory, count, header) : inPlace(memory, count, header);
    await writeData(next, write);
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

/** What is written next, in turns: turn 0 and 1 alternate, and what a turn gave is written before it is its turn again. Empty at the end. */
type NextParts = (turn: 0 | 1) => readonly Uint8Array[];

/** Header page and data. At most two writes are under way. */
async function writeData(next: NextParts, write: (offset: number, ...parts: readonly Uint8Array[]) => Promise<void>): Promise<void> {
  const under: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()];
  let offset = 0;
  try {
    for (let turn: 0 | 1 = 0; ; turn = turn === 0 ? 1 : 0) {
      await under[turn];
      const parts = next(turn);
      if (parts.length === 0) break;
      const written = write(offset, ...parts);
      // Awaited below; a failure in between must not count as unhandled.
      written.catch(() => {});
      under[turn] = written;
      for (const part of parts) offset += part.length;
    }
  } finally {
    // The buffers belong to the next flush only when nobody writes from them.
    await Promise.allSettled(under);
  }
  await Promise.all(under);
}

/** Header page and blocks one behind the other in a buffer. */
function gathering(memory: StoreMemory, count: number, header: Uint8Array): NextParts {
  const { kernel, index, list, flushBuffers, flushBufferBytes, bytes } = memory;
  let place = 0;
  let skip = 0;
  let isFirst = true;
  return (turn) => {
    if (place === count) return [];
    const buffer = flushBuffers[turn];
    let filled = 0;
    if (isFirst) {
      bytes.fill(0, buffer, buffer + pageBytes);
      bytes.set(header, buffer);
      filled = pageBytes;
      isFirst = false;
    }
    const gathered = kernel.gather(index.entries, list, place, count, skip, buffer + filled, flushBufferBytes - filled);
    place = gathered.place;
    skip = gathered.skip;
    return [bytes.subarray(buffer, buffer + filled + gathered.bytes)];
  };
}

/** Header page and blocks as they lie in the arena, cut where a buffer would end: a write that does not end with a page makes the system read it first. */
function inPlace(memory: StoreMemory, count: number, header: Uint8Array): NextParts {
  const { index, words, list, flushBufferBytes, bytes } = memory;
  let place = 0;
  let skip = 0;
  let isFirst = true;
  return () => {
    const parts: Uint8Array[] = [];
    let room = flushBufferBytes;
    if (isFirst) {
      const page = new Uint8Array(pageBytes);
      page.set(header);
      parts.push(page);
      room -= pageBytes;
      isFirst = false;
    }
    // The run of blocks that lie one behind the other.
    let from = 0;
    let to = 0;
    while (place < count && room > 0 && parts.length < mostParts) {
      const entry = (index.entries + words[list / 4 + place]! * entryBytes) / 4;
      const address = words[entry + 5]! + skip;
      const taken = Math.min(words[entry + 6]! - skip, room);
      if (address !== to) {
        if (to > from) parts.push(bytes.subarray(from, to));
        from = address;
        to = address;
      }
      to += taken;
      room -= taken;
      skip += taken;
      if (skip === words[entry + 6]) {
        place++;
        skip = 0;
      }
    }
    if (to > from) parts.push(bytes.subarray(from, to));
    return parts;
  };
}
