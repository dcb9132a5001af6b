import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '#manager/protocol/errors.ts';
import { shuffleId } from '#manager/protocol/ids.ts';
import type { ReadTarget, WriteTarget } from '#worker/client.ts';
import { clientOf, replicaOf, ScriptedWorker, settle } from './scripted.ts';
import { payloadOf, sealStream } from './world.ts';

const shuffle = shuffleId(1, 1);
const target = (map: number): WriteTarget => ({
  shuffle,
  map,
  attempt: 1,
  section: 0,
  location: 0,
  partitionFrom: 0,
  partitionTo: 4,
  level: 'received',
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
  ordered: false,
  skip: new Uint8Array(0),
};
const isLost = (thrown: unknown): boolean => thrown instanceof SluiceError && thrown.code === 'CONNECTION_LOST';

test('one connection a worker incarnation, made when something is sent, with token and name', async () => {
  const worker = new ScriptedWorker();
  const client = clientOf(worker);
  const streams = [0, 1].map((map) => client.openWrite(replicaOf(0), target(map)));
  const elsewhere = client.openWrite(replicaOf(1), target(2));
  await settle();
  assert.equal(worker.lines.length, 0, 'an open stream costs nothing');
  for (const [map, stream] of streams.entries()) void stream.push(sealStream({ shuffle, map }, [[0, payloadOf(10, map)]]).all);
  void elsewhere.push(sealStream({ shuffle, map: 2 }, [[0, payloadOf(10, 2)]]).all);
  client.openRead(replicaOf(0), range);
  await settle();
  assert.deepEqual(
    worker.lines.map(({ hello }) => hello),
    [0, 1].map((number) => ({ token: 'a token', client: 'a test', incarnation: replicaOf(number).incarnation })),
  );
  assert.deepEqual(
    [worker.lines[0]!.of('openWrite').length, worker.lines[0]!.of('openRead').length, worker.lines[1]!.of('openWrite').length],
    [2, 1, 1],
  );
  client.close();
});

test('who has said goodbye is leaving, others are not', async () => {
  const worker = new ScriptedWorker();
  const client = clientOf(worker);
  assert.equal(client.isLeaving(replicaOf(0)), false);
  const stream = client.openWrite(replicaOf(0), target(0));
  const sealed = sealStream({ shuffle, map: 0 }, [[0, payloadOf(10, 1)]]);
  void stream.push(sealed.all);
  await settle();
  worker.line.tell({ type: 'goaway', stream: 0, deadlineMs: 1000 });
  assert.deepEqual([client.isLeaving(replicaOf(0)), client.isLeaving(replicaOf(1))], [true, false]);
  // What has begun goes on.
  const finished = stream.finish(sealed.manifest);
  await settle();
  worker.line.tell({ type: 'ack', stream: worker.line.last('openWrite').stream, accepted: 1, level: 0, grantBytes: 0, final: 1 });
  assert.equal(await finished, 'received');
  client.close();
});

test('closed, its streams fail and it opens no others', async () => {
  const worker = new ScriptedWorker();
  const client = clientOf(worker);
  const stream = client.openWrite(replicaOf(0), target(0));
  const pushed = stream.push(sealStream({ shuffle, map: 0 }, [[0, payloadOf(10, 1)]]).all);
  const reading = client.openRead(replicaOf(0), range);
  const next = reading.next();
  await settle();
  assert.equal(client.isClosed, false);
  client.close();
  assert.equal(client.isClosed, true);
  await assert.rejects(pushed, isLost);
  await assert.rejects(next, isLost);
  assert.equal(worker.line.isClosed, true);
  assert.throws(() => client.openWrite(replicaOf(0), target(1)), isLost);
  assert.throws(() => client.openRead(replicaOf(0), range), isLost);
});
