import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '#manager/protocol/ids.ts';
import { kernelReservedBytes } from '#worker/kernel/kernel.ts';
import { readWindowBytes } from '#worker/limits.ts';
import { createReceiveMemory } from '#worker/receive.ts';

test('frames and accounts have places of their own, behind the kernel’s', () => {
  const receive = createReceiveMemory(8 * MiB, 2 * MiB);
  const slot = receive.slots.allocate(MiB);
  assert.ok(slot >= kernelReservedBytes);
  assert.ok(slot + MiB <= receive.arena.address);
  assert.ok(receive.arena.address + receive.arena.bytes <= receive.bytes.length);
  assert.equal(receive.arena.bytes, 8 * MiB);
  receive.bytes[slot] = 7;
  assert.equal(receive.words[slot / 4], 7, 'one memory under both views');
});

test('it never has less than four windows', () => {
  assert.equal(createReceiveMemory(1, 1024).arena.bytes, 4 * readWindowBytes);
});

test('who reserves waits for his turn: what was asked first is given first, also when less would fit', async () => {
  const receive = createReceiveMemory(8 * MiB, 1024);
  const given: string[] = [];
  const ask = (name: string, bytes: number) => receive.reserve(bytes).then(() => given.push(name));
  await ask('first', 6 * MiB);
  const large = ask('large', 2 * MiB);
  const small = ask('small', MiB);
  await Promise.resolve();
  assert.deepEqual(given, ['first'], 'an eighth is never granted');
  receive.release(MiB);
  await large;
  assert.deepEqual(given, ['first', 'large']);
  receive.release(6 * MiB);
  await small;
  assert.deepEqual(given, ['first', 'large', 'small']);
});

test('what may be reserved has room in frames of half a window, freed in the order they came', () => {
  const receive = createReceiveMemory(16 * MiB, 1024);
  const frames: { readonly at: number; readonly length: number }[] = [];
  for (let i = 0; i < 300; i++) {
    const length = readWindowBytes / 2 - 8 * (i % 5);
    const at = receive.arena.allocate(length);
    assert.ok(at >= 0, `frame ${i}`);
    frames.push({ at, length });
    if (frames.length < 13) continue;
    const [freed] = frames.splice(0, 1);
    receive.arena.free(freed!.at, freed!.length);
  }
});
