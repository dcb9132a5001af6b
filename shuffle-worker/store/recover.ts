/**
 * What a data folder still holds after a restart. An attempt is recovered iff its manifest is in a whole region and all lower
 * ordinals of that shuffle and folder are whole; its counts are the manifest's, never what was found. It reads heads,
 * indexes and manifests, not data, and wipes the regions it drops, so that a later start cannot believe them.
 */

import type { Log } from '#manager/process/ports.ts';
import type { ShuffleId } from '#manager/protocol/ids.ts';
import { blockKinds, manifestPartition, verifyBlock } from '../protocol/block.ts';
import { manifestHeadBytes, readManifest } from '../protocol/manifest.ts';
import { type Cell, CellCounts } from './cells.ts';
import { type DirectoryOptions, type Segment, segmentFolder, segmentPath } from './directory.ts';
import {
  dataOffset,
  indexCovers,
  indexMatches,
  indexOffset,
  pageBytes,
  type RegionHeader,
  readGranule,
  readRegionHeader,
  regionBytes,
  regionHeaderBytes,
  sameHeader,
  trailerOffset,
} from './region.ts';
import { readSegmentHead } from './segment.ts';
import type { StoredRegion } from './stored-region.ts';

export interface RecoveredShuffle {
  readonly shuffle: ShuffleId;
  /** Ordinals 0, 1, 2 .. */
  readonly regions: StoredRegion[];
  readonly cells: Cell[];
}

export interface Recovered {
  readonly segments: Segment[];
  readonly shuffles: RecoveredShuffle[];
  /** Regions that were not whole, or stood behind a gap. */
  readonly dropped: number;
}

interface Found {
  readonly header: RegionHeader;
  readonly region: StoredRegion;
  readonly index: Uint8Array;
}

/** Reads the whole folder. Memory: 32 B a granule. @throws DISK_FAILED */
export async function recoverDirectory(options: DirectoryOptions, log: Log): Promise<Recovered> {
  const segments: Segment[] = [];
  const byShuffle = new Map<ShuffleId, Found[]>();
  let dropped = 0;
  for (const name of await options.disk.list(segmentFolder)) {
    const number = Number(/^(\d{8})\.segment$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(number)) continue;
    const read = await readSegment(options, number);
    if (!read) continue;
    segments.push(read.segment);
    dropped += read.torn;
    for (const one of read.found) {
      const list = byShuffle.get(one.header.shuffle);
      if (list) list.push(one);
      else byShuffle.set(one.header.shuffle, [one]);
    }
  }
  const shuffles: RecoveredShuffle[] = [];
  for (const [shuffle, found] of byShuffle) {
    const { whole, rest } = wholePrefix(found);
    for (const one of rest) {
      await wipe(one);
      dropped++;
    }
    const cells: Cell[] = [];
    for (const one of whole) {
      one.region.segment.regions++;
      await readCells(one, shuffle, cells);
    }
    if (whole.length > 0) shuffles.push({ shuffle, regions: whole.map((one) => one.region), cells });
  }
  if (dropped > 0) log.warn({ dropped, directory: options.id }, 'regions were not whole and are dropped');
  return { segments, shuffles, dropped };
}

/** Ordinals 0, 1, 2 .. as far as none is missing; of two with the same ordinal the later one. */
function wholePrefix(found: readonly Found[]): { whole: Found[]; rest: Found[] } {
  const later = (a: Found, b: Found): number => a.header.use - b.header.use || a.header.page - b.header.page;
  const sorted = [...found].sort((a, b) => a.header.ordinal - b.header.ordinal || later(b, a));
  const whole: Found[] = [];
  const rest: Found[] = [];
  for (const one of sorted) {
    if (one.header.ordinal === whole.length) whole.push(one);
    else rest.push(one);
  }
  return { whole, rest };
}

/** Null: the file is none of this folder's, or its head cannot be read; then nobody knows which use it was in, and it is removed. */
async function readSegment(options: DirectoryOptions, number: number): Promise<{ segment: Segment; found: Found[]; torn: number } | null> {
  const { disk, id, cluster, segmentBytes } = options;
  const file = await disk.open(segmentPath(number), 'write');
  const segment: Segment = { number, file, use: 0, at: pageBytes, regions: 0, unsynced: false, failed: false };
  const found: Found[] = [];
  const page = new Uint8Array(pageBytes);
  const read = readSegmentHead(page.subarray(0, await file.read(0, page)), { segment: number, cluster, directory: id });
  if (read.kind === 'none' || read.head.segmentBytes !== segmentBytes) {
    await file.close();
    await disk.remove(segmentPath(number));
    return null;
  }
  if ((await file.size()) < segmentBytes) await file.truncate(segmentBytes);
  segment.use = read.head.use;
  let torn = 0;
  while (segment.at + pageBytes <= segmentBytes) {
    const offset = segment.at;
    const bytes = page.subarray(0, regionHeaderBytes);
    if ((await file.read(offset, bytes)) < regionHeaderBytes) break;
    const stated = readRegionHeader(bytes, { use: segment.use, page: offset / pageBytes, room: segmentBytes - offset });
    if (stated.kind === 'none') break;
    const { header } = stated;
    const one = await readRegion(segment, offset, header, bytes.slice());
    if (one) found.push(one);
    else torn++;
    segment.at = offset + regionBytes(header);
  }
  return { segment, found, torn };
}

async function readRegion(segment: Segment, offset: number, header: RegionHeader, headerBytes: Uint8Array): Promise<Found | null> {
  const index = new Uint8Array(header.indexBytes);
  const trailer = new Uint8Array(regionHeaderBytes);
  if ((await segment.file.read(offset + trailerOffset(header), trailer)) < trailer.length || !sameHeader(headerBytes, trailer)) return null;
  if ((await segment.file.read(offset + indexOffset(header), index)) < index.length) return null;
  if (!indexMatches(header, index) || !indexCovers(header, index)) return null;
  const { ordinal, order, dataBytes } = header;
  return { header, index, region: { segment, offset, ordinal, order, dataBytes, index: new Uint32Array(index.buffer) } };
}

/** The cells whose manifests stand in the region. One that cannot be read is lost, by being absent. */
async function readCells({ region, index }: Found, shuffle: ShuffleId, into: Cell[]): Promise<void> {
  const view = new DataView(index.buffer);
  for (let at = index.length - 32; at >= 0; at -= 32) {
    const granule = readGranule(view, at);
    if (granule.partition !== manifestPartition) break;
    const bytes = new Uint8Array(granule.length);
    if ((await region.segment.file.read(region.offset + dataOffset + granule.offset, bytes)) < bytes.length) continue;
    const block = verifyBlock(bytes, 0);
    if (block.kind !== 'block' || block.header.kind !== blockKinds.manifest || block.header.shuffle !== shuffle) continue;
    const read = readManifest(block.payload);
    if (read.kind !== 'manifest') continue;
    const { partitionFrom, partitionTo, blocks } = read.manifest;
    const { map, attempt, section } = block.header;
    const counts = new CellCounts(partitionFrom, partitionTo, block.payload.subarray(manifestHeadBytes));
    into.push({ map, attempt, section, location: granule.location, manifestHash: block.headerHash, blocks, counts });
  }
}

/** Without its trailer no later start takes the region for one, whatever ordinals are written until then. */
async function wipe({ region, header }: Found): Promise<void> {
  await region.segment.file.write(region.offset + trailerOffset(header), new Uint8Array(regionHeaderBytes));
  await region.segment.file.sync();
}
