/**
 * At the limits of a worker's process: more than it takes, no file descriptors, partitions of very different sizes. Real processes over
 * real sockets; what comes back is compared block by block. Rows 29, 30 and 36 of docs/EXACTNESS.md.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectManager } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { silent } from '#manager/process/ports.ts';
import { asSluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { startEmbedded } from '#runtime/embedded.ts';
import { createRemoteShuffle } from '#runtime/shuffle/remote.ts';
import type { ShuffleHandle } from '#runtime/shuffle/spi.ts';
import { createTransport } from '#worker/transport.ts';

async function open(worker: Readonly<Record<string, unknown>>) {
  const died: string[] = [];
  const cluster = await startEmbedded({ workers: 1, executors: 0, dataDir: null, port: 0, worker, died: (name) => void died.push(name) });
  const ports = { clock: systemClock, random: systemRandom };
  const manager = await connectManager({ urls: [cluster.url], token: tokenSource(cluster.secret, Date.now), ...ports });
  const { job, token } = await manager.mintToken({ name: 'limits', expiresMs: 600_000 });
  const drivers = Array.from({ length: 4 }, () => createRemoteShuffle({ manager, transport: createTransport(), ...ports, log: silent, job, token }));
  const { host, port } = (await manager.status({})).workers[0]!;
  return {
    drivers,
    died,
    host,
    port,
    pid: cluster.pids.find(({ name }) => name === 'worker-1')!.pid,
    /** A number of the worker's metrics. */
    async gauge(name: string): Promise<number> {
      const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    },
    open: (name: string, maps: number, partitions: number) =>
      drivers[0]!.open({ name, maps, partitions, deterministic: true, schema: new Uint8Array(0), bytesHint: 0 }),
    async close(): Promise<void> {
      for (const driver of drivers) await driver.close();
      await manager.close();
      await cluster.close(false);
    },
  };
}
type World = Awaited<ReturnType<typeof open>>;

/** A worker of its own, which is to live through it all. */
async function inWorld(worker: Readonly<Record<string, unknown>>, run: (world: World) => Promise<void>): Promise<void> {
  const world = await open(worker);
  try {
    await run(world);
    assert.deepEqual(world.died, []);
  } finally {
    await world.close();
  }
}

interface Block {
  readonly partition: number;
  readonly bytes: number;
}

const payloadOf = (map: number, partition: number, bytes: number): Uint8Array =>
  new Uint8Array(bytes).fill((map * 31 + partition * 7 + bytes) & 0xff);
const hashOf = (map: number, partition: number, payload: Uint8Array): string =>
  createHash('sha1').update(`${map} ${partition} `).update(payload).digest('base64');

/** Writes a map with another attempt until one is taken. */
async function write({ drivers }: World, handle: ShuffleHandle, map: number, blocks: readonly Block[], attempts = 1): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      const writer = await drivers[map % drivers.length]!.createWriter(handle, map, attempt);
      for (const { partition, bytes } of blocks) await writer.write(partition, payloadOf(map, partition, bytes), 1);
      assert.ok((await writer.commit()).won);
      return;
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (attempt + 1 >= attempts || error.remedy !== 'retry') throw error;
      await sleep(200);
    }
  }
}

async function assertRead({ drivers }: World, handle: ShuffleHandle, written: readonly (readonly Block[])[]): Promise<void> {
  const wanted = written.flatMap((blocks, map) => blocks.map(({ partition, bytes }) => hashOf(map, partition, payloadOf(map, partition, bytes))));
  const seen: string[] = [];
  const range = { mapFrom: 0, mapTo: handle.maps, partitionFrom: 0, partitionTo: handle.partitions, ordered: false };
  for await (const { map, partition, payload } of drivers[0]!.createReader(handle, range)) seen.push(hashOf(map, partition, payload));
  assert.deepEqual(seen.sort(), wanted.sort());
}

test('writers that bring much more than the worker takes wait: its memory is bounded, and nothing is lost', async () => {
  const arenaBytes = 4 * MiB;
  await inWorld({ arenaBytes }, async (world) => {
    const handle = await world.open('load', 12, 8);
    const written = Array.from({ length: handle.maps }, (_, map) =>
      Array.from({ length: 40 }, (_, i) => ({ partition: i % 8, bytes: 60 * KiB + map * 100 + i })),
    );
    let most = 0;
    let isOver = false;
    const watch = (async () => {
      while (!isOver) {
        most = Math.max(most, await world.gauge('sluice_worker_arena_used_bytes'));
        await sleep(5);
      }
    })();
    // All at once: some seven times the arena.
    await Promise.all(written.map((blocks, map) => write(world, handle, map, blocks)));
    isOver = true;
    await watch;
    assert.ok(most > 0 && most <= arenaBytes, `${most} bytes of ${arenaBytes}`);
    await assertRead(world, handle, written);
  });
});

test('a worker without a file descriptor left refuses in words or by hanging up, and goes on when there are some', async () => {
  await inWorld({}, async (world) => {
    const handle = await world.open('descriptors', 4, 4);
    const written = Array.from({ length: handle.maps }, (_, map) =>
      Array.from({ length: 8 }, (_, i) => ({ partition: i % 4, bytes: 30 * KiB + map })),
    );
    await write(world, handle, 0, written[0]!);
    const used = readdirSync(`/proc/${world.pid}/fd`).length;
    const limit = (count: number) => spawnSync('prlimit', ['--pid', String(world.pid), `--nofile=${count}:`]).status;
    assert.equal(limit(used + 2), 0);
    // Strangers take the last ones.
    const strangers: Socket[] = [];
    for (let i = 0; i < 10; i++) {
      const socket = connect(world.port, world.host);
      socket.on('error', () => {});
      strangers.push(socket);
    }
    await sleep(500);
    const refused = await write(world, handle, 1, written[1]!).then(
      () => null,
      (thrown: unknown) => asSluiceError(thrown),
    );
    assert.ok(refused === null || refused.remedy === 'retry', String(refused));
    for (const socket of strangers) socket.destroy();
    assert.equal(limit(1024), 0);
    const left = written.map((_, map) => map).filter((map) => map > 1 || (map === 1 && refused !== null));
    await Promise.all(left.map((map) => write(world, handle, map, written[map]!, 50)));
    await assertRead(world, handle, written);
  });
});

test('one partition with half of all bytes among a million empty ones', async () => {
  await inWorld({}, async (world) => {
    const partitions = 1_000_000;
    const handle = await world.open('skew', 3, partitions);
    const written = Array.from({ length: handle.maps }, (_, map) => [
      ...Array.from({ length: 20 }, (_, i) => ({ partition: 777_777, bytes: 200 * KiB + i })),
      ...Array.from({ length: 200 }, (_, i) => ({ partition: (i * 4999 + map) % partitions, bytes: 20 * KiB })),
    ]);
    await Promise.all(written.map((blocks, map) => write(world, handle, map, blocks)));
    await assertRead(world, handle, written);
  });
});
