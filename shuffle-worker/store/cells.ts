/**
 * What writers have stated: one cell per finished stream, with its manifest's hash and block counts. Whether a cell won
 * is the ledger's matter; a reader's counts come from here and never from the blocks that are found. Kept by the
 * store in memory, made again from the manifests at a restart.
 */
export interface Cell {
  readonly map: number;
  readonly attempt: number;
  readonly section: number;
  readonly location: number;
  /** headerHash of the manifest block. */
  readonly manifestHash: bigint;
  readonly blocks: number;
  readonly counts: CellCounts;
}

/** Cells between two marks. */
const stride = 256;

/** Block counts of a partition range in the manifest's own bytes, with a mark every 256 counts. About 1 byte a partition, less when most are empty. */
export class CellCounts {
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly #codes: Uint8Array;
  /** Pairs: a count's place in the range, where its code begins. */
  readonly #marks: Uint32Array;

  /** `codes` begin with the counts of the range as protocol/counts.ts codes them, checked before; the counts are copied. */
  constructor(partitionFrom: number, partitionTo: number, codes: Uint8Array) {
    this.partitionFrom = partitionFrom;
    this.partitionTo = partitionTo;
    const marks: number[] = [];
    let due = stride;
    const end = walk(codes, 0, 0, partitionTo - partitionFrom, (place, _count, at) => {
      if (place < due) return;
      marks.push(place, at);
      due = place + stride;
    });
    this.#codes = codes.slice(0, end);
    this.#marks = Uint32Array.from(marks);
  }

  /** Calls `each` for partitions of [from, to) with blocks. Cost: O(to - from + 256). */
  each(from: number, to: number, each: (partition: number, blocks: number) => void): void {
    const first = Math.max(from, this.partitionFrom) - this.partitionFrom;
    const last = Math.min(to, this.partitionTo) - this.partitionFrom;
    if (first >= last) return;
    let low = 0;
    let high = this.#marks.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#marks[middle * 2]! <= first) low = middle + 1;
      else high = middle;
    }
    const place = low > 0 ? this.#marks[low * 2 - 2]! : 0;
    const at = low > 0 ? this.#marks[low * 2 - 1]! : 0;
    walk(this.#codes, at, place, last, (index, count) => {
      if (index >= first) each(this.partitionFrom + index, count);
    });
  }
}

/** Calls `each` for the counts above 0 from place `place`, whose code is at codes[at], up to place `to`; answers where it stopped. */
function walk(codes: Uint8Array, at: number, place: number, to: number, each: (place: number, count: number, at: number) => void): number {
  let next = at;
  const number = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = codes[next++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  for (let index = place; index < to; ) {
    const begin = next;
    const count = number();
    if (count > 0) each(index++, count, begin);
    else index += number();
  }
  return next;
}

/** The cells of one shuffle. */
export class Cells {
  /** By location, then by map: the attempts that finished. */
  readonly #locations = new Map<number, Map<number, Cell[]>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  find(location: number, map: number, attempt: number, section: number): Cell | undefined {
    return this.#locations
      .get(location)
      ?.get(map)
      ?.find((cell) => cell.attempt === attempt && cell.section === section);
  }

  /** Again: the one that is there stays. */
  add(cell: Cell): Cell {
    let maps = this.#locations.get(cell.location);
    if (!maps) {
      maps = new Map();
      this.#locations.set(cell.location, maps);
    }
    const cells = maps.get(cell.map);
    const known = this.find(cell.location, cell.map, cell.attempt, cell.section);
    if (known) return known;
    if (cells) cells.push(cell);
    else maps.set(cell.map, [cell]);
    this.#count++;
    return cell;
  }

  remove(location: number, map: number, attempt: number, section: number): void {
    const cells = this.#locations.get(location)?.get(map);
    const at = cells?.findIndex((cell) => cell.attempt === attempt && cell.section === section) ?? -1;
    if (at < 0) return;
    cells!.splice(at, 1);
    this.#count--;
  }

  *all(): Iterable<Cell> {
    for (const maps of this.#locations.values()) for (const cells of maps.values()) yield* cells;
  }
}
