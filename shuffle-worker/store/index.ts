/**
 * Which index entries are whose: the table of 32-byte entries the kernel writes, given out in chunks of 64. A batch (what
 * one flush will write of one shuffle) owns whole chunks, in the order its blocks came. Numbers only: what an entry says
 * is the kernel's matter (kernel/kernel.ts), and when a batch ends the store's.
 */
import { entryBytes, type KernelMemory } from '../kernel/kernel.ts';

const chunkShift = 6;
export const entriesPerChunk = 1 << chunkShift;

/** Entries [first, first + used) of a batch; room for `capacity`. */
export interface EntryRun {
  first: number;
  used: number;
  capacity: number;
}

export class EntryIndex {
  /** Where entry 0 lies. */
  readonly entries: number;
  /** Where a list of 0, 1, 2 .. lies: any run of entries is a part of it. */
  readonly numbers: number;
  readonly #taken: Uint8Array;
  readonly #list: Uint32Array;
  #usedChunks = 0;
  /** No chunk below this is free. */
  #lowest = 0;
  /** The list is filled up to here. */
  #numbered = 0;

  /** `count` entries at `entries`, and their numbers at `numbers`, are this object's. */
  constructor(memory: KernelMemory, entries: number, numbers: number, count: number) {
    this.entries = entries;
    this.numbers = numbers;
    this.#taken = new Uint8Array(count >>> chunkShift);
    this.#list = new Uint32Array(memory.buffer, numbers, count);
  }

  get freeEntries(): number {
    return (this.#taken.length - this.#usedChunks) << chunkShift;
  }
  get usedBytes(): number {
    return (this.#usedChunks << chunkShift) * entryBytes;
  }

  /** A run of the batch with room for at least one entry, and for `wanted` if there is that much in one place; null when the table is full. */
  room(runs: EntryRun[], wanted: number): EntryRun | null {
    let run = runs.at(-1);
    if (run && run.used === run.capacity) this.#grow(run, wanted);
    if (run && run.used < run.capacity) return run;
    while (this.#lowest < this.#taken.length && this.#taken[this.#lowest] !== 0) this.#lowest++;
    if (this.#lowest === this.#taken.length) return null;
    run = { first: this.#lowest << chunkShift, used: 0, capacity: 0 };
    this.#grow(run, wanted);
    runs.push(run);
    return run;
  }

  free(runs: readonly EntryRun[]): void {
    for (const { first, capacity } of runs) {
      const from = first >>> chunkShift;
      const to = (first + capacity) >>> chunkShift;
      this.#taken.fill(0, from, to);
      this.#usedChunks -= to - from;
      if (from < this.#lowest) this.#lowest = from;
    }
  }

  #grow(run: EntryRun, wanted: number): void {
    while (run.capacity - run.used < Math.max(wanted, 1)) {
      const chunk = (run.first + run.capacity) >>> chunkShift;
      if (chunk >= this.#taken.length || this.#taken[chunk] !== 0) return;
      this.#taken[chunk] = 1;
      this.#usedChunks++;
      run.capacity += entriesPerChunk;
    }
    const to = run.first + run.capacity;
    for (; this.#numbered < to; this.#numbered++) this.#list[this.#numbered] = this.#numbered;
  }
}
