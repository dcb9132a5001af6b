/**
 * A store over a disk in memory, without a worker around it: what the store's tests take apart. Streams are put in as
 * sealed blocks, as a session would do it.
 */
import { type Millis, silent, type Timer } from '#manager/process/ports.ts';
import { MiB, type ShuffleId, shuffleId } from '#manager/protocol/ids.ts';
import { Directory, type DirectoryOptions } from '#worker/store/directory.ts';
import { createStoreMemory, type StoreMemory } from '#worker/store/memory.ts';
import { type Recovered, recoverDirectory } from '#worker/store/recover.ts';
import { type Incoming, Store, type StoredStream, type StoreOptions } from '#worker/store/store.ts';
import { ManualClock, type Sealed, sealStream, TestDisk } from '../world.ts';

export const segmentBytes = MiB;
export const cluster = 'c'.repeat(32);

export interface Kept {
  readonly store: Store;
  readonly memory: StoreMemory;
  readonly directory: Directory;
  readonly disk: TestDisk;
  readonly clock: CountingClock;
  readonly recovered: Recovered;
  /** Somebody waits for memory. */
  short: boolean;
}

/** Knows how many timers were set. */
export class CountingClock extends ManualClock {
  timers = 0;
  override after(delayMs: Millis, run: () => void): Timer {
    this.timers++;
    return super.after(delayMs, run);
  }
}

export const directoryOptions = (disk: TestDisk, more: Partial<DirectoryOptions> = {}): DirectoryOptions => ({
  disk,
  id: 'd'.repeat(32),
  cluster,
  segmentBytes,
  mayGrow: () => true,
  ...more,
});

/** A store that has begun on what is on the disk. */
export async function openKept(disk = new TestDisk(), more: Partial<StoreOptions> = {}, arenaBytes = 4 * MiB): Promise<Kept> {
  const clock = new CountingClock();
  const options = directoryOptions(disk);
  const recovered = await recoverDirectory(options, silent);
  const directory = new Directory(options, recovered.segments);
  const memory = createStoreMemory(arenaBytes);
  const state = { short: false };
  const store = new Store({
    memory,
    directories: [directory],
    clock,
    log: silent,
    orderOf: async () => 0,
    freed: () => {},
    isShort: () => state.short,
    ...more,
  });
  store.adopt(0, recovered.shuffles);
  return Object.assign(state, { store, memory, directory, disk, clock, recovered });
}

export const shuffleOf = (run: number): ShuffleId => shuffleId(1, run);

export const targetOf = (more: Partial<Incoming> & { shuffle: ShuffleId; map: number }): Incoming => ({
  attempt: 1,
  section: 0,
  location: 0,
  partitionFrom: 0,
  partitionTo: 4,
  ...more,
});

/** Hands bytes to the store where a frame would lie. */
export function write({ store, memory }: Kept, stream: StoredStream, bytes: Uint8Array): void {
  const address = memory.arena.allocate(bytes.length);
  memory.bytes.set(bytes, address);
  store.write(stream, address, bytes.length);
}

/** A whole stream: blocks and manifest. */
export function put(kept: Kept, target: Incoming, payloads: readonly (readonly [number, Uint8Array])[]): { sealed: Sealed; stream: StoredStream } {
  const sealed = sealStream(target, payloads);
  const stream = kept.store.open(target);
  write(kept, stream, sealed.all);
  write(kept, stream, sealed.manifest);
  return { sealed, stream };
}

/** "shuffle run/map.attempt" of all cells. */
export const cellsOf = ({ store }: Kept): string[] =>
  [...store.shuffles.values()]
    .flatMap(({ shuffle, cells }) => [...cells.all()].map(({ map, attempt }) => `${Number(shuffle & 0xffffffffn)}/${map}.${attempt}`))
    .sort();
