import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Clock, type DataTransport, type Random, silent } from '#manager/process/ports.ts';
import type { ManagerCalls } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type DriverDescriptor, type DriverPorts, openDriver } from '#runtime/shuffle/drivers.ts';
import { attempt, failsWith, readAll, request } from '../../contract/shuffle.ts';

const clock: Clock = { now: () => 0, wall: () => 0, after: () => ({ cancel() {} }) };
const random: Random = { fill: (into) => into, next: () => 0.5 };
const transport: DataTransport = { connect: () => assert.fail('nothing is dialled') };

test('a description travels as JSON and opens the driver it names', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-drivers-'));
  t.after(() => rm(folder, { recursive: true }));
  const asked: unknown[] = [];
  const manager = {
    openShuffle: (call: unknown) => {
      asked.push(call);
      return Promise.reject(new SluiceError('NO_WORKERS'));
    },
  } as unknown as ManagerCalls;
  const ports: DriverPorts = {
    clock,
    random,
    transport,
    log: silent,
    connectManager(urls, token) {
      assert.deepEqual([urls, token], [['http://a', 'http://b'], 'secret']);
      return manager;
    },
  };
  const open = (descriptor: DriverDescriptor) => openDriver(JSON.parse(JSON.stringify(descriptor)) as DriverDescriptor, ports);

  const local = open({ driver: 'local', folder });
  const handle = await local.open(request('a', 1, 1));
  assert.equal(handle.driver, 'local');
  await attempt(local, handle, 0, 0, [{ partition: 0, records: 1, payload: new Uint8Array(3) }]);
  assert.equal((await readAll(open({ driver: 'local', folder }), handle)).length, 1);

  const remote = open({ driver: 'remote', managerUrls: ['http://a', 'http://b'], job: 7, token: 'secret' });
  assert.equal(remote.name, 'remote');
  await assert.rejects(remote.open({ ...request('a', 2, 3), schema: new Uint8Array([255]) }), failsWith('NO_WORKERS'));
  const spec = { maps: 2, partitions: 3, order: 0, level: 'received', deterministic: true, replicas: 1, bytesHint: 0, schema: '/w==' };
  assert.deepEqual(asked, [{ job: 7, name: 'a', spec }]);
  await remote.close();

  const safe = open({ driver: 'remote', managerUrls: ['http://a', 'http://b'], job: 7, token: 'secret', replicas: 2, level: 'durable' });
  await assert.rejects(safe.open({ ...request('b', 2, 3), schema: new Uint8Array([255]) }), failsWith('NO_WORKERS'));
  assert.deepEqual(asked[1], { job: 7, name: 'b', spec: { ...spec, level: 'durable', replicas: 2 } });
  await safe.close();
});
