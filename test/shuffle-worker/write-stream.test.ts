import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors, SluiceError } from '#manager/protocol/errors.ts';
import { MiB } from '#manager/protocol/ids.ts';
import { manifestPartition } from '#worker/protocol/block.ts';
import { openWorkerWorld, openWrite, payloadOf, sealStream, settle } from './world.ts';

const codeOf = (wire: number): string => Object.entries(errors).find(([, row]) => row.wire === wire && wire > 0)?.[0] ?? 'none';
const three = [0, 1, 3].map((partition, i) => [partition, payloadOf(100, i)] as const);

test('blocks and manifest follow OPEN_WRITE at once: one round trip, and the final acknowledgement states blocks and level', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const { all, manifest } = sealStream({ shuffle, map: 0 }, three);
  const peer = world.connect();
  peer.tell(openWrite(5, { shuffle, map: 0 }));
  peer.push(5, all);
  peer.push(5, manifest);
  assert.deepEqual(peer.last('opened', 5).accepted, 0);
  assert.deepEqual(
    peer.of('ack', 5).map(({ accepted, final, level }) => ({ accepted, final, level })),
    [
      { accepted: 3, final: 0, level: 0 },
      { accepted: 3, final: 1, level: 0 },
    ],
  );
  await world.close();
});

test('a stream resumes where it was, on another connection; what comes late over the old one is passed by', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const { blocks, manifest } = sealStream({ shuffle, map: 0 }, three);
  const old = world.connect();
  old.tell(openWrite(1, { shuffle, map: 0 }));
  old.push(1, blocks[0]!);
  const other = world.connect();
  other.tell(openWrite(9, { shuffle, map: 0 }));
  assert.equal(other.last('opened', 9).accepted, 1);
  old.push(1, blocks[1]!);
  other.push(9, blocks[1]!);
  other.push(9, blocks[2]!);
  old.cut();
  other.push(9, manifest);
  assert.equal(other.last('ack', 9).final, 1);
  assert.equal(other.of('error').length, 0);
  // Its acknowledgement got lost: the manifest again is answered again.
  const third = world.connect();
  third.tell(openWrite(2, { shuffle, map: 0 }));
  assert.equal(third.last('opened', 2).accepted, 3);
  third.push(2, manifest);
  assert.equal(third.last('ack', 2).final, 1);
  // Something else behind a manifest is not.
  third.tell(openWrite(3, { shuffle, map: 0 }));
  third.push(3, blocks[0]!);
  assert.equal(codeOf(third.last('error', 3).code), 'IDENTITY_MISMATCH');
  // Damaged on its way, it may be sent once more; what is complete is not touched by either.
  for (let at = 0; at < manifest.length; at += 7) {
    const harmed = manifest.slice();
    harmed[at]! ^= 1;
    third.tell(openWrite(100 + at, { shuffle, map: 0 }));
    third.push(100 + at, harmed);
    assert.equal(codeOf(third.last('error', 100 + at).code), 'CORRUPT_BLOCK');
  }
  third.tell(openWrite(4, { shuffle, map: 0 }));
  third.push(4, manifest);
  assert.equal(third.last('ack', 4).final, 1);
  assert.equal(world.worker.gauges().cells, 1);
  await world.close();
});

test('a damaged block ends the stream, keeps what was before it, and can be sent again', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const { blocks, manifest } = sealStream({ shuffle, map: 0 }, three);
  const peer = world.connect();
  peer.tell(openWrite(1, { shuffle, map: 0 }));
  const harmed = blocks[1]!.slice();
  harmed[70]! ^= 1;
  peer.push(1, blocks[0]!);
  peer.push(1, harmed);
  assert.equal(codeOf(peer.last('error', 1).code), 'CORRUPT_BLOCK');
  peer.push(1, blocks[1]!);
  peer.tell(openWrite(2, { shuffle, map: 0 }));
  assert.equal(peer.last('opened', 2).accepted, 1);
  peer.push(2, blocks[1]!);
  peer.push(2, blocks[2]!);
  peer.push(2, manifest);
  assert.equal(peer.last('ack', 2).final, 1);
  await world.close();
});

test('a manifest that states something else than what came is INCOMPLETE and leaves nothing to read', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const { blocks, manifest } = sealStream({ shuffle, map: 0 }, three);
  const peer = world.connect();
  peer.tell(openWrite(1, { shuffle, map: 0 }));
  peer.push(1, blocks[0]!);
  peer.push(1, blocks[2]!);
  peer.push(1, manifest);
  assert.equal(codeOf(peer.last('error', 1).code), 'INCOMPLETE');
  assert.equal(world.worker.gauges().cells, 0);
  await world.close();
});

test('blocks of another identity, and a gap, end the attempt', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const peer = world.connect();
  const { blocks } = sealStream(
    { shuffle, map: 0 },
    [0, 0].map((partition, i) => [partition, payloadOf(50, i)] as const),
  );
  const others = [sealStream({ shuffle, map: 1 }, three).all, sealStream({ shuffle, map: 0, attempt: 7 }, three).all, blocks[1]!];
  for (const [i, bytes] of others.entries()) {
    peer.tell(openWrite(10 + i, { shuffle, map: 0, attempt: 1 }));
    peer.push(10 + i, bytes);
    assert.equal(codeOf(peer.last('error', 10 + i).code), 'IDENTITY_MISMATCH');
  }
  await world.close();
});

test('a request that cannot be one is refused', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const peer = world.connect();
  const wrong = [{ partitionFrom: 2, partitionTo: 2 }, { partitionTo: manifestPartition + 1 }, { partitionTo: 2 ** 21 }, { level: 3 }];
  for (const [i, more] of wrong.entries()) {
    peer.tell(openWrite(1 + i, { shuffle, map: 0 }, more));
    assert.equal(codeOf(peer.last('error', 1 + i).code), 'IDENTITY_MISMATCH');
  }
  peer.tell(openWrite(20, { shuffle, map: 0 }), openWrite(21, { shuffle, map: 0 }, { partitionTo: 3 }));
  assert.equal(codeOf(peer.last('error', 21).code), 'IDENTITY_MISMATCH');
  await world.close();
});

test('written and durable are acknowledged only when the region stands, durable after a sync', async () => {
  const world = await openWorkerWorld();
  for (const level of [1, 2]) {
    const shuffle = await world.shuffle(`level ${level}`);
    const { all, manifest } = sealStream({ shuffle, map: 0 }, three);
    const peer = world.connect();
    peer.tell(openWrite(1, { shuffle, map: 0 }, { level }));
    peer.push(1, all);
    peer.push(1, manifest);
    assert.equal(peer.last('ack', 1).final, 0);
    const before = world.disk.syncs;
    await world.clock.advance(20);
    assert.deepEqual([peer.last('ack', 1).final, peer.last('ack', 1).level], [1, level]);
    assert.equal(world.disk.syncs > before, level === 2);
  }
  assert.equal(world.worker.store.counters.regions, 2);
  await world.close();
});

test('a level that cannot be reached is NO_SPACE, and the attempt is gone', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const { all, manifest } = sealStream({ shuffle, map: 0 }, three);
  const peer = world.connect();
  world.disk.failSync = new SluiceError('DISK_FAILED', { what: 'sync' });
  peer.tell(openWrite(1, { shuffle, map: 0 }, { level: 2 }));
  peer.push(1, all);
  peer.push(1, manifest);
  await world.clock.advance(20);
  assert.equal(codeOf(peer.last('error', 1).code), 'NO_SPACE');
  assert.equal(peer.of('ack', 1).filter((ack) => ack.final === 1).length, 0);
  assert.equal(world.worker.gauges().cells, 0);
  await world.close();
});

test('an abort drops what was taken; an attempt that is opened again begins anew', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const { all, manifest } = sealStream({ shuffle, map: 0 }, three);
  const peer = world.connect();
  peer.tell(openWrite(1, { shuffle, map: 0 }));
  peer.push(1, all);
  peer.push(1, manifest);
  assert.equal(world.worker.gauges().cells, 1);
  const second = sealStream({ shuffle, map: 1 }, three);
  peer.tell(openWrite(2, { shuffle, map: 1 }));
  peer.push(2, second.all);
  peer.tell({ type: 'close', stream: 2, reason: 1 });
  peer.tell(openWrite(3, { shuffle, map: 1 }));
  assert.equal(peer.last('opened', 3).accepted, 0);
  assert.equal(world.worker.gauges().cells, 1);
  await world.close();
});

test('blocks of a released shuffle are refused by name, also while they are on their way', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const { all } = sealStream({ shuffle, map: 0 }, three);
  const peer = world.connect();
  peer.tell(openWrite(1, { shuffle, map: 0 }));
  await world.calls.release({ shuffle: shuffle.toString() });
  await settle();
  assert.equal(codeOf(peer.last('error', 1).code), 'SHUFFLE_RELEASED');
  peer.push(1, all);
  peer.tell(openWrite(2, { shuffle, map: 0 }));
  assert.equal(codeOf(peer.last('error', 2).code), 'SHUFFLE_RELEASED');
  assert.equal(world.worker.gauges().arenaUsedBytes, 0);
  await world.close();
});

test('what nobody comes back for is dropped after a while, what is finished stays', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, three);
  const { blocks } = sealStream({ shuffle, map: 1 }, [[0, payloadOf(MiB / 16, 1)]]);
  const peer = world.connect();
  peer.tell(openWrite(1, { shuffle, map: 1 }), { type: 'credit', stream: 0, grantBytes: 0, wantedBytes: MiB / 8 });
  peer.push(1, blocks[0]!);
  peer.cut();
  const { accountBytes } = world.worker.gauges();
  assert.ok(accountBytes > 0);
  await world.clock.advance(70_000);
  assert.equal(world.worker.gauges().accountBytes, 0);
  assert.equal(world.worker.gauges().cells, 1);
  await world.close();
});
