/**
 * The bytes of a region: one sorted flush of a shuffle inside a segment file, or one object. Pure functions over
 * bytes; who writes and reads files is store.ts. Everything here starts at the region's own first byte, which is a
 * multiple of 4096 in its segment.
 *
 *   part     at                      content
 *   header   0                       64 B, alone in its page of 4096
 *   data     4096                    blocks verbatim, dataBytes
 *   index    4096 + dataBytes        granules of 32 B, indexBytes
 *   trailer  behind the index        the header's 64 B again, written last: no trailer, no region
 *   zeros    up to a multiple of 4096
 *
 *   header   0 u32 magic SLRG   16 u32 ordinal (0, 1, 2.. per shuffle and directory)   40 u64 arrivalBase
 *            4 u8 version       20 u32 use (of the segment, see segment.ts)            48 u64 xxh64 of the index
 *            5 u8 order         24 u32 dataBytes, page (where the region begins)       56 u64 xxh64 of bytes 0..55
 *            6 u16 0            32 u32 blocks, indexBytes
 *            8 u64 shuffle
 *
 *   granule  0 u32 partition (FFFFFFFE: a manifest)   16 u64 offset in data
 *            4 u32 firstMap, lastMap                  24 u32 length
 *           12 u32 blocks                             28 u32 location of a manifest, else FFFFFFFF
 */
import { protocolVersion, type ShuffleId } from '#manager/protocol/ids.ts';
import { xxh64 } from '../protocol/xxh64.ts';

export const pageBytes = 4096;
export const regionMagic = 0x47524c53;
export const regionHeaderBytes = 64;
export const granuleBytes = 32;
/** A granule ends before it passes this, unless it is a single block. */
export const granuleTargetBytes = 65536;
export const noLocation = 0xffffffff;

export interface RegionHeader {
  /** 0 partition, 1 map, 2 arrival. */
  readonly order: number;
  readonly shuffle: ShuffleId;
  readonly ordinal: number;
  readonly use: number;
  readonly dataBytes: number;
  /** The region's first byte in its segment / 4096. */
  readonly page: number;
  readonly blocks: number;
  readonly indexBytes: number;
  readonly arrivalBase: bigint;
  readonly indexHash: bigint;
}

export interface Granule {
  readonly partition: number;
  readonly firstMap: number;
  readonly lastMap: number;
  readonly blocks: number;
  /** In the data part. */
  readonly offset: number;
  readonly length: number;
  readonly location: number;
}

export type ReadRegionHeader = { readonly kind: 'region'; readonly header: RegionHeader } | { readonly kind: 'none'; readonly what: string };

type Sizes = Pick<RegionHeader, 'dataBytes' | 'indexBytes'>;
/** Bytes of the whole region in its segment. */
export const regionBytes = (of: Sizes): number => Math.ceil((pageBytes + of.dataBytes + of.indexBytes + regionHeaderBytes) / pageBytes) * pageBytes;
export const dataOffset = pageBytes;
export const indexOffset = (of: Sizes): number => pageBytes + of.dataBytes;
export const trailerOffset = (of: Sizes): number => pageBytes + of.dataBytes + of.indexBytes;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** 64 new bytes: the header, and as well the trailer. */
export function encodeRegionHeader(header: RegionHeader): Uint8Array {
  const bytes = new Uint8Array(regionHeaderBytes);
  const view = viewOf(bytes);
  view.setUint32(0, regionMagic, true);
  view.setUint8(4, protocolVersion);
  view.setUint8(5, header.order);
  view.setBigUint64(8, header.shuffle, true);
  view.setUint32(16, header.ordinal, true);
  view.setUint32(20, header.use, true);
  view.setUint32(24, header.dataBytes, true);
  view.setUint32(28, header.page, true);
  view.setUint32(32, header.blocks, true);
  view.setUint32(36, header.indexBytes, true);
  view.setBigUint64(40, header.arrivalBase, true);
  view.setBigUint64(48, header.indexHash, true);
  view.setBigUint64(56, xxh64(bytes, 0, 56), true);
  return bytes;
}

/**
 * Reads a header (or trailer) where one is expected: at page `page` of a segment in its use `use`. `room` is how many bytes
 * the segment has from there; a region that claims more is none.
 */
export function readRegionHeader(bytes: Uint8Array, expect: { use: number; page: number; room: number }): ReadRegionHeader {
  const none = (what: string): ReadRegionHeader => ({ kind: 'none', what });
  if (bytes.length < regionHeaderBytes) return none('cut off');
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== regionMagic) return none('no magic');
  if (xxh64(bytes, 0, 56) !== view.getBigUint64(56, true)) return none('hash');
  if (view.getUint8(4) !== protocolVersion || view.getUint16(6, true) !== 0 || view.getUint8(5) > 2) return none('version');
  const header: RegionHeader = {
    order: view.getUint8(5),
    shuffle: view.getBigUint64(8, true) as ShuffleId,
    ordinal: view.getUint32(16, true),
    use: view.getUint32(20, true),
    dataBytes: view.getUint32(24, true),
    page: view.getUint32(28, true),
    blocks: view.getUint32(32, true),
    indexBytes: view.getUint32(36, true),
    arrivalBase: view.getBigUint64(40, true),
    indexHash: view.getBigUint64(48, true),
  };
  if (header.use !== expect.use) return none('another use of the segment');
  if (header.page !== expect.page) return none('another place');
  if (header.indexBytes % granuleBytes !== 0 || header.dataBytes % 8 !== 0 || regionBytes(header) > expect.room) return none('lengths');
  return { kind: 'region', header };
}

/** True when the trailer's bytes are the header's: the region was written to its end. */
export function sameHeader(header: Uint8Array, trailer: Uint8Array): boolean {
  if (header.length < regionHeaderBytes || trailer.length < regionHeaderBytes) return false;
  for (let i = 0; i < regionHeaderBytes; i++) if (header[i] !== trailer[i]) return false;
  return true;
}

/** True when `index` is the one the header states. */
export const indexMatches = (header: RegionHeader, index: Uint8Array): boolean =>
  index.length === header.indexBytes && xxh64(index) === header.indexHash;

export function writeGranule(view: DataView, at: number, granule: Granule): void {
  view.setUint32(at, granule.partition, true);
  view.setUint32(at + 4, granule.firstMap, true);
  view.setUint32(at + 8, granule.lastMap, true);
  view.setUint32(at + 12, granule.blocks, true);
  view.setBigUint64(at + 16, BigInt(granule.offset), true);
  view.setUint32(at + 24, granule.length, true);
  view.setUint32(at + 28, granule.location, true);
}

export function readGranule(view: DataView, at: number): Granule {
  return {
    partition: view.getUint32(at, true),
    firstMap: view.getUint32(at + 4, true),
    lastMap: view.getUint32(at + 8, true),
    blocks: view.getUint32(at + 12, true),
    offset: view.getUint32(at + 16, true) + view.getUint32(at + 20, true) * 2 ** 32,
    length: view.getUint32(at + 24, true),
    location: view.getUint32(at + 28, true),
  };
}

/** True when the granules of a whole index lie one behind the other over all of the data and sum to the header's blocks. */
export function indexCovers(header: RegionHeader, index: Uint8Array): boolean {
  const view = viewOf(index);
  let offset = 0;
  let blocks = 0;
  for (let at = 0; at < index.length; at += granuleBytes) {
    const granule = readGranule(view, at);
    if (granule.offset !== offset || granule.firstMap > granule.lastMap) return false;
    offset += granule.length;
    blocks += granule.blocks;
  }
  return offset === header.dataBytes && blocks === header.blocks;
}
