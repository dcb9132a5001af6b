/**
 * A region that stands in a segment, with its index in memory: which parts of it a read has to look at. The bytes of header and
 * index are region.ts. Made by flush.ts and recover.ts, asked by the read streams.
 */
import { granuleBytes } from '../kernel/kernel.ts';
import { manifestPartition } from '../protocol/block.ts';
import type { Segment } from './directory.ts';
import { dataOffset } from './region.ts';

export interface StoredRegion {
  readonly segment: Segment;
  /** Of its first byte in the segment. */
  readonly offset: number;
  readonly ordinal: number;
  readonly order: number;
  readonly dataBytes: number;
  /** Granules of 8 words, as region.ts draws them; manifests last. */
  readonly index: Uint32Array;
}

/** Contiguous bytes of a segment that may hold blocks of a read. */
export interface Extent {
  readonly region: StoredRegion;
  /** In the segment. */
  offset: number;
  length: number;
  /** Maps that may stand in it, both inclusive. */
  firstMap: number;
  lastMap: number;
}

export interface Rectangle {
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly mapFrom: number;
  readonly mapTo: number;
}

const words = granuleBytes / 4;

/**
 * The extents of the rectangle, in the region's order, each of whole granules and at most `limitBytes` (or one granule).
 * Cost: O(log granules + granules touched) when sorted by partition, else O(granules).
 */
export function extentsOf(region: StoredRegion, want: Rectangle, limitBytes: number): Extent[] {
  const { index, order } = region;
  const count = index.length / words;
  const extents: Extent[] = [];
  let last: Extent | null = null;
  for (let granule = order === 1 ? 0 : firstGranule(index, count, want.partitionFrom); granule < count; granule++) {
    const at = granule * words;
    const partition = index[at]!;
    if (partition === manifestPartition) break;
    if (partition >= want.partitionTo && order !== 1) break;
    const firstMap = index[at + 1]!;
    const lastMap = index[at + 2]!;
    if (partition < want.partitionFrom || partition >= want.partitionTo || lastMap < want.mapFrom || firstMap >= want.mapTo) continue;
    const offset = region.offset + dataOffset + index[at + 4]!;
    const length = index[at + 6]!;
    if (last && last.offset + last.length === offset && last.length + length <= limitBytes) {
      last.length += length;
      last.firstMap = Math.min(last.firstMap, firstMap);
      last.lastMap = Math.max(last.lastMap, lastMap);
    } else {
      last = { region, offset, length, firstMap, lastMap };
      extents.push(last);
    }
  }
  return extents;
}

/** Where the first granule begins that lies behind `position` of the segment; the end of the data when there is none. */
export function granuleAfter({ index, offset, dataBytes }: StoredRegion, position: number): number {
  const wanted = position - offset - dataOffset;
  let from = 0;
  let to = index.length / words;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (index[middle * words + 4]! <= wanted) from = middle + 1;
    else to = middle;
  }
  return offset + dataOffset + (index[from * words + 4] ?? dataBytes);
}

/** The first granule with this partition or a later one. */
function firstGranule(index: Uint32Array, count: number, partition: number): number {
  let from = 0;
  let to = count;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (index[middle * words]! < partition) from = middle + 1;
    else to = middle;
  }
  return from;
}
