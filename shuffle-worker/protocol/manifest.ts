/**
 * The manifest: the writer's own account of one stream, sent as the stream's last block. The worker acknowledges it
 * only when it equals what it holds, and a reader's counts are compared with it. Counts come from here and never
 * from the blocks that were found.
 *
 *   payload of a block of kind 2 (partition = partitionFrom, sequence = 0, records = 0):
 *   off size field
 *     0  u32 x 2  partitionFrom, partitionTo (exclusive)
 *     8  u32 x 2  blocks, without the manifest; 0
 *    16  u64 x 3  records, payload bytes, wrapping sum of headerHash
 *    40  LEB128   block count per partition, zero runs collapsed (counts.ts)
 *    ..  u8       for each partition with blocks: the code of its payload bytes (sizeCode)
 */
import { maxBlockBytes } from '#manager/protocol/ids.ts';
import { type BlockHeader, blockBytes, blockKinds, sealBlock } from './block.ts';
import { decodeCounts, encodeCounts } from './counts.ts';

export const manifestHeadBytes = 40;

/**
 * limits[k] is the most bytes a code k stands for: 1, 2, 3 .. 19, then a tenth more each, in whole numbers so that
 * every language agrees: limits[k] = max(limits[k-1] + 1, floor(limits[k-1] * 11 / 10)). At most a tenth too large.
 */
const limits = new Float64Array(256);
limits[0] = 1;
for (let k = 1; k < 256; k++) limits[k] = Math.max(limits[k - 1]! + 1, Math.floor((limits[k - 1]! * 11) / 10));

/** The smallest code that stands for `bytes` or more; 255 beyond the table. */
export function sizeCode(bytes: number): number {
  let from = 0;
  let to = 255;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (limits[middle]! >= bytes) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** The most bytes a code stands for. */
export const sizeOfCode = (code: number): number => limits[code & 0xff]!;

/** Whose manifest it is. */
export type ManifestOf = Pick<BlockHeader, 'shuffle' | 'map' | 'attempt' | 'section'>;

/** What the writer counts while it sends; 12 bytes per partition of the range. */
export class ManifestBuilder {
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly #counts: Uint32Array;
  readonly #bytes: Float64Array;
  #blocks = 0;
  #records = 0;
  #payloadBytes = 0;
  #sumLow = 0;
  #sumHigh = 0;

  constructor(partitionFrom: number, partitionTo: number) {
    this.partitionFrom = partitionFrom;
    this.partitionTo = partitionTo;
    this.#counts = new Uint32Array(partitionTo - partitionFrom);
    this.#bytes = new Float64Array(partitionTo - partitionFrom);
  }

  get blocks(): number {
    return this.#blocks;
  }
  get records(): number {
    return this.#records;
  }
  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** The sequence the next block of `partition` must have. */
  nextSequence(partition: number): number {
    return this.#counts[partition - this.partitionFrom]!;
  }

  /** Counts one block; the halves of its headerHash are the words at 56 and 60 of the sealed header. */
  add(partition: number, payloadBytes: number, records: number, hashLow: number, hashHigh: number): void {
    const index = partition - this.partitionFrom;
    this.#counts[index]!++;
    this.#bytes[index]! += payloadBytes;
    this.#blocks++;
    this.#records += records;
    this.#payloadBytes += payloadBytes;
    const low = this.#sumLow + (hashLow >>> 0);
    this.#sumLow = low >>> 0;
    this.#sumHigh = (this.#sumHigh + (hashHigh >>> 0) + (low > 0xffffffff ? 1 : 0)) >>> 0;
  }

  /** The sealed manifest block. A range whose counts need more than maxBlockBytes is a programmer's mistake. */
  seal(of: ManifestOf): Uint8Array {
    const codes = encodeCounts(this.#counts);
    let filled = 0;
    for (const count of this.#counts) if (count > 0) filled++;
    const payload = new Uint8Array(manifestHeadBytes + codes.length + filled);
    if (payload.length > maxBlockBytes) throw new RangeError('the manifest is larger than a block');
    const view = new DataView(payload.buffer);
    view.setUint32(0, this.partitionFrom, true);
    view.setUint32(4, this.partitionTo, true);
    view.setUint32(8, this.#blocks, true);
    view.setBigUint64(16, BigInt(this.#records), true);
    view.setBigUint64(24, BigInt(this.#payloadBytes), true);
    view.setUint32(32, this.#sumLow, true);
    view.setUint32(36, this.#sumHigh, true);
    payload.set(codes, manifestHeadBytes);
    let at = manifestHeadBytes + codes.length;
    for (let i = 0; i < this.#counts.length; i++) if (this.#counts[i]! > 0) payload[at++] = sizeCode(this.#bytes[i]!);
    const block = new Uint8Array(blockBytes(payload.length));
    sealBlock(block, 0, { ...manifestHeader(of, this.partitionFrom, payload.length) }, payload);
    return block;
  }
}

const manifestHeader = (of: ManifestOf, partitionFrom: number, payloadLength: number): BlockHeader => ({
  kind: blockKinds.manifest,
  codec: 0,
  flags: 0,
  tag: 0,
  payloadLength,
  rawLength: payloadLength,
  shuffle: of.shuffle,
  partition: partitionFrom,
  map: of.map,
  attempt: of.attempt,
  section: of.section,
  sequence: 0,
  records: 0,
});

/** A manifest as read; the counts stay in their bytes. */
export interface Manifest {
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly blocks: number;
  readonly records: bigint;
  readonly payloadBytes: bigint;
  /** Wrapping sum of the blocks' headerHash. */
  readonly sum: bigint;
  /** Partitions with blocks, ascending; `bytesAtMost` from the size code. Cost: O(bytes of the manifest). */
  each(visit: (partition: number, blocks: number, bytesAtMost: number) => void): void;
  /** Block counts of the whole range; into.length is partitionTo - partitionFrom. */
  countsInto(into: Uint32Array): void;
}

export type ReadManifest = { readonly kind: 'manifest'; readonly manifest: Manifest } | { readonly kind: 'corrupt'; readonly what: string };

/** Reads the payload of a verified manifest block, all of it checked: the counts fill the range and sum to `blocks`. Keeps a view of `payload`. */
export function readManifest(payload: Uint8Array): ReadManifest {
  const corrupt = (what: string): ReadManifest => ({ kind: 'corrupt', what });
  if (payload.length < manifestHeadBytes) return corrupt('the manifest is cut off');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const partitionFrom = view.getUint32(0, true);
  const partitionTo = view.getUint32(4, true);
  const blocks = view.getUint32(8, true);
  if (partitionTo < partitionFrom || view.getUint32(12, true) !== 0) return corrupt('the manifest’s range is not one');
  let sum = 0;
  let filled = 0;
  const sizes = decodeCounts(payload, manifestHeadBytes, partitionTo - partitionFrom, (_, count) => {
    sum += count;
    filled++;
  });
  if (sizes < 0) return corrupt('the manifest’s counts are not readable');
  if (sum !== blocks) return corrupt('the manifest’s counts do not sum to its blocks');
  if (sizes + filled !== payload.length) return corrupt('the manifest’s sizes do not fit its counts');
  const manifest: Manifest = {
    partitionFrom,
    partitionTo,
    blocks,
    records: view.getBigUint64(16, true),
    payloadBytes: view.getBigUint64(24, true),
    sum: view.getBigUint64(32, true),
    each(visit) {
      let at = sizes;
      decodeCounts(payload, manifestHeadBytes, partitionTo - partitionFrom, (index, count) => {
        visit(partitionFrom + index, count, sizeOfCode(payload[at++]!));
      });
    },
    countsInto(into) {
      into.fill(0);
      decodeCounts(payload, manifestHeadBytes, partitionTo - partitionFrom, (index, count) => {
        into[index] = count;
      });
    },
  };
  return { kind: 'manifest', manifest };
}
