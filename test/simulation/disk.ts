/**
 * A disk in memory that outlives the processes on it: writes take time, need space, may be half done when their process
 * dies, and are lost with the power unless they were synced. It also remembers when each page was written, so that an oracle
 * can tell old bytes from new ones. Its `view` is the port Disk of one process.
 */
import type { Disk, DiskFile } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { FaultKind, Faults } from './faults.ts';
import type { SimulatedProcess, Simulation } from './simulation.ts';

const pageBytes = 4096;
const sectorBytes = 512;
const hangMs = 30_000;

interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** When it was taken, counted in writes of the disk. */
  readonly stamp: number;
}

/** The bytes of a file, and when each page of them was written. */
class Image {
  #room = new Uint8Array(0);
  #length = 0;
  /** By page; 0 = never. */
  stamps: number[] = [];
  /** When the first page was last written: everything older is of an earlier use. */
  begun = 0;
  /** By page: what it was before it was last written; null where nobody asks. */
  before: Map<number, Uint8Array> | null = null;

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#length);
  }

  apply({ offset, bytes, stamp }: Write): void {
    if (bytes.length === 0) return;
    const end = offset + bytes.length;
    if (this.before !== null) this.#remember(this.before, offset, Math.min(end, this.#length));
    if (end > this.#length) this.resize(end);
    this.#room.set(bytes, offset);
    for (let page = Math.floor(offset / pageBytes); page * pageBytes < end; page++) this.stamps[page] = stamp;
    if (offset === 0) this.begun = stamp;
  }

  #remember(before: Map<number, Uint8Array>, from: number, to: number): void {
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page++) {
      before.set(page, this.bytes.slice(page * pageBytes, (page + 1) * pageBytes));
    }
  }

  resize(length: number): void {
    if (length > this.#room.length) {
      const longer = new Uint8Array(Math.max(length, 2 * this.#room.length));
      longer.set(this.bytes);
      this.#room = longer;
    } else if (length < this.#length) this.#room.fill(0, length, this.#length);
    this.#length = length;
  }

  copy(): Image {
    const image = new Image();
    image.#room = this.bytes.slice();
    image.#length = image.#room.length;
    image.before = this.before;
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
  /** What is wrong with it and was not read yet. */
  readonly wounds: { readonly kind: FaultKind; readonly from: number; readonly to: number }[] = [];

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

/**
 * How a process may end: its disk keeps what the system had taken, a write under way by sectors (kill) or bytes (tear), or loses what was
 * not synced, by writes (power) or by sectors (torn).
 */
export type Crash = 'kill' | 'tear' | 'power' | 'torn';

export class SimulatedDisk {
  readonly #simulation: Simulation;
  readonly #faults: Faults;
  readonly #files = new Map<string, Platter>();
  /** Writes under way: a crash leaves a part of them. */
  #under = new Set<{ readonly process: SimulatedProcess; readonly platter: Platter; readonly write: Omit<Write, 'stamp'> }>();
  #fullUntil = 0;
  #hangsUntil = 0;
  #slowUntil = 0;
  #slower = 1;
  /** Bits that changed and bytes that went are for this: where it is not set, a disk keeps what it was given. */
  readonly #decays: boolean;
  /** Bytes were changed or taken away behind the process's back: what it holds may be lost for a reason. */
  harmed = false;
  /** Writes or parts of them were lost, later ones not: what was not synced may be there and yet not whole. */
  torn = false;
  writes = 0;
  /** Called when a write has begun: crashes are drawn from it. */
  writing: (process: SimulatedProcess) => void = () => {};

  constructor(simulation: Simulation, faults: Faults, decays: boolean) {
    this.#simulation = simulation;
    this.#faults = faults;
    this.#decays = decays;
  }

  /** The process has died; its views are dead with it. Answers whether a write of it was cut short. */
  crash(process: SimulatedProcess, how: Crash): boolean {
    const faults = this.#faults;
    let cut = false;
    for (const under of [...this.#under]) {
      if (under.process !== process && how !== 'power' && how !== 'torn') continue;
      this.#under.delete(under);
      const { platter, write } = under;
      const whole = write.bytes.length;
      const taken = how === 'tear' ? faults.integer(0, whole + 1) : Math.min(whole, faults.integer(0, whole / sectorBytes + 1) * sectorBytes);
      platter.write({ ...write, bytes: write.bytes.slice(0, taken), stamp: ++this.writes });
      if (taken > 0 && taken < whole) cut = true;
    }
    if (how === 'kill' || how === 'tear') return cut;
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
    return cut;
  }

  /** A part of a file becomes zeros behind everyone's back. */
  wipe(path: string, from: number, to: number): void {
    this.harmed = true;
    const platter = this.#files.get(path);
    if (platter !== undefined) for (const { bytes } of [platter.cached, platter.durable]) bytes.fill(0, from, to);
  }

  /** As a process would read it now: a view. */
  bytesOf(path: string): Uint8Array {
    return this.#files.get(path)?.cached.bytes ?? new Uint8Array(0);
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
    /** Takes its time, and may fail; a process that has died meanwhile never hears of it. */
    const takes = async (call: string, path = ''): Promise<void> => {
      const faults = this.#faults;
      const { now } = this.#simulation;
      const slow = faults.strikes('slowDisk');
      if (slow) faults.count('slowDisk');
      if (faults.strikes('hang')) {
        faults.count('hang');
        this.#hangsUntil = now + hangMs;
      }
      if (faults.strikes('sluggish')) {
        faults.count('sluggish');
        this.#slower = faults.oneOf([10, 100]);
        this.#slowUntil = now + faults.number(500, 6000);
      }
      const usual = 0.02 + process.random.next() * 0.2;
      const work = slow ? faults.number(20, 400) : now < this.#slowUntil ? usual * this.#slower : usual;
      await process.sleep(Math.max(0, this.#hangsUntil - now) + work);
      if (!faults.strikes('eio')) return;
      faults.count('eio');
      // What cannot be read, or was not written, is lost for a reason.
      this.harmed = true;
      throw new SluiceError('DISK_FAILED', { what: `${path}: ${call} failed`, code: 'EIO' });
    };
    const syncFailed = new WeakSet<Platter>();
    const fileOf = (path: string, platter: Platter): DiskFile => ({
      read: async (offset, into) => {
        await takes('read', path);
        this.#decay(path, platter, offset, into.length);
        this.#reopen(platter, offset, into.length);
        const part = platter.cached.bytes.subarray(offset, offset + into.length);
        into.set(part);
        this.#simulation.note(offset, part.length);
        return part.length;
      },
      write: async (offset, ...parts) => {
        const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
        const under = { process, platter, write: { offset, bytes } };
        this.#under.add(under);
        this.writing(process);
        try {
          await takes('write', path);
        } finally {
          this.#under.delete(under);
        }
        const fits = this.#room(platter, offset, bytes.length);
        const taken = fits === bytes.length ? bytes.slice() : bytes.slice(0, fits);
        platter.write({ offset: this.#place(path, platter, offset, taken.length), bytes: taken, stamp: ++this.writes });
        this.#simulation.note(offset, taken.length);
        if (taken.length === bytes.length) return;
        this.#faults.count('full');
        throw new SluiceError('NO_SPACE', { what: path, code: 'ENOSPC' });
      },
      sync: async () => {
        // What is written while the sync runs may or may not be part of it.
        await takes('sync', path).catch((thrown: unknown) => {
          platter.unsynced = [];
          syncFailed.add(platter);
          throw thrown;
        });
        if (syncFailed.has(platter)) this.#simulation.violate(`${process.name} syncs ${path} again after a sync of it has failed`);
        if (this.#faults.strikes('sync')) {
          this.#faults.count('sync');
          platter.unsynced = [];
          syncFailed.add(platter);
          throw new SluiceError('DISK_FAILED', { what: `${path}: the sync failed`, code: 'EIO' });
        }
        platter.sync();
      },
      size: async () => {
        await takes('size', path);
        return platter.cached.bytes.length;
      },
      truncate: async (length) => {
        await takes('truncate', path);
        platter.resize(length);
      },
      close: () => takes('close', path),
    });
    return {
      open: async (path, mode) => {
        await takes('open', path);
        const known = this.#files.get(path);
        if (mode !== 'create') {
          if (known === undefined) throw new SluiceError('DISK_FAILED', { what: `${path}: no such file`, code: 'ENOENT' });
          return fileOf(path, known);
        }
        // An open handle keeps the old file; a new one of the name begins empty.
        const platter = new Platter();
        if (this.#faults.has('stalePage')) platter.cached.before = platter.durable.before = new Map();
        this.#files.set(path, platter);
        return fileOf(path, platter);
      },
      list: async (folder) => {
        await takes('list', folder);
        const prefix = folder === '.' ? '' : `${folder}/`;
        const names = [...this.#files.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split('/')[0]!);
        return [...new Set(names)].sort();
      },
      remove: async (path) => {
        await takes('remove', path);
        for (const name of [...this.#files.keys()]) if (name === path || name.startsWith(`${path}/`)) this.#files.delete(name);
      },
      rename: async (from, to) => {
        await takes('rename', from);
        const platter = this.#files.get(from);
        if (platter === undefined) throw new SluiceError('DISK_FAILED', { what: `${from}: no such file`, code: 'ENOENT' });
        platter.everSynced = true;
        this.#files.delete(from);
        this.#files.set(to, platter);
      },
      makeFolder: (path) => takes('makeFolder', path),
      free: async () => {
        await takes('free');
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
      return;
    }
    const page = Math.floor(this.#faults.integer(offset, end) / pageBytes);
    if (this.#faults.strikes('zeroPage')) this.#replace(platter, page, new Uint8Array(pageBytes), 'zeroPage');
    const stale = platter.cached.before?.get(page);
    if (stale !== undefined && this.#faults.strikes('stalePage')) this.#replace(platter, page, stale, 'stalePage');
  }

  #replace({ cached, durable }: Platter, page: number, content: Uint8Array, kind: FaultKind): void {
    const from = page * pageBytes;
    const now = cached.bytes.subarray(from, from + content.length);
    if (Buffer.compare(now, content.subarray(0, now.length)) === 0) return;
    this.#faults.count(kind);
    this.harmed = true;
    for (const { bytes } of [cached, durable]) if (from < bytes.length) bytes.set(content.subarray(0, bytes.length - from), from);
  }

  /** Where a write really goes. */
  #place(path: string, platter: Platter, offset: number, length: number): number {
    if (!this.#decays || !path.endsWith('.segment') || offset === 0 || length === 0 || !this.#faults.strikes('misdirected')) return offset;
    const pages = Math.floor(platter.cached.bytes.length / pageBytes);
    const elsewhere = this.#faults.integer(1, Math.max(2, pages)) * pageBytes;
    if (elsewhere === offset) return offset;
    this.harmed = true;
    for (const from of [offset, elsewhere]) platter.wounds.push({ kind: 'misdirected', from, to: from + length });
    return elsewhere;
  }

  /** Harm that was done before is counted when somebody reads it. */
  #reopen({ wounds }: Platter, offset: number, length: number): void {
    const at = wounds.findIndex(({ from, to }) => from < offset + length && offset < to);
    if (at >= 0) this.#faults.count(wounds.splice(at, 1)[0]!.kind);
  }
}
