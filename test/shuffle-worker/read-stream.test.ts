import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { errors, SluiceError } from '#manager/protocol/errors.ts';
import { KiB, type ShuffleId } from '#manager/protocol/ids.ts';
import { encodeCounts } from '#worker/protocol/counts.ts';
import { type MessageOf, readFlags } from '#worker/protocol/frames.ts';
import { segmentPath } from '#worker/store/directory.ts';
import { countsOf, openRead, openWorkerWorld, type Peer, payloadOf, sealStream, settle, type TestDisk, type WorkerWorld } from './world.ts';

const codeOf = (wire: number): string => Object.entries(errors).find(([, row]) => row.wire === wire && wire > 0)?.[0] ?? 'none';
const onePerPartition = (seed: number, length = 100) => [0, 1, 2, 3].map((partition) => [partition, payloadOf(length, seed + partition)] as const);

/** Reads and gives back credit, until the end or an error comes. */
async function read(world: WorkerWorld, request: MessageOf<'openRead'>, peer: Peer = world.connect()): Promise<Peer> {
  const id = request.stream;
  peer.tell(request);
  let given = 0;
  for (let turn = 0; turn < 400 && peer.of('end', id).length + peer.of('error', id).length === 0; turn++) {
    await settle();
    const had = peer.frames.filter((frame) => frame.stream === id).reduce((sum, frame) => sum + frame.bytes.length, 0);
    const wanted = peer.of('credit', id).reduce((sum, message) => sum + message.wantedBytes, 0);
    if (had + wanted > given) peer.tell({ type: 'credit', stream: id, grantBytes: had + wanted - given, wantedBytes: 0 });
    given = had + wanted;
  }
  return peer;
}
const errorOf = (peer: Peer, id = 1) => {
  const { code, maps } = peer.last('error', id);
  return { code: codeOf(code), maps };
};

/** Everything of the shuffle in regions. */
const flush = (world: WorkerWorld): Promise<void> => world.clock.advance(5000);
const segments = (disk: TestDisk): Uint8Array[] => [...disk.files.keys()].filter((path) => path.endsWith('.segment')).map((path) => disk.bytes(path));

/** Turns a bit of the block of `map` and `partition` wherever it lies in a file: at byte `at` of it. */
function harm(disk: TestDisk, map: number, partition: number, at: number): void {
  let harmed = 0;
  for (const bytes of segments(disk)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let from = 8192; from + 64 <= bytes.length; from += 8) {
      if (view.getUint32(from, true) !== 0x1_4c53 || view.getUint32(from + 24, true) !== partition || view.getUint32(from + 28, true) !== map)
        continue;
      bytes[from + at]! ^= 1;
      harmed++;
    }
  }
  assert.equal(harmed, 1);
}

for (const where of ['memory', 'regions', 'both'] as const) {
  test(`a rectangle is read from ${where}: the winners' blocks, each once, and the counts of their manifests`, async () => {
    const world = await openWorkerWorld();
    const shuffle = await world.shuffle('a');
    for (let map = 0; map < 3; map++) {
      // The loser is stored first, with more blocks.
      const loser = world.connect();
      const lost = sealStream({ shuffle, map, attempt: 9 }, [...onePerPartition(map), ...onePerPartition(50)]);
      loser.tell({ ...openWriteOf(shuffle, map, 9) });
      loser.push(1, lost.all);
      loser.push(1, lost.manifest);
      await world.write(shuffle, map, onePerPartition(map));
      if (where === 'regions' || (where === 'both' && map === 1)) await flush(world);
    }
    assert.equal(world.worker.store.counters.regions > 0, where !== 'memory');
    const version = await world.version(shuffle);
    const peer = await read(world, openRead(1, shuffle, { ledgerVersion: version, mapFrom: 0, mapTo: 3, partitionFrom: 1, partitionTo: 3 }));
    assert.deepEqual(peer.seen(1).sort(), ['0.1.0', '0.2.0', '1.1.0', '1.2.0', '2.1.0', '2.2.0']);
    assert.deepEqual(countsOf(peer.last('end', 1), 6), [1, 1, 1, 1, 1, 1]);
    assert.equal(peer.last('opened', 1).ledgerVersion, version);
    assert.equal(world.worker.gauges().readBytes, 0);
    await world.close();
  });
}

const openWriteOf = (shuffle: ShuffleId, map: number, attempt: number): MessageOf<'openWrite'> => ({
  type: 'openWrite',
  stream: 1,
  shuffle,
  map,
  attempt,
  section: 0,
  location: 0,
  partitionFrom: 0,
  partitionTo: 4,
  level: 0,
});

test('a map without a winner is no error when the reader knows it too, and MISSING when his layout is older', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, onePerPartition(0));
  await world.write(shuffle, 1, onePerPartition(1));
  const sealed = await world.version(shuffle);
  await world.calls.lost({ shuffle: shuffle.toString(), location: 0, incarnation: world.worker.incarnation, maps: [1], because: 'missing' });
  const version = await world.version(shuffle);
  assert.ok(version > sealed);
  const now = await read(world, openRead(1, shuffle, { ledgerVersion: version, mapTo: 2 }));
  assert.deepEqual(countsOf(now.last('end', 1), 8), [1, 0, 1, 0, 1, 0, 1, 0]);
  const before = await read(world, openRead(1, shuffle, { ledgerVersion: sealed, mapTo: 2 }));
  assert.deepEqual(errorOf(before), { code: 'MISSING', maps: [1] });
  await world.close();
});

test('a committed cell this worker does not hold is MISSING by name, never empty', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, onePerPartition(0));
  for (const map of [1, 3]) {
    const cells = [{ location: 0, incarnations: [world.worker.incarnation], manifestHash: '7' }];
    await world.calls.commit({ shuffle: shuffle.toString(), map, attempt: 1, cells });
  }
  const peer = await read(world, openRead(1, shuffle, { ledgerVersion: await world.version(shuffle) }));
  assert.deepEqual(errorOf(peer), { code: 'MISSING', maps: [1, 3] });
  assert.equal(peer.of('end').length, 0);
  await world.close();
});

test('unknown, released and a manager that does not answer are three other answers', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, onePerPartition(0));
  const peer = world.connect(world.clusterToken);
  await read(world, openRead(1, 5n as ShuffleId), peer);
  assert.equal(errorOf(peer, 1).code, 'SHUFFLE_UNKNOWN');
  await read(world, openRead(2, shuffle, { ledgerVersion: 1000 }), peer);
  assert.equal(errorOf(peer, 2).code, 'LEDGER_UNAVAILABLE');
  await world.calls.release({ shuffle: shuffle.toString() });
  await settle();
  await read(world, openRead(3, shuffle), peer);
  assert.equal(errorOf(peer, 3).code, 'SHUFFLE_RELEASED');
  assert.equal(peer.of('end').length, 0);
  await world.close();
});

test('a request that cannot be one is refused', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, onePerPartition(0));
  const wrong = [
    { flags: readFlags.follow },
    { cursor: 1n },
    { mapFrom: 3, mapTo: 2 },
    { mapTo: 5 },
    { location: 1 },
    { partitionTo: 5 },
    { mapTo: 2 ** 30 },
    { skip: new Uint8Array([1, 1]) },
  ];
  const peer = world.connect();
  for (const [i, more] of wrong.entries()) {
    await read(world, openRead(1 + i, shuffle, more), peer);
    assert.equal(errorOf(peer, 1 + i).code, 'IDENTITY_MISMATCH', JSON.stringify(Object.keys(more)));
  }
  await world.close();
});

test('the skip vector leaves out what the reader has; more than was written is an error', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const two = [...onePerPartition(0), ...onePerPartition(9)];
  await world.write(shuffle, 0, two);
  await flush(world);
  await world.write(shuffle, 1, two);
  const ledgerVersion = await world.version(shuffle);
  const request = { ledgerVersion, mapTo: 2, partitionTo: 2 };
  const skip = (...counts: number[]): Uint8Array => encodeCounts(Uint32Array.from(counts));
  const peer = await read(world, openRead(1, shuffle, { ...request, skip: skip(1, 2, 0, 1) }));
  assert.deepEqual(peer.seen(1).sort(), ['0.0.1', '0.1.0', '0.1.1', '1.1.1']);
  assert.deepEqual(countsOf(peer.last('end', 1), 4), [2, 2, 2, 2]);
  await read(world, openRead(2, shuffle, { ...request, skip: skip(2, 2, 2, 2) }), peer);
  assert.deepEqual([peer.seen(2), countsOf(peer.last('end', 2), 4)], [[], [2, 2, 2, 2]]);
  await read(world, openRead(3, shuffle, { ...request, skip: skip(2, 3, 2, 2) }), peer);
  assert.deepEqual(errorOf(peer, 3), { code: 'MISSING', maps: [1] });
  await world.close();
});

test('an ordered read comes map by map, from files and memory together', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  for (const map of [3, 1, 0, 2]) {
    await world.write(shuffle, map, [...onePerPartition(map), ...onePerPartition(map + 5)]);
    if (map === 1) await flush(world);
  }
  const peer = await read(world, openRead(1, shuffle, { ledgerVersion: await world.version(shuffle), flags: readFlags.ordered }));
  const maps = peer.seen(1).map((name) => Number(name.split('.')[0]));
  assert.deepEqual(
    maps,
    [...maps].sort((a, b) => a - b),
  );
  assert.equal(maps.length, 32);
  await world.close();
});

test('property: whatever was written when, and however it is read, each block comes once and in sequence', async () => {
  const world = await openWorkerWorld();
  let name = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ map: fc.nat(3), blocks: fc.array(fc.tuple(fc.nat(3), fc.nat(30_000)), { maxLength: 12 }), flushed: fc.boolean() }), {
        minLength: 1,
        maxLength: 6,
      }),
      fc.record({
        from: fc.nat(3),
        to: fc.nat(4),
        mapFrom: fc.nat(3),
        mapTo: fc.nat(4),
        ordered: fc.boolean(),
        grant: fc.constantFrom(0, 100 * KiB, 2048 * KiB),
      }),
      async (writes, { from, to, mapFrom, mapTo, ordered, grant }) => {
        const shuffle = await world.shuffle(`p${name++}`);
        const expected = new Map<number, string[]>();
        for (const [attempt, { map, blocks, flushed }] of writes.entries()) {
          const payloads = blocks.map(([partition, length], i) => [partition, payloadOf(length, i)] as const);
          const isFirst = !expected.has(map);
          await world.write(shuffle, map, payloads, attempt);
          if (isFirst) {
            const next = [0, 0, 0, 0];
            expected.set(
              map,
              blocks.map(([partition]) => `${map}.${partition}.${next[partition]!++}`),
            );
          }
          if (flushed) await flush(world);
        }
        const range = {
          partitionFrom: Math.min(from, to),
          partitionTo: Math.max(from, to),
          mapFrom: Math.min(mapFrom, mapTo),
          mapTo: Math.max(mapFrom, mapTo),
        };
        const flags = ordered ? readFlags.ordered : 0;
        const peer = await read(world, openRead(1, shuffle, { ...range, ledgerVersion: await world.version(shuffle), flags, grantBytes: grant }));
        assert.deepEqual(peer.of('error', 1), []);
        const isWanted = (text: string): boolean => {
          const [map, partition] = text.split('.').map(Number) as [number, number];
          return map >= range.mapFrom && map < range.mapTo && partition >= range.partitionFrom && partition < range.partitionTo;
        };
        const wanted = [...expected.values()].flat().filter(isWanted);
        const seen = peer.seen(1);
        assert.deepEqual([...seen].sort(), [...wanted].sort());
        // In sequence within a cell, and map by map when asked for.
        const byCell = Map.groupBy(seen, (text) => text.slice(0, text.lastIndexOf('.')));
        for (const [cell, list] of byCell)
          assert.deepEqual(
            list,
            list.map((_, i) => `${cell}.${i}`),
          );
        if (ordered)
          assert.deepEqual(
            seen.map((text) => Number(text[0])),
            seen.map((text) => Number(text[0])).sort(),
          );
        peer.cut();
        await world.calls.release({ shuffle: shuffle.toString() });
        await settle();
      },
    ),
    { numRuns: 25 },
  );
  assert.equal(world.worker.gauges().readBytes, 0);
  assert.equal(world.worker.gauges().accountBytes, 0);
  await world.close();
});

test('a block that fits no window of the reader is asked for and comes', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, [[0, payloadOf(200 * KiB, 1)]]);
  for (let turn = 0; turn < 2; turn++) {
    const peer = await read(world, openRead(1, shuffle, { ledgerVersion: await world.version(shuffle), mapTo: 1, grantBytes: 32 * KiB }));
    assert.deepEqual(peer.seen(1), ['0.0.0']);
    assert.ok(peer.of('credit', 1)[0]!.wantedBytes > 0);
    await flush(world);
  }
  await world.close();
});

test('nothing is sent beyond the credit, and a reader that waits holds no place', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  for (let map = 0; map < 4; map++)
    await world.write(
      shuffle,
      map,
      [0, 1, 2, 3].map((partition) => [partition, payloadOf(60 * KiB, map)] as const),
    );
  await flush(world);
  const peer = world.connect();
  peer.tell(openRead(1, shuffle, { ledgerVersion: await world.version(shuffle), grantBytes: 256 * KiB }));
  for (let i = 0; i < 20; i++) await settle();
  const sent = peer.frames.reduce((sum, frame) => sum + frame.bytes.length, 0);
  assert.ok(sent > 0 && sent <= 256 * KiB, `${sent} bytes were sent`);
  assert.equal(peer.of('end').length, 0);
  assert.equal(world.worker.gauges().readBytes, 0);
  peer.tell({ type: 'close', stream: 1, reason: 0 });
  await settle();
  assert.equal(world.worker.gauges().accountBytes, 0);
  assert.equal(peer.of('error').length, 0);
  await world.close();
});

test('a stored header that went bad is CORRUPT_BLOCK with the maps behind it in its granule; a payload is left to the reader', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  for (let map = 0; map < 3; map++) await world.write(shuffle, map, onePerPartition(map));
  await flush(world);
  const ledgerVersion = await world.version(shuffle);
  harm(world.disk, 1, 2, 64);
  const unharmed = await read(world, openRead(1, shuffle, { ledgerVersion, mapTo: 3, partitionTo: 2 }));
  assert.equal(unharmed.of('end', 1).length, 1);
  harm(world.disk, 1, 2, 40);
  const peer = await read(world, openRead(1, shuffle, { ledgerVersion, mapTo: 3, partitionFrom: 2, partitionTo: 3 }));
  assert.deepEqual(errorOf(peer), { code: 'CORRUPT_BLOCK', maps: [1, 2] });
  assert.equal(peer.of('end').length, 0);
  await world.close();
});

test('a file that ends early or cannot be read is MISSING with the maps concerned', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  for (let map = 0; map < 2; map++) await world.write(shuffle, map, onePerPartition(map));
  await flush(world);
  const ledgerVersion = await world.version(shuffle);
  world.disk.failRead = new SluiceError('DISK_FAILED', { what: 'no luck' });
  assert.deepEqual(errorOf(await read(world, openRead(1, shuffle, { ledgerVersion, mapTo: 2 }))), { code: 'MISSING', maps: [0, 1] });
  world.disk.failRead = null;
  const file = world.disk.files.get(segmentPath(0))!;
  file.bytes = file.bytes.slice(0, 8192 + 100);
  assert.deepEqual(errorOf(await read(world, openRead(1, shuffle, { ledgerVersion, mapTo: 2 }))), { code: 'MISSING', maps: [0, 1] });
  await world.close();
});

test('damage is no error where only losers are concerned: what was lost once can be written again', async () => {
  for (const flags of [0, readFlags.ordered]) {
    const world = await openWorkerWorld();
    const shuffle = await world.shuffle('a');
    for (let map = 0; map < 3; map++) await world.write(shuffle, map, onePerPartition(map));
    await flush(world);
    // Map 2 is behind map 1 in its granule, map 0 before it.
    harm(world.disk, 1, 2, 40);
    const request = async (stream: number) => openRead(stream, shuffle, { ledgerVersion: await world.version(shuffle), mapTo: 3, flags });
    const peer = await read(world, await request(1));
    assert.deepEqual(errorOf(peer), { code: 'CORRUPT_BLOCK', maps: [1, 2] });
    const because = 'corrupt' as const;
    await world.calls.lost({ shuffle: shuffle.toString(), location: 0, incarnation: world.worker.incarnation, maps: [1, 2], because });
    for (const map of [1, 2]) await world.write(shuffle, map, onePerPartition(map), 2);
    for (const [i, isFlushed] of [false, true].entries()) {
      if (isFlushed) await flush(world);
      await read(world, await request(2 + i), peer);
      assert.deepEqual(peer.of('error', 2 + i), []);
      assert.equal(peer.seen(2 + i).length, 12);
    }
    // The same with a file that has lost its end.
    const file = world.disk.files.get(segmentPath(0))!;
    file.bytes = file.bytes.slice(0, 8192 + 170);
    await read(world, await request(5), peer);
    assert.equal(errorOf(peer, 5).code, 'MISSING');
    await world.close();
  }
});

test('blocks that their writer counted and nobody has are MISSING, not left out', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, onePerPartition(0));
  await world.write(shuffle, 1, onePerPartition(1));
  await flush(world);
  const ledgerVersion = await world.version(shuffle);
  for (const bytes of segments(world.disk)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    // The block of map 1 in partition 0 becomes a copy of map 0's: right hashes, wrong content.
    let from0 = -1;
    let from1 = -1;
    for (let at = 8192; at + 64 <= bytes.length; at += 8) {
      if (view.getUint32(at, true) !== 0x1_4c53 || view.getUint32(at + 24, true) !== 0 || view.getUint8(at + 3) !== 0) continue;
      if (view.getUint32(at + 28, true) === 0) from0 = at;
      else from1 = at;
    }
    bytes.copyWithin(from1, from0, from0 + 64 + 104);
  }
  const peer = await read(world, openRead(1, shuffle, { ledgerVersion, mapTo: 2, partitionTo: 1 }));
  assert.deepEqual(errorOf(peer), { code: 'MISSING', maps: [1] });
  await world.close();
});

test('a release in the middle of a read is said, and what is read then is not sent', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  for (let map = 0; map < 4; map++)
    await world.write(
      shuffle,
      map,
      [0, 1, 2, 3].map((partition) => [partition, payloadOf(60 * KiB, map)] as const),
    );
  await flush(world);
  const peer = world.connect();
  peer.tell(openRead(1, shuffle, { ledgerVersion: await world.version(shuffle), grantBytes: 128 * KiB }));
  for (let i = 0; i < 10; i++) await settle();
  await world.calls.release({ shuffle: shuffle.toString() });
  for (let i = 0; i < 10; i++) await settle();
  assert.equal(errorOf(peer).code, 'SHUFFLE_RELEASED');
  assert.equal(world.worker.gauges().accountBytes, 0);
  await world.close();
});

test('a peer that takes nothing of a frame is cut after a minute', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, onePerPartition(0));
  const peer = world.connect();
  peer.gate = new Promise(() => {});
  peer.tell(openRead(1, shuffle, { ledgerVersion: await world.version(shuffle), mapTo: 1 }));
  await settle();
  assert.equal(peer.isClosed, false);
  await world.clock.advance(61_000);
  assert.equal(peer.isClosed, true);
  await world.close();
});

test('what leaves memory while it is read is found again in a region', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  for (let map = 0; map < 3; map++)
    await world.write(
      shuffle,
      map,
      [0, 1, 2, 3].map((partition) => [partition, payloadOf(20 * KiB, map)] as const),
    );
  assert.equal(world.worker.store.counters.regions, 0);
  const peer = world.connect();
  const grant = 128 * KiB;
  peer.tell(openRead(1, shuffle, { ledgerVersion: await world.version(shuffle), mapTo: 3, grantBytes: grant }));
  await settle();
  assert.ok(peer.frames.length > 0);
  await flush(world);
  assert.equal(world.worker.store.counters.regions, 1);
  for (let i = 0; i < 10; i++) {
    peer.tell({ type: 'credit', stream: 1, grantBytes: grant, wantedBytes: 0 });
    await settle();
  }
  assert.equal(peer.seen(1).length, 12);
  assert.deepEqual(
    countsOf(peer.last('end', 1), 12),
    Array.from({ length: 12 }, () => 1),
  );
  await world.close();
});
