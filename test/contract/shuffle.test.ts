/** The table of drivers: a new one is one line here, and a world beside it. */
import { mkdtemp, open, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GiB } from '#manager/protocol/ids.ts';
import { createLocalShuffle } from '#runtime/shuffle/local.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
import type { ShuffleHandle } from '#runtime/shuffle/spi.ts';
import { remoteWorld } from './remote.ts';
import { type StoredWorld, testLoss, testShuffle, type World } from './shuffle.ts';

async function memoryWorld(): Promise<World> {
  const driver = createMemoryShuffle({ budgetBytes: GiB });
  return { driver, another: async () => driver, close: () => driver.close() };
}

async function localWorld(): Promise<StoredWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-local-'));
  const driver = createLocalShuffle({ folder });
  /** The file that stands for the map now. */
  const winner = async (handle: ShuffleHandle, map: number): Promise<string> => {
    const names = (await readdir(join(folder, handle.id))).filter((name) => name.startsWith(`${map}.winner.`));
    return join(folder, handle.id, names.sort().at(-1)!);
  };
  return {
    driver,
    another: async () => createLocalShuffle({ folder }),
    async damage(handle, map) {
      const file = await open(await winner(handle, map), 'r+');
      await file.write(new Uint8Array([0x55]), 0, 1, 70);
      await file.close();
    },
    lose: async (handle, map) => truncate(await winner(handle, map)),
    async close() {
      await driver.close();
      await rm(folder, { recursive: true });
    },
  };
}

testShuffle('memory', memoryWorld);
testShuffle('local', localWorld);
testShuffle('remote', remoteWorld);
testLoss('local', localWorld);
testLoss('remote', remoteWorld);
