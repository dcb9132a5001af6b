import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KiB, MiB, maxBlockBytes } from '#manager/protocol/ids.ts';
import { entryBytes, granuleBytes, kernelReservedBytes } from '#worker/kernel/kernel.ts';
import { blockBytes } from '#worker/protocol/block.ts';
import { createStoreMemory, readEntries, regionEntries } from '#worker/store/memory.ts';

for (const arenaMiB of [1, 8, 64]) {
  test(`${arenaMiB} MiB: no part lies in another, the arena is as large as asked, the largest block can be taken and given`, () => {
    const memory = createStoreMemory(arenaMiB * MiB);
    assert.equal(memory.arenaBytes, arenaMiB * MiB);
    assert.equal(memory.maxBlockBytes, Math.min(maxBlockBytes, (arenaMiB * MiB) / 8));
    const parts: [from: number, bytes: number][] = [
      [0, kernelReservedBytes],
      [memory.index.entries, (memory.readEntry + readEntries) * entryBytes],
      [memory.index.numbers, memory.readEntry * 4],
      [memory.list, regionEntries * 4],
      [memory.listScratch, regionEntries * 4],
      [memory.granules, memory.granuleCapacity * granuleBytes],
      [memory.readNumbers, readEntries * 4],
      [memory.readList, readEntries * 4],
      [memory.readScratch, readEntries * 4],
      [memory.flushBuffers[0], memory.flushBufferBytes],
      [memory.flushBuffers[1], memory.flushBufferBytes],
      [memory.reads.address, memory.reads.bytes],
      [memory.arena.address, memory.arena.bytes],
    ];
    parts.sort((a, b) => a[0] - b[0]);
    for (const [i, [from, bytes]] of parts.entries()) assert.ok(from + bytes <= (parts[i + 1]?.[0] ?? memory.bytes.length), `part ${i}`);
    for (const buffer of memory.flushBuffers) assert.equal(buffer % 4096, 0);
    assert.ok(memory.arena.allocate(blockBytes(memory.maxBlockBytes)) > 0);
    assert.ok(memory.reads.allocate(blockBytes(memory.maxBlockBytes)) > 0);
    assert.equal(memory.words[memory.readNumbers / 4 + 5], memory.readEntry + 5);
  });
}

test('less than 1 MiB is 1 MiB, and an odd size is cut to whole chunks', () => {
  assert.equal(createStoreMemory(1).arenaBytes, MiB);
  assert.equal(createStoreMemory(2 * MiB + 70 * KiB).arenaBytes, 2 * MiB + 64 * KiB);
});
