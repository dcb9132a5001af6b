/**
 * What one flush will write: the blocks of one shuffle and folder that lie in the arena, in the order they came. It owns
 * their frames' places and their index entries until the region stands, and readers look at it until then. Kept by store.ts.
 */
import { entryBytes } from '../kernel/kernel.ts';
import type { EntryRun } from './index.ts';
import type { StoreMemory } from './memory.ts';

/** Someone who waits until a batch survives kill -9 (or, with sync, power loss). */
export interface BatchWaiter {
  readonly sync: boolean;
  settle(error: Error | null): void;
}

export class Batch {
  readonly runs: EntryRun[] = [];
  /** Pairs: address, length. */
  readonly #frames: number[] = [];
  readonly waiters: BatchWaiter[] = [];
  /** What was aborted and is not written: locations, by map * 2^32 + attempt. */
  readonly #dropped = new Map<number, Set<number>>();
  bytes = 0;
  blocks = 0;
  /** Clock's milliseconds of the last block. */
  touched = 0;
  /** Its blocks stand in a region, or are gone. */
  over = false;

  addFrame(address: number, bytes: number, blocks: number, now: number): void {
    this.#frames.push(address, bytes);
    this.bytes += bytes;
    this.blocks += blocks;
    this.touched = now;
  }

  /** All blocks of the stream that are here, and any that would still come: they go to another batch. */
  drop(map: number, attempt: number, location: number): void {
    const key = map * 2 ** 32 + attempt;
    const locations = this.#dropped.get(key);
    if (locations) locations.add(location);
    else this.#dropped.set(key, new Set([location]));
  }

  drops(map: number, attempt: number, location: number): boolean {
    return this.#dropped.get(map * 2 ** 32 + attempt)?.has(location) ?? false;
  }

  /** Writes the numbers of its entries, without the dropped ones, to the flush list; answers their count and stored bytes. */
  list(memory: StoreMemory): { count: number; bytes: number } {
    const { words, index, list } = memory;
    let count = 0;
    if (this.#dropped.size === 0) {
      for (const { first, used } of this.runs) {
        words.copyWithin(list / 4 + count, index.numbers / 4 + first, index.numbers / 4 + first + used);
        count += used;
      }
      return { count, bytes: this.bytes };
    }
    let bytes = 0;
    for (const { first, used } of this.runs) {
      for (let entry = first; entry < first + used; entry++) {
        const at = (index.entries + entry * entryBytes) / 4;
        if (this.drops(words[at + 1]!, words[at + 2]!, words[at + 7]! >>> 8)) continue;
        words[list / 4 + count++] = entry;
        bytes += words[at + 6]!;
      }
    }
    return { count, bytes };
  }

  /** Its memory goes back; it must not be looked at again. */
  free(memory: StoreMemory): void {
    this.over = true;
    for (let i = 0; i < this.#frames.length; i += 2) memory.arena.free(this.#frames[i]!, this.#frames[i + 1]!);
    this.#frames.length = 0;
    memory.index.free(this.runs);
    this.runs.length = 0;
  }

  /** Frames of no attempt that is left go back at once when nothing else is in the batch. */
  settle(error: Error | null): void {
    for (const waiter of this.waiters.splice(0)) waiter.settle(error);
  }
}
