/**
 * What simulated writers write, and what readers must get: bytes that say whose they are, and multisets of them. A payload names
 * shuffle, map, attempt and place, so that no block can stand for another; the oracle compares count, sum and xor of
 * hashes per partition, and the order within a (map, partition).
 */
import { crc32 } from 'node:zlib';
import type { ReceivedBlock } from '#runtime/shuffle/spi.ts';
import type { PlannedRead, ShufflePlan } from './scenario.ts';

const headBytes = 24;

/** Written into one reused buffer: a writer must not keep it. */
export class Payloads {
  readonly #buffer: Uint8Array;
  readonly #view: DataView;

  constructor(mostBytes: number) {
    this.#buffer = new Uint8Array(Math.ceil(Math.max(mostBytes, headBytes) / 4) * 4);
    this.#view = new DataView(this.#buffer.buffer);
  }

  make(shuffle: number, map: number, attempt: number, place: number, bytes: number): Uint8Array {
    const view = this.#view;
    [shuffle, map, attempt, place, bytes].forEach((number, i) => void view.setUint32(i * 4, number, true));
    let state =
      Math.imul(shuffle + 1, 0x9e3779b1) ^ Math.imul(map + 1, 0x85ebca6b) ^ Math.imul(attempt + 1, 0xc2b2ae35) ^ Math.imul(place + 1, 0x27d4eb2f);
    view.setUint32(20, state, true);
    const end = Math.ceil(bytes / 4) * 4;
    for (let at = headBytes; at < end; at += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      view.setInt32(at, state, true);
    }
    return this.#buffer.subarray(0, bytes);
  }
}

export interface PayloadFacts {
  readonly shuffle: number;
  readonly map: number;
  readonly attempt: number;
  readonly place: number;
}

export function factsOf(payload: Uint8Array): PayloadFacts {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return { shuffle: view.getUint32(0, true), map: view.getUint32(4, true), attempt: view.getUint32(8, true), place: view.getUint32(12, true) };
}

/** A multiset of blocks of one partition. */
interface Bag {
  count: number;
  records: number;
  sum: bigint;
  xor: bigint;
}

const hashOf = (partition: number, map: number, records: number, payload: Uint8Array): bigint => {
  const low = crc32(payload, Math.imul(partition + 1, 0x9e3779b1) >>> 0);
  const high = Math.imul(low ^ (map + 1), 0x85ebca6b) ^ Math.imul(records, 0xc2b2ae35) ^ payload.length;
  return BigInt.asUintN(64, ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) * 0x9e3779b97f4a7c15n);
};

export class Bags {
  readonly #bags = new Map<number, Bag>();

  add(partition: number, map: number, records: number, payload: Uint8Array): void {
    const bag = this.#bags.get(partition) ?? { count: 0, records: 0, sum: 0n, xor: 0n };
    const hash = hashOf(partition, map, records, payload);
    bag.count++;
    bag.records += records;
    bag.sum = BigInt.asUintN(64, bag.sum + hash);
    bag.xor ^= hash;
    this.#bags.set(partition, bag);
  }

  text(): string {
    return [...this.#bags]
      .sort(([a], [b]) => a - b)
      .map(([partition, { count, records, sum, xor }]) => `${partition}: ${count} blocks, ${records} records, ${sum}, ${xor}`)
      .join('; ');
  }
}

/** Reads of one range: what came, checked as it comes. */
export class Gathered {
  readonly #plan: ShufflePlan;
  readonly #read: PlannedRead;
  readonly #number: number;
  readonly #bags = new Bags();
  /** By map: the attempt its blocks are of. */
  readonly #attempts = new Map<number, number>();
  readonly #places = new Map<number, number>();
  #lastMap = 0;
  blocks = 0;

  constructor(number: number, plan: ShufflePlan, read: PlannedRead) {
    this.#number = number;
    this.#plan = plan;
    this.#read = read;
  }

  /** By map: the attempt that its blocks name. */
  get attempts(): ReadonlyMap<number, number> {
    return this.#attempts;
  }

  /** Answers what is wrong with the block; null when nothing is. */
  add({ partition, map, records, payload }: ReceivedBlock): string | null {
    const { partitionFrom, partitionTo, mapFrom, mapTo, ordered } = this.#read;
    this.blocks++;
    if (partition < partitionFrom || partition >= partitionTo || map < mapFrom || map >= mapTo) return `block of map ${map}, partition ${partition}`;
    if (payload.length < headBytes) return `a payload of ${payload.length} bytes`;
    const facts = factsOf(payload);
    if (facts.shuffle !== this.#number || facts.map !== map) return `a block of shuffle ${facts.shuffle}, map ${facts.map} as one of map ${map}`;
    if (this.#plan.blocks[map]![facts.place]?.partition !== partition) return `block ${facts.place} of map ${map} in partition ${partition}`;
    if (ordered && map < this.#lastMap) return `map ${map} behind map ${this.#lastMap} in an ordered read`;
    this.#lastMap = map;
    const key = map * 65536 + partition;
    if (facts.place <= (this.#places.get(key) ?? -1)) return `block ${facts.place} of map ${map} comes late, or twice`;
    this.#places.set(key, facts.place);
    const attempt = this.#attempts.get(map);
    if (attempt !== undefined && attempt !== facts.attempt) return `blocks of attempts ${attempt} and ${facts.attempt} of map ${map}`;
    this.#attempts.set(map, facts.attempt);
    this.#bags.add(partition, map, records, payload);
    return null;
  }

  /** What differs from what the maps wrote; null when nothing does. `tag`: the attempt that the payloads of a map name when none came. */
  compare(payloads: Payloads, tag: (map: number) => number): string | null {
    const { partitionFrom, partitionTo, mapFrom, mapTo } = this.#read;
    const wanted = new Bags();
    for (let map = mapFrom; map < mapTo; map++) {
      const attempt = this.#attempts.get(map) ?? tag(map);
      this.#plan.blocks[map]!.forEach(({ partition, bytes, records }, place) => {
        if (partition < partitionFrom || partition >= partitionTo) return;
        wanted.add(partition, map, records, payloads.make(this.#number, map, attempt, place, bytes));
      });
    }
    const got = this.#bags.text();
    return got === wanted.text() ? null : `read ${got || 'nothing'} where ${wanted.text() || 'nothing'} was committed`;
  }
}
