/**
 * The shuffle in the memory of one process: the driver of `--shuffle memory`, and the simplest reading of the shuffle
 * interface. Payloads are copied into chunks and never hashed, since they leave the process nowhere; nothing of it
 * can be lost, so a map never becomes vacant again. Data stays until its shuffle is released.
 */
import assert from 'node:assert/strict';
import { SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB, maxBlockBytes } from '#manager/protocol/ids.ts';
import { assertRange, missing, readerOf } from './reading.ts';
import type { Committed, ReadRange, ReceivedBlock, ShuffleDriver, ShuffleHandle, ShuffleRequest, ShuffleWriter } from './spi.ts';

const firstChunkBytes = 4 * KiB;
const largestChunkBytes = MiB;

/** Numbers kept per block: partition, chunk, offset, length, records. */
const fields = 5;

/** What one attempt wrote: payloads in chunks, five u32 per block. */
class Blocks {
  readonly #chunks: Uint8Array[] = [];
  #filled = 0;
  #index = new Uint32Array(fields * 16);
  #count = 0;
  /** After `sort`: positions of the blocks by partition, as written within one. */
  #order = new Uint32Array(0);
  heldBytes = this.#index.byteLength;
  records = 0;
  payloadBytes = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes that `add` will take from the system for a payload of `length`, without taking them. */
  growthOf(length: number): number {
    const index = (this.#count + 1) * fields > this.#index.length ? this.#index.byteLength : 0;
    return index + (this.#room() >= length ? 0 : this.#nextChunk(length));
  }

  add(partition: number, payload: Uint8Array, records: number): void {
    if (this.#room() < payload.length) {
      this.#trim();
      this.#chunks.push(new Uint8Array(this.#nextChunk(payload.length)));
      this.heldBytes += this.#chunks.at(-1)!.length;
      this.#filled = 0;
    }
    if ((this.#count + 1) * fields > this.#index.length) {
      const larger = new Uint32Array(this.#index.length * 2);
      larger.set(this.#index);
      this.heldBytes += this.#index.byteLength;
      this.#index = larger;
    }
    const chunk = Math.max(this.#chunks.length - 1, 0);
    if (payload.length > 0) this.#chunks[chunk]!.set(payload, this.#filled);
    const at = this.#count * fields;
    this.#index[at] = partition;
    this.#index[at + 1] = chunk;
    this.#index[at + 2] = this.#filled;
    this.#index[at + 3] = payload.length;
    this.#index[at + 4] = records;
    this.#filled += payload.length;
    this.#count++;
    this.records += records;
    this.payloadBytes += payload.length;
  }

  /** Makes it readable; nothing is added afterwards. Counting sort: O(blocks + partitions). */
  sort(partitions: number): void {
    this.#trim();
    this.heldBytes += this.#count * 4 + this.#count * fields * 4 - this.#index.byteLength;
    this.#index = this.#index.slice(0, this.#count * fields);
    const next = new Uint32Array(partitions + 1);
    for (let i = 0; i < this.#count; i++) next[this.#index[i * fields]! + 1]!++;
    for (let p = 0; p < partitions; p++) next[p + 1]! += next[p]!;
    this.#order = new Uint32Array(this.#count);
    for (let i = 0; i < this.#count; i++) this.#order[next[this.#index[i * fields]!]!++] = i;
  }

  /** Blocks of [partitionFrom, partitionTo), partition by partition; `map` is only passed on. */
  *read(map: number, partitionFrom: number, partitionTo: number): Generator<ReceivedBlock> {
    let from = 0;
    let to = this.#count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#index[this.#order[middle]! * fields]! < partitionFrom) from = middle + 1;
      else to = middle;
    }
    for (let i = from; i < this.#count; i++) {
      const at = this.#order[i]! * fields;
      const partition = this.#index[at]!;
      if (partition >= partitionTo) return;
      const offset = this.#index[at + 2]!;
      const length = this.#index[at + 3]!;
      const payload = length === 0 ? new Uint8Array(0) : this.#chunks[this.#index[at + 1]!]!.subarray(offset, offset + length);
      yield { partition, map, records: this.#index[at + 4]!, payload };
    }
  }

  #room(): number {
    return (this.#chunks.at(-1)?.length ?? 0) - this.#filled;
  }

  #nextChunk(length: number): number {
    return Math.max(length, Math.min(largestChunkBytes, firstChunkBytes * 2 ** this.#chunks.length));
  }

  /** Gives back what the last chunk has to spare, when it is worth a copy. */
  #trim(): void {
    const last = this.#chunks.at(-1);
    if (!last || last.length - this.#filled < 256) return;
    this.#chunks[this.#chunks.length - 1] = last.slice(0, this.#filled);
    this.heldBytes -= last.length - this.#filled;
  }
}

interface Shuffle {
  readonly handle: ShuffleHandle;
  readonly request: ShuffleRequest;
  readonly winners: (Blocks | undefined)[];
}

/** The bytes of all attempts and shuffles of the driver. */
interface Budget {
  readonly limitBytes: number;
  usedBytes: number;
}

/**
 * A driver for one process: handles mean nothing to another driver.
 * @param budgetBytes  held payloads and their index, all shuffles together; a write beyond it fails with MEMORY_EXCEEDED
 * Cost: one copy per payload, 24 bytes per block.
 */
export function createMemoryShuffle({ budgetBytes }: { readonly budgetBytes: number }): ShuffleDriver {
  const byName = new Map<string, ShuffleHandle>();
  const shuffles = new Map<string, Shuffle | 'released'>();
  const budget: Budget = { limitBytes: budgetBytes, usedBytes: 0 };

  const find = (id: string): Shuffle => {
    const shuffle = shuffles.get(id);
    if (shuffle === undefined) throw new SluiceError('SHUFFLE_UNKNOWN', { shuffle: id });
    if (shuffle === 'released') throw new SluiceError('SHUFFLE_RELEASED', { shuffle: id });
    return shuffle;
  };

  return {
    name: 'memory',
    async open(request) {
      const known = byName.get(request.name);
      if (known) {
        const { request: first, handle } = find(known.id);
        if (first.maps !== request.maps || first.partitions !== request.partitions || first.deterministic !== request.deterministic) {
          throw new SluiceError('REQUEST_INVALID', { what: `shuffle ${request.name} is open with another shape` });
        }
        return handle;
      }
      const { maps, partitions } = request;
      const handle: ShuffleHandle = { driver: 'memory', id: `memory-${byName.size}`, maps, partitions };
      byName.set(request.name, handle);
      shuffles.set(handle.id, { handle, request, winners: new Array<Blocks | undefined>(maps) });
      return handle;
    },
    async createWriter({ id }, map) {
      const shuffle = find(id);
      assert.ok(map >= 0 && map < shuffle.handle.maps, 'map out of range');
      return new MemoryWriter(() => find(id), map, budget);
    },
    createReader: (handle, range) => readerOf(read(() => find(handle.id), range)),
    async vacant({ id }) {
      const { winners } = find(id);
      return vacantIn(winners, 0, winners.length);
    },
    async release({ id }) {
      if (shuffles.get(id) === 'released') return;
      for (const blocks of find(id).winners) budget.usedBytes -= blocks?.heldBytes ?? 0;
      shuffles.set(id, 'released');
    },
    async close() {
      // Nothing but the shuffles is held, and those stay.
    },
  };
}

const vacantIn = (winners: readonly (Blocks | undefined)[], from: number, to: number): number[] => {
  const maps: number[] = [];
  for (let map = from; map < to; map++) if (winners[map] === undefined) maps.push(map);
  return maps;
};

async function* read(find: () => Shuffle, range: ReadRange): AsyncGenerator<ReceivedBlock, void, undefined> {
  const { handle, winners } = find();
  assertRange(handle, range);
  const vacant = vacantIn(winners, range.mapFrom, range.mapTo);
  if (vacant.length > 0) throw missing(handle.id, vacant, 'not committed');
  for (let map = range.mapFrom; map < range.mapTo; map++) {
    for (const block of winners[map]!.read(map, range.partitionFrom, range.partitionTo)) {
      yield block;
      find();
    }
  }
}

class MemoryWriter implements ShuffleWriter {
  readonly #find: () => Shuffle;
  readonly #map: number;
  readonly #budget: Budget;
  /** Null once committed or dropped. */
  #blocks: Blocks | null = new Blocks();
  #committed: Committed | null = null;

  constructor(find: () => Shuffle, map: number, budget: Budget) {
    this.#find = find;
    this.#map = map;
    this.#budget = budget;
    budget.usedBytes += this.#blocks!.heldBytes;
  }

  async write(partition: number, payload: Uint8Array, records: number): Promise<void> {
    const { handle } = this.#live();
    assert.ok(partition >= 0 && partition < handle.partitions, 'partition out of range');
    assert.ok(payload.length <= maxBlockBytes, 'a payload has at most maxBlockBytes');
    const blocks = this.#blocks;
    assert.ok(blocks, 'the attempt has ended');
    const { limitBytes, usedBytes } = this.#budget;
    if (usedBytes + blocks.growthOf(payload.length) > limitBytes) {
      await this.abort();
      throw new SluiceError('MEMORY_EXCEEDED', {
        budgetBytes: limitBytes,
        what: `the shuffled rows of map ${this.#map}: run with --shuffle local or remote`,
      });
    }
    const before = blocks.heldBytes;
    blocks.add(partition, payload, records);
    this.#budget.usedBytes += blocks.heldBytes - before;
  }

  async commit(): Promise<Committed> {
    if (this.#committed) return this.#committed;
    const { handle, winners } = this.#live();
    const blocks = this.#blocks;
    assert.ok(blocks, 'the attempt has ended');
    this.#blocks = null;
    const won = winners[this.#map] === undefined;
    this.#budget.usedBytes -= blocks.heldBytes;
    if (won) {
      blocks.sort(handle.partitions);
      this.#budget.usedBytes += blocks.heldBytes;
      winners[this.#map] = blocks;
    }
    this.#committed = { won, blocks: blocks.count, records: blocks.records, bytes: blocks.payloadBytes };
    return this.#committed;
  }

  async abort(): Promise<void> {
    if (!this.#blocks) return;
    this.#budget.usedBytes -= this.#blocks.heldBytes;
    this.#blocks = null;
  }

  /** The shuffle, or its end: then the attempt's bytes are given back. */
  #live(): Shuffle {
    try {
      return this.#find();
    } catch (error) {
      this.#budget.usedBytes -= this.#blocks?.heldBytes ?? 0;
      this.#blocks = null;
      throw error;
    }
  }
}
