import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxBlockBytes } from '#manager/protocol/ids.ts';
import { frameBytes, idleGrantBytes, maxReadPairs, maxWritePartitions, readWindowBytes } from '#worker/limits.ts';
import { blockBytes } from '#worker/protocol/block.ts';
import { encodeCounts } from '#worker/protocol/counts.ts';
import { maxBlocksBytes, maxControlBytes } from '#worker/protocol/frames.ts';
import { ManifestBuilder } from '#worker/protocol/manifest.ts';
import { createStoreMemory, readPieceBytes } from '#worker/store/memory.ts';

test('what one limit allows fits the others', () => {
  assert.ok(frameBytes <= maxBlocksBytes && blockBytes(maxBlockBytes) <= maxBlocksBytes);
  assert.ok(readPieceBytes <= readWindowBytes / 2, 'a frame of a read is at most half of the window');
  assert.ok(idleGrantBytes <= frameBytes);
  // The worst counts of the largest read fit a control frame, and its account the smallest worker.
  const worst = encodeCounts(new Uint32Array(maxReadPairs).fill(0xffffffff));
  assert.ok(worst.length + 64 <= maxControlBytes);
  assert.ok(createStoreMemory(1).slots.allocate(4 * maxReadPairs + 4 * maxReadPairs) > 0);
});

test('a manifest of the widest write is a block', () => {
  const builder = new ManifestBuilder(0, maxWritePartitions);
  for (let partition = 0; partition < maxWritePartitions; partition++) builder.add(partition, 100, 1, 0, 0);
  assert.ok(builder.seal({ shuffle: 1n as never, map: 0, attempt: 0, section: 0 }).length <= blockBytes(maxBlockBytes));
});
