/**
 * The remote driver's world for the contract suite: a manager and two workers. One cluster serves all worlds of a test file and
 * ends with it; each world is a job of its own.
 */
import { open } from 'node:fs/promises';
import { after } from 'node:test';
import { MiB, shuffleFrom } from '#manager/protocol/ids.ts';
import { type Cluster, flush, openJob, startCluster, storedBlocks } from './cluster.ts';
import type { StoredWorld } from './shuffle.ts';

let shared: Promise<Cluster> | null = null;
after(async () => (await shared)?.close());

/** The cluster of this test file. */
export function sharedCluster(): Promise<Cluster> {
  shared ??= startCluster(2, 128 * MiB);
  return shared;
}

export async function remoteWorld(): Promise<StoredWorld> {
  const cluster = await sharedCluster();
  const world = await openJob(cluster);
  return {
    driver: world.driver(),
    another: async () => world.driver(),
    async damage(handle, map) {
      await flush(cluster);
      const held = (await world.view(handle)).holders(map)![0]!;
      for await (const { path, at, header } of storedBlocks(cluster)) {
        if (header.shuffle !== shuffleFrom(handle.id) || header.map !== map || header.attempt !== held.attempt) continue;
        const file = await open(path, 'r+');
        const byte = new Uint8Array(1);
        await file.read(byte, 0, 1, at + 64);
        byte[0]! ^= 0x55;
        await file.write(byte, 0, 1, at + 64);
        await file.close();
        return;
      }
      throw new Error(`map ${map} has no block in a file`);
    },
    async lose(handle, map) {
      const { location, attempt } = (await world.view(handle)).holders(map)![0]!;
      const { incarnation } = location.replicas[0]!;
      const { worker } = cluster.workers.find((member) => member.worker.incarnation === incarnation)!;
      worker.store.shuffles.get(shuffleFrom(handle.id))!.cells.remove(location.id, map, attempt, 0);
    },
    close: () => world.close(),
  };
}
