/**
 * How a worker's one fixed memory is divided: accounts of open streams, index entries, scratch of flushes and reads, and the
 * arena itself. All of it is address space; the system gives a page when it is first touched. Made once per worker.
 */
import { KiB, MiB, maxBlockBytes } from '#manager/protocol/ids.ts';
import { createKernel, createKernelMemory, entryBytes, granuleBytes, type Kernel, kernelReservedBytes } from '../kernel/kernel.ts';
import { Arena, chunkBytes, Slots } from './arena.ts';
import { EntryIndex } from './index.ts';

/** Entries of one region, at most: sorting them stays under 2 ms. */
export const regionEntries = 256 * KiB;
/** What a read takes from files at once, unless a single block is larger. */
export const readPieceBytes = 1 * MiB;
/** What an ordered read puts in order at once: this much from files, and as much from memory. */
export const readWindowBytes = 1 * MiB;
/** Blocks a read looks at in one step. */
export const readEntries = (2 * readWindowBytes) / 64;

export interface StoreMemory {
  readonly kernel: Kernel;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly arenaBytes: number;
  /** The largest payload this worker takes: an eighth of the arena, at most 16 MiB. */
  readonly maxBlockBytes: number;
  /** Blocks, from their arrival to their flush. */
  readonly arena: Arena;
  /** Accounts, counts and winners of open streams. */
  readonly slots: Slots;
  readonly index: EntryIndex;
  /** For a flush: two lists of regionEntries, and the region's index. */
  readonly list: number;
  readonly listScratch: number;
  readonly granules: number;
  readonly granuleCapacity: number;
  readonly flushBuffers: readonly [number, number];
  readonly flushBufferBytes: number;
  /** For a read, within one step: entries from this number on (of the same table as the index), a list of those numbers, and two lists. */
  readonly readEntry: number;
  readonly readNumbers: number;
  readonly readList: number;
  readonly readScratch: number;
  /** Pieces of files and frames on their way out. */
  readonly reads: Arena;
}

/**
 * @param arenaBytes  at least 1 MiB
 * Address space: about 1.7 times the arena and 40 MiB. Touched: what is used, lowest addresses first.
 */
export function createStoreMemory(arenaBytes: number): StoreMemory {
  const arena = Math.max(Math.floor(arenaBytes / chunkBytes), 16) * chunkBytes;
  const blockBytes = Math.min(maxBlockBytes, arena / 8);
  const slotBytes = Math.max(arena / 4, 2 * MiB);
  const entries = Math.ceil(Math.max(arena / 4, 1 * MiB) / entryBytes / 64) * 64;
  const flushBufferBytes = Math.min(4 * MiB, Math.max(arena / 16, 64 * KiB));
  const readsBytes = Math.ceil((Math.max(arena / 8, 2 * blockBytes, 8 * MiB) + chunkBytes) / chunkBytes) * chunkBytes;

  let at = kernelReservedBytes;
  const take = (bytes: number, align = 64): number => {
    at = Math.ceil(at / align) * align;
    const from = at;
    at += bytes;
    return from;
  };
  const slotsAt = take(slotBytes);
  const indexAt = take((entries + readEntries) * entryBytes);
  const numbers = take(entries * 4);
  const list = take(regionEntries * 4);
  const listScratch = take(regionEntries * 4);
  const granules = take(regionEntries * granuleBytes);
  const readNumbers = take(readEntries * 4);
  const readList = take(readEntries * 4);
  const readScratch = take(readEntries * 4);
  const flushBuffers = [take(flushBufferBytes, 4 * KiB), take(flushBufferBytes, 4 * KiB)] as const;
  const readsAt = take(readsBytes, chunkBytes);
  const arenaAt = take(arena, chunkBytes);
  const kernel = createKernel(createKernelMemory(at));
  const words = new Uint32Array(kernel.memory.buffer);
  for (let i = 0; i < readEntries; i++) words[readNumbers / 4 + i] = entries + i;
  return {
    kernel,
    bytes: new Uint8Array(kernel.memory.buffer),
    words,
    arenaBytes: arena,
    maxBlockBytes: blockBytes,
    arena: new Arena(arenaAt, arena),
    slots: new Slots(slotsAt, slotBytes),
    index: new EntryIndex(kernel.memory, indexAt, numbers, entries),
    list,
    listScratch,
    granules,
    granuleCapacity: regionEntries,
    flushBuffers,
    flushBufferBytes,
    readEntry: entries,
    readNumbers,
    readList,
    readScratch,
    reads: new Arena(readsAt, readsBytes),
  };
}
