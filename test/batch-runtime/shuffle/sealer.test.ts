import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ShuffleId } from '#manager/protocol/ids.ts';
import { Sealer } from '#runtime/shuffle/sealer.ts';
import { createKernel, createKernelMemory, kernelReservedBytes } from '#worker/kernel/kernel.ts';
import { blockBytes, verifyBlock } from '#worker/protocol/block.ts';
import { readManifest } from '#worker/protocol/manifest.ts';
import { payload } from '../../contract/shuffle.ts';

const create = (bytes: number): Sealer => {
  const sealer = new Sealer({
    shuffle: 77n as ShuffleId,
    map: 3,
    attempt: 2,
    partitionFrom: 10,
    partitionTo: 14,
    kernel: createKernel(createKernelMemory(kernelReservedBytes + bytes)),
  });
  sealer.begin(kernelReservedBytes, kernelReservedBytes + bytes);
  return sealer;
};

test('blocks are sealed in place, counted in the manifest, numbered per partition across buffers', () => {
  const sealer = create(1024);
  const wrote: { partition: number; sequence: number; text: string }[] = [];
  const read: typeof wrote = [];
  const next = new Map<number, number>();
  let sum = 0n;
  let payloadBytes = 0;
  const drain = (): void => {
    const bytes = sealer.seal();
    assert.equal(bytes.length, sealer.filledBytes);
    for (let at = 0; at < bytes.length; ) {
      const block = verifyBlock(bytes, at);
      assert.ok(block.kind === 'block');
      const { header } = block;
      assert.deepEqual([header.shuffle, header.map, header.attempt, header.kind, header.section], [77n, 3, 2, 0, 0]);
      read.push({ partition: header.partition, sequence: header.sequence, text: block.payload.toString() });
      sum = BigInt.asUintN(64, sum + block.headerHash);
      at += block.bytes;
    }
    sealer.begin(kernelReservedBytes, kernelReservedBytes + 1024);
  };
  for (let i = 0; i < 50; i++) {
    const partition = 10 + (i % 3);
    const bytes = payload((i * 13) % 90, i);
    if (!sealer.fits(bytes.length)) drain();
    sealer.add(partition, bytes, i);
    payloadBytes += bytes.length;
    const sequence = next.get(partition) ?? 0;
    next.set(partition, sequence + 1);
    wrote.push({ partition, sequence, text: bytes.toString() });
    // Sealing twice, or in the middle, changes nothing.
    if (i % 7 === 0) sealer.seal();
  }
  drain();
  assert.deepEqual(read, wrote);
  assert.deepEqual(sealer.counts, { blocks: 50, records: (50 * 49) / 2, bytes: payloadBytes });
  const block = verifyBlock(sealer.manifest(), 0);
  assert.ok(block.kind === 'block');
  const manifest = readManifest(block.payload);
  assert.ok(manifest.kind === 'manifest');
  const counts = new Uint32Array(4);
  manifest.manifest.countsInto(counts);
  assert.deepEqual([...counts], [17, 17, 16, 0]);
  assert.equal(manifest.manifest.sum, sum);
});

test('what does not fit is refused, what is not sealed is not forgotten', () => {
  const sealer = create(256);
  assert.ok(sealer.fits(256 - 64));
  assert.ok(!sealer.fits(256 - 63));
  assert.throws(() => sealer.add(10, new Uint8Array(200), 1), { name: 'AssertionError' });
  sealer.add(10, new Uint8Array(10), 1);
  assert.equal(sealer.filledBytes, blockBytes(10));
  assert.throws(() => sealer.begin(kernelReservedBytes, kernelReservedBytes + 256), { name: 'AssertionError' });
});
