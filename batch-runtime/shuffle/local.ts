/**
 * The shuffle in a folder shared by the processes of one machine: the driver of `--shuffle local`, and the reference for
 * the remote one. It stores the blocks and manifests of the wire verbatim, so what a reader verifies is the same. No
 * process is in charge: every decision is one atomic act of the file system (link, mkdir, rename). It uses node:fs
 * itself, since link and its exclusiveness are the point; the simulator never loads it.
 *
 *   FOLDER/ID/shuffle.json       the request; ID is 16 hex digits of the name's hash
 *           MAP-ATTEMPT.part     an attempt while it is written
 *           MAP.winner.LOSSES    the attempt that committed first since the map was lost that often (a hard link)
 *           MAP.lost.LOSSES      that winner could not be read: the map is vacant until winner.(LOSSES + 1)
 *           invalidated          a map was lost of a shuffle that is not deterministic: all maps are vacant for good
 *   FOLDER/ID.released           a tombstone
 *
 *   A file of an attempt; offsets and lengths are u64
 *     data      runs: blocks by partition, as written within one; a run is what fitted the writer's buffer
 *     index     per run: the offset of each partition's first block, and the run's end: (partitions + 1) u64
 *     manifest  a block of kind 2 over all partitions
 *     footer    64 B: 0 magic 'SLAF' u32, 4 runs u32, 8 shuffle u64, 16 map u32, 20 attempt u32, 24 partitions u32,
 *               28 manifest bytes u32, 32 index offset, 40 manifest offset, 48 0, 56 xxh64 of bytes 0..55
 * Believed is only what leads to the winner's blocks: the index is not hashed, the blocks it leads to are, and their
 * counts must be the manifest's.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import fs, { type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '#manager/protocol/errors.ts';
import { MiB, maxBlockBytes, type ShuffleId } from '#manager/protocol/ids.ts';
import {
  accountBytes,
  accountFlags,
  entryBytes,
  type Kernel,
  kernelReservedBytes,
  nameOfCode,
  walkCodes,
  writeAccount,
} from '#worker/kernel/kernel.ts';
import { blockBytes, blockHeaderBytes, blockKinds, verifyBlock } from '#worker/protocol/block.ts';
import { readManifest } from '#worker/protocol/manifest.ts';
import { xxh64 } from '#worker/protocol/xxh64.ts';
import { memoryPool } from './memory-pool.ts';
import { assertRange, missing, readerOf } from './reading.ts';
import { Sealer } from './sealer.ts';
import type { Committed, ReadRange, ReceivedBlock, ShuffleDriver, ShuffleHandle, ShuffleRequest, ShuffleWriter } from './spi.ts';

const footerBytes = 64;
const footerMagic = 0x46414c53;

/** A writer's buffer, one run; and how many blocks it may hold. Memory is the system's only once touched. */
const runBytes = 32 * MiB;
const runBlocks = 128 * 1024;
/** How much is written and read at a time. */
const stepBytes = MiB;
/** Maps a reader has open ahead of the one it reads. */
const openAhead = 4;
/** Blocks verified in one call. */
const walkBlocks = 4096;

/** `folder` is made when it is not there. Several drivers and processes may use it at once. */
export function createLocalShuffle({ folder }: { readonly folder: string }): ShuffleDriver {
  const live = (handle: ShuffleHandle): string => {
    if (!/^[0-9a-f]{16}$/.test(handle.id)) throw new SluiceError('SHUFFLE_UNKNOWN', { shuffle: handle.id });
    return join(folder, handle.id);
  };

  return {
    name: 'local',
    async open(request) {
      const id = createHash('sha256').update(request.name).digest('hex').slice(0, 16);
      const { maps, partitions } = request;
      const handle: ShuffleHandle = { driver: 'local', id, maps, partitions };
      const said = JSON.stringify(recordOf(request));
      try {
        if (await exists(join(folder, `${id}.released`))) throw new SluiceError('SHUFFLE_RELEASED', { shuffle: id });
        const fresh = join(folder, `${id}.${randomBytes(6).toString('hex')}`);
        await fs.mkdir(fresh, { recursive: true });
        await fs.writeFile(join(fresh, 'shuffle.json'), said);
        try {
          await fs.rename(fresh, live(handle));
        } catch (error) {
          await fs.rm(fresh, { recursive: true, force: true });
          if (!isCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
          if ((await fs.readFile(join(live(handle), 'shuffle.json'), 'utf8')) !== said) {
            throw new SluiceError('REQUEST_INVALID', { what: `shuffle ${request.name} is open with another shape` });
          }
        }
      } catch (error) {
        throw diskError(error, folder);
      }
      return handle;
    },
    async createWriter(handle, map, attempt) {
      const path = live(handle);
      try {
        await fs.access(join(path, 'shuffle.json'));
      } catch (error) {
        throw await absent(folder, handle, error);
      }
      assert.ok(map >= 0 && map < handle.maps, 'map out of range');
      return new LocalWriter({ folder, path, handle, map, attempt });
    },
    createReader: (handle, range) => readerOf(read({ folder, handle }, range)),
    async vacant(handle) {
      const winners = await listWinners(folder, handle);
      return winners.invalidated ? range(0, handle.maps) : vacantIn(winners, 0, handle.maps);
    },
    async release(handle) {
      const path = live(handle);
      try {
        const tombstone = join(folder, `${handle.id}.released`);
        if (await exists(tombstone)) return;
        // Moved before it is removed: nothing can be made in it while it goes. What is open fails at its commit.
        await fs.access(join(path, 'shuffle.json'));
        await fs.writeFile(tombstone, '');
        const trash = `${path}.${randomBytes(6).toString('hex')}`;
        await fs.rename(path, trash);
        await fs.rm(trash, { recursive: true, force: true });
      } catch (error) {
        const why = await absent(folder, handle, error);
        if (why.code !== 'SHUFFLE_RELEASED') throw why;
      }
    },
    async close() {},
  };
}

const recordOf = ({ schema, bytesHint: _, ...request }: ShuffleRequest): object => ({ ...request, schema: Buffer.from(schema).toString('base64') });

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

const isCode = (error: unknown, ...codes: readonly string[]): boolean => codes.includes(String((error as { code?: unknown } | null)?.code));

const exists = (path: string): Promise<boolean> =>
  fs.access(path).then(
    () => true,
    () => false,
  );

/** What the file system says, as a SluiceError. */
function diskError(error: unknown, path: string): SluiceError {
  if (error instanceof SluiceError) return error;
  if (isCode(error, 'ENOSPC', 'EDQUOT')) return new SluiceError('NO_SPACE', { what: path }, { cause: error });
  return new SluiceError('DISK_FAILED', { what: error instanceof Error ? error.message : String(error) }, { cause: error });
}

/** Why a shuffle's file is not there: released, or never opened. Any other error as it is. */
async function absent(folder: string, handle: ShuffleHandle, error: unknown): Promise<SluiceError> {
  if (!isCode(error, 'ENOENT')) return diskError(error, folder);
  const released = await exists(join(folder, `${handle.id}.released`));
  return new SluiceError(released ? 'SHUFFLE_RELEASED' : 'SHUFFLE_UNKNOWN', { shuffle: handle.id });
}

/** Which file stands for each map, as one listing of the folder says. */
interface Winners {
  readonly deterministic: boolean;
  readonly invalidated: boolean;
  /** The number of losses behind the winner, -1 where the map is vacant. */
  readonly generations: Int32Array;
}

async function listWinners(folder: string, handle: ShuffleHandle): Promise<Winners> {
  const path = join(folder, handle.id);
  let names: string[];
  let deterministic: boolean;
  try {
    deterministic = (JSON.parse(await fs.readFile(join(path, 'shuffle.json'), 'utf8')) as ShuffleRequest).deterministic;
    names = await fs.readdir(path);
  } catch (error) {
    throw await absent(folder, handle, error);
  }
  const generations = new Int32Array(handle.maps).fill(-1);
  const losses = new Int32Array(handle.maps);
  let invalidated = false;
  for (const name of names) {
    const [map, what, number] = name.split('.');
    if (what === 'winner') generations[Number(map)] = Math.max(generations[Number(map)]!, Number(number));
    else if (what === 'lost') losses[Number(map)] = Math.max(losses[Number(map)]!, Number(number) + 1);
    else if (name === 'invalidated') invalidated = true;
  }
  for (let map = 0; map < handle.maps; map++) if (generations[map]! < losses[map]!) generations[map] = -1;
  return { deterministic, invalidated, generations };
}

const vacantIn = ({ generations }: Winners, from: number, to: number): number[] => range(from, to).filter((map) => generations[map] === -1);

/** Where a writer's things lie in its kernel's memory. */
const writerPlaces = (() => {
  const entries = kernelReservedBytes;
  const list = entries + runBlocks * entryBytes;
  const scratch = list + runBlocks * 4;
  const step = scratch + runBlocks * 4;
  const run = step + stepBytes;
  return { entries, list, scratch, step, run, end: run + runBytes };
})();

interface LocalWriterOptions {
  readonly folder: string;
  readonly path: string;
  readonly handle: ShuffleHandle;
  readonly map: number;
  readonly attempt: number;
}

class LocalWriter implements ShuffleWriter {
  readonly #options: LocalWriterOptions;
  readonly #part: string;
  readonly #kernel: Kernel;
  readonly #words: Uint32Array;
  readonly #sealer: Sealer;
  #blocks = 0;
  #file: FileHandle | null = null;
  #offset = 0;
  /** One index per run that is written. */
  readonly #indexes: BigUint64Array[] = [];
  #state: 'writing' | 'ended' = 'writing';
  #committed: Committed | null = null;
  #failure: SluiceError | null = null;

  constructor(options: LocalWriterOptions) {
    const { path, handle, map, attempt } = options;
    this.#options = options;
    this.#part = join(path, `${map}-${attempt}.part`);
    this.#kernel = memoryPool.take(writerPlaces.end);
    this.#words = new Uint32Array(this.#kernel.memory.buffer);
    this.#sealer = new Sealer({
      shuffle: shuffleOf(handle),
      map,
      attempt,
      partitionFrom: 0,
      partitionTo: handle.partitions,
      kernel: this.#kernel,
    });
    this.#sealer.begin(writerPlaces.run, writerPlaces.end);
  }

  async write(partition: number, payload: Uint8Array, records: number): Promise<void> {
    const { handle, map, attempt } = this.#options;
    assert.ok(partition >= 0 && partition < handle.partitions, 'partition out of range');
    assert.ok(payload.length <= maxBlockBytes, 'a payload has at most maxBlockBytes');
    if (this.#failure) throw this.#failure;
    assert.ok(this.#state === 'writing', 'the attempt has ended');
    if (this.#blocks === runBlocks || !this.#sealer.fits(payload.length)) await this.#guard(() => this.#flush());
    const at = this.#sealer.add(partition, payload, records);
    const entry = (writerPlaces.entries + this.#blocks * entryBytes) >>> 2;
    this.#words[entry] = partition;
    this.#words[entry + 1] = map;
    this.#words[entry + 2] = attempt;
    this.#words[entry + 5] = at;
    this.#words[entry + 6] = blockBytes(payload.length);
    this.#words[entry + 7] = blockKinds.data;
    this.#words[(writerPlaces.list >>> 2) + this.#blocks] = this.#blocks;
    this.#blocks++;
  }

  async commit(): Promise<Committed> {
    if (this.#committed) return this.#committed;
    if (this.#failure) throw this.#failure;
    assert.ok(this.#state === 'writing', 'the attempt has ended');
    const won = await this.#guard(async () => {
      await this.#flush();
      await this.#close();
      return await this.#link();
    });
    const committed = { won, ...this.#sealer.counts };
    this.#committed = committed;
    await this.#drop();
    return committed;
  }

  async abort(): Promise<void> {
    await this.#drop();
  }

  /** Runs one step; when it fails the attempt has failed, and says so from then on. */
  async #guard<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      this.#failure = await absent(this.#options.folder, this.#options.handle, error);
      await this.#drop();
      throw this.#failure;
    }
  }

  /** Writes the buffer as one run. */
  async #flush(): Promise<void> {
    if (this.#blocks === 0) return;
    this.#file ??= await fs.open(this.#part, 'wx');
    const { entries, list, scratch, step } = writerPlaces;
    this.#sealer.seal();
    this.#kernel.sort(entries, list, scratch, this.#blocks, 2);
    this.#indexes.push(this.#indexOfRun());
    const bytes = new Uint8Array(this.#kernel.memory.buffer, step, stepBytes);
    for (let place = 0, skip = 0; place < this.#blocks; ) {
      const gathered = this.#kernel.gather(entries, list, place, this.#blocks, skip, step, stepBytes);
      await this.#append(bytes.subarray(0, gathered.bytes));
      place = gathered.place;
      skip = gathered.skip;
    }
    this.#sealer.begin(writerPlaces.run, writerPlaces.end);
    this.#blocks = 0;
  }

  /** Where each partition begins in the run that is to be written, and where the last one ends. */
  #indexOfRun(): BigUint64Array {
    const { entries, list } = writerPlaces;
    const index = new BigUint64Array(this.#options.handle.partitions + 1);
    let offset = this.#offset;
    let next = 0;
    for (let place = 0; place < this.#blocks; place++) {
      const entry = (entries + this.#words[(list >>> 2) + place]! * entryBytes) >>> 2;
      for (const partition = this.#words[entry]!; next <= partition; next++) index[next] = BigInt(offset);
      offset += this.#words[entry + 6]!;
    }
    index.fill(BigInt(offset), next);
    return index;
  }

  /** Ends the file: index, manifest, footer. */
  async #close(): Promise<void> {
    const { handle, map, attempt } = this.#options;
    this.#file ??= await fs.open(this.#part, 'wx');
    const indexOffset = this.#offset;
    for (const index of this.#indexes) await this.#append(new Uint8Array(index.buffer));
    const manifest = this.#sealer.manifest();
    const tail = new Uint8Array(manifest.length + footerBytes);
    tail.set(manifest);
    const footer = new DataView(tail.buffer, manifest.length);
    footer.setUint32(0, footerMagic, true);
    footer.setUint32(4, this.#indexes.length, true);
    footer.setBigUint64(8, shuffleOf(handle), true);
    footer.setUint32(16, map, true);
    footer.setUint32(20, attempt, true);
    footer.setUint32(24, handle.partitions, true);
    footer.setUint32(28, manifest.length, true);
    footer.setBigUint64(32, BigInt(indexOffset), true);
    footer.setBigUint64(40, BigInt(this.#offset), true);
    footer.setBigUint64(56, xxh64(tail, manifest.length, manifest.length + 56), true);
    await this.#append(tail);
    const file = this.#file;
    this.#file = null;
    await file.close();
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      const { bytesWritten } = await this.#file!.write(bytes, from, bytes.length - from, this.#offset);
      from += bytesWritten;
      this.#offset += bytesWritten;
    }
  }

  /** The commit itself: a name that can be made once. A name that is taken by a lost winner is passed over. */
  async #link(): Promise<boolean> {
    const { path, map } = this.#options;
    if (await exists(join(path, 'invalidated'))) throw new SluiceError('ATTEMPT_SUPERSEDED', { map });
    for (let losses = 0; ; losses++) {
      try {
        await fs.link(this.#part, join(path, `${map}.winner.${losses}`));
        return true;
      } catch (error) {
        if (!isCode(error, 'EEXIST')) throw error;
        if (!(await exists(join(path, `${map}.lost.${losses}`)))) return false;
      }
    }
  }

  async #drop(): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    memoryPool.give(this.#kernel);
    const file = this.#file;
    this.#file = null;
    await file?.close().catch(() => undefined);
    await fs.rm(this.#part, { force: true }).catch(() => undefined);
  }
}

const shuffleOf = (handle: ShuffleHandle): ShuffleId => BigInt(`0x${handle.id}`) as ShuffleId;

interface Place {
  readonly folder: string;
  readonly handle: ShuffleHandle;
}

/** A map's file, open, and what of it is to be read. */
interface OpenMap {
  readonly map: number;
  readonly attempt: number;
  readonly file: FileHandle;
  /** [from, to) of the range's bytes, run by run. */
  readonly extents: readonly (readonly [number, number])[];
  /** Blocks per partition of the range, as the writer stated them. */
  readonly counts: Uint32Array;
}

/** What a winner's file turned out to be, other than right. */
class Unreadable extends Error {}

const unreadable = (what: string): never => {
  throw new Unreadable(what);
};

/** Fills `into` from the file; fewer bytes than that are not there. */
async function readFully(file: FileHandle, into: Uint8Array, offset: number): Promise<Uint8Array> {
  for (let filled = 0; filled < into.length; ) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, offset + filled).catch((error: unknown) => {
      // The device cannot read it any more: lost, as if it were corrupt.
      if (isCode(error, 'EIO')) return unreadable('the disk cannot read it');
      throw error;
    });
    if (bytesRead === 0) return unreadable('the file is cut off');
    filled += bytesRead;
  }
  return into;
}

async function openMap({ folder, handle }: Place, map: number, generation: number, wanted: ReadRange): Promise<OpenMap> {
  let file: FileHandle;
  try {
    file = await fs.open(join(folder, handle.id, `${map}.winner.${generation}`), 'r');
  } catch (error) {
    if (isCode(error, 'ENOENT') && (await exists(join(folder, handle.id)))) return unreadable('the file is gone');
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (size < footerBytes) return unreadable('the file is cut off');
    let tail = await readFully(file, new Uint8Array(Math.min(size, 8192)), Math.max(size - 8192, 0));
    const footer = new DataView(tail.buffer, tail.length - footerBytes);
    const indexOffset = Number(footer.getBigUint64(32, true));
    const manifestOffset = Number(footer.getBigUint64(40, true));
    const runs = footer.getUint32(4, true);
    const right =
      xxh64(tail, tail.length - footerBytes, tail.length - 8) === footer.getBigUint64(56, true) &&
      footer.getUint32(0, true) === footerMagic &&
      footer.getBigUint64(8, true) === shuffleOf(handle) &&
      footer.getUint32(16, true) === map &&
      footer.getUint32(24, true) === handle.partitions &&
      manifestOffset + footer.getUint32(28, true) + footerBytes === size &&
      indexOffset + runs * (handle.partitions + 1) * 8 === manifestOffset;
    if (!right) return unreadable('the footer is wrong');
    const attempt = footer.getUint32(20, true);
    const tailFrom = size - tail.length;
    if (tailFrom > manifestOffset) tail = await readFully(file, new Uint8Array(size - manifestOffset), manifestOffset);
    else tail = tail.subarray(manifestOffset - tailFrom);

    const block = verifyBlock(tail, 0);
    if (block.kind === 'corrupt') return unreadable(`the manifest is corrupt (${block.fault})`);
    const { header } = block;
    const own = header.kind === blockKinds.manifest && header.shuffle === shuffleOf(handle) && header.map === map && header.attempt === attempt;
    const read = own ? readManifest(block.payload) : null;
    if (read?.kind !== 'manifest' || read.manifest.partitionFrom !== 0 || read.manifest.partitionTo !== handle.partitions) {
      return unreadable('the manifest is wrong');
    }
    const all = new Uint32Array(handle.partitions);
    read.manifest.countsInto(all);
    const counts = all.subarray(wanted.partitionFrom, wanted.partitionTo);

    const extents: (readonly [number, number])[] = [];
    if (counts.some((count) => count > 0)) {
      const span = wanted.partitionTo - wanted.partitionFrom;
      const bounds = new Uint8Array((span + 1) * 8);
      const view = new DataView(bounds.buffer);
      for (let run = 0; run < runs; run++) {
        await readFully(file, bounds, indexOffset + (run * (handle.partitions + 1) + wanted.partitionFrom) * 8);
        const from = Number(view.getBigUint64(0, true));
        const to = Number(view.getBigUint64(span * 8, true));
        if (from > to || to > indexOffset) return unreadable('the index is wrong');
        if (to > from) extents.push([from, to]);
      }
    }
    return { map, attempt, file, extents, counts };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function* read(place: Place, wanted: ReadRange): AsyncGenerator<ReceivedBlock, void, undefined> {
  const { folder, handle } = place;
  assertRange(handle, wanted);
  const winners = await listWinners(folder, handle);
  if (winners.invalidated) throw missing(handle.id, range(0, handle.maps), 'the run is invalidated');
  const vacant = vacantIn(winners, wanted.mapFrom, wanted.mapTo);
  if (vacant.length > 0) throw missing(handle.id, vacant, 'not committed');
  if (wanted.partitionFrom === wanted.partitionTo) return;

  const window = new Window(wanted);
  const ahead: Promise<OpenMap>[] = [];
  let next = wanted.mapFrom;
  let map = wanted.mapFrom;
  try {
    for (; map < wanted.mapTo; map++) {
      while (next < wanted.mapTo && ahead.length <= openAhead) {
        const opening = openMap(place, next, winners.generations[next]!, wanted);
        // It is awaited in its turn; until then its failure is nobody's.
        opening.catch(() => undefined);
        ahead.push(opening);
        next++;
      }
      const open = await ahead[0]!;
      yield* window.read(handle, open);
      ahead.shift();
      await open.file.close();
    }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw await absent(folder, handle, error);
    throw await vacate(place, winners, map, error.message);
  } finally {
    window.close();
    for (const opening of ahead) {
      await opening.then(
        ({ file }) => file.close(),
        () => undefined,
      );
    }
  }
}

/** Makes the map vacant, and answers the error to throw. */
async function vacate({ folder, handle }: Place, winners: Winners, map: number, what: string): Promise<SluiceError> {
  const path = join(folder, handle.id);
  try {
    // The flag says for good that this winner, and no later one, is lost.
    if (winners.deterministic) await fs.writeFile(join(path, `${map}.lost.${winners.generations[map]}`), what);
    else await fs.writeFile(join(path, 'invalidated'), `map ${map}: ${what}`);
  } catch (error) {
    return await absent(folder, handle, error);
  }
  return missing(handle.id, winners.deterministic ? [map] : range(0, handle.maps), `map ${map}: ${what}`);
}

/** A reader's place in kernel memory: bytes of a file are read into it, verified there, and given out as views. */
class Window {
  readonly #kernel: Kernel;
  readonly #wanted: ReadRange;
  readonly #winners: number;
  readonly #counts: number;
  readonly #entries: number;
  readonly #from: number;

  constructor(wanted: ReadRange) {
    this.#wanted = wanted;
    const counts = wanted.partitionTo - wanted.partitionFrom;
    this.#winners = kernelReservedBytes + accountBytes;
    this.#counts = this.#winners + 8;
    this.#entries = this.#counts + ((counts * 4 + 7) & ~7);
    this.#from = this.#entries + walkBlocks * entryBytes;
    this.#kernel = memoryPool.take(this.#from + blockBytes(maxBlockBytes));
  }

  close(): void {
    memoryPool.give(this.#kernel);
  }

  async *read(handle: ShuffleHandle, { map, attempt, file, extents, counts }: OpenMap): AsyncGenerator<ReceivedBlock, void, undefined> {
    const { buffer } = this.#kernel.memory;
    const words = new Uint32Array(buffer);
    const { partitionFrom, partitionTo } = this.#wanted;
    const account = kernelReservedBytes;
    writeAccount(this.#kernel.memory, account, {
      shuffle: shuffleOf(handle),
      mapFrom: map,
      mapTo: map + 1,
      partitionFrom,
      partitionTo,
      section: 0,
      flags: accountFlags.noManifest,
      winners: this.#winners,
      counts: this.#counts,
      slot: 0,
    });
    words[this.#winners >>> 2] = attempt;
    const seen = new Uint32Array(buffer, this.#counts, counts.length).fill(0);

    for (const [from, to] of extents) {
      let step = stepBytes;
      for (let offset = from; offset < to; ) {
        const length = Math.min(step, to - offset);
        await readFully(file, new Uint8Array(buffer, this.#from, length), offset);
        let at = 0;
        for (;;) {
          const walked = this.#kernel.walk(this.#from + at, length - at, account, this.#entries, 0, walkBlocks);
          for (let i = 0; i < walked.entries; i++) {
            const entry = (this.#entries + i * entryBytes) >>> 2;
            const address = words[entry + 5]!;
            const header = address >>> 2;
            yield {
              partition: words[entry]!,
              map,
              records: words[header + 11]!,
              payload: new Uint8Array(buffer, address + blockHeaderBytes, words[header + 2]!),
            };
          }
          at += walked.position;
          if (walked.code === walkCodes.ok) break;
          if (walked.code === walkCodes.full) continue;
          if (walked.code !== walkCodes.truncated || offset + length === to) unreadable(`a block is wrong (${nameOfCode(walked.code)})`);
          break;
        }
        // A block that does not fit the step is asked for again, whole; its length is believed only as far as this.
        step = stepBytes;
        if (at === 0) {
          const needed = length >= blockHeaderBytes ? blockBytes(words[(this.#from >>> 2) + 2]!) : 0;
          if (needed <= length || needed > blockBytes(maxBlockBytes)) unreadable('a block has no length');
          step = needed;
        }
        offset += at;
      }
    }
    for (let i = 0; i < counts.length; i++) {
      if (seen[i] !== counts[i]) unreadable(`partition ${partitionFrom + i} has ${seen[i]} of ${counts[i]} blocks`);
    }
  }
}
