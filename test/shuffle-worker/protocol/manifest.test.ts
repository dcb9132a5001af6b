import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { verifyBlock } from '#worker/protocol/block.ts';
import { type Manifest, ManifestBuilder, type ManifestOf, readManifest, sizeCode, sizeOfCode } from '#worker/protocol/manifest.ts';
import { bytesOf, golden, hexOf } from '../../golden/golden.ts';
import { shuffle, u32, u64 } from '../../golden/values.ts';

interface Fed {
  readonly of: ManifestOf;
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly blocks: readonly { partition: number; payloadBytes: number; records: number; headerHash: bigint }[];
}

const built = ({ of, partitionFrom, partitionTo, blocks }: Fed): Uint8Array => {
  const builder = new ManifestBuilder(partitionFrom, partitionTo);
  for (const { partition, payloadBytes, records, headerHash } of blocks) {
    builder.add(partition, payloadBytes, records, Number(headerHash & 0xffffffffn), Number(headerHash >> 32n));
  }
  return builder.seal(of);
};

const payloadOf = (block: Uint8Array): Uint8Array => {
  const read = verifyBlock(block, 0);
  assert.ok(read.kind === 'block');
  assert.equal(read.header.kind, 2);
  return read.payload;
};
const manifestOf = (payload: Uint8Array): Manifest => {
  const read = readManifest(payload);
  assert.ok(read.kind === 'manifest');
  return read.manifest;
};

const anyFed: fc.Arbitrary<Fed> = fc
  .record({
    of: fc.record({ shuffle, map: u32, attempt: u32, section: u32 }),
    partitionFrom: fc.nat(1000),
    range: fc.integer({ min: 1, max: 50 }),
    blocks: fc.array(fc.record({ partition: fc.nat(49), payloadBytes: fc.nat(1 << 24), records: u32, headerHash: u64 }), { maxLength: 60 }),
  })
  .map(({ of, partitionFrom, range, blocks }) => ({
    of,
    partitionFrom,
    partitionTo: partitionFrom + range,
    blocks: blocks.map((block) => ({ ...block, partition: partitionFrom + (block.partition % range) })),
  }));

test('golden manifests are written byte for byte', () => {
  const vectors = golden<Fed>('manifest');
  assert.ok(vectors.length >= 2);
  for (const { name, value, hex } of vectors) {
    assert.equal(hexOf(built(value)), hex, name);
    assert.equal(manifestOf(payloadOf(bytesOf(hex))).blocks, value.blocks.length, name);
  }
});

test('a manifest says what was fed, per partition and in all', () => {
  fc.assert(
    fc.property(anyFed, (fed) => {
      const manifest = manifestOf(payloadOf(built(fed)));
      const counts = new Uint32Array(fed.partitionTo - fed.partitionFrom);
      const sizes = new Float64Array(counts.length);
      let [records, payloadBytes, sum] = [0n, 0n, 0n];
      for (const block of fed.blocks) {
        counts[block.partition - fed.partitionFrom]!++;
        sizes[block.partition - fed.partitionFrom]! += block.payloadBytes;
        records += BigInt(block.records);
        payloadBytes += BigInt(block.payloadBytes);
        sum = BigInt.asUintN(64, sum + block.headerHash);
      }
      assert.deepEqual([manifest.partitionFrom, manifest.partitionTo, manifest.blocks], [fed.partitionFrom, fed.partitionTo, fed.blocks.length]);
      assert.deepEqual([manifest.records, manifest.payloadBytes, manifest.sum], [records, payloadBytes, sum]);
      const into = new Uint32Array(counts.length).fill(9);
      manifest.countsInto(into);
      assert.deepEqual(into, counts);
      const seen = new Uint32Array(counts.length);
      manifest.each((partition, blocks, bytesAtMost) => {
        const index = partition - fed.partitionFrom;
        seen[index] = blocks;
        assert.ok(bytesAtMost >= sizes[index]! && bytesAtMost <= Math.max(1, sizes[index]! * 1.1 + 1));
      });
      assert.deepEqual(seen, counts);
    }),
  );
});

test('the builder knows the next sequence of a partition', () => {
  const builder = new ManifestBuilder(10, 12);
  builder.add(11, 5, 1, 0, 0);
  assert.deepEqual([builder.nextSequence(10), builder.nextSequence(11)], [0, 1]);
  assert.deepEqual([builder.blocks, builder.records, builder.payloadBytes], [1, 1, 5]);
});

test('a payload that is no manifest is refused, at every length and with any count changed', () => {
  const of = { shuffle: 1n, map: 0, attempt: 0, section: 0 } as ManifestOf;
  const payload = payloadOf(built({ of, partitionFrom: 3, partitionTo: 9, blocks: [{ partition: 4, payloadBytes: 9, records: 1, headerHash: 7n }] }));
  for (let length = 0; length < payload.length; length++) assert.equal(readManifest(payload.subarray(0, length)).kind, 'corrupt');
  for (const at of [0, 4, 8, 12, 40, 41, 42]) {
    const changed = Uint8Array.from(payload);
    changed[at]! ^= 64;
    assert.equal(readManifest(changed).kind, 'corrupt', `byte ${at}`);
  }
});

test('a size code is the smallest that covers the size, at most a tenth too large', () => {
  assert.deepEqual([0, 1, 2, 10, 11, 20, 21, 22, 23].map(sizeCode), [0, 0, 1, 9, 10, 19, 20, 20, 21]);
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 2 ** 34 }), (bytes) => {
      const code = sizeCode(bytes);
      assert.ok(sizeOfCode(code) >= bytes && sizeOfCode(code - 1) < bytes && sizeOfCode(code) <= bytes * 1.1 + 1);
    }),
  );
  assert.equal(sizeCode(1e15), 255);
});
