import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connectManager } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { silent } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import { createRemoteShuffle } from '#runtime/shuffle/remote.ts';
import type { ShuffleDriver, ShuffleHandle } from '#runtime/shuffle/spi.ts';
import { createTransport } from '#worker/transport.ts';
import { type Cluster, flush, type JobWorld, type Member, openJob, startCluster } from '../../contract/cluster.ts';
import { all, attempt, failsWith, multiset, payload, readAll, request, seenOf, type Written } from '../../contract/shuffle.ts';

let cluster: Cluster;
let world: JobWorld;
before(async () => {
  cluster = await startCluster(2, 4 * MiB);
  world = await openJob(cluster);
});
after(async () => {
  await world.close();
  await cluster.close();
});

const blocksOf = (map: number, partitions: number, bytes = 300): Written[] =>
  Array.from({ length: partitions * 2 }, (_, i) => ({ partition: i % partitions, records: 1, payload: payload(bytes, map, i) }));
const expected = (maps: number, partitions: number, bytes?: number): string[] =>
  multiset(Array.from({ length: maps }, (_, map) => blocksOf(map, partitions, bytes).map((w) => seenOf(map, w))).flat());
async function writeAll(driver: ShuffleDriver, handle: ShuffleHandle, bytes?: number): Promise<void> {
  for (let map = 0; map < handle.maps; map++) await attempt(driver, handle, map, 0, blocksOf(map, handle.partitions, bytes));
}
/** Who holds the map's first partition range. */
async function holderOf(handle: ShuffleHandle, map: number): Promise<Member> {
  const { location } = (await world.view(handle)).holders(map)![0]!;
  return cluster.workers.find(({ worker }) => worker.incarnation === location.replicas[0]!.incarnation)!;
}

test('more than the arenas hold comes back, from regions, from memory and from both', async () => {
  const driver = world.driver();
  const handle = await driver.open({ ...request('large', 8, 20), bytesHint: 16 * MiB });
  await writeAll(driver, handle, 50 * KiB);
  assert.deepEqual(multiset(await readAll(driver, handle)), expected(8, 20, 50 * KiB));
  await flush(cluster);
  const seen = await readAll(driver, handle, all(handle, true));
  assert.deepEqual(
    seen.map(({ map }) => map),
    seen.map(({ map }) => map).sort((a, b) => a - b),
  );
  assert.deepEqual(multiset(seen), expected(8, 20, 50 * KiB));
  assert.ok(cluster.workers.some(({ worker }) => worker.store.counters.regions > 0));
  await driver.release(handle);
});

test('a token of one job does not reach another one’s shuffles', async () => {
  const handle = await world.driver().open(request('private', 1, 2));
  await attempt(world.driver(), handle, 0, 0, blocksOf(0, 2));
  const other = await openJob(cluster);
  await assert.rejects(readAll(other.driver(), handle), failsWith('UNAUTHORIZED'));
  await assert.rejects(attempt(other.driver(), handle, 0, 1, blocksOf(0, 2)), failsWith('UNAUTHORIZED'));
  await other.close();
});

test('a manager that is away for a while is waited for, whatever is asked of it', async () => {
  const calls = await connectManager({ urls: [cluster.manager.url], token: () => world.token, clock: systemClock, random: systemRandom });
  const left = { openShuffle: 2, layout: 2, commit: 2, release: 2 };
  const away =
    (name: keyof typeof left) =>
    async (...asked: [never]) => {
      if (left[name]-- > 0) throw new SluiceError('CLUSTER_UNREACHABLE', { url: cluster.manager.url, sent: true });
      return calls[name](...asked);
    };
  const names = Object.keys(left) as (keyof typeof left)[];
  const manager = Object.assign({ ...calls }, Object.fromEntries(names.map((name) => [name, away(name)])));
  const ports = { clock: systemClock, random: systemRandom, log: silent };
  const driver = createRemoteShuffle({ ...ports, manager, transport: createTransport(), job: world.job, token: world.token });
  const handle = await driver.open(request('away', 2, 3));
  await writeAll(driver, handle);
  await driver.vacant(handle);
  assert.deepEqual(multiset(await readAll(driver, handle)), expected(2, 3));
  await driver.release(handle);
  assert.ok(
    Object.values(left).every((one) => one < 0),
    'each was away, and then asked again',
  );
  await driver.close();
  await calls.close();
});

test('a layout from before a repair is asked for again', async () => {
  const [driver, elsewhere] = [world.driver(), world.driver()];
  const handle = await driver.open(request('moved', 2, 3));
  await writeAll(driver, handle);
  assert.deepEqual(multiset(await readAll(elsewhere, handle)), expected(2, 3));
  const member = await holderOf(handle, 1);
  const { location } = (await world.view(handle)).holders(1)![0]!;
  const { incarnation } = member.worker;
  await cluster.client.lost({ shuffle: handle.id, location: location.id, incarnation, maps: [1], because: 'missing' });
  await attempt(driver, handle, 1, 1, blocksOf(1, 3));
  // It still believes in attempt 0, which the worker does not give any more.
  assert.deepEqual(multiset(await readAll(elsewhere, handle)), expected(2, 3));
});

test('a worker that drains gets no new attempts, and is read from', async () => {
  const driver = world.driver();
  const handle = await driver.open(request('drained', 4, 2));
  await attempt(driver, handle, 0, 0, blocksOf(0, 2));
  const leaving = await holderOf(handle, 0);
  await cluster.startWorker();
  leaving.worker.drain();
  for (let map = 1; map < 4; map++) await attempt(driver, handle, map, 0, blocksOf(map, 2));
  const last = await driver.open(request('after the drain', 1, 2));
  await attempt(driver, last, 0, 0, blocksOf(0, 2));
  assert.notEqual((await holderOf(last, 0)).worker.id, leaving.worker.id);
  assert.deepEqual(multiset(await readAll(driver, handle)), expected(4, 2));
});

test('a worker that is gone: its maps are named, run again elsewhere, and all is there', async () => {
  const driver = world.driver();
  await cluster.startWorker();
  const handle = await driver.open({ ...request('lost', 6, 4), bytesHint: 600 * MiB });
  await writeAll(driver, handle);
  const victim = await holderOf(handle, 2);
  const late = await driver.open(request('written to the lost', 1, 2));
  await victim.kill();
  let rounds = 0;
  const rerun = new Set<number>();
  for (; rounds < 10; rounds++) {
    try {
      assert.deepEqual(multiset(await readAll(driver, handle)), expected(6, 4));
      break;
    } catch (thrown) {
      failsWith('MISSING', 'CONNECTION_LOST')(thrown);
      for (const map of await driver.vacant(handle)) {
        rerun.add(map);
        await attempt(driver, handle, map, 10 + rounds, blocksOf(map, 4));
      }
    }
  }
  assert.ok(rounds > 0 && rounds < 10);
  assert.ok(rerun.has(2));
  await attempt(driver, late, 0, 0, blocksOf(0, 2)).catch(failsWith('CONNECTION_LOST', 'WRONG_INCARNATION'));
});

test('with two replicas, a worker that is killed costs neither the attempt that writes to it nor the read that was on its way', async () => {
  while (cluster.workers.length < 6) await cluster.startWorker();
  const driver = world.driver(undefined, undefined, 2);
  const handle = await driver.open(request('replicated', 4, 20));
  await writeAll(driver, handle, 50 * KiB);
  const { location } = (await world.view(handle)).holders(0)![0]!;
  assert.equal(location.replicas.length, 2);
  const late = await driver.open(request('replicated, too', 2, 20));
  const written = await driver.createWriter(late, 0, 0);
  const blocks = blocksOf(0, 20, 50 * KiB);
  for (const { partition, payload: bytes, records } of blocks.slice(0, 20)) await written.write(partition, bytes, records);
  const victim = (await holderOf(late, 0).catch(() => null)) ?? (await holderOf(handle, 0));
  const seen: ReturnType<typeof seenOf>[] = [];
  for await (const { map, partition, records, payload: bytes } of world.driver().createReader(handle, all(handle, true))) {
    seen.push(seenOf(map, { partition, records, payload: bytes }));
    if (seen.length > 1) continue;
    await victim.kill();
    // The layout moves on while the read is open.
    for (const { id, replicas } of (await world.view(handle)).layout.locations) {
      if (!replicas.some(({ incarnation }) => incarnation === victim.worker.incarnation)) continue;
      await cluster.client.lost({ shuffle: handle.id, location: id, incarnation: victim.worker.incarnation, maps: [0, 1, 2, 3], because: 'missing' });
    }
  }
  assert.deepEqual(multiset(seen), expected(4, 20, 50 * KiB));
  assert.deepEqual(await driver.vacant(handle), []);
  for (const { partition, payload: bytes, records } of blocks.slice(20)) await written.write(partition, bytes, records);
  assert.equal((await written.commit()).won, true);
  assert.deepEqual(multiset(await readAll(world.driver(), late, { ...all(late), mapTo: 1 })), expected(1, 20, 50 * KiB));
});
