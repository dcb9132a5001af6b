/**
 * What must hold whatever goes wrong, beyond what readers get: promises between parts that would be broken in silence,
 * because another part makes up for them. Each is stated over what can be seen (calls, a worker's arena, pages of a disk),
 * not over a model of the product.
 *
 * - A worker never has more memory in use and promised than its arena.
 * - What a commit says is held is held by a worker of that incarnation, as its writer sealed it; none is named that has been replaced.
 * - A commit that comes again is answered as the winner it is.
 * - What was acknowledged at a level is still held after a crash the level survives.
 * - An intact cell is never reported missing or corrupt.
 * - No writer is refused for blocks that do not belong together, or loses what it has sent: it sends what it sealed, and is alone.
 * - A region that is believed after a restart was written in the present use of its segment.
 * - A manager that has started again knows everything its predecessors answered, but for commits at the level received.
 * - When the job has ended nobody keeps anything of it.
 */
import type { Answer, Layout, Level, Request } from '#manager/protocol/control.ts';
import { errors } from '#manager/protocol/errors.ts';
import { shuffleFrom } from '#manager/protocol/ids.ts';
import { entryBytes } from '#worker/kernel/kernel.ts';
import { blockBytes, readHeader, verifyBlock } from '#worker/protocol/block.ts';
import { segmentPath } from '#worker/store/directory.ts';
import { dataOffset, indexOffset, pageBytes, regionHeaderBytes } from '#worker/store/region.ts';
import type { Worker } from '#worker/worker.ts';
import type { Cluster, WorkerPlace } from './cluster.ts';
import type { Exchange } from './control.ts';

/** A cell whose writer was told that it is held at the level. */
interface Promised {
  readonly shuffle: string;
  readonly map: number;
  readonly attempt: number;
  readonly location: number;
  readonly manifestHash: string;
  readonly worker: string;
  readonly level: Level;
  /** How many crashes the worker's place had seen by then. */
  readonly crashes: number;
}

const keyOf = (cell: Pick<Promised, 'shuffle' | 'map' | 'attempt' | 'location'>): string =>
  `${cell.shuffle} ${cell.map} ${cell.attempt} ${cell.location}`;

export class Oracles {
  readonly #cluster: Cluster;
  /** Commits that were sent, by shuffle, map and attempt. */
  readonly #tried = new Set<string>();
  readonly #promised = new Map<string, Promised>();
  /** By shuffle, map and location: the workers that held it when it was committed. */
  readonly #holders = new Map<string, Set<string>>();
  /** Replicas as the layouts said them: incarnation to worker id. */
  readonly #workerOf = new Map<string, string>();
  readonly #levels = new Map<string, Level>();
  readonly #placeOf = new Map<string, WorkerPlace>();
  /** By incarnation: how many crashes its place had seen when it began. */
  readonly #crashesBefore = new Map<string, number>();
  readonly #released = new Set<string>();
  /** By job and name of the engine's shuffle: its last run. */
  readonly #runOf = new Map<string, string>();
  /** By worker: the incarnation that a start of the manager heard of last. */
  readonly #announcedLast = new Map<string, { readonly incarnation: string; readonly start: number }>();
  /** By shuffle and map. */
  readonly #copies = new Map<string, number>();
  /** By shuffle: the newest version that was answered, and by which start of the manager. */
  readonly #versions = new Map<string, { version: number; start: number }>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    cluster.control.watchers.push((exchange) => this.#watch(exchange));
    cluster.opened = (place, worker) => this.#opened(place, worker);
    cluster.reached = (place, worker) => this.#reached(place, worker);
    cluster.network.refused = (by, code, text) => this.#refused(by.name, code, text);
  }

  released(shuffle: string): void {
    this.#released.add(shuffle);
  }

  #violate(what: string): void {
    this.#cluster.simulation.violate(what);
  }

  #refused(name: string, code: number, text: string): void {
    for (const never of ['INCOMPLETE', 'IDENTITY_MISMATCH'] as const)
      if (errors[never].wire === code) this.#violate(`${name} says ${never} to a client that does all right`);
    const { reached } = this.#cluster.faults;
    const isSound = (['full', 'eio', 'sync'] as const).every((kind) => (reached.get(kind) ?? 0) === 0);
    if (text.includes('was dropped') && isSound) this.#violate(`${name} has dropped what a live client was writing`);
  }

  #watch({ name, request, answer, error, start }: Exchange): void {
    if (name === 'release') this.#released.add((request as Request<'release'>).shuffle);
    const isFirst = name !== 'commit' || this.#isFirst(request as Request<'commit'>);
    if (error !== null) return;
    if (name === 'openShuffle' || name === 'resolveShuffle') this.#opens(request as Request<'openShuffle'>, answer as Layout);
    if (name === 'openShuffle' || name === 'resolveShuffle' || name === 'layout') this.#saw(answer as Layout);
    if (name === 'openShuffle' || name === 'resolveShuffle' || name === 'layout')
      this.#versioned((answer as Layout).shuffle, (answer as Layout).version, start);
    if (name === 'lost' || (name === 'commit' && this.#levels.get((request as Request<'commit'>).shuffle) !== 'received')) {
      this.#versioned((request as Request<'commit' | 'lost'>).shuffle, (answer as Answer<'commit' | 'lost'>).version, start);
    }
    if (name === 'commit') this.#committed(request as Request<'commit'>, answer as Answer<'commit'>, start, isFirst);
    if (name === 'lost') this.#lost(request as Request<'lost'>, answer as Answer<'lost'>);
    if (name === 'announce') this.#announced(request as Request<'announce'>, start);
  }

  /** A new run of a name: the manager releases the one before it. */
  #opens({ job, name }: Request<'openShuffle'>, { shuffle }: Layout): void {
    const key = `${job} ${name}`;
    const before = this.#runOf.get(key);
    if (before !== undefined && before !== shuffle) this.#released.add(before);
    this.#runOf.set(key, shuffle);
  }

  #saw(layout: Layout): void {
    this.#levels.set(layout.shuffle, layout.spec.level);
    for (const { replicas } of layout.locations) for (const { incarnation, worker } of replicas) this.#workerOf.set(incarnation, worker);
  }

  #versioned(shuffle: string, version: number, start: number): void {
    const known = this.#versions.get(shuffle);
    if (known !== undefined && start > known.start && version < known.version) {
      this.#violate(`the manager answers version ${version} of shuffle ${shuffle}; before it was started again it answered ${known.version}`);
    }
    if (known === undefined || version > known.version) this.#versions.set(shuffle, { version, start });
  }

  #opened(place: WorkerPlace, worker: Worker): void {
    this.#placeOf.set(worker.id, place);
    this.#crashesBefore.set(worker.incarnation, place.crashes.length);
    this.#workerOf.set(worker.incarnation, worker.id);
    if (place.disk.harmed) return;
    for (const [shuffle, { shelves }] of worker.store.shuffles) {
      for (const { regions } of shelves) {
        for (const [nth, { segment, offset, dataBytes, index, ordinal }] of regions.entries()) {
          if (ordinal !== nth) this.#violate(`${place.name} believes region ${ordinal} of shuffle ${shuffle}, though region ${nth} is missing`);
          // What was not synced may have lost data to the power; a reader finds that. Header, index and trailer are what is believed.
          const tail = offset + indexOffset({ dataBytes, indexBytes: index.byteLength });
          const path = segmentPath(segment.number);
          if (place.disk.isOfThisUse(path, offset, pageBytes) && place.disk.isOfThisUse(path, tail, index.byteLength + regionHeaderBytes)) continue;
          this.#violate(`${place.name} believes region ${ordinal} of shuffle ${shuffle}, which is of an earlier use of segment ${segment.number}`);
        }
      }
    }
  }

  #reached({ name }: WorkerPlace, worker: Worker): void {
    const { arenaBytes, arenaUsedBytes, grantedBytes } = worker.gauges();
    if (arenaUsedBytes + grantedBytes > arenaBytes)
      this.#violate(`${name} has ${arenaUsedBytes} bytes in use and ${grantedBytes} promised, of ${arenaBytes}`);
  }

  /** In how many places every cell of the map is, by its last commit that filled any. */
  copiesOf(shuffle: string, map: number): number {
    return this.#copies.get(`${shuffle} ${map}`) ?? 0;
  }

  /** One that comes again is answered as before and fills nothing, though its first answer may have come to nobody. */
  #isFirst({ shuffle, map, attempt }: Request<'commit'>): boolean {
    const key = `${shuffle} ${map} ${attempt}`;
    const isFirst = !this.#tried.has(key);
    this.#tried.add(key);
    return isFirst;
  }

  #committed({ shuffle, map, attempt, cells }: Request<'commit'>, { won, winner }: Answer<'commit'>, start: number, isFirst: boolean): void {
    if (!won && winner === attempt) this.#violate(`attempt ${attempt} of map ${map} of shuffle ${shuffle} has won, and is told that it has not`);
    if (!won) return;
    this.#copies.set(`${shuffle} ${map}`, Math.min(...cells.map(({ incarnations }) => incarnations.length)));
    for (const { location, incarnations, manifestHash } of cells) {
      for (const incarnation of incarnations) {
        const worker = this.#workerOf.get(incarnation);
        const place = worker === undefined ? undefined : this.#placeOf.get(worker);
        if (worker === undefined || place === undefined) continue;
        const key = `${shuffle} ${map} ${location}`;
        this.#holders.set(key, (this.#holders.get(key) ?? new Set()).add(worker));
        const cell: Promised = {
          shuffle,
          map,
          attempt,
          location,
          manifestHash,
          worker,
          level: this.#levels.get(shuffle) ?? 'received',
          crashes: place.worker?.incarnation === incarnation ? place.crashes.length : -1,
        };
        // Sent again: the first one tells when it was held.
        if (!this.#promised.has(keyOf(cell))) this.#promised.set(keyOf(cell), cell);
        const now = this.#announcedLast.get(worker);
        if (isFirst && now !== undefined && now.incarnation !== incarnation && start >= now.start)
          this.#violate(`a commit of map ${map} of shuffle ${shuffle} names ${incarnation} of ${place.name}, which is ${now.incarnation} by now`);
        if (place.worker?.incarnation === incarnation && !this.#released.has(shuffle))
          this.#isWhole(place, place.worker, shuffle, map, attempt, location);
      }
    }
  }

  /** What a commit names is there, and its blocks are as they were sealed, in memory and on disk. */
  #isWhole({ name, disk }: WorkerPlace, { store }: Worker, shuffle: string, map: number, attempt: number, location: number): void {
    const { index, words, bytes } = store.options.memory;
    const data = store.shuffles.get(shuffleFrom(shuffle));
    const held = `map ${map}, attempt ${attempt} of shuffle ${shuffle} at location ${location}`;
    if (!data?.cells.find(location, map, attempt, 0)) this.#violate(`${name} does not hold ${held}, which is committed`);
    const look = (from: Uint8Array, at: number): number => {
      const block = verifyBlock(from, at);
      if (block.kind === 'corrupt') this.#violate(`${name} has acknowledged ${held}, and a block of it is damaged: ${block.fault}`);
      return block.kind === 'corrupt' ? Infinity : block.bytes;
    };
    for (const { regions, batches } of data?.shelves ?? []) {
      for (const { first, used } of batches.flatMap((batch) => batch.runs)) {
        for (let at = index.entries / 4 + first * (entryBytes / 4); at < (index.entries + (first + used) * entryBytes) / 4; at += entryBytes / 4) {
          if (words[at + 1] === map && words[at + 2] === attempt) look(bytes, words[at + 5]!);
        }
      }
      if (disk.harmed || disk.torn) continue;
      for (const { segment, offset, dataBytes } of regions) {
        const stored = disk.bytesOf(segmentPath(segment.number)).subarray(offset + dataOffset, offset + dataOffset + dataBytes);
        const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
        for (let at = 0; at < stored.length; ) {
          const header = readHeader(view, at);
          at += header.map === map && header.attempt === attempt ? look(stored, at) : blockBytes(header.payloadLength);
        }
      }
    }
  }

  /** A worker says what it has after a restart. */
  #announced({ worker, incarnation, held }: Request<'announce'>, start: number): void {
    // The answer to an older one may come behind that to a newer one.
    const age = (of: string): number => this.#crashesBefore.get(of) ?? -1;
    if (age(incarnation) >= age(this.#announcedLast.get(worker)?.incarnation ?? '')) this.#announcedLast.set(worker, { incarnation, start });
    const place = this.#placeOf.get(worker);
    if (place === undefined || place.disk.harmed) return;
    const known = new Set(held.map((cell) => `${keyOf(cell)} ${cell.manifestHash}`));
    for (const cell of this.#promised.values()) {
      if (cell.worker !== worker || cell.level === 'received' || cell.crashes < 0 || this.#released.has(cell.shuffle)) continue;
      const since = place.crashes.slice(cell.crashes, this.#crashesBefore.get(incarnation));
      // The same incarnation registers again with a new manager: what was committed while its announcement was under way is not in it. Nor is
      // it in one that comes late or twice.
      if (since.length === 0) continue;
      if (cell.level === 'written' && since.some((how) => how !== 'kill')) continue;
      if (known.has(`${keyOf(cell)} ${cell.manifestHash}`)) continue;
      this.#violate(
        `${place.name} does not hold map ${cell.map}, attempt ${cell.attempt} of shuffle ${cell.shuffle} at location ${cell.location} any more, acknowledged as ${cell.level}, after ${since.join(', ') || 'no crash'}`,
      );
    }
  }

  #lost({ shuffle, location, incarnation, maps, because }: Request<'lost'>, { vacated }: Answer<'lost'>): void {
    if (!vacated || (because !== 'missing' && because !== 'corrupt')) return;
    const { faults } = this.#cluster;
    const worker = this.#workerOf.get(incarnation) ?? '';
    const place = this.#placeOf.get(worker);
    // A replica that an attempt went on without never had it; what was only received goes with its process.
    const intact = maps.filter((map) => this.#holders.get(`${shuffle} ${map} ${location}`)?.has(worker));
    if (intact.length === 0 || (this.#levels.get(shuffle) === 'received' && (place?.crashes.length ?? 0) > 0)) return;
    // What arrived damaged looks the same to a reader, wherever it was damaged.
    if (place === undefined || place.disk.harmed || place.disk.torn || (faults.reached.get('flip') ?? 0) > 0) return;
    this.#violate(
      `maps ${intact.join(', ')} of shuffle ${shuffle} at location ${location} are reported ${because}, but nothing has harmed ${place.name}`,
    );
  }

  /** Why the cluster is not clean after the job's end; null when it is. */
  leftovers(): string | null {
    for (const { name, worker } of this.#cluster.places) {
      if (worker === null) return `${name} is down`;
      const { shuffles, arenaUsedBytes, accountBytes, readBytes, indexBytes, streams, sessions, grantedBytes } = worker.gauges();
      const kept = { shuffles, arenaUsedBytes, accountBytes, readBytes, indexBytes, streams, sessions, grantedBytes };
      for (const [what, amount] of Object.entries(kept)) {
        if (amount !== 0) return `${name} keeps ${what}: ${amount}`;
      }
    }
    return null;
  }
}
