import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '#manager/process/ports.ts';
import { errors } from '#manager/protocol/errors.ts';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import { blocksFrameHeader, encodeMessage, type Message } from '#worker/protocol/frames.ts';
import { openRead, openWorkerWorld, openWrite, payloadOf, sealStream, settle } from './world.ts';

const codeOf = (wire: number): string => Object.entries(errors).find(([, row]) => row.wire === wire && wire > 0)?.[0] ?? 'none';
const some = [[0, payloadOf(100, 1)]] as const;

test('token x message: a job token reaches its own shuffles only, the cluster token all of them', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const other = await world.calls.openJob({ name: 'other', url: '', slots: 0 });
  const ledgerVersion = await world.version(shuffle);
  const cases = [
    { who: 'own job', token: world.token, allowed: true },
    { who: 'other job', token: other.token, allowed: false },
    { who: 'cluster', token: world.clusterToken, allowed: true },
  ];
  for (const { who, token, allowed } of cases) {
    const peer = world.connect(token);
    peer.tell(openWrite(1, { shuffle, map: 0, attempt: cases.length }), openRead(2, shuffle, { ledgerVersion }));
    await settle();
    for (const stream of [1, 2]) {
      const refused = peer.of('error', stream).map(({ code }) => codeOf(code));
      assert.deepEqual(refused, allowed ? [] : ['UNAUTHORIZED'], `${who}, stream ${stream}`);
    }
    // The other messages are about streams of the connection itself: they reach nobody else's.
    peer.tell(
      { type: 'ping', stream: 0, nonce: 77n },
      { type: 'close', stream: 9, reason: 1 },
      { type: 'credit', stream: 9, grantBytes: 5, wantedBytes: 0 },
    );
    assert.equal(peer.last('pong').nonce, 77n);
    assert.equal(peer.isClosed, false);
    peer.cut();
  }
  await world.close();
});

test('frames in any cut mean the same', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const { all, manifest } = sealStream({ shuffle, map: 0 }, [...some, ...some]);
  const peer = world.connect();
  const bytes = [
    encodeMessage(openWrite(1, { shuffle, map: 0 })),
    blocksFrameHeader(1, all.length),
    all,
    blocksFrameHeader(1, manifest.length),
    manifest,
  ];
  for (const part of bytes) for (let at = 0; at < part.length; at += 13) peer.raw(part.subarray(at, at + 13));
  assert.equal(peer.last('ack', 1).final, 1);
  await world.close();
});

test('what a client must not send ends the connection with CORRUPT_FRAME', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const wrong: Message[][] = [
    [{ type: 'goaway', stream: 0, deadlineMs: 1 }],
    [{ type: 'ack', stream: 1, accepted: 1, level: 0, grantBytes: 0, final: 0 }],
    [openWrite(0, { shuffle, map: 0 })],
    [openRead(4, shuffle), openRead(4, shuffle)],
    [{ type: 'credit', stream: 0, grantBytes: 2 ** 31, wantedBytes: 0 }],
  ];
  for (const messages of wrong) {
    const peer = world.connect();
    peer.tell(...messages);
    assert.equal(codeOf(peer.last('error', 0).code), 'CORRUPT_FRAME', messages[0]!.type);
    assert.equal(peer.isClosed, true);
  }
  const peer = world.connect();
  const frame = encodeMessage({ type: 'ping', stream: 0, nonce: 1n });
  frame[16]! ^= 1;
  peer.raw(frame);
  assert.equal(codeOf(peer.last('error', 0).code), 'CORRUPT_FRAME');
  assert.equal(world.worker.gauges().sessions, 0);
  assert.equal(world.worker.gauges().grantedBytes, 0);
  await world.close();
});

test('an error that a client ends its connection with is the client’s, whatever number it has: nothing of the worker’s went wrong', async () => {
  const said: string[] = [];
  const log: Log = { info() {}, warn() {}, error: (facts, text) => void said.push(`${JSON.stringify(facts)} ${text}`) };
  const world = await openWorkerWorld({}, log);
  for (const code of [3, 0, 77, 2 ** 32 - 1]) {
    const peer = world.connect();
    peer.tell({ type: 'error', stream: 0, code, retryAfterMs: 0, maps: [], text: 'it was I' });
    assert.equal(codeOf(peer.last('error', 0).code), 'CORRUPT_FRAME', `number ${code}`);
    assert.equal(peer.isClosed, true);
  }
  assert.deepEqual(said, []);
  await world.close();
});

test('more than was granted is refused before anything is allocated for it', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const peer = world.connect();
  const granted = peer.admission.welcome.idleGrantBytes;
  assert.ok(granted > 0);
  peer.tell(openWrite(1, { shuffle, map: 0 }));
  peer.raw(blocksFrameHeader(1, granted + 8));
  assert.equal(codeOf(peer.last('error', 0).code), 'CORRUPT_FRAME');
  assert.equal(world.worker.gauges().arenaUsedBytes, 0);
  await world.close();
});

test('a wish for credit is granted, at most a block of the largest size at once; what is not needed goes back', async () => {
  const world = await openWorkerWorld();
  const peer = world.connect();
  const { welcome } = peer.admission;
  peer.tell({ type: 'credit', stream: 0, grantBytes: 0, wantedBytes: 100 * KiB });
  assert.equal(peer.last('credit', 0).grantBytes, 100 * KiB);
  assert.equal(world.worker.gauges().grantedBytes, welcome.idleGrantBytes + 100 * KiB);
  peer.tell({ type: 'credit', stream: 0, grantBytes: 100 * KiB, wantedBytes: 0 });
  assert.equal(world.worker.gauges().grantedBytes, welcome.idleGrantBytes);
  peer.tell({ type: 'credit', stream: 0, grantBytes: 0, wantedBytes: 100 * MiB });
  assert.equal(peer.last('credit', 0).grantBytes, welcome.maxBlockBytes + 64);
  peer.cut();
  assert.equal(world.worker.gauges().grantedBytes, 0);
  await world.close();
});

test('a connection that is cut in the middle of a frame leaves nothing behind', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const peer = world.connect();
  peer.tell(openWrite(1, { shuffle, map: 0 }), openRead(2, shuffle, { ledgerVersion: 99 }));
  peer.raw(blocksFrameHeader(1, 4096), new Uint8Array(1000));
  assert.ok(world.worker.gauges().arenaUsedBytes > 0);
  peer.cut();
  await settle();
  const { arenaUsedBytes, grantedBytes, streams, sessions } = world.worker.gauges();
  assert.deepEqual({ arenaUsedBytes, grantedBytes, streams, sessions }, { arenaUsedBytes: 0, grantedBytes: 0, streams: 0, sessions: 0 });
  await world.close();
});

test('a stream that its client gives up with an error is left alone, and the others go on', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const peer = world.connect();
  const one = sealStream({ shuffle, map: 0 }, some);
  const two = sealStream({ shuffle, map: 1 }, some);
  peer.tell(openWrite(1, { shuffle, map: 0 }), openWrite(2, { shuffle, map: 1 }));
  peer.tell({ type: 'error', stream: 1, code: 4, retryAfterMs: 0, maps: [], text: 'no' });
  peer.push(1, one.all);
  peer.push(2, two.all);
  peer.push(2, two.manifest);
  assert.equal(peer.of('ack', 1).length, 0);
  assert.equal(peer.last('ack', 2).final, 1);
  assert.equal(peer.isClosed, false);
  await world.close();
});

test('a connection that is open on one side only is cut, with what it held; one that pings is not', async () => {
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const [dead, alive] = [world.connect(), world.connect()];
  dead.tell(openWrite(1, { shuffle, map: 0 }));
  dead.raw(blocksFrameHeader(1, 4096), new Uint8Array(1000));
  for (let i = 0; i < 9; i++) {
    await world.clock.advance(10_000);
    alive.tell({ type: 'ping', stream: 0, nonce: BigInt(i) });
  }
  assert.deepEqual([dead.isClosed, alive.isClosed], [true, false]);
  assert.equal(world.worker.gauges().arenaUsedBytes, 0);
  await world.close();
});
