import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, errors, SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB, shuffleId } from '#manager/protocol/ids.ts';
import type { ReadTarget, WorkerClient, WriteStream } from '#worker/client.ts';
import { readWindowBytes } from '#worker/limits.ts';
import { encodeMessage, type Message } from '#worker/protocol/frames.ts';
import { clientOf, ManualClock, replicaOf, ScriptedWorker, settle } from './scripted.ts';
import { payloadOf, type Sealed, sealStream } from './world.ts';

const shuffle = shuffleId(1, 1);
const isCode = (code: ErrorCode) => (thrown: unknown) => {
  assert.ok(thrown instanceof SluiceError, String(thrown));
  assert.equal(thrown.code, code, thrown.message);
  return true;
};

interface World {
  readonly worker: ScriptedWorker;
  readonly clock: ManualClock;
  readonly client: WorkerClient;
  write(map?: number): WriteStream;
  /** Bytes of blocks the worker has been sent, over all connections. */
  readonly sentBytes: number;
}

function open(more: { silenceMs?: number; reconnects?: number; idleGrantBytes?: number } = {}): World {
  const worker = new ScriptedWorker();
  if (more.idleGrantBytes !== undefined) worker.idleGrantBytes = more.idleGrantBytes;
  const clock = new ManualClock();
  const client = clientOf(worker, clock, more);
  const target = { shuffle, attempt: 1, section: 0, location: 0, partitionFrom: 0, partitionTo: 4, level: 'received' } as const;
  return {
    worker,
    clock,
    client,
    write: (map = 0) => client.openWrite(replicaOf(0), { ...target, map }),
    get sentBytes() {
      return worker.lines.flatMap((line) => line.frames).reduce((sum, { bytes }) => sum + bytes.length, 0);
    },
  };
}

const streamOf = (blocks: number, bytes = 100, map = 0): Sealed =>
  sealStream(
    { shuffle, map },
    Array.from({ length: blocks }, (_, i) => [i % 4, payloadOf(bytes, i)] as const),
  );
const ack = (stream: number, accepted: number, grantBytes = 0, final = 0): Message => ({
  type: 'ack',
  stream,
  accepted,
  level: 0,
  grantBytes,
  final,
});
const opened = (stream: number, accepted: number): Message => ({
  type: 'opened',
  stream,
  accepted,
  grantBytes: 0,
  ledgerVersion: 0,
  backlogBytes: 0n,
});
const range: ReadTarget = {
  shuffle,
  location: 0,
  partitionFrom: 0,
  partitionTo: 4,
  mapFrom: 0,
  mapTo: 2,
  section: 0,
  ledgerVersion: 3,
  ordered: true,
  skip: new Uint8Array(0),
};

test('a small map task is one trip: OPEN_WRITE, blocks and manifest go together', async () => {
  const world = open();
  const sealed = streamOf(5);
  const stream = world.write();
  const pushed = stream.push(sealed.all);
  const finished = stream.finish(sealed.manifest);
  await settle();
  const { line } = world.worker;
  const { stream: id, map, attempt, partitionTo, level } = line.last('openWrite');
  assert.deepEqual([map, attempt, partitionTo, level], [0, 1, 4, 0]);
  assert.deepEqual(line.frames, [{ stream: id, bytes: new Uint8Array([...sealed.all, ...sealed.manifest]) }]);
  line.tell(opened(id, 0), ack(id, 5));
  await pushed;
  line.tell(ack(id, 6, 0, 1));
  assert.equal(await finished, 'received');
  assert.equal(await stream.finish(sealed.manifest).catch((error: SluiceError) => error.code), 'INTERRUPTED', 'it is over');
  stream.abort();
  await settle();
  assert.equal(line.of('close').length, 0);
  world.client.close();
});

test('no more is sent than was granted, and more is asked for once', async () => {
  const world = open({ idleGrantBytes: 1000 });
  const sealed = streamOf(40, 200);
  const stream = world.write();
  const pushed = stream.push(sealed.all);
  let granted = 1000;
  await settle();
  for (let turn = 0; turn < 100; turn++) {
    assert.ok(world.sentBytes <= granted, `${world.sentBytes} of ${granted}`);
    assert.ok(granted - world.sentBytes < 272 || world.sentBytes === sealed.all.length, 'what is granted is used');
    if (world.sentBytes === sealed.all.length) break;
    assert.equal(world.worker.line.of('credit').length, turn + 1, 'one wish at a time');
    world.worker.line.tell({ type: 'credit', stream: 0, grantBytes: 700, wantedBytes: 0 });
    granted += 700;
    await settle();
  }
  assert.equal(world.sentBytes, sealed.all.length);
  world.worker.line.tell(ack(1, 40));
  await pushed;
  world.client.close();
});

test('grants are shared by the streams of a connection, in order within each', async () => {
  const world = open({ idleGrantBytes: 600 });
  const all = [0, 1, 2].map((map) => streamOf(6, 100, map));
  for (const [map, sealed] of all.entries()) void world.write(map).push(sealed.all);
  for (let i = 0; i < 30; i++) {
    await settle();
    world.worker.line.tell({ type: 'credit', stream: 0, grantBytes: 300, wantedBytes: 0 });
  }
  await settle();
  for (const [map, sealed] of all.entries()) {
    const id = world.worker.line.of('openWrite').find((message) => message.map === map)!.stream;
    const bytes = world.worker.line.frames.filter(({ stream }) => stream === id).flatMap((frame) => [...frame.bytes]);
    assert.deepEqual(new Uint8Array(bytes), sealed.all);
  }
  world.client.close();
});

test('a cut write goes on where the worker says it is', async () => {
  for (const accepted of [0, 3, 5]) {
    const world = open();
    const sealed = streamOf(5);
    const stream = world.write();
    const pushed = stream.push(sealed.all);
    const finished = stream.finish(sealed.manifest);
    await settle();
    world.worker.line.cut();
    await world.clock.advance(200);
    const { line } = world.worker;
    assert.equal(world.worker.lines.length, 2);
    const { stream: id } = line.last('openWrite');
    assert.equal(line.frames.length, 0, 'nothing before the worker has said where it is');
    line.tell(opened(id, accepted));
    await settle();
    const rest = sealed.blocks.slice(accepted).flatMap((block) => [...block]);
    assert.deepEqual(line.frames, [{ stream: id, bytes: new Uint8Array([...rest, ...sealed.manifest]) }]);
    line.tell(ack(id, 6, 0, 1));
    await Promise.all([pushed, finished]);
    world.client.close();
  }
});

test('a worker that has less than it acknowledged ends the attempt', async () => {
  const world = open();
  const first = streamOf(5);
  const stream = world.write();
  const pushed = stream.push(first.all);
  await settle();
  world.worker.line.tell(ack(1, 5));
  await pushed;
  const more = stream.push(first.blocks[0]!);
  await settle();
  world.worker.line.cut();
  await world.clock.advance(200);
  world.worker.line.tell(opened(world.worker.line.last('openWrite').stream, 2));
  await assert.rejects(more, isCode('CONNECTION_LOST'));
  world.client.close();
});

test('damaged on its way: what follows is sent again, three times at most', async () => {
  const world = open();
  const sealed = streamOf(5);
  const stream = world.write();
  const pushed = stream.push(sealed.all);
  const code = errors.CORRUPT_BLOCK.wire;
  for (let turn = 1; turn <= 4; turn++) {
    await settle();
    const { line } = world.worker;
    const id = line.last('openWrite').stream;
    assert.equal(id, turn, 'the old stream is left alone');
    if (turn > 1) line.tell(opened(id, 2));
    await settle();
    assert.deepEqual(line.frames.at(-1)!.bytes.length, turn > 1 ? sealed.all.length - sealed.blocks[0]!.length * 2 : sealed.all.length);
    line.tell({ type: 'error', stream: id, code, retryAfterMs: 0, maps: [], text: 'a hash' });
  }
  await assert.rejects(pushed, (thrown: SluiceError) => {
    assert.deepEqual(
      [thrown.code, thrown.facts['map'], thrown.facts['location'], thrown.facts['shuffle']],
      ['CORRUPT_BLOCK', 0, 0, shuffle.toString()],
    );
    return true;
  });
  await assert.rejects(stream.finish(sealed.manifest), isCode('CORRUPT_BLOCK'), 'and so does every later call');
  world.client.close();
});

test('a worker out of reach is dialled some times, further and further apart', async () => {
  const world = open({ reconnects: 3 });
  world.worker.refused.add(0);
  const pushed = world.write().push(streamOf(1).all);
  let over = false;
  pushed.catch(() => {
    over = true;
  });
  await world.clock.advance(60);
  assert.equal(over, false);
  await world.clock.advance(5000);
  await assert.rejects(pushed, isCode('CONNECTION_LOST'));
  // It is there again: a new stream finds it.
  world.worker.refused.clear();
  void world.write(1).push(streamOf(1, 100, 1).all);
  await settle();
  assert.equal(world.worker.lines.length, 1);
  world.client.close();
});

test('refused, all streams fail with the reason at once', async () => {
  const world = open();
  world.worker.refusal = new SluiceError('UNAUTHORIZED', { what: 'no' });
  const pushed = world.write().push(streamOf(1).all);
  const reading = world.client.openRead(replicaOf(0), range);
  await assert.rejects(pushed, isCode('UNAUTHORIZED'));
  await assert.rejects(reading.next(), isCode('UNAUTHORIZED'));
  world.client.close();
});

test('silence: it asks whether anyone is there, and cuts who does not answer', async () => {
  const world = open({ silenceMs: 1000 });
  const reading = world.client.openRead(replicaOf(0), range);
  const next = reading.next();
  next.catch(() => {});
  await settle();
  const { line } = world.worker;
  let answered = 0;
  for (let i = 0; i < 40; i++) {
    await world.clock.advance(250);
    const pings = line.of('ping');
    if (pings.length > answered) line.tell({ type: 'pong', stream: 0, nonce: pings.at(-1)!.nonce });
    answered = pings.length;
  }
  assert.ok(answered >= 5);
  assert.equal(line.isClosed, false);
  await world.clock.advance(1600);
  assert.equal(line.isClosed, true);
  await assert.rejects(next, isCode('CONNECTION_LOST'));
  world.client.close();
});

test('a frame whose damaged length swallows all that follows is silence, too', async () => {
  const world = open({ silenceMs: 1000 });
  const reading = world.client.openRead(replicaOf(0), range);
  const next = reading.next();
  next.catch(() => {});
  await settle();
  const { line } = world.worker;
  const end = encodeMessage({ type: 'end', stream: 1, section: 0, more: 0, cursor: 0n, counts: new Uint8Array(8) });
  end[2] = 1;
  line.raw(end);
  for (let i = 0; i < 10; i++) {
    await world.clock.advance(250);
    const pings = line.of('ping');
    if (pings.length > 0) line.tell({ type: 'pong', stream: 0, nonce: pings.at(-1)!.nonce });
  }
  assert.equal(line.isClosed, true);
  await assert.rejects(next, isCode('CONNECTION_LOST'));
  world.client.close();
});

test('nothing to do: what was granted beyond the idle grant goes back, and after a minute the connection is cut', async () => {
  const world = open();
  const sealed = streamOf(2);
  const stream = world.write();
  const pushed = stream.push(sealed.all);
  const finished = stream.finish(sealed.manifest);
  await settle();
  const { line } = world.worker;
  line.tell(opened(1, 0), ack(1, 2, MiB), ack(1, 3, 0, 1));
  await Promise.all([pushed, finished]);
  await world.clock.advance(20_000);
  const back = line.of('credit').reduce((sum, { grantBytes }) => sum + grantBytes, 0);
  assert.equal(back, MiB - sealed.all.length - sealed.manifest.length);
  await world.clock.advance(70_000);
  assert.equal(line.isClosed, true);
  world.client.close();
});

test('a read grants its window, and again what was freed, in quarters; closing it frees the rest and says so', async () => {
  const world = open();
  const reading = world.client.openRead(replicaOf(0), range);
  await settle();
  const { line } = world.worker;
  const request = line.last('openRead');
  assert.deepEqual([request.grantBytes, request.flags, request.ledgerVersion], [readWindowBytes, 4, 3]);
  assert.equal(reading.ledgerVersion, 0);
  line.tell({ ...opened(request.stream, 0), ledgerVersion: 9 } as Message);
  const bytes = new Uint8Array(readWindowBytes / 8);
  for (let i = 0; i < 3; i++) line.push(request.stream, bytes);
  for (let i = 0; i < 3; i++) assert.equal((await reading.next()).kind, 'blocks');
  assert.equal(reading.ledgerVersion, 9);
  await settle();
  assert.deepEqual(
    line.of('credit').map(({ stream, grantBytes }) => [stream, grantBytes]),
    [[request.stream, readWindowBytes / 4]],
  );
  line.push(request.stream, bytes);
  reading.close();
  reading.close();
  await settle();
  assert.equal(line.last('close').reason, 0);
  assert.equal(world.client.receive.arena.storedBytes, 0);
  await assert.rejects(reading.next(), isCode('INTERRUPTED'));
  // What was on its way finds nobody, and does no harm.
  line.push(request.stream, bytes);
  assert.equal(line.isClosed, false);
  world.client.close();
});

test('an end comes after the blocks before it, and is the last', async () => {
  const world = open();
  const reading = world.client.openRead(replicaOf(0), range);
  await settle();
  const { line } = world.worker;
  line.push(1, new Uint8Array(64));
  line.tell({ type: 'end', stream: 1, section: 0, more: 0, cursor: 0n, counts: new Uint8Array([7]) });
  const first = await reading.next();
  assert.equal(first.kind, 'blocks');
  assert.deepEqual(await reading.next(), { kind: 'end', counts: new Uint8Array([7]) });
  reading.close();
  await settle();
  assert.equal(line.of('close').length, 0, 'there is nothing to close any more');
  world.client.close();
});

test('more than was granted ends the connection; a larger block is made room for when it is asked for', async () => {
  const world = open();
  const reading = world.client.openRead(replicaOf(0), range);
  await settle();
  const { line } = world.worker;
  line.tell({ type: 'credit', stream: 1, grantBytes: 0, wantedBytes: MiB });
  await settle();
  assert.deepEqual([line.last('credit').stream, line.last('credit').grantBytes], [1, MiB]);
  line.push(1, new Uint8Array(readWindowBytes + MiB));
  assert.equal((await reading.next()).kind, 'blocks');
  line.push(1, new Uint8Array(64));
  await settle();
  assert.equal(line.isClosed, true);
  assert.equal(line.last('error').code, errors.CORRUPT_FRAME.wire);
  await assert.rejects(reading.next(), isCode('CONNECTION_LOST'));
  reading.close();
  assert.equal(world.client.receive.arena.storedBytes, 0);
  world.client.close();
});

test('bytes that are no frames, and messages a worker does not send, end the connection', async () => {
  for (const wrong of [new Uint8Array(64).fill(9), encodeMessage({ type: 'close', stream: 1, reason: 0 })]) {
    const world = open();
    const reading = world.client.openRead(replicaOf(0), range);
    await settle();
    world.worker.line.raw(wrong);
    await assert.rejects(reading.next(), isCode('CONNECTION_LOST'));
    assert.equal(world.worker.line.isClosed, true);
    world.client.close();
  }
});

test('errors: of a stream they end it, of the connection all; those of remedy retry are a cut', async () => {
  const world = open();
  const reading = world.client.openRead(replicaOf(0), range);
  const pushed = world.write().push(streamOf(1).all);
  await settle();
  const { line } = world.worker;
  line.tell({ type: 'error', stream: line.last('openRead').stream, code: errors.MISSING.wire, retryAfterMs: 0, maps: [1], text: 'gone' });
  await assert.rejects(reading.next(), (thrown: SluiceError) => {
    assert.deepEqual([thrown.code, thrown.facts['maps'], thrown.facts['location']], ['MISSING', [1], 0]);
    return true;
  });
  line.tell({ type: 'error', stream: 0, code: errors.CORRUPT_FRAME.wire, retryAfterMs: 0, maps: [], text: 'a check' });
  await world.clock.advance(200);
  assert.equal(world.worker.lines.length, 2, 'the write goes on');
  world.worker.line.tell({ type: 'error', stream: 0, code: errors.FENCED.wire, retryAfterMs: 0, maps: [], text: 'a newer one' });
  await assert.rejects(pushed, isCode('FENCED'));
  world.client.close();
});

test('an aborted write tells the worker, and settles what waits', async () => {
  const world = open();
  const stream = world.write();
  const pushed = stream.push(streamOf(1).all);
  await settle();
  stream.abort();
  stream.abort();
  await assert.rejects(pushed, isCode('INTERRUPTED'));
  await settle();
  assert.deepEqual(
    world.worker.line.of('close').map(({ reason }) => reason),
    [1],
  );
  world.client.close();
});

test('a block that this worker never takes fails its stream only', async () => {
  const world = open();
  world.worker.maxBlockBytes = 4 * KiB;
  const large = world.write().push(streamOf(1, 8 * KiB).all);
  const small = world.write(1).push(streamOf(1, 100, 1).all);
  await settle();
  world.worker.line.tell({ type: 'credit', stream: 0, grantBytes: MiB, wantedBytes: 0 });
  await settle();
  const lost = await Promise.race([large.catch((error: SluiceError) => error.code), settle().then(() => 'sent')]);
  if (lost === 'sent') assert.ok(world.sentBytes > 8 * KiB, 'within its grant it goes, and the worker refuses it');
  else assert.equal(lost, 'NO_SPACE');
  world.worker.line.tell(ack(world.worker.line.of('openWrite').find(({ map }) => map === 1)!.stream, 1));
  await small;
  world.client.close();
});
