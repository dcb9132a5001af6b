/**
 * Buffers of Arrow files that are compressed, each by itself: how long it will be, then a frame of LZ4 or zstd. The LZ4 frame is
 * unpacked here, as Node has none: its blocks may refer to those before them; checksums of frames are passed over. Called by
 * arrow-file.ts and arrow-encode.ts.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';

export type Codec = 'lz4' | 'zstd';
/** By Arrow's number. */
export const codecs: readonly Codec[] = ['lz4', 'zstd'];

/** More than this no byte of LZ4 says; a length beyond it is a lie. */
const lz4Factor = 256;
const prefixBytes = 8;

/** @throws Error when it is damaged or says of itself what is not so */
export function unpackBuffer(codec: Codec, packed: Uint8Array): Uint8Array {
  if (packed.length === 0) return packed;
  if (packed.length < prefixBytes) throw new Error('a compressed buffer is cut off');
  const length = Number(new DataView(packed.buffer, packed.byteOffset).getBigInt64(0, true));
  const frame = packed.subarray(prefixBytes);
  if (length === -1) return frame;
  if (!(length >= 0 && length < 2 ** 32)) throw new Error(`a compressed buffer says to have ${length} bytes`);
  if (length === 0) return new Uint8Array(0);
  const unpacked = codec === 'lz4' ? unpackFrame(frame, length) : unpackZstd(frame, length);
  if (unpacked.length !== length) throw new Error(`a compressed buffer has ${unpacked.length} bytes and says to have ${length}`);
  return unpacked;
}

function unpackZstd(frame: Uint8Array, length: number): Uint8Array {
  const { buffer, byteOffset, byteLength } = zstdDecompressSync(frame, { maxOutputLength: length, chunkSize: Math.max(64, length) });
  // Not as the Buffer that zlib gives, whose slice is a view.
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** As unpackBuffer takes it; as it is where it does not get smaller. */
export function packBuffer(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes;
  const frame = zstdCompressSync(bytes);
  const stays = frame.length >= bytes.length;
  const packed = new Uint8Array(prefixBytes + (stays ? bytes.length : frame.length));
  new DataView(packed.buffer).setBigInt64(0, stays ? -1n : BigInt(bytes.length), true);
  packed.set(stays ? bytes : frame, prefixBytes);
  return packed;
}

const cutOff = (): Error => new Error('an LZ4 frame is cut off');

function unpackFrame(frame: Uint8Array, length: number): Uint8Array {
  if (frame.length < 7) throw cutOff();
  if (length > lz4Factor * frame.length) throw new Error(`an LZ4 frame of ${frame.length} bytes says to have ${length}`);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const flags = frame[4]!;
  if (view.getUint32(0, true) !== 0x184d_2204 || flags >> 6 !== 1) throw new Error('a compressed buffer is no LZ4 frame');
  const blockChecksum = (flags & 0x10) !== 0 ? 4 : 0;
  // Behind two bytes of flags: the length and the dictionary, if said, and a checksum.
  let at = 6 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0) + 1;
  const out = new Uint8Array(length);
  let used = 0;
  for (;;) {
    if (at + 4 > frame.length) throw cutOff();
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) return out.subarray(0, used);
    const size = word & 0x7fff_ffff;
    if (at + size > frame.length) throw cutOff();
    if (word >>> 31 === 1) {
      if (used + size > length) throw tooMuch(length);
      out.set(frame.subarray(at, at + size), used);
      used += size;
    } else used = unpackBlock(frame, at, at + size, out, used);
    at += size + blockChecksum;
  }
}

const tooMuch = (length: number): Error => new Error(`an LZ4 frame has more than the ${length} bytes it says to have`);

/** Sequences of source[at, end): literals, then a copy of what stands before. Answers where `out` now ends. */
function unpackBlock(source: Uint8Array, at: number, end: number, out: Uint8Array, used: number): number {
  let from = at;
  let to = used;
  while (from < end) {
    const token = source[from++]!;
    let literals = token >> 4;
    if (literals === 15) {
      let more: number;
      do {
        if (from >= end) throw cutOff();
        more = source[from++]!;
        literals += more;
      } while (more === 255);
    }
    if (from + literals > end) throw cutOff();
    if (to + literals > out.length) throw tooMuch(out.length);
    out.set(source.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence has no copy.
    if (from === end) break;
    if (from + 2 > end) throw cutOff();
    const distance = source[from]! | (source[from + 1]! << 8);
    from += 2;
    if (distance === 0 || distance > to) throw new Error('an LZ4 block copies from before its beginning');
    let copied = token & 0xf;
    if (copied === 15) {
      let more: number;
      do {
        if (from >= end) throw cutOff();
        more = source[from++]!;
        copied += more;
      } while (more === 255);
    }
    copied += 4;
    if (to + copied > out.length) throw tooMuch(out.length);
    if (distance >= copied) {
      out.copyWithin(to, to - distance, to - distance + copied);
      to += copied;
    } else for (const stop = to + copied; to < stop; to++) out[to] = out[to - distance]!;
  }
  return to;
}
