/**
 * Places for bytes inside one fixed memory. `Arena` keeps what arrives, in arrival order and whoever sent it, in runs of
 * chunks; a chunk is free again when all that lies in it was freed. `Slots` keeps small records of many sizes. Neither
 * touches the bytes, grows, or knows what they are; the store, the read streams and the client place things with them.
 */
import { KiB } from '#manager/protocol/ids.ts';

/** Arenas begin and end at multiples of this; their chunks are at most as large. */
export const chunkBytes = 64 * KiB;
/** An arena has about so many chunks: what the ends of runs waste is little beside the whole. */
const chunksWanted = 4096;
const smallestShift = 9;
const largestShift = 16;

/**
 * Cost: 4 bytes a chunk; allocate is O(1) while there is room behind the last one, else O(chunks). Chunks that were used before are
 * preferred, so that no more memory is touched than was ever needed at once.
 */
export class Arena {
  readonly address: number;
  readonly bytes: number;
  readonly #shift: number;
  /** Bytes in use per chunk; 0 = free. */
  readonly #live: Uint32Array;
  readonly #chunks: number;
  /** The run that is being filled: [#at, #end) is free for it, and #end is a chunk's border. */
  #at = 0;
  #end = 0;
  #used = 0;
  /** Chunks from here on were never used. */
  #touched = 0;
  /** Bytes handed out, for tests and metrics. */
  #stored = 0;

  /** `address` and `bytes` are multiples of 64 KiB. */
  constructor(address: number, bytes: number) {
    if (address % chunkBytes !== 0 || bytes % chunkBytes !== 0 || bytes === 0) throw new RangeError('an arena is made of whole chunks');
    this.address = address;
    this.bytes = bytes;
    this.#shift = Math.min(Math.max(31 - Math.clz32(bytes / chunksWanted), smallestShift), largestShift);
    this.#chunks = bytes >>> this.#shift;
    this.#live = new Uint32Array(this.#chunks);
  }

  /** What is free or not free as a whole. */
  get chunkBytes(): number {
    return 2 ** this.#shift;
  }
  /** Bytes of all chunks that are not free: what the budget counts. */
  get usedBytes(): number {
    return this.#used * 2 ** this.#shift;
  }
  get storedBytes(): number {
    return this.#stored;
  }

  /** The address of `length` (> 0) contiguous bytes, on a multiple of 8; -1 when there is no such run. */
  allocate(length: number): number {
    const bytes = (length + 7) & ~7;
    if (this.#at + bytes > this.#end && !this.#findRoom(bytes)) return -1;
    const at = this.#at;
    this.#at += bytes;
    this.#stored += bytes;
    this.#count(at, bytes, 1);
    return this.address + at;
  }

  /** Gives back what `allocate(length)` answered; parts of it may be given back one by one, cut at multiples of 8. */
  free(address: number, length: number): void {
    const bytes = (length + 7) & ~7;
    this.#stored -= bytes;
    this.#count(address - this.address, bytes, -1);
    if (this.#used === 0) {
      this.#at = 0;
      this.#end = 0;
    }
  }

  #count(at: number, bytes: number, sign: 1 | -1): void {
    const shift = this.#shift;
    const to = at + bytes;
    for (let from = at; from < to; ) {
      const chunk = from >>> shift;
      const part = Math.min(to, (chunk + 1) * 2 ** shift) - from;
      const before = this.#live[chunk]!;
      const after = before + sign * part;
      if (after < 0 || after > 1 << shift) throw new RangeError('freed what was not allocated');
      this.#live[chunk] = after;
      if (before === 0) this.#used++;
      else if (after === 0) this.#used--;
      from += part;
    }
  }

  #findRoom(bytes: number): boolean {
    const touched = this.#touched;
    return this.#extend(bytes, touched) || this.#move(bytes, touched) || this.#extend(bytes, this.#chunks) || this.#move(bytes, this.#chunks);
  }

  /** Lengthens the current run by the free chunks behind it, up to chunk `limit`. */
  #extend(bytes: number, limit: number): boolean {
    const shift = this.#shift;
    const need = Math.ceil((this.#at + bytes) / 2 ** shift);
    if (this.#end === 0 || need > limit) return false;
    for (let chunk = this.#end >>> shift; chunk < need; chunk++) if (this.#live[chunk] !== 0) return false;
    this.#end = need * 2 ** shift;
    this.#touched = Math.max(this.#touched, need);
    return true;
  }

  /** Begins a new run at the lowest place below chunk `limit` that has room. */
  #move(bytes: number, limit: number): boolean {
    const shift = this.#shift;
    const need = Math.ceil(bytes / 2 ** shift);
    let run = 0;
    for (let chunk = 0; chunk < limit; chunk++) {
      run = this.#live[chunk] === 0 ? run + 1 : 0;
      if (run < need) continue;
      this.#touched = Math.max(this.#touched, chunk + 1);
      this.#at = (chunk + 1 - need) * 2 ** shift;
      this.#end = (chunk + 1) * 2 ** shift;
      return true;
    }
    return false;
  }
}

const smallestSlot = 7;

/**
 * Records of 128 B and more, rounded up to a power of two, each at a multiple of its size: what is free is halved for a smaller one, and
 * two halves that are free are one again. So no size that was ever asked for is in the way of another. Cost: O(sizes).
 */
export class Slots {
  readonly #address: number;
  /** By the power of two: where what is free begins, from #address on. */
  readonly #free: Set<number>[] = Array.from({ length: 32 }, () => new Set());
  #used = 0;

  /** `address` is a multiple of 8. */
  constructor(address: number, bytes: number) {
    this.#address = address;
    for (let at = 0; at + 2 ** smallestSlot <= bytes; ) {
      let size = 31 - Math.clz32(bytes - at);
      while (at % 2 ** size !== 0) size--;
      this.#free[size]!.add(at);
      at += 2 ** size;
    }
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** The address of at least `bytes` bytes, not cleared; -1 when there is no room. */
  allocate(bytes: number): number {
    const size = sizeClass(bytes);
    let from = size;
    while (from < this.#free.length && this.#free[from]!.size === 0) from++;
    const free = this.#free[from];
    if (!free) return -1;
    const at = free.values().next().value!;
    free.delete(at);
    while (from > size) this.#free[--from]!.add(at + 2 ** from);
    this.#used += 2 ** size;
    return this.#address + at;
  }

  free(address: number, bytes: number): void {
    let size = sizeClass(bytes);
    let at = address - this.#address;
    this.#used -= 2 ** size;
    // The other half, when it is free as well.
    while (this.#free[size]!.delete(at ^ (2 ** size))) {
      at = Math.min(at, at ^ (2 ** size));
      size++;
    }
    this.#free[size]!.add(at);
  }
}

const sizeClass = (bytes: number): number => Math.max(smallestSlot, 32 - Math.clz32(Math.max(bytes, 1) - 1));
