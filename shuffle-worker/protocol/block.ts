/**
 * The block: the smallest unit that is written, checked and read. The same bytes on the wire, in memory, in a file
 * and at the reader. This file reads, writes and verifies one block in plain TypeScript; buffers full of them go
 * through the kernel. It knows nothing of connections, streams or places.
 *
 *   off size field                                off size field
 *     0  u16 magic 0x4C53                          24  u32 partition
 *     2  u8  version                               28  u32 map
 *     3  u8  kind: 0 data, 1 control, 2 manifest   32  u32 attempt
 *     4  u8  codec: 0 opaque, 1 zstd, 2 lz4        36  u32 section
 *     5  u8  flags: bit 0 encrypted, others 0      40  u32 sequence
 *     6  u16 tag, the engine's own word            44  u32 records
 *     8  u32 payloadLength, before padding         48  u64 payloadHash = xxh64(payload and its padding)
 *    12  u32 rawLength, after decoding             56  u64 headerHash = xxh64(bytes 0..55)
 *    16  u64 shuffle                               64  payload, then zeros up to a multiple of 8
 */
import { maxBlockBytes, protocolVersion, type ShuffleId } from '#manager/protocol/ids.ts';
import { xxh64, xxh64Words } from './xxh64.ts';

export const blockMagic = 0x4c53;
export const blockHeaderBytes = 64;
export const blockKinds = { data: 0, control: 1, manifest: 2 } as const;
export const blockCodecs = { opaque: 0, zstd: 1, lz4: 2 } as const;
/** Not an attempt: what a table of winners says where nobody has committed. */
export const noAttempt = 0xffffffff;
/** What a manifest is sorted as; no partition has this number, nor FFFFFFFF (reserved: every partition). */
export const manifestPartition = 0xfffffffe;

/** What the writer states of a block; the hashes and magic are made from it. All numbers are u32 unless drawn smaller. */
export interface BlockHeader {
  readonly kind: number;
  readonly codec: number;
  readonly flags: number;
  readonly tag: number;
  readonly payloadLength: number;
  readonly rawLength: number;
  readonly shuffle: ShuffleId;
  readonly partition: number;
  readonly map: number;
  readonly attempt: number;
  readonly section: number;
  readonly sequence: number;
  readonly records: number;
}

/** header: the header's hash is wrong · payload: the payload's is · format: the hashes hold, but this is no block of our version · truncated: the bytes end before the block does. */
export type BlockFault = 'header' | 'payload' | 'format' | 'truncated';

export type VerifiedBlock =
  | {
      readonly kind: 'block';
      readonly header: BlockHeader;
      readonly payloadHash: bigint;
      readonly headerHash: bigint;
      /** A view, not a copy. */
      readonly payload: Uint8Array;
      /** Stored bytes: header, payload and padding. */
      readonly bytes: number;
    }
  | { readonly kind: 'corrupt'; readonly fault: BlockFault };

/** Stored bytes of a block with this payload. */
export const blockBytes = (payloadLength: number): number => blockHeaderBytes + ((payloadLength + 7) & ~7);

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Writes bytes 0..47 and leaves the hashes to `sealBlock` or the kernel's `stamp`. */
export function writeHeader(view: DataView, at: number, header: BlockHeader): void {
  view.setUint16(at, blockMagic, true);
  view.setUint8(at + 2, protocolVersion);
  view.setUint8(at + 3, header.kind);
  view.setUint8(at + 4, header.codec);
  view.setUint8(at + 5, header.flags);
  view.setUint16(at + 6, header.tag, true);
  view.setUint32(at + 8, header.payloadLength, true);
  view.setUint32(at + 12, header.rawLength, true);
  view.setBigUint64(at + 16, header.shuffle, true);
  view.setUint32(at + 24, header.partition, true);
  view.setUint32(at + 28, header.map, true);
  view.setUint32(at + 32, header.attempt, true);
  view.setUint32(at + 36, header.section, true);
  view.setUint32(at + 40, header.sequence, true);
  view.setUint32(at + 44, header.records, true);
}

/** The header's fields, unverified. */
export function readHeader(view: DataView, at: number): BlockHeader {
  return {
    kind: view.getUint8(at + 3),
    codec: view.getUint8(at + 4),
    flags: view.getUint8(at + 5),
    tag: view.getUint16(at + 6, true),
    payloadLength: view.getUint32(at + 8, true),
    rawLength: view.getUint32(at + 12, true),
    shuffle: view.getBigUint64(at + 16, true) as ShuffleId,
    partition: view.getUint32(at + 24, true),
    map: view.getUint32(at + 28, true),
    attempt: view.getUint32(at + 32, true),
    section: view.getUint32(at + 36, true),
    sequence: view.getUint32(at + 40, true),
    records: view.getUint32(at + 44, true),
  };
}

/**
 * Writes header, payload, padding and both hashes at into[at..] and answers the stored bytes. The payload may already
 * stand in its place (a view of `into` at at + 64). header.payloadLength must be payload.length, at most maxBlockBytes.
 */
export function sealBlock(into: Uint8Array, at: number, header: BlockHeader, payload: Uint8Array): number {
  const length = blockBytes(payload.length);
  if (header.payloadLength !== payload.length || payload.length > maxBlockBytes) throw new RangeError('payloadLength is not the payload’s');
  const view = viewOf(into);
  const from = at + blockHeaderBytes;
  writeHeader(view, at, header);
  if (payload.byteOffset !== into.byteOffset + from || payload.buffer !== into.buffer) into.set(payload, from);
  into.fill(0, from + payload.length, at + length);
  const words = new Uint32Array(2);
  xxh64Words(into, from, at + length, words);
  view.setUint32(at + 48, words[0]!, true);
  view.setUint32(at + 52, words[1]!, true);
  xxh64Words(into, at, at + 56, words);
  view.setUint32(at + 56, words[0]!, true);
  view.setUint32(at + 60, words[1]!, true);
  return length;
}

/**
 * Checks the block at bytes[at..]: the header's hash before its length is believed, then the format, then the
 * payload's hash. Whose block it is (identity, order) is the caller's question.
 */
export function verifyBlock(bytes: Uint8Array, at: number): VerifiedBlock {
  if (bytes.length - at < blockHeaderBytes) return { kind: 'corrupt', fault: 'truncated' };
  const view = viewOf(bytes);
  const headerHash = view.getBigUint64(at + 56, true);
  if (xxh64(bytes, at, at + 56) !== headerHash) return { kind: 'corrupt', fault: 'header' };
  const header = readHeader(view, at);
  const length = blockBytes(header.payloadLength);
  if (view.getUint16(at, true) !== blockMagic || view.getUint8(at + 2) !== protocolVersion) return { kind: 'corrupt', fault: 'format' };
  if (header.kind > 2 || header.codec > 2 || header.flags > 1 || header.payloadLength > maxBlockBytes) return { kind: 'corrupt', fault: 'format' };
  if (bytes.length - at < length) return { kind: 'corrupt', fault: 'truncated' };
  const from = at + blockHeaderBytes;
  const payloadHash = view.getBigUint64(at + 48, true);
  if (xxh64(bytes, from, at + length) !== payloadHash) return { kind: 'corrupt', fault: 'payload' };
  for (let i = from + header.payloadLength; i < at + length; i++) if (bytes[i] !== 0) return { kind: 'corrupt', fault: 'format' };
  return { kind: 'block', header, payloadHash, headerHash, payload: bytes.subarray(from, from + header.payloadLength), bytes: length };
}
