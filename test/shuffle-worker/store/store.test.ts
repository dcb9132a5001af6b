import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import { segmentPath } from '#worker/store/directory.ts';
import { regionEntries } from '#worker/store/memory.ts';
import type { Incoming } from '#worker/store/store.ts';
import { payloadOf, sealStream, settle } from '../world.ts';
import { cellsOf, type Kept, openKept, put, shuffleOf, targetOf, write } from './kept.ts';

const isCode = (code: ErrorCode) => (thrown: unknown) => thrown instanceof SluiceError && thrown.code === code;
const shuffle = shuffleOf(1);
const some = [0, 1, 3].map((partition, i) => [partition, payloadOf(100, i)] as const);
const large = (seed: number) => [0, 1, 2, 3].map((partition) => [partition, payloadOf(64 * KiB, seed + partition)] as const);
const isEmpty = ({ memory }: Kept): boolean => memory.arena.usedBytes === 0 && memory.index.usedBytes === 0;

test('what is written rests a while and then leaves memory; a stream that goes on keeps its place', async () => {
  const kept = await openKept();
  put(kept, targetOf({ shuffle, map: 0 }), some);
  await kept.clock.advance(1500);
  assert.equal(kept.store.counters.regions, 0);
  const stream = kept.store.open(targetOf({ shuffle, map: 1 }));
  const { blocks, manifest } = sealStream(targetOf({ shuffle, map: 1 }), some);
  write(kept, stream, blocks[0]!);
  await kept.clock.advance(1500);
  assert.equal(kept.store.counters.regions, 0, 'it was touched meanwhile');
  await kept.clock.advance(1500);
  assert.equal(kept.store.counters.regions, 1);
  assert.ok(isEmpty(kept));
  for (const block of [...blocks.slice(1), manifest]) write(kept, stream, block);
  assert.deepEqual(cellsOf(kept), ['1/0.1', '1/1.1']);
  await kept.store.flushAll();
  assert.deepEqual(cellsOf(await openKept(kept.disk)), ['1/0.1', '1/1.1']);
});

test('a quarter of the arena is flushed at once, and when memory is short whatever is largest', async () => {
  const kept = await openKept();
  for (let map = 0; map < 3; map++) put(kept, targetOf({ shuffle, map }), large(map));
  await settle();
  assert.ok(kept.store.counters.regions > 0);
  await kept.store.flushAll();
  const before = kept.store.counters.regions;
  put(kept, targetOf({ shuffle: shuffleOf(2), map: 0 }), some);
  put(kept, targetOf({ shuffle: shuffleOf(3), map: 0 }), large(1));
  kept.short = true;
  kept.store.flushSoon();
  await settle();
  assert.ok(kept.store.counters.regions >= before + 1);
  const [third] = kept.store.shuffles.get(shuffleOf(3))!.shelves;
  assert.equal(third!.regions.length, 1);
  await kept.store.close();
});

test('each level is acknowledged when it is reached: received at once, written with its region, durable with a sync', async () => {
  const kept = await openKept();
  const told: string[] = [];
  for (const level of ['received', 'written', 'durable'] as const) {
    const { stream } = put(kept, targetOf({ shuffle, map: 0, attempt: 1 + told.length }), some);
    kept.store.whenAt(stream, level, (error) => told.push(`${level} ${error ? error.code : 'ok'} ${kept.store.counters.regions}`));
    if (level === 'received') continue;
    const before = told.length;
    await settle();
    assert.equal(told.length, before, 'others may join within the group');
    await kept.clock.advance(20);
  }
  assert.deepEqual(told, ['received ok 0', 'written ok 1', 'durable ok 2']);
  // One that has been written asks for more afterwards.
  const { stream } = put(kept, targetOf({ shuffle, map: 9 }), some);
  await kept.store.flushAll();
  kept.disk.failSync = new SluiceError('DISK_FAILED', { what: 'sync' });
  kept.store.whenAt(stream, 'durable', (error) => told.push(error?.code ?? 'ok'));
  await settle();
  // As a flush that fails: the attempt ends with what travels to its writer.
  assert.equal(told.at(-1), 'NO_SPACE');
  assert.equal(stream.gone, true);
});

test('a flush of everything does not begin what is being flushed already', async () => {
  const kept = await openKept();
  let begun = 0;
  const place = kept.directory.place.bind(kept.directory);
  kept.directory.place = (bytes) => {
    begun++;
    return place(bytes);
  };
  // Five shuffles that are due on their own, while all is asked for.
  for (let run = 1; run <= 5; run++) put(kept, targetOf({ shuffle: shuffleOf(run), map: 0 }), some);
  kept.short = true;
  kept.store.flushSoon();
  await kept.store.flushAll();
  assert.deepEqual([begun, kept.store.counters.regions], [5, 5]);
  await kept.store.close();
});

test('streams that wait for the same level share a sync', async () => {
  const kept = await openKept();
  let reached = 0;
  for (let map = 0; map < 10; map++) {
    const { stream } = put(kept, targetOf({ shuffle, map }), some);
    kept.store.whenAt(stream, 'durable', (error) => {
      assert.equal(error, null);
      reached++;
    });
  }
  await kept.clock.advance(20);
  assert.deepEqual([reached, kept.disk.syncs, kept.store.counters.regions], [10, 1, 1]);
});

test('who asks for a sync while the batch is being written without one waits for his own', async () => {
  const kept = await openKept();
  const { stream } = put(kept, targetOf({ shuffle, map: 0 }), some);
  const gate = Promise.withResolvers<void>();
  kept.disk.gate = gate.promise;
  kept.store.whenAt(stream, 'written', () => {});
  await kept.clock.advance(15);
  let durable = false;
  kept.store.whenAt(stream, 'durable', () => {
    durable = true;
    assert.equal(kept.disk.syncs, 1);
  });
  kept.disk.gate = null;
  gate.resolve();
  await settle();
  assert.equal(durable, true);
});

test('a stream resumes with what it had, an aborted one begins anew and is not written', async () => {
  const kept = await openKept();
  const target = targetOf({ shuffle, map: 0 });
  const { blocks } = sealStream(target, some);
  const stream = kept.store.open(target);
  write(kept, stream, blocks[0]!);
  assert.equal(kept.store.open(target), stream);
  assert.equal(stream.accepted, 1);
  kept.store.abort(stream);
  kept.store.abort(stream);
  write(kept, stream, blocks[1]!);
  assert.equal(kept.memory.slots.usedBytes, 0);
  assert.notEqual(kept.store.open(target), stream);
  kept.store.abort(kept.store.open(target));
  await kept.store.flushAll();
  assert.equal(kept.store.counters.regionBytes, 0);
  assert.ok(isEmpty(kept));
});

test('a bad block leaves what was before it; a wrong one ends the stream; a wrong manifest is INCOMPLETE', async () => {
  const kept = await openKept();
  const target = targetOf({ shuffle, map: 0 });
  const { blocks, manifest, all } = sealStream(target, some);
  const stream = kept.store.open(target);
  const harmed = all.slice();
  harmed[blocks[0]!.length + 66]! ^= 4;
  assert.throws(() => write(kept, stream, harmed), isCode('CORRUPT_BLOCK'));
  assert.deepEqual([stream.accepted, stream.gone], [1, false]);
  assert.throws(() => write(kept, stream, manifest), isCode('INCOMPLETE'));
  assert.equal(stream.gone, true);
  const second = kept.store.open(target);
  assert.throws(() => write(kept, second, sealStream({ ...target, map: 4 }, some).all), isCode('IDENTITY_MISMATCH'));
  const third = kept.store.open(target);
  write(kept, third, all);
  write(kept, third, manifest);
  assert.throws(() => write(kept, third, blocks[0]!), isCode('IDENTITY_MISMATCH'));
  await kept.store.flushAll();
  assert.ok(isEmpty(kept));
});

test('a release frees memory and segments at once, also while a flush runs, and tells who waits', async () => {
  const kept = await openKept();
  put(kept, targetOf({ shuffle, map: 0 }), some);
  await kept.store.flushAll();
  const gate = Promise.withResolvers<void>();
  kept.disk.gate = gate.promise;
  const { stream } = put(kept, targetOf({ shuffle, map: 1 }), some);
  let told: SluiceError | null = null;
  kept.store.whenAt(stream, 'written', (error) => {
    told = error;
  });
  await kept.clock.advance(15);
  kept.store.release((one) => one === shuffle);
  kept.store.release((one) => one === shuffle);
  assert.equal((told as SluiceError | null)?.code, 'SHUFFLE_RELEASED');
  kept.disk.gate = null;
  gate.resolve();
  await settle();
  assert.ok(isEmpty(kept));
  assert.equal(kept.store.shuffles.size, 0);
  assert.deepEqual(
    kept.directory.segments.map(({ regions }) => regions),
    [0],
  );
});

test('a flush that finds no space keeps everything in memory, says so, and is tried again later', async () => {
  const kept = await openKept();
  kept.disk.failWrite = new SluiceError('NO_SPACE', { what: 'full' });
  const { stream } = put(kept, targetOf({ shuffle, map: 0 }), some);
  let told: SluiceError | null = null;
  kept.store.whenAt(stream, 'written', (error) => {
    told = error;
  });
  await kept.clock.advance(20);
  assert.equal((told as SluiceError | null)?.code, 'NO_SPACE');
  assert.equal(stream.gone, true);
  assert.deepEqual(cellsOf(kept), []);
  put(kept, targetOf({ shuffle, map: 1 }), some);
  kept.short = true;
  assert.equal(kept.store.isFull, true);
  await assert.rejects(kept.store.flushAll(), isCode('NO_SPACE'));
  kept.disk.failWrite = null;
  await kept.clock.advance(5000);
  assert.equal(kept.store.isFull, false);
  assert.ok(isEmpty(kept));
  assert.deepEqual(cellsOf(await openKept(kept.disk)), ['1/1.1']);
});

test('an attempt that was dropped by a failed flush and is sent again is written, all of it', async () => {
  const kept = await openKept();
  const target = targetOf({ shuffle, map: 0 });
  kept.disk.failWrite = new SluiceError('NO_SPACE', { what: 'full' });
  const { stream } = put(kept, target, some);
  kept.store.whenAt(stream, 'durable', () => {});
  await kept.clock.advance(20);
  assert.equal(stream.gone, true);
  kept.disk.failWrite = null;
  // Its writer has not heard of it, and resumes.
  const again = put(kept, target, some);
  let level: string | null = null;
  kept.store.whenAt(again.stream, 'durable', (error) => {
    level = error?.code ?? 'durable';
  });
  await kept.clock.advance(3000);
  assert.equal(level, 'durable');
  kept.disk.crash();
  const after = await openKept(kept.disk);
  assert.deepEqual(cellsOf(after), ['1/0.1']);
  const granules = after.store.shuffles
    .get(shuffle)!
    .shelves[0]!.regions.flatMap(({ index }) => Array.from({ length: index.length / 8 }, (_, i) => index[i * 8 + 3]!));
  assert.equal(
    granules.reduce((sum, blocks) => sum + blocks, 0),
    4,
    'three blocks and the manifest',
  );
});

test('an abort drops what was sent to its location only', async () => {
  const kept = await openKept();
  const [left, right] = [0, 1].map((location) =>
    targetOf({ shuffle, map: 0, location, partitionFrom: location * 4, partitionTo: location * 4 + 4 }),
  ) as [Incoming, Incoming];
  const payloads = (from: number) => [from, from + 1].map((partition) => [partition, payloadOf(100, partition)] as const);
  const gone = put(kept, left, payloads(0));
  const sealed = sealStream(right, payloads(4));
  const stays = kept.store.open(right);
  write(kept, stays, sealed.all);
  kept.store.abort(gone.stream);
  write(kept, stays, sealed.manifest);
  await kept.store.flushAll();
  const after = await openKept(kept.disk);
  assert.deepEqual(
    [...after.store.shuffles.get(shuffle)!.cells.all()].map(({ location, blocks }) => [location, blocks]),
    [[1, 2]],
  );
  const [region] = after.store.shuffles.get(shuffle)!.shelves[0]!.regions;
  assert.equal(region!.dataBytes, sealed.all.length + sealed.manifest.length);
});

test('a folder that failed takes no new streams, and none are opened when all have', async () => {
  const kept = await openKept();
  put(kept, targetOf({ shuffle, map: 0 }), some);
  kept.disk.failWrite = new SluiceError('DISK_FAILED', { what: 'gone' });
  await assert.rejects(kept.store.flushAll(), isCode('DISK_FAILED'));
  assert.equal(kept.directory.failed, true);
  assert.throws(() => kept.store.open(targetOf({ shuffle, map: 1 })), isCode('NO_SPACE'));
  assert.deepEqual(cellsOf(kept), ['1/0.1']);
  // Whoever waits for it to be written hears of it, also who comes late.
  const told: string[] = [];
  kept.store.whenAt([...kept.store.shuffles.get(shuffle)!.streams.values()][0]!, 'written', (error) => told.push(error?.code ?? 'ok'));
  assert.deepEqual(told, ['NO_SPACE']);
  // What can never be written is not looked at again and again.
  const before = kept.clock.timers;
  await kept.clock.advance(10_000);
  assert.ok(kept.clock.timers - before <= 10, `${kept.clock.timers - before} timers in 10 s`);
});

test('a folder that fails tells everyone who waits for it, in every batch and shuffle', async () => {
  const kept = await openKept();
  const told: string[] = [];
  kept.disk.failSync = new SluiceError('DISK_FAILED', { what: 'sync' });
  for (const run of [1, 2, 3]) {
    const { stream } = put(kept, targetOf({ shuffle: shuffleOf(run), map: 0 }), run === 2 ? large(1) : some);
    kept.store.whenAt(stream, 'durable', (error) => told.push(error?.code ?? 'ok'));
  }
  await kept.clock.advance(20);
  assert.deepEqual(told, ['NO_SPACE', 'NO_SPACE', 'NO_SPACE']);
});

test('data of a shuffle the manager does not know any more is dropped instead of written', async () => {
  for (const code of ['SHUFFLE_RELEASED', 'SHUFFLE_UNKNOWN'] as const) {
    const kept = await openKept(undefined, { orderOf: () => Promise.reject(new SluiceError(code, { shuffle: '1' })) });
    put(kept, targetOf({ shuffle, map: 0 }), some);
    await kept.store.flushAll();
    assert.deepEqual([kept.store.shuffles.size, kept.store.counters.regions], [0, 0]);
    assert.ok(isEmpty(kept));
  }
  // A manager that does not answer is no reason to drop anything.
  const kept = await openKept(undefined, { orderOf: () => Promise.reject(new SluiceError('LEDGER_UNAVAILABLE', { what: 'away' })) });
  put(kept, targetOf({ shuffle, map: 0 }), some);
  await kept.store.flushAll();
  assert.deepEqual([cellsOf(kept), kept.store.counters.regions], [['1/0.1'], 1]);
});

test('a stream that was left is dropped after a minute, a finished one only forgotten', async () => {
  const kept = await openKept();
  const { stream } = put(kept, targetOf({ shuffle, map: 0 }), some);
  const open = kept.store.open(targetOf({ shuffle, map: 1 }));
  write(kept, open, sealStream(targetOf({ shuffle, map: 1 }), some).blocks[0]!);
  stream.orphanedAt = kept.clock.now();
  open.orphanedAt = kept.clock.now();
  await kept.clock.advance(59_000);
  assert.equal(open.gone, false);
  await kept.clock.advance(4000);
  assert.deepEqual([open.gone, stream.gone], [true, false]);
  assert.deepEqual(cellsOf(kept), ['1/0.1']);
  assert.equal(kept.store.shuffles.get(shuffle)!.streams.size, 0);
  await kept.store.close();
});

test('of shuffles that nobody has written anything of nothing is kept', async () => {
  const kept = await openKept();
  const bad = sealStream(targetOf({ shuffle, map: 0 }), some).blocks[0]!.slice();
  bad[3]! ^= 1;
  for (let run = 10; run < 14; run++) {
    kept.store.abort(kept.store.open(targetOf({ shuffle: shuffleOf(run), map: 0 })));
    const stream = kept.store.open(targetOf({ shuffle: shuffleOf(run + 10), map: 0 }));
    assert.throws(() => write(kept, stream, bad), { code: 'CORRUPT_BLOCK' });
    stream.orphanedAt = kept.clock.now();
    const written = kept.store.open(targetOf({ shuffle: shuffleOf(run + 20), map: 0 }));
    write(kept, written, sealStream(written.target, some).all);
    kept.store.abort(written);
  }
  put(kept, targetOf({ shuffle, map: 0 }), some);
  await kept.clock.advance(70_000);
  assert.deepEqual([...kept.store.shuffles.keys()], [shuffle]);
  // A stream that cannot be opened leaves nothing either.
  assert.throws(() => kept.store.open(targetOf({ shuffle: shuffleOf(50), map: 0, partitionTo: 2 ** 20 })), { code: 'NO_SPACE' });
  assert.deepEqual([...kept.store.shuffles.keys()], [shuffle]);
  assert.ok(isEmpty(kept));
});

test('ordinals count per shuffle from 0, over restarts', async () => {
  const kept = await openKept();
  const other = shuffleOf(2);
  const flushed = async (one: Kept, run: typeof shuffle, map: number): Promise<void> => {
    put(one, targetOf({ shuffle: run, map }), some);
    await one.store.flushAll();
  };
  for (const [run, map] of [
    [shuffle, 0],
    [other, 0],
    [shuffle, 1],
  ] as const)
    await flushed(kept, run, map);
  const again = await openKept(kept.disk);
  await flushed(again, shuffle, 2);
  const ordinals = (run: typeof shuffle) => again.store.shuffles.get(run)!.shelves[0]!.regions.map(({ ordinal }) => ordinal);
  assert.deepEqual([ordinals(shuffle), ordinals(other)], [[0, 1, 2], [0]]);
  assert.deepEqual(cellsOf(await openKept(kept.disk)), ['1/0.1', '1/1.1', '1/2.1', '2/0.1']);
  // What was begun after the restart is in another segment: the old one may still have a torn end.
  assert.ok(again.disk.files.has(segmentPath(1)));
});

test('a batch is never larger than a segment takes, nor than one sort', async () => {
  const kept = await openKept(undefined, {}, 8 * MiB);
  kept.disk.gate = new Promise(() => {});
  for (let map = 0; map < 12; map++) put(kept, targetOf({ shuffle, map }), large(map));
  const [shelf] = kept.store.shuffles.get(shuffle)!.shelves;
  assert.ok(shelf!.batches.length > 2);
  for (const { bytes, blocks } of shelf!.batches) assert.ok(bytes < MiB - 8192 && blocks <= regionEntries);
});
