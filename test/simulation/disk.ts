/**
 * A disk in memory that outlives the processes on it: writes take time, need space, may be half done when their process
 * dies, and are lost with the power unless they were synced. It also remembers when each page was written, so that an oracle
 * can tell old bytes from new ones. Its `view` is the port Disk of one process.
 */
import type { Disk, DiskFile } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Faults } from './faults.ts';
import type { SimulatedProcess, Simulation } from './simulation.ts';

const pageBytes = 4096;
const sectorBytes = 512;

interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** When it was taken, counted in writes of the disk. */
  readonly stamp: number;
}

/** The bytes of a file, and when each page of them was written. */
class Image {
  bytes = new Uint8Array(0);
  /** By page; 0 = never. */
  stamps: number[] = [];
  /** When the first page was last written: everything older is of an earlier use. */
  begun = 0;

  apply({ offset, bytes, stamp }: Write): void {
    if (bytes.length === 0) return;
    const end = offset + bytes.length;
    if (end > this.bytes.length) this.resize(end);
    this.bytes.set(bytes, offset);
    for (let page = Math.floor(offset / pageBytes); page * pageBytes < end; page++) this.stamps[page] = stamp;
    if (offset === 0) this.begun = stamp;
  }

  resize(length: number): void {
    if (length <= this.bytes.length) this.bytes = this.bytes.slice(0, length);
    else {
      const longer = new Uint8Array(length);
      longer.set(this.bytes);
      this.bytes = longer;
    }
  }

  copy(): Image {
    const image = new Image();
    image.bytes = this.bytes.slice();
    image.stamps = [...this.stamps];
    image.begun = this.begun;
    return image;
  }
}

class Platter {
  /** As a process reads it. */
  cached = new Image();
  /** As a loss of power leaves it. */
  durable = new Image();
  /** Since the last sync, in their order. */
  unsynced: Write[] = [];
  everSynced = false;

  write(write: Write): void {
    this.cached.apply(write);
    this.unsynced.push(write);
  }

  resize(length: number): void {
    this.cached.resize(length);
    this.durable.resize(length);
    this.unsynced = this.unsynced.filter((write) => write.offset < length);
  }

  sync(): void {
    for (const write of this.unsynced) this.durable.apply(write);
    this.unsynced = [];
    this.everSynced = true;
  }
}

/** How a process may end: its disk keeps what the system had taken, or loses what was not synced, by writes or by sectors. */
export type Crash = 'kill' | 'power' | 'torn';

export class SimulatedDisk {
  readonly #simulation: Simulation;
  readonly #faults: Faults;
  readonly #files = new Map<string, Platter>();
  /** Writes under way: a crash leaves a part of them. */
  #under = new Set<{ readonly platter: Platter; readonly write: Omit<Write, 'stamp'> }>();
  #fullUntil = 0;
  /** Bits that changed and bytes that went are for this: where it is not set, a disk keeps what it was given. */
  readonly #decays: boolean;
  /** Bytes were changed or taken away behind the process's back: what it holds may be lost for a reason. */
  harmed = false;
  /** Writes or parts of them were lost, later ones not: what was not synced may be there and yet not whole. */
  torn = false;
  writes = 0;

  constructor(simulation: Simulation, faults: Faults, decays: boolean) {
    this.#simulation = simulation;
    this.#faults = faults;
    this.#decays = decays;
  }

  /** The process has died; its views are dead with it. */
  crash(how: Crash): void {
    const faults = this.#faults;
    for (const { platter, write } of this.#under) {
      platter.write({
        ...write,
        bytes: write.bytes.slice(0, faults.integer(0, write.bytes.length / sectorBytes + 1) * sectorBytes),
        stamp: ++this.writes,
      });
    }
    this.#under = new Set();
    if (how === 'kill') return;
    for (const [path, platter] of this.#files) {
      for (const write of platter.unsynced) {
        if (how === 'power' || write.bytes.length <= sectorBytes) {
          if (faults.integer(0, 2) === 1) platter.durable.apply(write);
          else this.torn = true;
          continue;
        }
        for (let at = 0; at < write.bytes.length; at += sectorBytes) {
          if (faults.integer(0, 8) === 0) this.torn = true;
          else platter.durable.apply({ ...write, offset: write.offset + at, bytes: write.bytes.subarray(at, at + sectorBytes) });
        }
      }
      platter.unsynced = [];
      platter.cached = platter.durable.copy();
      if (!platter.everSynced && faults.integer(0, 2) === 0) this.#files.delete(path);
    }
  }

  /** Whether all pages of [offset, offset + length) were written since the first page of the file was. */
  isOfThisUse(path: string, offset: number, length: number): boolean {
    const image = this.#files.get(path)?.cached;
    if (image === undefined) return false;
    for (let page = Math.floor(offset / pageBytes); page * pageBytes < offset + length; page++) {
      if ((image.stamps[page] ?? 0) < image.begun) return false;
    }
    return true;
  }

  view(process: SimulatedProcess): Disk {
    /** Takes its time; a process that has died meanwhile never hears of it. */
    const takes = async (): Promise<void> => {
      const slow = this.#faults.strikes('slowDisk');
      if (slow) this.#faults.count('slowDisk');
      await process.sleep(slow ? this.#faults.number(20, 400) : 0.02 + process.random.next() * 0.2);
    };
    const fileOf = (path: string, platter: Platter): DiskFile => ({
      read: async (offset, into) => {
        await takes();
        this.#decay(path, platter, offset, into.length);
        const part = platter.cached.bytes.subarray(offset, offset + into.length);
        into.set(part);
        this.#simulation.note(offset, part.length);
        return part.length;
      },
      write: async (offset, ...parts) => {
        const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
        const under = { platter, write: { offset, bytes } };
        this.#under.add(under);
        await takes();
        this.#under.delete(under);
        const fits = this.#room(platter, offset, bytes.length);
        const taken = fits === bytes.length ? bytes.slice() : bytes.slice(0, fits);
        platter.write({ offset, bytes: taken, stamp: ++this.writes });
        this.#simulation.note(offset, taken.length);
        if (taken.length === bytes.length) return;
        this.#faults.count('full');
        throw new SluiceError('NO_SPACE', { what: path, code: 'ENOSPC' });
      },
      sync: async () => {
        // What is written while the sync runs may or may not be part of it.
        await takes();
        if (this.#faults.strikes('sync')) {
          this.#faults.count('sync');
          platter.unsynced = [];
          throw new SluiceError('DISK_FAILED', { what: `${path}: the sync failed`, code: 'EIO' });
        }
        platter.sync();
      },
      size: async () => {
        await takes();
        return platter.cached.bytes.length;
      },
      truncate: async (length) => {
        await takes();
        platter.resize(length);
      },
      close: () => takes(),
    });
    return {
      open: async (path, mode) => {
        await takes();
        const known = this.#files.get(path);
        if (mode !== 'create') {
          if (known === undefined) throw new SluiceError('DISK_FAILED', { what: `${path}: no such file`, code: 'ENOENT' });
          return fileOf(path, known);
        }
        // An open handle keeps the old file; a new one of the name begins empty.
        const platter = new Platter();
        this.#files.set(path, platter);
        return fileOf(path, platter);
      },
      list: async (folder) => {
        await takes();
        const prefix = folder === '.' ? '' : `${folder}/`;
        const names = [...this.#files.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split('/')[0]!);
        return [...new Set(names)].sort();
      },
      remove: async (path) => {
        await takes();
        for (const name of [...this.#files.keys()]) if (name === path || name.startsWith(`${path}/`)) this.#files.delete(name);
      },
      rename: async (from, to) => {
        await takes();
        const platter = this.#files.get(from);
        if (platter === undefined) throw new SluiceError('DISK_FAILED', { what: `${from}: no such file`, code: 'ENOENT' });
        platter.everSynced = true;
        this.#files.delete(from);
        this.#files.set(to, platter);
      },
      makeFolder: () => takes(),
      free: async () => {
        await takes();
        return this.#isFull ? 0 : 1e9;
      },
    };
  }

  get #isFull(): boolean {
    return this.#simulation.now < this.#fullUntil;
  }

  /** How much of a write there is room for: pages that were written once have theirs. */
  #room(platter: Platter, offset: number, length: number): number {
    if (!this.#isFull && this.#faults.strikes('full')) this.#fullUntil = this.#simulation.now + this.#faults.number(10, 3000);
    if (!this.#isFull) return length;
    for (let page = Math.floor(offset / pageBytes); page * pageBytes < offset + length; page++) {
      if ((platter.cached.stamps[page] ?? 0) === 0) return Math.max(0, page * pageBytes - offset);
    }
    return length;
  }

  /** Bytes go bad while nobody looks; it is noticed when they are read. */
  #decay(path: string, platter: Platter, offset: number, length: number): void {
    const end = Math.min(offset + length, platter.cached.bytes.length);
    if (!this.#decays || !path.endsWith('.segment') || end <= offset) return;
    if (this.#faults.strikes('rot')) {
      this.#faults.count('rot');
      this.harmed = true;
      const at = this.#faults.integer(offset, end);
      const bit = 1 << this.#faults.integer(0, 8);
      for (const { bytes } of [platter.cached, platter.durable]) if (at < bytes.length) bytes[at]! ^= bit;
    }
    if (this.#faults.strikes('gone')) {
      this.#faults.count('gone');
      this.harmed = true;
      for (const image of [platter.cached, platter.durable]) image.resize(Math.min(image.bytes.length, offset));
    }
  }
}
