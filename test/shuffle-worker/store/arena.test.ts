import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import { Arena, chunkBytes, Slots } from '#worker/store/arena.ts';

test('property: places never overlap, are aligned and inside, and what is used follows them', () => {
  const step = fc.oneof(
    fc.nat(3 * chunkBytes).map((bytes) => bytes + 1),
    fc.nat(100).map((bytes) => bytes + 1),
    fc.nat(50).map((place) => -place - 1),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const arena = new Arena(2 * chunkBytes, 8 * chunkBytes);
      const held: { address: number; length: number }[] = [];
      for (const one of steps) {
        if (one < 0) {
          const [gone] = held.splice(-one % Math.max(held.length, 1), 1);
          if (gone) arena.free(gone.address, gone.length);
        } else {
          const address = arena.allocate(one);
          if (address >= 0) {
            assert.equal(address % 8, 0);
            assert.ok(address >= arena.address && address + one <= arena.address + arena.bytes);
            for (const other of held) assert.ok(address + one <= other.address || other.address + other.length <= address);
            held.push({ address, length: one });
          }
        }
        const size = arena.chunkBytes;
        const chunks = new Set(held.flatMap(({ address, length }) => range(Math.floor(address / size), Math.ceil((address + length) / size))));
        assert.equal(arena.usedBytes, chunks.size * size);
        assert.equal(
          arena.storedBytes,
          held.reduce((sum, { length }) => sum + ((length + 7) & ~7), 0),
        );
      }
      for (const { address, length } of held) arena.free(address, length);
      assert.equal(arena.usedBytes, 0);
      // Empty again, it has room for all of itself.
      assert.ok(arena.allocate(arena.bytes) >= 0);
    }),
    { numRuns: 200 },
  );
});

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test('a frame may be given back in parts; what was not taken cannot be', () => {
  const arena = new Arena(0, chunkBytes);
  const address = arena.allocate(1000);
  arena.free(address, 400);
  arena.free(address + 400, 600);
  assert.equal(arena.storedBytes, 0);
  assert.throws(() => arena.free(address, 8), RangeError);
  assert.throws(() => new Arena(8, chunkBytes), RangeError);
  assert.throws(() => new Arena(0, 100), RangeError);
  assert.equal(arena.allocate(chunkBytes + 8), -1);
});

test('chunks are small beside the whole, and at most 64 KiB', () => {
  const sizeOf = (bytes: number): number => new Arena(0, bytes).chunkBytes;
  assert.deepEqual([sizeOf(chunkBytes), sizeOf(MiB), sizeOf(128 * MiB), sizeOf(2048 * MiB)], [512, 512, 32 * KiB, 64 * KiB]);
  const large = new Arena(0, 2048 * MiB);
  assert.deepEqual([large.allocate(1024 * MiB), large.allocate(1024 * MiB), large.allocate(8)], [0, 1024 * MiB, -1]);
  assert.equal(large.usedBytes, 2048 * MiB);
});

test('what was used before is used again before anything else is touched', () => {
  const arena = new Arena(0, 64 * chunkBytes);
  let highest = 0;
  const held: number[] = [];
  for (let i = 0; i < 500; i++) {
    // Never more than three at once, and never none.
    if (held.length === 3) arena.free(held.shift()!, 3 * chunkBytes);
    const address = arena.allocate(3 * chunkBytes);
    held.push(address);
    highest = Math.max(highest, address + 3 * chunkBytes);
  }
  assert.ok(highest <= 12 * chunkBytes, `${highest / chunkBytes} chunks were touched`);
});

test('small records are used again, and end where they were told', () => {
  const slots = new Slots(4096, 1024);
  const one = slots.allocate(100);
  const two = slots.allocate(200);
  assert.deepEqual([one, two, slots.usedBytes], [4096, 4096 + 256, 384]);
  slots.free(one, 100);
  assert.equal(slots.allocate(128), one);
  assert.equal(slots.allocate(1024), -1);
  const rest = [slots.allocate(512), slots.allocate(1)];
  assert.deepEqual(rest, [4608, 4224]);
  assert.equal(slots.allocate(1), -1);
});

test('what large records have left serves small ones, and the other way round', () => {
  const bytes = 3 * 64 * KiB;
  const slots = new Slots(4096, bytes);
  const fill = (length: number): number[] => {
    const held: number[] = [];
    for (let address = slots.allocate(length); address >= 0; address = slots.allocate(length)) held.push(address);
    return held;
  };
  for (const [length, wanted] of [
    [64 * KiB, 3],
    [128, bytes / 128],
    [32 * KiB, 6],
    [64 * KiB, 3],
  ] as const) {
    const held = fill(length);
    assert.equal(new Set(held).size, wanted, `records of ${length}`);
    assert.ok(held.every((address) => address >= 4096 && address + length <= 4096 + bytes));
    assert.equal(slots.usedBytes, bytes);
    for (const address of held) slots.free(address, length);
    assert.equal(slots.usedBytes, 0);
  }
});
