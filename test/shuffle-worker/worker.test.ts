import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silent } from '#manager/process/ports.ts';
import { codeOfWire, type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { MiB, protocolVersion } from '#manager/protocol/ids.ts';
import { mintToken } from '#manager/protocol/token.ts';
import { segmentFolder } from '#worker/store/directory.ts';
import { writeIdentity } from '#worker/store/identity.ts';
import { countsOf, openRead, openWorkerWorld, openWrite, Peer, payloadOf, sealStream, secret, settle, TestDisk } from './world.ts';

const isCode = (code: ErrorCode) => (thrown: unknown) => thrown instanceof SluiceError && thrown.code === code;
const four = [0, 1, 2, 3].map((partition) => [partition, payloadOf(500, partition)] as const);

test('only a token of this cluster that has not expired, for this incarnation, is let in', async () => {
  const world = await openWorkerWorld();
  const { worker, clock } = world;
  const key = { secret, cluster: worker.cluster };
  const soon = clock.wall() + 1000;
  const hello = { token: world.token, client: 'x', incarnation: worker.incarnation };
  const other = { secret, cluster: 'f'.repeat(32) };
  const refused = [
    '',
    'nonsense',
    `${world.token.slice(0, -2)}xx`,
    mintToken({ secret: 'another secret of the tests', cluster: worker.cluster }, { scope: 'cluster' }, soon),
    mintToken(other, { scope: 'job', job: 1 }, soon),
    mintToken(key, { scope: 'cluster' }, clock.wall() - 1000),
  ];
  for (const token of refused) assert.throws(() => worker.admit({ ...hello, token }), isCode('UNAUTHORIZED'));
  assert.throws(() => worker.admit({ ...hello, incarnation: 'a'.repeat(32) }), isCode('WRONG_INCARNATION'));
  // A token is looked at first: a stranger learns nothing.
  assert.throws(() => worker.admit({ ...hello, token: '', incarnation: '' }), isCode('UNAUTHORIZED'));
  assert.equal(worker.counters.refused, refused.length + 2);
  assert.equal(worker.gauges().grantedBytes, 0);
  const { welcome, job } = worker.admit(hello);
  assert.deepEqual([welcome.incarnation, welcome.cluster, welcome.version, job], [worker.incarnation, worker.cluster, protocolVersion, world.job]);
  assert.equal(worker.admit({ ...hello, token: mintToken(key, { scope: 'cluster' }, soon) }).job, null);
  await world.close();
});

test('a restart is another incarnation of the same worker, which serves what was written out and vacates the rest by name', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, four);
  await world.clock.advance(5000);
  await world.write(shuffle, 1, four);
  const before = world.worker;
  // Killed: it is dropped as it is.
  world.worker = await world.start();
  assert.equal(world.worker.id, before.id);
  assert.notEqual(world.worker.incarnation, before.incarnation);
  const layout = await world.calls.layout({ shuffle: shuffle.toString(), after: -1, waitMs: 0 });
  assert.deepEqual(layout.winners.attempts.slice(0, 2).length, 2);
  assert.equal(layout.locations[0]!.replicas[0]!.incarnation, world.worker.incarnation);
  const peer = world.connect();
  peer.tell(openRead(1, shuffle, { ledgerVersion: layout.version, mapTo: 2 }));
  await settle();
  assert.deepEqual(peer.seen(1), ['0.0.0', '0.1.0', '0.2.0', '0.3.0']);
  assert.deepEqual(countsOf(peer.last('end', 1), 8), [1, 0, 1, 0, 1, 0, 1, 0]);
  await world.close();
});

test('a graceful end writes everything out: nothing is lost by a restart', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, four);
  const peer = world.connect();
  const version = await world.version(shuffle);
  await world.worker.close();
  assert.equal(peer.of('goaway').length, 1);
  assert.equal(peer.isClosed, true);
  assert.equal(await world.worker.ended, null);
  assert.throws(() => world.connect(), isCode('CONNECTION_LOST'));
  world.worker = await world.start();
  const again = world.connect();
  again.tell(openRead(1, shuffle, { ledgerVersion: version, mapTo: 1 }));
  await settle();
  assert.equal(again.seen(1).length, 4);
  await world.close();
});

test('a drain is said to everyone, reads go on, and the manager places nothing here any more', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, four);
  const peer = world.connect();
  world.worker.drain();
  world.worker.drain();
  assert.deepEqual(
    peer.of('goaway').map(({ deadlineMs }) => deadlineMs),
    [1000],
  );
  assert.equal(world.connect().of('goaway').length, 1);
  await settle();
  assert.equal((await world.calls.status({})).workers[0]!.state, 'draining');
  peer.tell(openRead(1, shuffle, { ledgerVersion: await world.version(shuffle), mapTo: 1 }));
  await settle();
  assert.equal(peer.of('end', 1).length, 1);
  // It goes on to follow orders, at the pace of long polls.
  const { uptimeMs } = await world.calls.status({});
  await world.clock.advance(20_000);
  assert.ok((await world.calls.status({})).uptimeMs > uptimeMs);
  assert.equal((await world.calls.status({})).workers[0]!.state, 'draining');
  await world.close();
});

test('a drained worker is one that nobody needs any more: no data, no stream, or no time', async () => {
  const world = await openWorkerWorld({ drainTimeoutMs: 30_000 });
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, four);
  const peer = world.connect();
  let drained = false;
  const draining = world.worker.drained().then(() => {
    drained = true;
  });
  assert.deepEqual(
    peer.of('goaway').map(({ deadlineMs }) => deadlineMs),
    [30_000],
  );
  await world.clock.advance(10_000);
  assert.equal(drained, false);
  await assert.rejects(world.shuffle('b'), isCode('NO_WORKERS'));
  peer.tell(openWrite(1, { shuffle, map: 1 }));
  assert.equal(peer.of('opened', 1).length, 1);
  await world.calls.release({ shuffle: shuffle.toString() });
  await world.clock.advance(1000);
  await draining;
  assert.equal(drained, true);
  await world.close();
  const late = await openWorkerWorld({ drainTimeoutMs: 3000 });
  await late.write(await late.shuffle('a'), 0, four);
  const timed = late.worker.drained();
  await late.clock.advance(3000);
  await timed;
  await late.close();
});

test('the manager knows what each job stores within a second or two, and a worker turns away a job that stores too much', async () => {
  const world = await openWorkerWorld({}, silent, { jobQuotaBytes: 100_000 });
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, [[0, payloadOf(90_000, 1)]]);
  await world.clock.advance(2000);
  const stored = async () => (await world.calls.status({})).jobs.find(({ job }) => job === world.job)!.storedBytes;
  const before = await stored();
  assert.ok(before > 90_000 && before < 100_000, String(before));
  // Written out or not, it is the same data.
  await world.clock.advance(5000);
  assert.equal(world.worker.gauges().arenaUsedBytes, 0);
  assert.equal(await stored(), before);
  const peer = world.connect();
  peer.tell(openWrite(1, { shuffle, map: 1 }));
  await world.write(shuffle, 2, [[0, payloadOf(20_000, 2)]]);
  await world.clock.advance(2000);
  peer.tell(openWrite(2, { shuffle, map: 3 }));
  assert.equal(codeOfWire(peer.last('error', 2).code), 'QUOTA_EXCEEDED');
  assert.match(peer.last('error', 2).text, new RegExp(`job ${world.job} stores 1\\d{5} bytes over all workers and may store 100000`));
  assert.equal(peer.of('error', 1).length, 0);
  await assert.rejects(world.shuffle('b'), isCode('QUOTA_EXCEEDED'));
  // Reading goes on, and releasing makes room.
  peer.tell(openRead(3, shuffle, { ledgerVersion: await world.version(shuffle), mapTo: 1 }));
  await settle();
  assert.equal(peer.of('end', 3).length, 1);
  await world.calls.release({ shuffle: shuffle.toString() });
  await world.clock.advance(2000);
  assert.equal(await stored(), 0);
  await world.write(await world.shuffle('b'), 0, four);
  await world.close();
});

test('a release sweeps the shuffle, a closed job all of its shuffles; segments are used again', async () => {
  const world = await openWorkerWorld();
  for (let turn = 0; turn < 6; turn++) {
    const shuffle = await world.shuffle(`s${turn}`);
    await world.write(shuffle, 0, [[0, payloadOf(200_000, turn)]]);
    await world.clock.advance(5000);
    assert.equal(world.worker.gauges().shuffles, 1);
    await world.calls.release({ shuffle: shuffle.toString() });
    await settle();
    assert.equal(world.worker.gauges().shuffles, 0);
  }
  assert.equal((await world.disk.list(segmentFolder)).length, 1);
  const left = await world.shuffle('left');
  await world.write(left, 0, four);
  await world.calls.closeJob({ job: world.job });
  await settle();
  assert.equal(world.worker.gauges().shuffles, 0);
  const peer = world.connect();
  peer.tell(openWrite(1, { shuffle: left, map: 1 }));
  assert.match(peer.last('error', 1).text, /released/);
  await world.close();
});

test('the arena holds: in use and granted are never more than it, however many want', async () => {
  const world = await openWorkerWorld({ arenaBytes: MiB });
  const shuffle = await world.shuffle('a');
  const peers = Array.from({ length: 12 }, () => world.connect());
  const streams = peers.map((_, map) =>
    sealStream(
      { shuffle, map },
      [0, 1, 2, 3, 0, 1].map((partition, i) => [partition, payloadOf(100_000, i)] as const),
    ),
  );
  const holds = (): void => {
    const { arenaUsedBytes, grantedBytes, arenaBytes } = world.worker.gauges();
    assert.ok(arenaUsedBytes + grantedBytes <= arenaBytes, `${arenaUsedBytes} + ${grantedBytes} of ${arenaBytes}`);
  };
  const next = peers.map(() => 0);
  for (const [i, peer] of peers.entries()) peer.tell(openWrite(1, { shuffle, map: i }));
  const asked = peers.map(() => false);
  for (let turn = 0; turn < 2000 && next.some((block, i) => block < streams[i]!.blocks.length); turn++) {
    for (const [i, peer] of peers.entries()) {
      const block = streams[i]!.blocks[next[i]!];
      if (!block) continue;
      const { account } = peer.admission;
      if (account.outstanding >= block.length) {
        peer.push(1, block);
        next[i]!++;
        asked[i] = false;
      } else if (!asked[i]) {
        asked[i] = true;
        peer.tell({ type: 'credit', stream: 0, grantBytes: 0, wantedBytes: block.length - account.outstanding });
      }
      holds();
    }
    await world.clock.advance(1);
    holds();
  }
  assert.deepEqual(
    next,
    peers.map(() => 6),
  );
  assert.ok(world.worker.store.counters.regions > 2);
  await world.close();
});

test('a full disk: what does not fit memory is refused, what is held stays readable, and it recovers', async () => {
  const world = await openWorkerWorld({ arenaBytes: MiB, diskBytes: MiB });
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, [[0, payloadOf(100_000, 1)]]);
  world.disk.failWrite = new SluiceError('NO_SPACE', { what: 'full' });
  const peers = Array.from({ length: 10 }, () => world.connect());
  for (const [i, peer] of peers.entries()) {
    const { blocks } = sealStream({ shuffle, map: 1 + (i % 3), attempt: 10 + i }, [[0, payloadOf(100_000, i)]]);
    peer.tell(openWrite(1, { shuffle, map: 1 + (i % 3), attempt: 10 + i }), {
      type: 'credit',
      stream: 0,
      grantBytes: 0,
      wantedBytes: blocks[0]!.length,
    });
    await world.clock.advance(1);
    if (peer.admission.account.outstanding >= blocks[0]!.length) peer.push(1, blocks[0]!);
  }
  await world.clock.advance(3000);
  assert.ok(world.worker.store.counters.flushFailures > 0);
  assert.equal(world.worker.gauges().isFull, 1);
  const late = world.connect();
  late.tell(openWrite(1, { shuffle, map: 3, attempt: 99 }), openRead(2, shuffle, { ledgerVersion: await world.version(shuffle), mapTo: 1 }));
  assert.match(late.last('error', 1).text, /used up/);
  await settle();
  assert.deepEqual(late.seen(2), ['0.0.0']);
  world.disk.failWrite = null;
  await world.clock.advance(3000);
  assert.equal(world.worker.gauges().isFull, 0);
  await world.close();
});

test('a folder of another cluster, and folders of two workers, are refused with a sentence', async () => {
  const world = await openWorkerWorld();
  const stranger = new TestDisk();
  await writeIdentity(stranger, { worker: 'a'.repeat(32), cluster: 'b'.repeat(32), directory: 'c'.repeat(32) });
  await assert.rejects(world.start({ disks: [stranger] }), isCode('WORKER_REFUSED'));
  const second = new TestDisk();
  const other = await world.start({ disks: [second] });
  await assert.rejects(world.start({ disks: [world.disk, second] }), isCode('CONFIG_INVALID'));
  await assert.rejects(world.start({ disks: [] }), isCode('CONFIG_INVALID'));
  await other.close();
  await world.close();
});

test('a newer process with the same folders ends the older one', async () => {
  const world = await openWorkerWorld();
  const old = world.worker;
  world.worker = await world.start();
  await world.clock.advance(100);
  assert.equal((await old.ended)?.code, 'FENCED');
  const peer = new Peer(old, world.token);
  assert.equal(peer.isClosed, false);
  await old.close();
  assert.equal(peer.isClosed, true);
  await world.close();
});

test('who waits for memory that does not come is sent elsewhere: backpressure has an end', async () => {
  const world = await openWorkerWorld({ arenaBytes: MiB });
  const shuffle = await world.shuffle('a');
  world.disk.failWrite = new SluiceError('NO_SPACE', { what: 'full' });
  const peers = Array.from({ length: 9 }, () => world.connect());
  const block = (i: number) => sealStream({ shuffle, map: i % 4, attempt: i }, [[0, payloadOf(100_000, i)]]).blocks[0]!;
  for (const [i, peer] of peers.entries()) {
    peer.tell(openWrite(1, { shuffle, map: i % 4, attempt: i }), { type: 'credit', stream: 0, grantBytes: 0, wantedBytes: block(i).length });
    if (peer.admission.account.outstanding >= block(i).length) peer.push(1, block(i));
  }
  const waiting = peers.filter((peer) => peer.admission.account.wanted > 0);
  assert.ok(waiting.length > 0 && waiting.length < peers.length);
  await world.clock.advance(4000);
  for (const peer of peers) assert.equal(peer.of('error').length, 0);
  await world.clock.advance(30_000);
  for (const peer of peers) assert.equal(peer.of('error', 1).length, waiting.includes(peer) ? 1 : 0);
  assert.match(waiting[0]!.last('error', 1).text, /memory is short/);
  world.disk.failWrite = null;
  await world.close();
});

test('a worker whose every folder has failed leaves: what is in memory is served, new data goes elsewhere', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  await world.write(shuffle, 0, four);
  world.disk.failWrite = new SluiceError('DISK_FAILED', { what: 'gone' });
  const writer = world.connect();
  writer.tell(openWrite(1, { shuffle, map: 2 }));
  await world.clock.advance(5000);
  assert.match(writer.last('error', 1).text, /folder/);
  assert.equal(world.worker.isDraining, true);
  assert.equal((await world.calls.status({})).workers[0]!.state, 'draining');
  const peer = world.connect();
  peer.tell(openRead(1, shuffle, { ledgerVersion: await world.version(shuffle), mapTo: 1 }));
  await settle();
  assert.equal(peer.seen(1).length, 4);
  await world.close();
});

test('maps are spread over the folders, and one that fails takes no new ones', async () => {
  const second = new TestDisk();
  const world = await openWorkerWorld();
  const worker = await world.start({ disks: [new TestDisk(), second] });
  await world.worker.close();
  world.worker = worker;
  const shuffle = await world.shuffle('a');
  for (let map = 0; map < 4; map++) await world.write(shuffle, map, four);
  await world.clock.advance(6000);
  assert.equal(world.worker.store.counters.regions, 2);
  second.failWrite = new SluiceError('DISK_FAILED', { what: 'gone' });
  const more = await world.shuffle('b');
  for (let map = 0; map < 4; map++) await world.write(more, map, four);
  await world.clock.advance(10_000);
  assert.equal(world.worker.gauges().failedFolders, 1);
  const third = await world.shuffle('c');
  for (let map = 0; map < 4; map++) await world.write(third, map, four);
  await world.clock.advance(6000);
  const peer = world.connect();
  for (const [i, one] of [shuffle, more, third].entries()) peer.tell(openRead(1 + i, one, { ledgerVersion: await world.version(one) }));
  for (let i = 0; i < 5; i++) await settle();
  // What could not be written is still in memory.
  for (const stream of [1, 2, 3]) assert.equal(peer.seen(stream).length, 16, `stream ${stream}`);
  await world.close();
});
