/**
 * The first page of a segment file: whose it is and which use of it this is. A segment is preallocated and recycled,
 * so old regions with good hashes may stand in it; only those of the current use count. Pure functions over bytes.
 *
 *   off size field
 *     0  u32 magic SLSG       16  16 B cluster
 *     4  u8  version, 3 x 0   32  16 B directory
 *     8  u32 segment number   48  u64  segmentBytes
 *    12  u32 use              56  u64  xxh64 of bytes 0..55
 *    64  zeros up to 4096
 *
 * `use` numbers the uses of all segments of one directory: every beginning and every recycling takes the next number.
 * So a page that comes from another segment, or from an earlier use of this one, never passes for a region of it.
 */
import { protocolVersion } from '#manager/protocol/ids.ts';
import { xxh64 } from '../protocol/xxh64.ts';
import { pageBytes } from './region.ts';

export const segmentMagic = 0x47534c53;

export interface SegmentHead {
  readonly segment: number;
  readonly use: number;
  /** 32 hex digits. */
  readonly cluster: string;
  /** 32 hex digits, made with the directory. */
  readonly directory: string;
  readonly segmentBytes: number;
}

export type ReadSegmentHead = { readonly kind: 'segment'; readonly head: SegmentHead } | { readonly kind: 'none'; readonly what: string };

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const putHex = (bytes: Uint8Array, at: number, hex: string): void => {
  if (!/^[0-9a-f]{32}$/.test(hex)) throw new RangeError(`not 32 hex digits: ${hex}`);
  for (let i = 0; i < 16; i++) bytes[at + i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16);
};
const getHex = (bytes: Uint8Array, at: number): string => {
  let hex = '';
  for (let i = 0; i < 16; i++) hex += bytes[at + i]!.toString(16).padStart(2, '0');
  return hex;
};

/** A new page of 4096 bytes. */
export function encodeSegmentHead(head: SegmentHead): Uint8Array {
  const bytes = new Uint8Array(pageBytes);
  const view = viewOf(bytes);
  view.setUint32(0, segmentMagic, true);
  view.setUint8(4, protocolVersion);
  view.setUint32(8, head.segment, true);
  view.setUint32(12, head.use, true);
  putHex(bytes, 16, head.cluster);
  putHex(bytes, 32, head.directory);
  view.setBigUint64(48, BigInt(head.segmentBytes), true);
  view.setBigUint64(56, xxh64(bytes, 0, 56), true);
  return bytes;
}

/** Reads page 0 of the file that is named for `segment`, in `directory` of `cluster`; anything else is no segment. */
export function readSegmentHead(bytes: Uint8Array, expect: { segment: number; cluster: string; directory: string }): ReadSegmentHead {
  const none = (what: string): ReadSegmentHead => ({ kind: 'none', what });
  if (bytes.length < 64) return none('cut off');
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== segmentMagic) return none('no magic');
  if (xxh64(bytes, 0, 56) !== view.getBigUint64(56, true)) return none('hash');
  if (view.getUint32(4, true) !== protocolVersion) return none('version');
  const head: SegmentHead = {
    segment: view.getUint32(8, true),
    use: view.getUint32(12, true),
    cluster: getHex(bytes, 16),
    directory: getHex(bytes, 32),
    segmentBytes: Number(view.getBigUint64(48, true)),
  };
  if (head.segment !== expect.segment) return none('another segment');
  if (head.cluster !== expect.cluster) return none('another cluster');
  if (head.directory !== expect.directory) return none('another directory');
  return { kind: 'segment', head };
}
