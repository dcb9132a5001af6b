/**
 * What a worker keeps: blocks in the arena until they leave as sorted regions, what writers have stated about them, and
 * when a flush is due. It checks a stream's manifest against what came, and acknowledges at the level that was asked for. It
 * knows nothing of connections, credits or the ledger: worker.ts brings those together.
 */

import type { Clock, Log, Millis, Timer } from '#manager/process/ports.ts';
import { type Level, levels } from '#manager/protocol/control.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import { jobOf, type ShuffleId } from '#manager/protocol/ids.ts';
import { accountBytes, entryBytes, nameOfCode, readTotals, verdictOf, writeAccount } from '../kernel/kernel.ts';
import { blockHeaderBytes } from '../protocol/block.ts';
import { type Manifest, manifestHeadBytes, readManifest } from '../protocol/manifest.ts';
import { Batch } from './batch.ts';
import { type Cell, CellCounts, Cells } from './cells.ts';
import type { Directory } from './directory.ts';
import { flushBatch } from './flush.ts';
import { entriesPerChunk } from './index.ts';
import { regionEntries, type StoreMemory } from './memory.ts';
import type { RecoveredShuffle } from './recover.ts';
import type { StoredRegion } from './stored-region.ts';

export interface StoreOptions {
  readonly memory: StoreMemory;
  readonly directories: readonly Directory[];
  readonly clock: Clock;
  readonly log: Log;
  /** The order a shuffle's regions are sorted in. @throws SHUFFLE_UNKNOWN, SHUFFLE_RELEASED: its data is dropped */
  orderOf(shuffle: ShuffleId): Promise<number>;
  /** Arena memory has become free. */
  freed(): void;
  /** Somebody waits for memory. */
  isShort(): boolean;
}

/** Whose blocks a stream brings. */
export interface Incoming {
  readonly shuffle: ShuffleId;
  readonly map: number;
  readonly attempt: number;
  readonly section: number;
  readonly location: number;
  readonly partitionFrom: number;
  readonly partitionTo: number;
}

/** What one shuffle has in one folder. */
export interface Shelf {
  readonly directory: Directory;
  /** Ordinals 0, 1, 2 ..: complete. */
  readonly regions: StoredRegion[];
  /** Still in the arena, oldest first; blocks are added to the last. */
  readonly batches: Batch[];
  /** When a flush is due though the batch is small; null: not asked for. */
  due: Millis | null;
}

export interface ShuffleData {
  readonly shuffle: ShuffleId;
  readonly shelves: readonly Shelf[];
  readonly cells: Cells;
  readonly streams: Map<string, StoredStream>;
  order: number | null;
  released: boolean;
}

/** One attempt's stream as far as it has come; it outlives its connection. */
export interface StoredStream {
  readonly target: Incoming;
  readonly data: ShuffleData;
  readonly shelf: Shelf;
  /** Addresses of account, winners and counts, in one slot of `slotBytes`; -1 when the stream is complete or gone. */
  account: number;
  readonly slotBytes: number;
  /** Blocks taken, without the manifest. */
  accepted: number;
  cell: Cell | null;
  /** The batch its manifest is in, until that is written. */
  manifestIn: Batch | null;
  gone: boolean;
  /** Clock's milliseconds since nobody is connected for it; null while somebody is. */
  orphanedAt: Millis | null;
}

/** A level asked of a small batch is waited for this long, so that others join it. */
const groupMs = 10;
/** A batch nobody adds to is written after this. */
const restMs = 2000;
/** After a failed flush. */
const pauseMs = 1000;
/** A stream without a connection is dropped after this. */
const orphanMs = 60_000;

const streamKey = (t: Incoming): string => `${t.map}.${t.attempt}.${t.section}.${t.location}`;

export class Store {
  readonly options: StoreOptions;
  readonly #shuffles = new Map<ShuffleId, ShuffleData>();
  readonly #flushBytes: number;
  readonly #batchBytes: number;
  #flushing: Promise<unknown> | null = null;
  /** The batch being written. */
  #current: Batch | null = null;
  #tick: { readonly at: Millis; readonly timer: Timer } | null = null;
  #closed = false;
  /** No flush begins before this: the last one failed. */
  #pausedUntil: Millis = 0;
  /** The last flush found no room on disk. */
  #full = false;
  readonly counters = { blocks: 0, bytes: 0, regions: 0, regionBytes: 0, flushFailures: 0 };

  constructor(options: StoreOptions) {
    this.options = options;
    const { memory, directories } = options;
    const room = Math.min(...directories.map((directory) => directory.regionRoom));
    // Half as much again for the index of the smallest blocks.
    this.#batchBytes = Math.floor(((room - 16384) * 2) / 3);
    this.#flushBytes = Math.min(memory.arenaBytes / 4, this.#batchBytes);
  }

  get shuffles(): ReadonlyMap<ShuffleId, ShuffleData> {
    return this.#shuffles;
  }
  /** Stored bytes by job: blocks in memory and in regions, also those of attempts that lost. Cost: O(regions + batches). */
  storedByJob(): { job: number; bytes: number }[] {
    const sums = new Map<number, number>();
    for (const { shuffle, shelves } of this.#shuffles.values()) {
      let bytes = 0;
      for (const { regions, batches } of shelves) {
        for (const region of regions) bytes += region.dataBytes;
        for (const batch of batches) bytes += batch.bytes;
      }
      if (bytes > 0) sums.set(jobOf(shuffle), (sums.get(jobOf(shuffle)) ?? 0) + bytes);
    }
    return [...sums].map(([job, bytes]) => ({ job, bytes }));
  }
  /** True when memory is short and the disk takes nothing: new attempts are refused. */
  get isFull(): boolean {
    return this.#full && this.options.isShort();
  }

  /** What recovery found in folder `place` of the list. */
  adopt(place: number, recovered: readonly RecoveredShuffle[]): void {
    for (const { shuffle, regions, cells } of recovered) {
      const data = this.#dataOf(shuffle);
      const shelf = data.shelves[place]!;
      shelf.regions.push(...regions);
      for (const cell of cells) data.cells.add(cell);
    }
  }

  /**
   * The stream of `target`: new, or as far as it has come on an earlier connection.
   * @throws NO_SPACE when no folder works or memory for another stream is lacking
   */
  open(target: Incoming): StoredStream {
    const data = this.#dataOf(target.shuffle);
    const known = data.streams.get(streamKey(target));
    if (known) {
      known.orphanedAt = null;
      return known;
    }
    const { memory } = this.options;
    const partitions = target.partitionTo - target.partitionFrom;
    const slotBytes = accountBytes + 8 + 4 * partitions;
    const working = data.shelves.filter((shelf) => !shelf.directory.failed);
    const account = working.length === 0 ? -1 : memory.slots.allocate(slotBytes);
    if (account < 0) {
      this.#forgetEmpty(data);
      throw new SluiceError('NO_SPACE', {
        what: working.length === 0 ? 'no data folder of this worker works' : 'too many streams are open on this worker',
      });
    }
    const { shuffle, map, attempt, section, location, partitionFrom, partitionTo } = target;
    const winners = account + accountBytes;
    const counts = winners + 8;
    // The entry's slot is the location: a region's index names it for each manifest.
    writeAccount(memory.kernel.memory, account, {
      shuffle,
      mapFrom: map,
      mapTo: map + 1,
      partitionFrom,
      partitionTo,
      section,
      flags: 0,
      winners,
      counts,
      slot: location,
    });
    memory.words[winners / 4] = attempt;
    memory.words.fill(0, counts / 4, counts / 4 + partitions);
    const stream: StoredStream = {
      target,
      data,
      shelf: working[map % working.length]!,
      account,
      slotBytes,
      accepted: 0,
      cell: null,
      manifestIn: null,
      gone: false,
      orphanedAt: null,
    };
    data.streams.set(streamKey(target), stream);
    return stream;
  }

  /**
   * Takes the blocks at [address, address + length) of the arena, which are the store's from now on: those that are right are
   * kept, also before a wrong one. A manifest among them is compared with all that came.
   * @throws CORRUPT_BLOCK: from the first bad block on nothing was taken, the stream may go on there · IDENTITY_MISMATCH, INCOMPLETE: the stream is gone · NO_SPACE
   */
  write(stream: StoredStream, address: number, length: number): void {
    const { memory, clock } = this.options;
    const { kernel, index } = memory;
    if (stream.gone || stream.account < 0) {
      memory.arena.free(address, length);
      if (stream.gone) return;
      throw this.#mismatch(stream, 'blocks behind the manifest');
    }
    const now = clock.now();
    let at = address;
    const end = address + length;
    while (at < end) {
      const batch = this.#batchFor(stream, end - at);
      const run = index.room(batch.runs, Math.min(Math.max(batch.blocks >>> 2, entriesPerChunk), 4096));
      if (!run) {
        memory.arena.free(at, end - at);
        this.flushSoon();
        throw new SluiceError('NO_SPACE', { what: 'the index of this worker is full' });
      }
      const capacity = Math.min(run.capacity - run.used, regionEntries - batch.blocks);
      const entry = run.first + run.used;
      const walked = kernel.walk(at, end - at, stream.account, index.entries, entry, capacity);
      const verdict = verdictOf(walked.code);
      if (walked.entries > 0) {
        run.used += walked.entries;
        const taken = verdict === 'ok' ? end - at : walked.position;
        batch.addFrame(at, taken, walked.entries, now);
        this.counters.blocks += walked.entries;
        this.counters.bytes += taken;
        at += taken;
      }
      if (verdict === 'ok' || verdict === 'full') {
        const totals = readTotals(kernel.memory, stream.account);
        stream.accepted = totals.blocks;
        if (totals.manifests > 0) {
          if (at < end) {
            memory.arena.free(at, end - at);
            throw this.#mismatch(stream, 'blocks behind the manifest');
          }
          this.#complete(stream, batch, entry + walked.entries - 1);
        }
        continue;
      }
      memory.arena.free(at, end - at);
      stream.accepted = readTotals(kernel.memory, stream.account).blocks;
      const what = `${nameOfCode(walked.code)}, map ${stream.target.map}, attempt ${stream.target.attempt}, block ${stream.accepted}`;
      if (verdict === 'corrupt') throw new SluiceError('CORRUPT_BLOCK', { what });
      throw this.#mismatch(stream, what);
    }
    const { batches } = stream.shelf;
    const pressed = memory.arena.usedBytes > memory.arenaBytes / 2;
    if (pressed || batches.length > 1 || (batches[0]?.bytes ?? 0) >= this.#flushBytes) this.flushSoon();
    else this.#wakeAt(now + restMs);
  }

  /** Calls `settle` once when the finished stream has reached `level`; with an error when it cannot. */
  whenAt(stream: StoredStream, level: Level, settle: (error: SluiceError | null) => void): void {
    const batch = stream.manifestIn;
    if (level === levels[0] || (!batch && level === levels[1])) {
      settle(null);
      return;
    }
    const { shelf, data } = stream;
    const sync = level === levels[2];
    if (batch && shelf.directory.failed) {
      this.abort(stream);
      settle(new SluiceError('NO_SPACE', { what: 'a data folder of this worker has failed' }));
      return;
    }
    if (!batch) {
      shelf.directory.sync().then(
        () => settle(null),
        (thrown) => {
          this.#giveUp(shelf.directory, asSluiceError(thrown));
          this.abort(stream);
          settle(new SluiceError('NO_SPACE', { what: asSluiceError(thrown).message }));
        },
      );
      return;
    }
    batch.waiters.push({
      sync,
      settle: (error) => {
        if (data.released) return settle(releasedError(data.shuffle));
        if (!error) return settle(null);
        this.abort(stream);
        settle(new SluiceError('NO_SPACE', { what: error.message }));
      },
    });
    shelf.due ??= this.options.clock.now() + groupMs;
    this.#wakeAt(shelf.due);
  }

  /** Forgets an attempt's stream: what it wrote is not flushed, and not served. */
  abort(stream: StoredStream): void {
    if (stream.gone) return;
    stream.gone = true;
    const { map, attempt, section, location } = stream.target;
    this.#freeAccount(stream);
    stream.data.streams.delete(streamKey(stream.target));
    stream.data.cells.remove(location, map, attempt, section);
    // Where no block is, there is none of this stream, and an entry would stay for good.
    for (const batch of stream.shelf.batches) if (batch !== this.#current && batch.blocks > 0) batch.drop(map, attempt, location);
    this.#forgetEmpty(stream.data);
  }

  /** Drops all of a shuffle, or of the shuffles of a job. Again: does nothing. */
  release(wanted: (shuffle: ShuffleId) => boolean): void {
    for (const [shuffle, data] of this.#shuffles) {
      if (!wanted(shuffle)) continue;
      this.#shuffles.delete(shuffle);
      data.released = true;
      for (const stream of data.streams.values()) {
        stream.gone = true;
        this.#freeAccount(stream);
      }
      data.streams.clear();
      for (const shelf of data.shelves) {
        for (const region of shelf.regions.splice(0)) shelf.directory.release(region.segment);
        for (const batch of shelf.batches.splice(0)) {
          batch.settle(releasedError(shuffle));
          if (batch !== this.#current) batch.free(this.options.memory);
        }
      }
    }
    this.#full = false;
    this.options.freed();
  }

  /** Memory is wanted, or a batch is large: looks for something to flush. */
  flushSoon(): void {
    if (this.#closed || this.#flushing) return;
    const now = this.options.clock.now();
    const next = now >= this.#pausedUntil ? this.#due(now) : null;
    if (next) void this.#start(next.data, next.shelf);
    else this.#wakeAt(this.#nextDue(now));
  }

  /** Writes everything out. @throws NO_SPACE, DISK_FAILED */
  async flushAll(): Promise<void> {
    for (;;) {
      // When one ends, the next that is due may have begun before this goes on.
      while (this.#flushing) await this.#flushing;
      const next = this.#largest();
      if (!next) return;
      const error = await this.#start(next.data, next.shelf);
      if (error) throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tick?.timer.cancel();
    while (this.#flushing) await this.#flushing;
    for (const directory of this.options.directories) await directory.close();
  }

  #dataOf(shuffle: ShuffleId): ShuffleData {
    let data = this.#shuffles.get(shuffle);
    if (!data) {
      const shelves = this.options.directories.map((directory): Shelf => ({ directory, regions: [], batches: [], due: null }));
      data = { shuffle, shelves, cells: new Cells(), streams: new Map(), order: null, released: false };
      this.#shuffles.set(shuffle, data);
    }
    return data;
  }

  /** Keeps nothing of a shuffle of which nothing is left: writers may name as many as there are numbers. */
  #forgetEmpty(data: ShuffleData): void {
    const { shuffle, shelves, cells, streams } = data;
    if (streams.size > 0 || cells.count > 0) return;
    if (shelves.some(({ regions, batches }) => regions.length > 0 || batches.some(({ blocks }) => blocks > 0))) return;
    // A batch that was begun for a block that was not taken has its room in the index.
    for (const { batches } of shelves) for (const batch of batches.splice(0)) batch.free(this.options.memory);
    if (this.#shuffles.get(shuffle) === data) this.#shuffles.delete(shuffle);
  }

  /** The batch that takes more blocks; a new one when the last is large enough for a region. */
  #batchFor({ shelf, target }: StoredStream, bytes: number): Batch {
    const last = shelf.batches.at(-1);
    // An attempt that was dropped there and is sent again must not be dropped again.
    const isDropped = last?.drops(target.map, target.attempt, target.location);
    const fits =
      last && !isDropped && last !== this.#current && last.blocks < regionEntries && (last.bytes === 0 || last.bytes + bytes <= this.#batchBytes);
    if (fits) return last;
    const batch = new Batch();
    shelf.batches.push(batch);
    return batch;
  }

  /** The manifest has come: compares it with what did. @throws INCOMPLETE: the stream is gone */
  #complete(stream: StoredStream, batch: Batch, entry: number): void {
    const { kernel, words, bytes, index } = this.options.memory;
    const at = (index.entries + entry * entryBytes) / 4;
    const address = words[at + 5]!;
    const payload = bytes.subarray(address + blockHeaderBytes, address + blockHeaderBytes + words[address / 4 + 2]!);
    const read = readManifest(payload);
    const incomplete = (what: string): SluiceError => {
      this.abort(stream);
      return new SluiceError('INCOMPLETE', { what: `map ${stream.target.map}, attempt ${stream.target.attempt}: ${what}` });
    };
    if (read.kind === 'corrupt') throw incomplete(read.what);
    const { manifest } = read;
    const totals = readTotals(kernel.memory, stream.account);
    const difference = compare(stream, manifest, totals, words);
    if (difference) throw incomplete(difference);
    const { map, attempt, section, location } = stream.target;
    const manifestHash = new DataView(kernel.memory.buffer).getBigUint64(address + 56, true);
    const counts = new CellCounts(manifest.partitionFrom, manifest.partitionTo, payload.subarray(manifestHeadBytes));
    stream.cell = stream.data.cells.add({ map, attempt, section, location, manifestHash, blocks: manifest.blocks, counts });
    stream.manifestIn = batch;
    this.#freeAccount(stream);
  }

  #freeAccount(stream: StoredStream): void {
    if (stream.account >= 0) this.options.memory.slots.free(stream.account, stream.slotBytes);
    stream.account = -1;
  }

  #mismatch(stream: StoredStream, what: string): SluiceError {
    this.abort(stream);
    return new SluiceError('IDENTITY_MISMATCH', { what });
  }

  /** One flush at a time; the next one is looked for when it ends. */
  #start(data: ShuffleData, shelf: Shelf): Promise<SluiceError | null> {
    const flush = this.#flush(data, shelf);
    this.#flushing = flush.then(() => {
      this.#flushing = null;
      this.flushSoon();
    });
    return flush;
  }

  #wakeAt(at: Millis): void {
    if (this.#closed || (this.#tick && this.#tick.at <= at)) return;
    this.#tick?.timer.cancel();
    const { clock } = this.options;
    const timer = clock.after(Math.max(at - clock.now(), 1), () => {
      this.#tick = null;
      this.#dropOrphans();
      this.flushSoon();
    });
    this.#tick = { at, timer };
  }

  /** The shelf whose first batch is to be written now. */
  #due(now: Millis): { data: ShuffleData; shelf: Shelf } | null {
    const { memory, isShort } = this.options;
    if (isShort() || memory.arena.usedBytes > memory.arenaBytes / 2) {
      const largest = this.#largest();
      if (largest) return largest;
    }
    for (const data of this.#shuffles.values()) {
      for (const shelf of data.shelves) {
        const batch = shelf.batches[0];
        if (!batch || batch.blocks === 0 || shelf.directory.failed) continue;
        if (shelf.batches.length > 1 || batch.bytes >= this.#flushBytes) return { data, shelf };
        if ((shelf.due !== null && now >= shelf.due) || now >= batch.touched + restMs) return { data, shelf };
      }
    }
    return null;
  }

  #nextDue(now: Millis): Millis {
    let next = now + restMs;
    if (this.#pausedUntil > now) return this.#pausedUntil;
    for (const data of this.#shuffles.values()) {
      for (const { batches, due, directory } of data.shelves) {
        if (directory.failed) continue;
        if (due !== null) next = Math.min(next, due);
        if (batches[0]) next = Math.min(next, batches[0].touched + restMs);
      }
    }
    return next;
  }

  #largest(): { data: ShuffleData; shelf: Shelf } | null {
    let largest: { data: ShuffleData; shelf: Shelf } | null = null;
    let most = 0;
    for (const data of this.#shuffles.values()) {
      for (const shelf of data.shelves) {
        let bytes = 0;
        for (const batch of shelf.batches) bytes += batch.bytes;
        if (bytes <= most || shelf.directory.failed) continue;
        most = bytes;
        largest = { data, shelf };
      }
    }
    return largest;
  }

  async #flush(data: ShuffleData, shelf: Shelf): Promise<SluiceError | null> {
    const { memory, clock, log } = this.options;
    const batch = shelf.batches[0]!;
    this.#current = batch;
    shelf.due = null;
    try {
      data.order ??= await this.#orderOf(data);
      if (data.released) return null;
      const sync = batch.waiters.some((waiter) => waiter.sync);
      const ordinal = shelf.regions.length;
      const region = await flushBatch({ memory, directory: shelf.directory, batch, shuffle: data.shuffle, order: data.order ?? 0, ordinal, sync });
      this.#full = false;
      if (data.released) {
        if (region) shelf.directory.release(region.segment);
        return null;
      }
      if (region) {
        shelf.regions.push(region);
        this.counters.regions++;
        this.counters.regionBytes += region.dataBytes;
      }
      // Whoever asked while it was being written, and for more than was done, waits on.
      const late = sync ? [] : batch.waiters.filter((waiter) => waiter.sync);
      for (const waiter of batch.waiters.splice(0)) if (!late.includes(waiter)) waiter.settle(null);
      for (const stream of data.streams.values()) if (stream.manifestIn === batch) stream.manifestIn = null;
      shelf.batches.shift();
      if (late.length > 0) await this.#settleSynced(shelf.directory, late);
      return null;
    } catch (thrown) {
      const error = asSluiceError(thrown);
      this.counters.flushFailures++;
      this.#pausedUntil = clock.now() + pauseMs;
      this.#full = true;
      if (error.code === 'DISK_FAILED') this.#giveUp(shelf.directory, error);
      log.error({ shuffle: data.shuffle.toString(), error: error.message }, 'a flush failed');
      this.#current = null;
      batch.settle(error);
      return error;
    } finally {
      this.#current = null;
      if (data.released || !shelf.batches.includes(batch)) batch.free(memory);
      this.#forgetEmpty(data);
      this.options.freed();
    }
  }

  /** Nothing is written there any more: who waits for that is told. What is in memory stays readable. */
  #giveUp(directory: Directory, error: SluiceError): void {
    directory.failed = true;
    for (const { shelves } of this.#shuffles.values()) {
      for (const shelf of shelves) if (shelf.directory === directory) for (const batch of shelf.batches) batch.settle(error);
    }
  }

  async #settleSynced(directory: Directory, waiters: readonly { settle(error: Error | null): void }[]): Promise<void> {
    const error = await directory.sync().then(
      () => null,
      (thrown) => asSluiceError(thrown),
    );
    if (error) this.#giveUp(directory, error);
    for (const waiter of waiters) waiter.settle(error);
  }

  async #orderOf(data: ShuffleData): Promise<number | null> {
    try {
      return await this.options.orderOf(data.shuffle);
    } catch (thrown) {
      const { code } = asSluiceError(thrown);
      // Nobody can read it any more.
      if (code === 'SHUFFLE_RELEASED' || code === 'SHUFFLE_UNKNOWN') this.release((shuffle) => shuffle === data.shuffle);
      return null;
    }
  }

  #dropOrphans(): void {
    const before = this.options.clock.now() - orphanMs;
    for (const data of this.#shuffles.values()) {
      for (const stream of data.streams.values()) {
        if (stream.orphanedAt === null || stream.orphanedAt > before) continue;
        if (stream.cell) data.streams.delete(streamKey(stream.target));
        else this.abort(stream);
      }
    }
  }
}

const releasedError = (shuffle: ShuffleId): SluiceError => new SluiceError('SHUFFLE_RELEASED', { shuffle: shuffle.toString() });

/** What differs between a manifest and what came; empty when nothing does. Cost: O(partitions with blocks). */
function compare(stream: StoredStream, manifest: Manifest, totals: ReturnType<typeof readTotals>, words: Uint32Array): string {
  const { partitionFrom, partitionTo } = stream.target;
  if (manifest.partitionFrom !== partitionFrom || manifest.partitionTo !== partitionTo) return 'the manifest is of another range';
  if (manifest.blocks !== totals.blocks) return `${totals.blocks} blocks came, the manifest states ${manifest.blocks}`;
  if (manifest.records !== totals.records) return `${totals.records} records came, the manifest states ${manifest.records}`;
  if (manifest.payloadBytes !== totals.payloadBytes) return 'the payload bytes differ';
  if (manifest.sum !== totals.sum) return 'the sum of the hashes differs';
  const counts = (stream.account + accountBytes + 8) / 4;
  let wrong = -1;
  // The sums are equal, so partitions the manifest leaves out cannot have blocks when all others agree.
  manifest.each((partition, blocks) => {
    if (words[counts + partition - partitionFrom] !== blocks) wrong = partition;
  });
  return wrong < 0 ? '' : `partition ${wrong} has another count`;
}
