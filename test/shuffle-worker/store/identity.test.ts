import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '#manager/protocol/errors.ts';
import { commonIdentity, readIdentity, writeIdentity } from '#worker/store/identity.ts';
import { TestDisk } from '../world.ts';

const isInvalid = (thrown: unknown): boolean => thrown instanceof SluiceError && thrown.code === 'CONFIG_INVALID';
const of = (worker: string, cluster = 'c') => ({ worker: worker.repeat(32), cluster: cluster.repeat(32), directory: 'd'.repeat(32) });

test('what is written is read back, is durable, and a new folder has none', async () => {
  const disk = new TestDisk();
  assert.equal(await readIdentity(disk), null);
  await writeIdentity(disk, of('a'));
  disk.crash();
  assert.deepEqual(await readIdentity(disk), { version: 1, ...of('a') });
});

test('a file that is none of ours is refused, not overwritten', async () => {
  for (const text of ['', '{', '{}', JSON.stringify({ version: 0, ...of('a') }), JSON.stringify({ version: 1, ...of('a'), worker: 'short' })]) {
    const disk = new TestDisk();
    await (await disk.open('identity.json', 'create')).write(0, new TextEncoder().encode(text));
    await assert.rejects(readIdentity(disk), isInvalid, text);
  }
});

test('folders belong together when worker and cluster are the same; new ones join', () => {
  const known = { version: 1 as const, ...of('a') };
  assert.equal(commonIdentity([null, null]), null);
  assert.equal(commonIdentity([null, known])?.worker, known.worker);
  assert.throws(() => commonIdentity([known, { version: 1, ...of('b') }]), isInvalid);
  assert.throws(() => commonIdentity([known, { version: 1, ...of('a', 'e') }]), isInvalid);
});
