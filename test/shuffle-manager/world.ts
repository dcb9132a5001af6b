/**
 * A clock that moves when told, a disk in memory that fails when told, and random numbers from a seed: what the manager's tests
 * hand to it instead of a machine. Also a manager over them with its calls.
 */
import { setImmediate } from 'node:timers/promises';
import { Manager, type ManagerOptions } from '#manager/manager.ts';
import { type Clock, type Disk, type DiskFile, type Millis, type Random, silent, type Timer } from '#manager/process/ports.ts';
import type { ManagerCalls, ShuffleSpec } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { protocolVersion } from '#manager/protocol/ids.ts';

/** Lets everything run that is ready to. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await setImmediate();
};

export class ManualClock implements Clock {
  #now = 0;
  #timers: { at: Millis; run: () => void }[] = [];
  now = (): Millis => this.#now;
  wall = (): number => 1_000_000_000_000 + this.#now;
  after(delayMs: Millis, run: () => void): Timer {
    const timer = { at: this.#now + delayMs, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  /** Time passes, and nothing that is due runs: as for a process that stands still. */
  stall(ms: Millis): void {
    this.#now += ms;
  }
  /** Moves on by `ms`, running what is due in its order. */
  async advance(ms: Millis): Promise<void> {
    await settle();
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settle();
    }
    this.#now = end;
    await settle();
  }
}

export class MemoryDisk implements Disk {
  files = new Map<string, Uint8Array>();
  /** The next writes, syncs or reads fail with this. */
  failWrite: SluiceError | null = null;
  failSync: SluiceError | null = null;
  failRead: SluiceError | null = null;
  writes = 0;

  async open(path: string, mode: 'read' | 'create' | 'write'): Promise<DiskFile> {
    if (mode === 'create') this.files.set(path, new Uint8Array(0));
    else if (!this.files.has(path)) throw new SluiceError('DISK_FAILED', { what: path, code: 'ENOENT' });
    // A handle follows its file through a rename.
    const held = { path };
    const bytes = () => this.files.get(held.path) ?? new Uint8Array(0);
    this.#handles.push(held);
    return {
      read: async (offset, into) => {
        if (this.failRead !== null) throw this.failRead;
        const part = bytes().subarray(offset, offset + into.length);
        into.set(part);
        return part.length;
      },
      write: async (offset, ...parts) => {
        const part = Buffer.concat(parts);
        this.writes++;
        const fail = this.failWrite;
        const taken = fail === null ? part : part.subarray(0, part.length >> 1);
        const grown = new Uint8Array(Math.max(bytes().length, offset + taken.length));
        grown.set(bytes());
        grown.set(taken, offset);
        this.files.set(held.path, grown);
        if (fail !== null) throw fail;
      },
      sync: async () => {
        if (this.failSync !== null) throw this.failSync;
      },
      size: async () => bytes().length,
      truncate: async (length) => void this.files.set(held.path, bytes().slice(0, length)),
      close: async () => {},
    };
  }
  #handles: { path: string }[] = [];
  list = async (): Promise<string[]> => [...this.files.keys()].sort();
  remove = async (path: string): Promise<void> => void this.files.delete(path);
  rename = async (from: string, to: string): Promise<void> => {
    this.files.set(to, this.files.get(from) as Uint8Array);
    this.files.delete(from);
    for (const held of this.#handles) if (held.path === from) held.path = to;
  };
  makeFolder = async (): Promise<void> => {};
  free = async (): Promise<number> => 1e12;
  /** What is on it now, for another manager. */
  copy(): MemoryDisk {
    const other = new MemoryDisk();
    other.files = new Map([...this.files].map(([name, bytes]) => [name, bytes.slice()]));
    return other;
  }
}

/** Splitmix32: the same numbers for the same seed. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    fill(into) {
      for (let i = 0; i < into.length; i++) into[i] = Math.floor(next() * 256);
      return into;
    },
  };
}

export const hex = (number: number): string => number.toString(16).padStart(32, '0');

export const specOf = (facts: Partial<ShuffleSpec> = {}): ShuffleSpec => ({
  maps: 4,
  partitions: 4,
  order: 0,
  level: 'received',
  deterministic: true,
  replicas: 1,
  bytesHint: 0,
  schema: '',
  ...facts,
});

export interface World {
  readonly clock: ManualClock;
  readonly disk: MemoryDisk;
  readonly manager: Manager;
  readonly calls: ManagerCalls;
}

export async function openWorld(disk = new MemoryDisk(), options: Partial<ManagerOptions> = {}, clock = new ManualClock()): Promise<World> {
  const ports = { clock, disk, random: seededRandom(7 + disk.writes), log: silent };
  const manager = await Manager.open(ports, {
    secret: 'a secret of the tests',
    release: 'test',
    leaseMs: 10_000,
    resumeMs: 60_000,
    workerWaitMs: 0,
    jobQuotaBytes: 0,
    ...options,
  });
  return { clock, disk, manager, calls: manager.asCalls() };
}

export const addWorker = (calls: ManagerCalls, worker: number, incarnation = 100 + worker) =>
  calls.registerWorker({
    worker: hex(worker),
    incarnation: hex(incarnation),
    host: '127.0.0.1',
    port: 1000 + worker,
    hostLabel: `host-${worker}`,
    pid: worker,
    protocol: protocolVersion,
  });
