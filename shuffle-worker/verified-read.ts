/**
 * Reading with every check there is: frame, both hashes, identity, winner, contiguous sequence, and at the end that the
 * blocks seen are those the writers counted. Only then does a read end; anything else is a typed error that names the maps.
 * It goes on where it was when a connection is cut. The remote driver and `sluice bench` call it.
 */
import assert from 'node:assert/strict';
import { sleep } from '#manager/process/retry.ts';
import { asSluiceError, type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { KiB, type Location, type Replica, type ShuffleId, shuffleFrom } from '#manager/protocol/ids.ts';
import type { LayoutView } from '#manager/protocol/layout.ts';
import type { ReadStream, WorkerClient } from './client.ts';
import { accountBytes, accountFlags, entryBytes, nameOfCode, verdictOf, type WalkCode, walkCodes, writeAccount } from './kernel/kernel.ts';
import { maxReadPairs } from './limits.ts';
import { blockHeaderBytes } from './protocol/block.ts';
import { decodeCounts, encodeCounts } from './protocol/counts.ts';
import type { ReceiveMemory } from './receive.ts';

export interface VerifiedRange {
  readonly partitionFrom: number;
  /** Exclusive. */
  readonly partitionTo: number;
  readonly mapFrom: number;
  readonly mapTo: number;
  /** Map by map, ascending, over all locations. */
  readonly ordered: boolean;
  readonly section?: number;
}

/** Verified blocks, one behind the other; valid until the next batch is asked for. */
export interface BlockBatch {
  readonly blocks: number;
  /** Calls `visit` for each block; `payload` is a view. */
  each(visit: (partition: number, map: number, records: number, payload: Uint8Array) => void): void;
  /** One block by its place in [0, blocks). */
  at(place: number): {
    readonly partition: number;
    readonly map: number;
    readonly records: number;
    readonly codec: number;
    readonly tag: number;
    readonly payload: Uint8Array;
  };
}

/** Streams one read has open at once, each with its window of the receive memory. */
const streamsAtMost = 4;
/** An ordered read merges at most so many partition ranges; of more it asks map by map. */
const mergedAtMost = 8;
/** Blocks of one batch. */
const batchBlocks = 4 * KiB;
/** How often in a row, with nothing read in between, a piece is asked for again: of a worker that does not answer, and after damage. */
const triesAtMost = 4;
const damagesAtMost = 2;
const firstPauseMs = 100;

/**
 * The blocks of the range's winners, each exactly once. @throws while iterating, with facts { shuffle, maps, location,
 * incarnation }: MISSING, CORRUPT_BLOCK, INCOMPLETE (recompute) · WRONG_INCARNATION, LAYOUT_MOVED (refresh) · CONNECTION_LOST
 * (retry: the worker cannot be reached after several tries) · SHUFFLE_RELEASED, SHUFFLE_UNKNOWN, UNAUTHORIZED (fail).
 * Cost: at most four streams at once, a window of the receive memory and 8 bytes a (partition, map) for each.
 */
export async function* verifiedRead(client: WorkerClient, view: LayoutView, range: VerifiedRange): AsyncGenerator<BlockBatch, void, void> {
  const columns = piecesOf(view, range);
  if (!range.ordered) yield* inAnyOrder(client, view, takeTurns(columns.flat(), range.partitionFrom));
  else if (columns.length === 1) yield* oneByOne(client, view, columns[0]!);
  else if (columns.length <= mergedAtMost) yield* mapByMap(client, view, columns);
  else {
    for (let map = range.mapFrom; map < range.mapTo; map++) {
      yield* inAnyOrder(client, view, takeTurns(piecesOf(view, { ...range, mapFrom: map, mapTo: map + 1 }).flat(), range.partitionFrom));
    }
  }
}

/** What one stream reads: cells of one location that all have a winner there. */
export interface Piece {
  readonly location: Location;
  /** Those of the location that have all of it. */
  readonly replicas: readonly Replica[];
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly mapFrom: number;
  readonly mapTo: number;
  readonly section: number;
  readonly ordered: boolean;
}

/**
 * The range cut into pieces, a list per partition range, maps ascending. Pure. A piece is at most maxReadPairs cells, and has no
 * map that another location holds: a worker whose layout is newer could not tell such a map from a lost one. Nor does it span maps that
 * different replicas have.
 * @throws MISSING when a cell of the range is held nowhere
 */
export function piecesOf(view: LayoutView, range: VerifiedRange): Piece[][] {
  const { mapFrom, mapTo, ordered, section = 0 } = range;
  const vacant = new Set<number>();
  const columns: Piece[][] = [];
  for (const locations of Map.groupBy(view.layout.locations, (location) => location.partitionFrom).values()) {
    const partitionFrom = Math.max(range.partitionFrom, locations[0]!.partitionFrom);
    const partitionTo = Math.min(range.partitionTo, locations[0]!.partitionTo);
    if (partitionFrom >= partitionTo) continue;
    const pieces: Piece[] = [];
    for (let map = mapFrom; map < mapTo; ) {
      const location = locations.find(({ id }) => view.winner(map, id) >= 0);
      const from = map++;
      if (!location) vacant.add(from);
      else {
        const replicas = view.replicas(from, location.id);
        while (map < mapTo && view.winner(map, location.id) >= 0 && isSame(view.replicas(map, location.id), replicas)) map++;
        pieces.push(...cut({ location, replicas, partitionFrom, partitionTo, mapFrom: from, mapTo: map, section, ordered }));
      }
    }
    columns.push(pieces);
  }
  if (vacant.size > 0) {
    const maps = [...vacant].sort((a, b) => a - b);
    throw new SluiceError('MISSING', { shuffle: view.layout.shuffle, maps, what: 'not committed' });
  }
  return columns.filter((pieces) => pieces.length > 0);
}

const isSame = (one: readonly Replica[], other: readonly Replica[]): boolean =>
  one === other || (one.length === other.length && one.every((replica, i) => replica === other[i]));

/** Ordered: fewer maps at a time; else fewer partitions, which lie together. */
function cut(piece: Piece): Piece[] {
  const maps = piece.mapTo - piece.mapFrom;
  const partitions = piece.partitionTo - piece.partitionFrom;
  const fit = (wanted: number, other: number): number => Math.min(wanted, Math.max(1, Math.floor(maxReadPairs / other)));
  const mapStep = piece.ordered ? fit(maps, partitions) : Math.min(maps, maxReadPairs);
  const partitionStep = fit(partitions, mapStep);
  const pieces: Piece[] = [];
  for (let mapFrom = piece.mapFrom; mapFrom < piece.mapTo; mapFrom += mapStep) {
    const mapTo = Math.min(mapFrom + mapStep, piece.mapTo);
    for (let from = piece.partitionFrom; from < piece.partitionTo; from += partitionStep) {
      pieces.push({ ...piece, mapFrom, mapTo, partitionFrom: from, partitionTo: Math.min(from + partitionStep, piece.partitionTo) });
    }
  }
  return pieces;
}

/** Neighbours of the list lie on different workers, and reads of different partitions begin at different ones. */
function takeTurns(pieces: readonly Piece[], begin: number): Piece[] {
  const workers = [...Map.groupBy(pieces, ({ replicas }) => replicas[0]?.incarnation).values()];
  const turned: Piece[] = [];
  for (let round = 0; turned.length < pieces.length; round++) {
    for (let i = 0; i < workers.length; i++) {
      const piece = workers[(begin + i) % workers.length]![round];
      if (piece) turned.push(piece);
    }
  }
  return turned;
}

async function* oneByOne(client: WorkerClient, view: LayoutView, pieces: readonly Piece[]): AsyncGenerator<Batch, void, void> {
  const chain = new Chain(client, view, pieces);
  try {
    for (let batch = await chain.next(); batch; batch = await chain.next()) yield batch;
  } finally {
    chain.close();
  }
}

/** Pieces one behind the other. */
class Chain {
  readonly #client: WorkerClient;
  readonly #view: LayoutView;
  readonly #waiting: Piece[];
  #reader: PieceReader | null = null;

  constructor(client: WorkerClient, view: LayoutView, pieces: readonly Piece[]) {
    this.#client = client;
    this.#view = view;
    this.#waiting = [...pieces];
  }

  async next(): Promise<Batch | null> {
    for (;;) {
      const batch = this.#reader ? await this.#reader.next() : null;
      if (batch) return batch;
      this.#reader?.close();
      this.#reader = null;
      const piece = this.#waiting.shift();
      if (!piece) return null;
      this.#reader = new PieceReader(this.#client, this.#view, piece);
    }
  }

  close(): void {
    this.#waiting.length = 0;
    this.#reader?.close();
  }
}

interface Source {
  readonly reader: PieceReader;
  /** Settles with the source's own next batch, never rejects. */
  next: Promise<{ source: Source; batch: Batch | null; error: unknown }>;
}

async function* inAnyOrder(client: WorkerClient, view: LayoutView, pieces: readonly Piece[]): AsyncGenerator<Batch, void, void> {
  const open = new Set<Source>();
  const ask = (source: Source): void => {
    source.next = source.reader.next().then(
      (batch) => ({ source, batch, error: null }),
      (error: unknown) => ({ source, batch: null, error }),
    );
  };
  let begun = 0;
  try {
    for (;;) {
      while (begun < pieces.length && open.size < streamsAtMost) {
        const source = { reader: new PieceReader(client, view, pieces[begun++]!) } as Source;
        open.add(source);
        ask(source);
      }
      if (open.size === 0) return;
      const { source, batch, error } = await Promise.race([...open].map(({ next }) => next));
      // Who has been served goes to the end, so that none is forgotten while another is always ready.
      open.delete(source);
      if (error !== null) {
        source.reader.close();
        throw error;
      }
      if (batch) {
        open.add(source);
        yield batch;
        ask(source);
      } else source.reader.close();
    }
  } finally {
    for (const { reader } of open) reader.close();
  }
}

/** Merges columns, of which each comes map by map. */
async function* mapByMap(client: WorkerClient, view: LayoutView, columns: readonly (readonly Piece[])[]): AsyncGenerator<Batch, void, void> {
  const chains = columns.map((pieces) => new Chain(client, view, pieces));
  try {
    const heads = await Promise.all(chains.map((chain) => chain.next()));
    for (;;) {
      let first = -1;
      for (const [i, head] of heads.entries()) if (head && (first < 0 || head.firstMap < heads[first]!.firstMap)) first = i;
      if (first < 0) return;
      const head = heads[first]!;
      const run = head.runOfFirstMap();
      yield run;
      heads[first] = run.blocks < head.blocks ? head.from(run.blocks) : await chains[first]!.next();
    }
  } finally {
    for (const chain of chains) chain.close();
  }
}

/** Index entries of verified blocks; a view of the receive memory. */
class Batch implements BlockBatch {
  readonly blocks: number;
  readonly #receive: ReceiveMemory;
  /** Address of the first entry. */
  readonly #entries: number;

  constructor(receive: ReceiveMemory, entries: number, blocks: number) {
    this.#receive = receive;
    this.#entries = entries;
    this.blocks = blocks;
  }

  each(visit: (partition: number, map: number, records: number, payload: Uint8Array) => void): void {
    const { words, bytes } = this.#receive;
    for (let i = 0, entry = this.#entries >>> 2; i < this.blocks; i++, entry += entryBytes / 4) {
      const address = words[entry + 5]!;
      const header = address >>> 2;
      const from = address + blockHeaderBytes;
      visit(words[entry]!, words[entry + 1]!, words[header + 11]!, bytes.subarray(from, from + words[header + 2]!));
    }
  }

  at(place: number): ReturnType<BlockBatch['at']> {
    assert.ok(place >= 0 && place < this.blocks, 'no such block');
    const { words, bytes } = this.#receive;
    const entry = this.#entries / 4 + place * (entryBytes / 4);
    const address = words[entry + 5]!;
    const header = address >>> 2;
    const from = address + blockHeaderBytes;
    return {
      partition: words[entry]!,
      map: words[entry + 1]!,
      records: words[header + 11]!,
      codec: words[header + 1]! & 0xff,
      tag: words[header + 1]! >>> 16,
      payload: bytes.subarray(from, from + words[header + 2]!),
    };
  }

  get firstMap(): number {
    return this.#mapOf(0);
  }

  /** The blocks at the beginning that are of one map. */
  runOfFirstMap(): Batch {
    const map = this.firstMap;
    let blocks = 1;
    while (blocks < this.blocks && this.#mapOf(blocks) === map) blocks++;
    return new Batch(this.#receive, this.#entries, blocks);
  }

  from(place: number): Batch {
    return new Batch(this.#receive, this.#entries + place * entryBytes, this.blocks - place);
  }

  #mapOf(place: number): number {
    return this.#receive.words[(this.#entries + place * entryBytes) / 4 + 1]!;
  }
}

/** One piece, over as many streams as it takes. Its account lives from the first stream to close. */
class PieceReader {
  readonly #client: WorkerClient;
  readonly #view: LayoutView;
  readonly #piece: Piece;
  readonly #shuffle: ShuffleId;
  /** Addresses in the receive memory: account and winners, counts, entries; -1 until the first stream. */
  #account = -1;
  #counts = -1;
  #entries = -1;
  #isPrepared = false;
  #stream: ReadStream | null = null;
  /** The stream goes on where another one was cut. */
  #isResumed = false;
  /** Of the frame in hand, what has not been walked over. */
  #at = 0;
  #left = 0;
  /** Found behind the blocks that were given out last. */
  #fault: SluiceError | null = null;
  /** In a row, with no block taken in between. */
  #tries = 0;
  #damages = 0;
  /** Replicas that have not failed for good, the one in use first. */
  readonly #replicas: Replica[];
  /** What the first of those that have said. */
  #firstError: SluiceError | null = null;
  #state: 'reading' | 'ended' | 'closed' = 'reading';

  constructor(client: WorkerClient, view: LayoutView, piece: Piece) {
    this.#client = client;
    this.#view = view;
    this.#piece = piece;
    this.#shuffle = shuffleFrom(view.layout.shuffle);
    this.#replicas = [...piece.replicas];
  }

  /** The next blocks, at least one; null when all were there. Not concurrent; what it answered before is not valid any more. */
  async next(): Promise<Batch | null> {
    for (;;) {
      if (this.#state === 'closed') throw new SluiceError('INTERRUPTED');
      if (this.#state === 'ended') return null;
      if (this.#fault) {
        const fault = this.#fault;
        this.#fault = null;
        await this.#failed(fault, true);
        continue;
      }
      if (this.#left > 0) {
        const blocks = this.#walk();
        if (blocks > 0) return new Batch(this.#client.receive, this.#entries, blocks);
        continue;
      }
      try {
        this.#stream ??= this.#open();
        const part = await this.#stream.next();
        if (this.#isResumed && this.#stream.ledgerVersion !== this.#view.layout.version) {
          // The rest may be another attempt's, and its counts would be taken for those of what was read.
          this.#fault = this.#error('LAYOUT_MOVED', { what: 'a read that was cut cannot go on' });
        } else if (part.kind === 'blocks') {
          this.#at = part.address;
          this.#left = part.length;
        } else {
          this.#fault = this.#faultOfCounts(part.counts);
          if (!this.#fault) this.#state = 'ended';
        }
      } catch (thrown) {
        if (this.#isClosed) throw thrown;
        await this.#failed(asSluiceError(thrown), false);
      }
    }
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#stream?.close();
    const { slots } = this.#client.receive;
    if (this.#account >= 0) slots.free(this.#account, this.#accountBytes);
    if (this.#counts >= 0) slots.free(this.#counts, this.#pairs * 4);
    if (this.#entries >= 0) slots.free(this.#entries, batchBlocks * entryBytes);
  }

  get #isClosed(): boolean {
    return this.#state === 'closed';
  }
  get #maps(): number {
    return this.#piece.mapTo - this.#piece.mapFrom;
  }
  get #pairs(): number {
    return this.#maps * (this.#piece.partitionTo - this.#piece.partitionFrom);
  }
  get #accountBytes(): number {
    return accountBytes + 4 * this.#maps;
  }
  /** Blocks taken per (partition, map), the map running faster. */
  get #taken(): Uint32Array {
    return this.#client.receive.words.subarray(this.#counts / 4, this.#counts / 4 + this.#pairs);
  }

  #open(): ReadStream {
    if (!this.#isPrepared) this.#prepare();
    const { location, partitionFrom, partitionTo, mapFrom, mapTo, section, ordered } = this.#piece;
    const taken = this.#taken;
    this.#isResumed = taken.some((count) => count > 0);
    return this.#client.openRead(this.#replicas[0]!, {
      shuffle: this.#shuffle,
      location: location.id,
      partitionFrom,
      partitionTo,
      mapFrom,
      mapTo,
      section,
      ledgerVersion: this.#view.layout.version,
      ordered,
      skip: this.#isResumed ? encodeCounts(taken) : new Uint8Array(0),
    });
  }

  #prepare(): void {
    const { slots, kernel, words } = this.#client.receive;
    const { partitionFrom, partitionTo, mapFrom, mapTo, section, location } = this.#piece;
    if (this.#account < 0) this.#account = slots.allocate(this.#accountBytes);
    if (this.#counts < 0) this.#counts = slots.allocate(this.#pairs * 4);
    if (this.#entries < 0) this.#entries = slots.allocate(batchBlocks * entryBytes);
    if (this.#account < 0 || this.#counts < 0 || this.#entries < 0) {
      throw new SluiceError('NO_SPACE', { what: 'too many reads are open at once in this process' });
    }
    const winners = this.#account + accountBytes;
    for (let map = mapFrom; map < mapTo; map++) words[winners / 4 + map - mapFrom] = this.#view.winner(map, location.id);
    this.#taken.fill(0);
    const flags = accountFlags.dropResent | accountFlags.noManifest;
    const rectangle = { partitionFrom, partitionTo, mapFrom, mapTo, section };
    writeAccount(kernel.memory, this.#account, { ...rectangle, shuffle: this.#shuffle, flags, winners, counts: this.#counts, slot: 0 });
    this.#isPrepared = true;
  }

  /** Verifies what is in hand as far as one batch goes; answers the blocks taken. */
  #walk(): number {
    const { kernel } = this.#client.receive;
    const { code, entries, position } = kernel.walk(this.#at, this.#left, this.#account, this.#entries, 0, batchBlocks);
    this.#at += position;
    this.#left -= position;
    if (entries > 0) {
      this.#tries = 0;
      this.#damages = 0;
    }
    if (code !== walkCodes.ok && code !== walkCodes.full) {
      this.#left = 0;
      this.#fault = this.#faultOf(code);
    }
    return entries;
  }

  /** The block at #at is not what is due. */
  #faultOf(code: WalkCode): SluiceError {
    const { words } = this.#client.receive;
    const map = words[this.#at / 4 + 7]!;
    const what = `${nameOfCode(code)} of a block from location ${this.#piece.location.id}`;
    if (verdictOf(code) === 'corrupt') {
      // Its header says whose block it is only when the header's own hash holds.
      return this.#error('CORRUPT_BLOCK', { maps: code === walkCodes.payloadHash ? [map] : this.#unfinished(), what });
    }
    if (code === walkCodes.attempt && this.#stream!.ledgerVersion > this.#view.layout.version) {
      return this.#error('LAYOUT_MOVED', { maps: [map], what: `map ${map} has another winner by now` });
    }
    return this.#error('MISSING', { maps: code === walkCodes.sequence || code === walkCodes.attempt ? [map] : this.#unfinished(), what });
  }

  /** Nothing says which maps are whole before the end. */
  #unfinished(): number[] {
    return Array.from({ length: this.#maps }, (_, i) => this.#piece.mapFrom + i);
  }

  /** Null when the blocks taken are those that the writers counted. */
  #faultOfCounts(counts: Uint8Array): SluiceError | null {
    const expected = new Uint32Array(this.#pairs);
    const coded = decodeCounts(counts, 0, this.#pairs, (index, count) => {
      expected[index] = count;
    });
    if (coded !== counts.length) return this.#error('INCOMPLETE', { maps: this.#unfinished(), what: 'the worker’s counts are no counts' });
    const wrong = new Set<number>();
    const taken = this.#taken;
    for (let i = 0; i < expected.length; i++) if (expected[i] !== taken[i]) wrong.add(this.#piece.mapFrom + (i % this.#maps));
    if (wrong.size === 0) return null;
    const maps = [...wrong].sort((a, b) => a - b);
    return this.#error('INCOMPLETE', { maps, what: 'blocks that their writers have counted did not come, or more did' });
  }

  /** Gets ready to go on after a failure, in a while or elsewhere; throws it when that is of no use. `isOurs`: it was found here, not told by the worker. */
  async #failed(error: SluiceError, isOurs: boolean): Promise<void> {
    this.#stream?.close();
    this.#stream = null;
    this.#left = 0;
    const told = isOurs ? error : this.#error(error.code, error.facts, error);
    if (this.#client.isClosed || error.remedy === 'fail' || error.code === 'LAYOUT_MOVED') throw told;
    if (error.remedy === 'retry') {
      if (this.#tries === triesAtMost) throw this.#firstError ?? told;
      // Another replica may be there while this one is not.
      this.#replicas.push(this.#replicas.shift()!);
      await sleep(this.#client.clock, firstPauseMs * 2 ** this.#tries++);
      return;
    }
    // Damaged on its way, or for good? Another look tells.
    if (isOurs && this.#damages++ < damagesAtMost) return;
    this.#damages = 0;
    this.#firstError ??= told;
    this.#replicas.shift();
    if (this.#replicas.length === 0) throw this.#firstError;
  }

  #error(code: ErrorCode, facts: Readonly<Record<string, unknown>>, cause?: SluiceError): SluiceError {
    const place = {
      shuffle: this.#view.layout.shuffle,
      location: this.#piece.location.id,
      incarnation: this.#replicas[0]?.incarnation ?? this.#piece.replicas[0]?.incarnation,
    };
    const maps = Array.isArray(facts['maps']) && facts['maps'].length > 0 ? facts['maps'] : this.#unfinished();
    return new SluiceError(code, { ...facts, ...place, maps }, cause ? { cause } : {});
  }
}
