import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { packBuffer, unpackBuffer } from '#runtime/connectors/arrow-compression.ts';

/** A buffer of Arrow: how long it will be, then the frame. */
const buffer = (length: number, ...frame: readonly (number | Uint8Array)[]): Uint8Array => {
  const bytes = Buffer.concat(frame.map((part) => (typeof part === 'number' ? Buffer.of(part) : part)));
  const out = new Uint8Array(8 + bytes.length);
  new DataView(out.buffer).setBigInt64(0, BigInt(length), true);
  out.set(bytes, 8);
  return out;
};
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const head = (flags: number): Uint8Array => Buffer.of(0x04, 0x22, 0x4d, 0x18, flags, 0x40);
/** `abc`, then 9 bytes from 3 back, then `d`. */
const block = Buffer.of(0x35, 0x61, 0x62, 0x63, 3, 0, 0x10, 0x64);

test('what is packed is unpacked, and what would not get smaller stays as it is', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(40), (bytes, times) => {
      const many = Buffer.concat(Array.from({ length: times }, () => bytes));
      const packed = packBuffer(many);
      assert.ok(packed.length <= many.length + 8);
      assert.deepEqual(Buffer.from(unpackBuffer('zstd', packed)), many);
    }),
  );
  assert.equal(packBuffer(new Uint8Array(100_000)).length < 100, true);
});

test('an LZ4 frame: copies that overlap, blocks as they are, blocks that copy from those before, checksums passed over', () => {
  assert.equal(text(unpackBuffer('lz4', buffer(13, head(0x60), 0, u32(block.length), block, u32(0)))), 'abcabcabcabcd');
  const raw = Buffer.from('hello');
  const stored = (0x8000_0000 | raw.length) >>> 0;
  assert.equal(text(unpackBuffer('lz4', buffer(18, head(0x60), 0, u32(stored), raw, u32(block.length), block, u32(0)))), 'helloabcabcabcabcd');
  // 4 bytes from 5 back, which the block before has; then nothing.
  const linked = Buffer.of(0x00, 5, 0, 0x10, 0x21);
  assert.equal(text(unpackBuffer('lz4', buffer(10, head(0x40), 0, u32(stored), raw, u32(linked.length), linked, u32(0)))), 'hellohell!');
  // Length of the content, checksums of blocks and content.
  const full = buffer(13, head(0x7c), u32(13), u32(0), 0, u32(block.length), block, u32(0xdead), u32(0), u32(0xbeef));
  assert.equal(text(unpackBuffer('lz4', full)), 'abcabcabcabcd');
  // 300 literals: lengths go on in further bytes.
  const literals = Buffer.alloc(300, 0x78);
  const longer = Buffer.concat([Buffer.of(0xf0, 255, 30), literals]);
  assert.equal(text(unpackBuffer('lz4', buffer(300, head(0x60), 0, u32(longer.length), longer, u32(0)))), literals.toString());
});

test('a buffer says with -1 that it is as it is, and an empty one is empty', () => {
  assert.equal(text(unpackBuffer('lz4', buffer(-1, Buffer.from('as it is')))), 'as it is');
  assert.equal(unpackBuffer('zstd', new Uint8Array(0)).length, 0);
  assert.equal(unpackBuffer('zstd', buffer(0)).length, 0);
});

test('what lies about its length or ends early is refused', () => {
  const zstd = zstdCompressSync(Buffer.from('hello'));
  assert.throws(() => unpackBuffer('zstd', buffer(4, zstd)));
  assert.throws(() => unpackBuffer('zstd', buffer(6, zstd)), /has 5 bytes and says to have 6/);
  assert.throws(() => unpackBuffer('zstd', buffer(5, zstd.subarray(0, -3))));
  assert.throws(() => unpackBuffer('lz4', Buffer.of(1, 2, 3)), /cut off/);
  assert.throws(() => unpackBuffer('lz4', buffer(-2, head(0x60))), /says to have -2/);
  assert.throws(() => unpackBuffer('lz4', buffer(2 ** 31, head(0x60), 0, u32(0))), /says to have/);
  assert.throws(() => unpackBuffer('lz4', buffer(12, head(0x60), 0, u32(block.length), block, u32(0))), /more than the 12 bytes/);
  assert.throws(() => unpackBuffer('lz4', buffer(14, head(0x60), 0, u32(block.length), block, u32(0))), /has 13 bytes and says to have 14/);
  assert.throws(() => unpackBuffer('lz4', buffer(8, head(0x20), 0, u32(0))), /no LZ4 frame/);
  assert.throws(() => unpackBuffer('lz4', buffer(8, head(0x60), 0, u32(4), Buffer.of(0x00, 9, 0, 0), u32(0))), /before its beginning/);
});

test('damaged frames are an Error, never an endless loop or bytes of somebody else', () => {
  const good = buffer(13, head(0x60), 0, u32(block.length), block, u32(0));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
      const bytes = good.slice(0, length);
      if (at < bytes.length) bytes[at] = byte;
      try {
        unpackBuffer('lz4', bytes);
      } catch (thrown) {
        assert(thrown instanceof Error);
      }
    }),
    { numRuns: 2000 },
  );
});
