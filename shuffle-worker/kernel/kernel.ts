/**
 * The block kernel: the work that is done per block, in WebAssembly over one fixed memory, called once per buffer.
 * JavaScript never loops over blocks. This file is its typed face and says where everything lies in that memory;
 * kernel/assembly/kernel.ts is the source, kernel-bytes.ts its compiled form, twin.ts the same in plain TypeScript. The
 * worker's arena, index and streams, the client's writers and readers call it; it never allocates.
 *
 * Addresses are byte positions in the memory. Bytes 0..8447 belong to the kernel; all else to the caller, who places
 * accounts, counts, winners, index entries and lists at multiples of 8.
 *
 *   Account, 80 B: what a stream is, and what it has had (written with writeAccount, read with readTotals)
 *     0 u64 shuffle         16 u32 partitionFrom, partitionTo    32 u32 winners, address   48 u64 records
 *     8 u32 mapFrom, mapTo  24 u32 section, flags                36 u32 counts, address    56 u64 payload bytes
 *                                                                40 u32 blocks, manifests  64 u64 sum of headerHash
 *                                                                                          72 u32 slot, dropped
 *   winners: u32 per map of the range: the attempt that is wanted, noAttempt = none
 *   counts:  u32 per (partition, map), the map running faster: blocks taken = the next sequence
 *
 *   Index entry, 32 B: one stored block
 *     0 u32 partition (a manifest: FFFFFFFE)   12 u32 section    24 u32 length, stored bytes
 *     4 u32 map                                16 u32 sequence   28 u32 kind + 256 * slot
 *     8 u32 attempt                            20 u32 address
 *   slot: 24 bits of the caller's own, taken from the account (a number for shuffle and location)
 *
 *   Lists are u32 entry numbers: entry n lies at entries + 32 * n. A list in arrival order is what `sort` expects.
 */
import type { ShuffleId } from '#manager/protocol/ids.ts';
import { kernelBytes } from './kernel-bytes.ts';
import { compileWasm, createMemory, type WasmMemory } from './wasm.ts';

/** What `granules` writes a granule in. */
export { granuleBytes } from '../store/region.ts';

export const kernelReservedBytes = 8448;
export const accountBytes = 80;
export const entryBytes = 32;

/** How a walk or a select ended. The first block that is not right stops it; those before it are taken. */
export const walkCodes = {
  ok: 0,
  /** The bytes end inside a block. */
  truncated: 1,
  headerHash: 2,
  payloadHash: 3,
  /** The hashes hold, but magic, version, kind, codec, flags, length or padding are not ours. */
  format: 4,
  shuffle: 5,
  map: 6,
  partition: 7,
  /** Not the attempt the winners name. */
  attempt: 8,
  section: 9,
  /** A gap, or a block a second time. */
  sequence: 10,
  /** A manifest where none is due, or a block behind it. */
  manifest: 11,
  /** Room for entries, list or bytes is used up: call again from `bytes`. Nothing is wrong. */
  full: 12,
} as const;
export type WalkCode = (typeof walkCodes)[keyof typeof walkCodes];

/** corrupt: the bytes are not what was sealed · identity: they are, but do not belong here · full: go on later. */
export type Verdict = 'ok' | 'corrupt' | 'identity' | 'full';
export const verdictOf = (code: WalkCode): Verdict => (code === 0 ? 'ok' : code <= 4 ? 'corrupt' : code < 12 ? 'identity' : 'full');
/** For messages: "payloadHash". */
export const nameOfCode = (code: WalkCode): string => Object.keys(walkCodes)[code]!;

/** Flags of an account. A write stream has none; a reader's has dropResent; a serving read dropResent + dropOthers (+ headersOnly from a file). */
export const accountFlags = {
  /** A sequence already had is passed over, not an error. */
  dropResent: 1,
  /** Maps, partitions, sections and attempts that are not wanted, and manifests, are passed over. */
  dropOthers: 2,
  /** Payloads are not hashed. */
  headersOnly: 4,
  /** A manifest is an error: who reads gets counts, not manifests. */
  noManifest: 8,
} as const;

export interface Account {
  readonly shuffle: ShuffleId;
  readonly mapFrom: number;
  readonly mapTo: number;
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly section: number;
  readonly flags: number;
  /** Address of (mapTo - mapFrom) u32. */
  readonly winners: number;
  /** Address of (mapTo - mapFrom) * (partitionTo - partitionFrom) u32. */
  readonly counts: number;
  readonly slot: number;
}

/** Of the data and control blocks taken; manifests and dropped blocks are apart. */
export interface Totals {
  readonly blocks: number;
  readonly manifests: number;
  readonly dropped: number;
  readonly records: bigint;
  readonly payloadBytes: bigint;
  /** Wrapping sum of headerHash. */
  readonly sum: bigint;
}

export interface Walked {
  readonly code: WalkCode;
  /** Entries written: blocks taken, a manifest included. */
  readonly entries: number;
  /** Bytes (walk) or list places (select) passed; where the first bad block stands, unless code is ok. */
  readonly position: number;
}

export interface Gathered {
  /** Bytes written. */
  readonly bytes: number;
  /** Where to go on: place in the list, and bytes of that block already copied. */
  readonly place: number;
  readonly skip: number;
}

export type KernelMemory = WasmMemory;

export interface Kernel {
  readonly memory: KernelMemory;
  /** xxh64, seed 0, of any length at any address. */
  hash(address: number, length: number): bigint;
  /**
   * Seals the blocks at [address, address + length): their headers are written (writeHeader) and payloads in place;
   * padding and both hashes are made. Answers how many; anything but whole blocks is a programmer's mistake.
   */
  stamp(address: number, length: number): number;
  /**
   * Verifies the blocks at [address, address + length) against the account, counts them in it, and writes an entry for
   * each taken block at entries + 32 * entry .. up to `capacity` of them. Blocks are judged in the order hash of the header,
   * format, hash of the payload, identity, sequence.
   */
  walk(address: number, length: number, account: number, entries: number, entry: number, capacity: number): Walked;
  /**
   * The same judgement over stored entries instead of bytes (no hashing): list[place..count) -> `into`, until
   * `limitBytes` of blocks are chosen. The account's flags and counts work as in walk; its records, payload bytes and sum do not change.
   */
  select(entries: number, list: number, place: number, count: number, account: number, into: number, limitBytes: number): Walked;
  /** Sorts a list, stable. order 0: partition, map, attempt, section, sequence · 1: map, attempt, partition, section, sequence · 2: partition. Manifests last. `scratch`: count u32. */
  sort(entries: number, list: number, scratch: number, count: number, order: number): void;
  /** Copies the listed blocks one behind the other to `into`, from byte `skip` of the first, until `limitBytes`; a block may be cut there. */
  gather(entries: number, list: number, place: number, count: number, skip: number, into: number, limitBytes: number): Gathered;
  /**
   * The region index of the listed blocks as they will lie from data offset `offset` (store/region.ts): a granule per
   * partition and at most 64 KiB, or one block; a manifest always its own, with the slot in place of the location. Answers how many; -1 beyond `capacity`.
   */
  granules(entries: number, list: number, count: number, offset: number, into: number, capacity: number): number;
}

/** Writes the account with zero totals; winners and counts are the caller's to fill. */
export function writeAccount(memory: KernelMemory, address: number, account: Account): void {
  const view = new DataView(memory.buffer, address, accountBytes);
  new Uint8Array(memory.buffer, address, accountBytes).fill(0);
  view.setBigUint64(0, account.shuffle, true);
  view.setUint32(8, account.mapFrom, true);
  view.setUint32(12, account.mapTo, true);
  view.setUint32(16, account.partitionFrom, true);
  view.setUint32(20, account.partitionTo, true);
  view.setUint32(24, account.section, true);
  view.setUint32(28, account.flags, true);
  view.setUint32(32, account.winners, true);
  view.setUint32(36, account.counts, true);
  view.setUint32(72, account.slot, true);
}

export function readTotals(memory: KernelMemory, address: number): Totals {
  const view = new DataView(memory.buffer, address, accountBytes);
  return {
    blocks: view.getUint32(40, true),
    manifests: view.getUint32(44, true),
    records: view.getBigUint64(48, true),
    payloadBytes: view.getBigUint64(56, true),
    sum: view.getBigUint64(64, true),
    dropped: view.getUint32(76, true),
  };
}

interface Exports {
  hash(address: number, length: number): bigint;
  stamp(address: number, length: number): number;
  walk(address: number, length: number, account: number, entries: number, entry: number, capacity: number): number;
  select(entries: number, list: number, place: number, count: number, account: number, into: number, limitBytes: number): number;
  sort(entries: number, list: number, scratch: number, count: number, order: number): void;
  gather(entries: number, list: number, place: number, count: number, skip: number, into: number, limitBytes: number): number;
  granules(entries: number, list: number, count: number, offset: number, into: number, capacity: number): number;
}

const instantiate = compileWasm<Exports>(kernelBytes);

/** A memory of at least `bytes`, that never grows. */
export const createKernelMemory = (bytes: number): KernelMemory => createMemory(bytes);

/** The kernel over a memory of the caller's. Cheap: the module is compiled once per process. */
export function createKernel(memory: KernelMemory): Kernel {
  const kernel = instantiate(memory);
  const results = new Uint32Array(memory.buffer, 0, 2);
  const walked = (code: number): Walked => ({ code: code as WalkCode, entries: results[0]!, position: results[1]! });
  return {
    memory,
    hash: (address, length) => BigInt.asUintN(64, kernel.hash(address, length)),
    stamp: (address, length) => {
      const blocks = kernel.stamp(address, length);
      if (blocks < 0) throw new RangeError('stamp was given something else than whole blocks');
      return blocks;
    },
    walk: (address, length, account, entries, entry, capacity) => walked(kernel.walk(address, length, account, entries, entry, capacity)),
    select: (entries, list, place, count, account, into, limitBytes) => walked(kernel.select(entries, list, place, count, account, into, limitBytes)),
    sort: (entries, list, scratch, count, order) => kernel.sort(entries, list, scratch, count, order),
    gather: (entries, list, place, count, skip, into, limitBytes) => {
      const bytes = kernel.gather(entries, list, place, count, skip, into, limitBytes);
      return { bytes: bytes >>> 0, place: results[0]!, skip: results[1]! };
    },
    granules: (entries, list, count, offset, into, capacity) => kernel.granules(entries, list, count, offset, into, capacity),
  };
}
