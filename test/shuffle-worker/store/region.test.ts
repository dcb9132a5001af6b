import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { verifyBlock } from '#worker/protocol/block.ts';
import { xxh64 } from '#worker/protocol/xxh64.ts';
import {
  dataOffset,
  encodeRegionHeader,
  type Granule,
  granuleBytes,
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
  writeGranule,
} from '#worker/store/region.ts';
import { bytesOf, golden, hexOf } from '../../golden/golden.ts';
import { shuffle, u32, u64 } from '../../golden/values.ts';

interface Vector {
  readonly header: RegionHeader;
  readonly granules: readonly Granule[];
  readonly data: Uint8Array;
}

const indexOf = (granules: readonly Granule[]): Uint8Array => {
  const index = new Uint8Array(granules.length * granuleBytes);
  for (const [i, granule] of granules.entries()) writeGranule(new DataView(index.buffer), granuleBytes * i, granule);
  return index;
};

const written = ({ header, granules, data }: Vector): Uint8Array => {
  const bytes = new Uint8Array(regionBytes(header));
  bytes.set(encodeRegionHeader(header));
  bytes.set(data, dataOffset);
  bytes.set(indexOf(granules), indexOffset(header));
  bytes.set(encodeRegionHeader(header), trailerOffset(header));
  return bytes;
};

test('a golden region is written and read byte for byte', () => {
  const [vector] = golden<Vector>('region');
  assert.ok(vector);
  assert.equal(hexOf(written(vector.value)), vector.hex);
  const bytes = bytesOf(vector.hex);
  const read = readRegionHeader(bytes, { use: 9, page: 1, room: bytes.length });
  assert.ok(read.kind === 'region');
  const { header } = read;
  assert.deepEqual(header, vector.value.header);
  assert.equal(bytes.length % pageBytes, 0);
  assert.ok(sameHeader(bytes, bytes.subarray(trailerOffset(header))));
  const index = bytes.subarray(indexOffset(header), indexOffset(header) + header.indexBytes);
  assert.ok(indexMatches(header, index) && indexCovers(header, index));
  const view = new DataView(index.buffer, index.byteOffset);
  assert.deepEqual([readGranule(view, 0), readGranule(view, granuleBytes)], vector.value.granules);
  // The data is blocks as the wire has them.
  let at = dataOffset;
  for (let blocks = 0; blocks < header.blocks; blocks++) {
    const block = verifyBlock(bytes, at);
    assert.ok(block.kind === 'block');
    at += block.bytes;
  }
  assert.equal(at, indexOffset(header));
});

const anyHeader = fc
  .record({
    order: fc.nat(2),
    shuffle,
    ordinal: u32,
    use: u32,
    dataWords: fc.nat(1 << 20),
    page: u32,
    blocks: u32,
    granules: fc.nat(1 << 16),
    arrivalBase: u64,
    indexHash: u64,
  })
  .map(({ dataWords, granules, ...rest }): RegionHeader => ({ ...rest, dataBytes: 8 * dataWords, indexBytes: granuleBytes * granules }));

test('a header is read back where it was written, and nowhere else', () => {
  fc.assert(
    fc.property(anyHeader, (header) => {
      const bytes = encodeRegionHeader(header);
      const expect = { use: header.use, page: header.page, room: regionBytes(header) };
      assert.deepEqual(readRegionHeader(bytes, expect), { kind: 'region', header });
      assert.deepEqual(readRegionHeader(bytes, { ...expect, use: (header.use + 1) >>> 0 }), { kind: 'none', what: 'another use of the segment' });
      assert.deepEqual(readRegionHeader(bytes, { ...expect, page: (header.page ^ 1) >>> 0 }), { kind: 'none', what: 'another place' });
      assert.deepEqual(readRegionHeader(bytes, { ...expect, room: expect.room - 1 }), { kind: 'none', what: 'lengths' });
    }),
  );
});

test('a region ends where header, data, index and trailer end, filled up to a page', () => {
  fc.assert(
    fc.property(anyHeader, (header) => {
      const whole = regionBytes(header);
      assert.equal(whole % pageBytes, 0);
      const over = whole - (trailerOffset(header) + regionHeaderBytes);
      assert.ok(over >= 0 && over < pageBytes);
    }),
  );
});

test('any flipped bit of header, trailer or index is seen', () => {
  const [vector] = golden<Vector>('region');
  assert.ok(vector);
  const { header } = vector.value;
  const expect = { use: 9, page: 1, room: 8192 };
  const good = encodeRegionHeader(header);
  for (let bit = 0; bit < 8 * regionHeaderBytes; bit++) {
    const bytes = Uint8Array.from(good);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(readRegionHeader(bytes, expect).kind, 'none', `bit ${bit}`);
    assert.equal(sameHeader(good, bytes), false);
  }
  const index = indexOf(vector.value.granules);
  for (let bit = 0; bit < 8 * index.length; bit++) {
    const bytes = Uint8Array.from(index);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(indexMatches(header, bytes), false);
  }
  assert.equal(indexMatches(header, index.subarray(0, 32)), false);
  assert.equal(sameHeader(good, good.subarray(0, 10)), false);
  assert.deepEqual(readRegionHeader(good.subarray(0, 63), expect), { kind: 'none', what: 'cut off' });
  assert.deepEqual(readRegionHeader(new Uint8Array(64), expect), { kind: 'none', what: 'no magic' });
});

test('another version is none of ours though its hash holds', () => {
  const [vector] = golden<Vector>('region');
  assert.ok(vector);
  for (const [at, value] of [
    [4, 2],
    [5, 3],
    [6, 1],
  ] as const) {
    const bytes = encodeRegionHeader(vector.value.header);
    bytes[at] = value;
    new DataView(bytes.buffer).setBigUint64(56, xxh64(bytes, 0, 56), true);
    assert.deepEqual(readRegionHeader(bytes, { use: 9, page: 1, room: 8192 }), { kind: 'none', what: 'version' });
  }
});

test('an index with a gap, an overlap, or too few blocks does not cover its data', () => {
  const [vector] = golden<Vector>('region');
  assert.ok(vector);
  const { header, granules } = vector.value;
  const [first, second] = granules as [Granule, Granule];
  assert.ok(indexCovers(header, indexOf([first, second])));
  for (const wrong of [
    [first],
    [first, { ...second, offset: second.offset + 8 }],
    [first, { ...second, length: second.length - 8 }],
    [{ ...first, blocks: 1 }, second],
    [{ ...first, firstMap: 3 }, second],
    [second, first],
  ]) {
    assert.equal(indexCovers(header, indexOf(wrong)), false);
  }
});
