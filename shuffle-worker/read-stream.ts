/**
 * The worker's side of one read stream: a rectangle of maps and partitions of one location, the winners' blocks only, from
 * regions and from the arena, within the credit of its reader. It ends with the counts of the writers' manifests, and only
 * when so many blocks were sent; what is not held, or cannot be read, is an error that names the maps. Made by session.ts.
 */

import type { Clock, Log, Millis } from '#manager/process/ports.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import { KiB, type ShuffleId, shuffleText } from '#manager/protocol/ids.ts';
import type { LayoutView } from '#manager/protocol/layout.ts';
import { accountBytes, accountFlags, entryBytes, nameOfCode, verdictOf, writeAccount } from './kernel/kernel.ts';
import type { Layouts } from './layouts.ts';
import { maxReadPairs } from './limits.ts';
import { blockBytes, noAttempt } from './protocol/block.ts';
import { decodeCounts, encodeCounts } from './protocol/counts.ts';
import { errorMessage, type Message, type MessageOf, readFlags } from './protocol/frames.ts';
import type { Batch } from './store/batch.ts';
import type { EntryRun } from './store/index.ts';
import { readEntries, readPieceBytes, type StoreMemory } from './store/memory.ts';
import type { Places } from './store/places.ts';
import type { Shelf, ShuffleData, Store } from './store/store.ts';
import { type Extent, extentsOf, granuleAfter, type Rectangle } from './store/stored-region.ts';

export interface ReadServing {
  readonly memory: StoreMemory;
  readonly store: Store;
  readonly layouts: Layouts;
  readonly clock: Clock;
  readonly log: Log;
  /** Room for pieces and frames, and for accounts. */
  readonly pieces: Places;
  readonly accounts: Places;
  readonly counters: { blocksSent: number; bytesSent: number };
  isReleased(shuffle: ShuffleId): boolean;
}

export interface ReadLink {
  tell(...messages: readonly Message[]): void;
  /** Sends bytes of the store's memory as one frame, with what is to be said before it and behind it; settles when they may be reused. */
  send(id: number, address: number, length: number, before: Message | null, behind: Message | null): Promise<void>;
  ended(id: number): void;
  /** Cuts the connection: its peer takes nothing. */
  cut(what: string): void;
}

/** A peer that takes nothing of a frame this long is gone. */
const stallMs: Millis = 60_000;

export class ReadStream {
  readonly id: number;
  readonly #serving: ReadServing;
  readonly #link: ReadLink;
  readonly #request: MessageOf<'openRead'>;
  readonly #shuffle: ShuffleId;
  /** What the reader may have on its way or in its memory. */
  #window: number;
  #granted: number;
  /** What the read waits for: credit. */
  #credit: PromiseWithResolvers<void> | null = null;
  #stopped = false;
  #sent: Promise<void> = Promise.resolve();
  /** That the stream is open is said with its first frame: a small read is one packet. */
  #opened: Message | null = null;
  /** A frame behind which only END follows, kept for it. */
  #last: { readonly address: number; readonly placeBytes: number; readonly bytes: number } | null = null;
  /** Blocks after which nothing follows; -1: not known. */
  #due = -1;
  /** Per (partition, map), the map running faster: what the manifests state, and the sequence to begin with. */
  #expected = new Uint32Array(0);
  #skip = new Uint32Array(0);
  /** Of the maps of the request. */
  #winners = new Uint32Array(0);
  #data: ShuffleData | null = null;
  /** The first damage that was found in the files. */
  #fault: { readonly code: 'CORRUPT_BLOCK' | 'MISSING'; readonly what: string } | null = null;
  /** Account, winners and counts of the window that is being read; -1 when there is none. */
  #account = -1;
  /** Most bytes of a frame that is not one large block. */
  #frameBytes: number;

  constructor(serving: ReadServing, link: ReadLink, request: MessageOf<'openRead'>) {
    this.id = request.stream;
    this.#serving = serving;
    this.#link = link;
    this.#request = request;
    this.#shuffle = request.shuffle as ShuffleId;
    this.#window = request.grantBytes;
    this.#granted = request.grantBytes;
    this.#frameBytes = Math.min(readPieceBytes, Math.max(64 * KiB, request.grantBytes >>> 1));
  }

  /** Reads to the end. Never rejects: what goes wrong is told to the reader. */
  async run(): Promise<void> {
    try {
      const version = await this.#open();
      this.#opened = { type: 'opened', stream: this.id, accepted: 0, grantBytes: 0, ledgerVersion: version, backlogBytes: 0n };
      if (!isSame(this.#expected, this.#skip)) await this.#serve();
      await this.#sent;
      this.#check();
      const { sectionFrom } = this.#request;
      const end: Message = { type: 'end', stream: this.id, section: sectionFrom, more: 0, cursor: 0n, counts: encodeCounts(this.#expected) };
      if (this.#last) {
        const { address, placeBytes, bytes } = this.#last;
        this.#last = null;
        this.#hand(address, placeBytes, bytes, end);
      } else this.#link.tell(...this.#takeOpened(), end);
    } catch (thrown) {
      await this.#sent.catch(() => {});
      if (this.#last) this.#serving.pieces.give(this.#last.address, this.#last.placeBytes);
      const error = asSluiceError(thrown);
      if (error.code === 'INTERNAL') this.#serving.log.error({ stack: (thrown as Error).stack }, error.message);
      if (!this.#stopped) this.#link.tell(errorMessage(this.id, error));
    } finally {
      if (this.#account >= 0) this.#serving.accounts.give(this.#account, this.#accountBytes);
      this.#account = -1;
      this.#link.ended(this.id);
    }
  }

  grant(bytes: number): void {
    this.#granted += bytes;
    this.#wake();
  }

  /** Nobody listens any more. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  #takeOpened(): Message[] {
    const opened = this.#opened;
    this.#opened = null;
    return opened ? [opened] : [];
  }

  #wake(): void {
    this.#credit?.resolve();
    this.#credit = null;
  }

  get #maps(): number {
    return this.#request.mapTo - this.#request.mapFrom;
  }
  get #accountBytes(): number {
    return accountBytes + 8 + 4 * this.#maps + 4 * this.#expected.length;
  }

  /** @throws when the stream is not wanted any more, or the data has been released meanwhile: then nothing in its files is ours */
  #check(): void {
    if (this.#stopped) throw new SluiceError('INTERRUPTED');
    const isReleased = this.#data?.released === true || this.#serving.isReleased(this.#shuffle);
    if (isReleased) throw new SluiceError('SHUFFLE_RELEASED', { shuffle: shuffleText(this.#shuffle) });
  }

  /** Finds out what is wanted, and that all of it is held. Answers the version of the layout it goes by. */
  async #open(): Promise<number> {
    const { layouts, accounts, store } = this.#serving;
    const { ledgerVersion, partitionFrom, partitionTo, flags, cursor, skip } = this.#request;
    const refuse = (what: string): SluiceError => new SluiceError('IDENTITY_MISMATCH', { what: `OPEN_READ with ${what}` });
    if ((flags & ~readFlags.ordered) !== 0 || cursor !== 0n) throw refuse('flags or a cursor this worker does not know');
    if (partitionTo < partitionFrom || this.#maps < 0) throw refuse('no rectangle');
    const pairs = this.#maps * (partitionTo - partitionFrom);
    if (pairs > maxReadPairs) throw refuse(`more than ${maxReadPairs} cells`);
    this.#check();
    const view = await layouts.at(this.#shuffle, ledgerVersion);
    this.#check();
    this.#expected = new Uint32Array(pairs);
    this.#skip = new Uint32Array(pairs);
    const coded = decodeCounts(skip, 0, skip.length === 0 ? 0 : pairs, (index, count) => {
      this.#skip[index] = count;
    });
    if (coded !== skip.length) throw refuse('a skip vector that is none');
    this.#data = store.shuffles.get(this.#shuffle) ?? null;
    const lost = this.#hold(view, refuse);
    if (lost.length > 0) throw this.#missing(lost, 'not held by this worker');
    const beyond = this.#skip.findIndex((count, index) => count > this.#expected[index]!);
    if (beyond >= 0) throw this.#missing([this.#request.mapFrom + (beyond % this.#maps)], 'the reader has more blocks than their writer has counted');
    this.#account = await accounts.take(this.#accountBytes);
    this.#check();
    return view.layout.version;
  }

  /** Fills in winners and counts; answers the maps whose cells are not here. */
  #hold(view: LayoutView, refuse: (what: string) => SluiceError): number[] {
    const { location, ledgerVersion, partitionFrom, partitionTo, mapFrom, mapTo, sectionFrom } = this.#request;
    const where = view.layout.locations[location];
    const winners = this.#serving.layouts.winnersOf(view, location);
    if (!where || !winners) throw refuse(`location ${location}, which the shuffle does not have`);
    if (mapFrom < where.mapFrom || mapTo > where.mapTo || partitionFrom < where.partitionFrom || partitionTo > where.partitionTo) {
      throw refuse(`cells outside location ${location}`);
    }
    this.#winners = winners.slice(mapFrom - where.mapFrom, mapTo - where.mapFrom);
    const lost: number[] = [];
    for (let map = mapFrom; map < mapTo; map++) {
      const attempt = this.#winners[map - mapFrom]!;
      if (attempt === noAttempt) {
        // The reader's layout is older: what it expects of this map is not known here, and "nothing" would be a guess.
        if (view.layout.version !== ledgerVersion) lost.push(map);
        continue;
      }
      const cell = this.#data?.cells.find(location, map, attempt, sectionFrom);
      if (!cell) lost.push(map);
      else
        cell.counts.each(partitionFrom, partitionTo, (partition, blocks) => {
          this.#expected[(partition - partitionFrom) * this.#maps + map - mapFrom] = blocks;
        });
    }
    return lost;
  }

  /** Sends all blocks; afterwards each count is the expected one. */
  async #serve(): Promise<void> {
    const { partitionFrom, partitionTo, mapFrom, mapTo, flags } = this.#request;
    const all = { partitionFrom, partitionTo, mapFrom, mapTo };
    if ((flags & readFlags.ordered) === 0 || this.#maps === 1) return await this.#stream(all, true);
    let maps = this.#maps;
    for (let map = mapFrom; map < mapTo; ) {
      const window = { ...all, mapFrom: map, mapTo: Math.min(map + maps, mapTo) };
      const outcome = await this.#sorted(window);
      if (outcome === 'sent') {
        map = window.mapTo;
        maps *= 2;
      } else if (outcome === 'large') {
        // One map is in order as it comes.
        if (window.mapTo - map === 1) {
          await this.#stream(window, false);
          map++;
        } else maps = Math.ceil((window.mapTo - map) / 2);
      }
    }
  }

  /** Writes the account of a window: from the skip vector on. Answers how many blocks are due. */
  #begin(window: Rectangle): number {
    const { memory } = this.#serving;
    const { words } = memory;
    const { sectionFrom, mapFrom, partitionFrom } = this.#request;
    const maps = window.mapTo - window.mapFrom;
    const winners = this.#account + accountBytes;
    const counts = winners + 4 * maps + ((4 * maps) & 7);
    words.set(this.#winners.subarray(window.mapFrom - mapFrom, window.mapTo - mapFrom), winners / 4);
    let due = 0;
    for (let partition = window.partitionFrom; partition < window.partitionTo; partition++) {
      const from = (partition - partitionFrom) * this.#maps + window.mapFrom - mapFrom;
      const to = counts / 4 + (partition - window.partitionFrom) * maps;
      for (let i = 0; i < maps; i++) {
        words[to + i] = this.#skip[from + i]!;
        due += this.#expected[from + i]! - this.#skip[from + i]!;
      }
    }
    const flags = accountFlags.dropResent | accountFlags.dropOthers | accountFlags.headersOnly;
    writeAccount(memory.kernel.memory, this.#account, { ...window, shuffle: this.#shuffle, section: sectionFrom, flags, winners, counts, slot: 0 });
    return due;
  }

  /** @throws MISSING or CORRUPT_BLOCK with the maps of the window of which other blocks were found than their writers state */
  #complete(window: Rectangle): void {
    const { words } = this.#serving.memory;
    const { mapFrom, partitionFrom } = this.#request;
    const maps = window.mapTo - window.mapFrom;
    const counts = (this.#account + accountBytes + 4 * maps + ((4 * maps) & 7)) / 4;
    const lost = new Set<number>();
    for (let partition = window.partitionFrom; partition < window.partitionTo; partition++) {
      const from = (partition - partitionFrom) * this.#maps + window.mapFrom - mapFrom;
      const at = counts + (partition - window.partitionFrom) * maps;
      for (let i = 0; i < maps; i++) if (words[at + i] !== this.#expected[from + i]) lost.add(window.mapFrom + i);
    }
    if (lost.size === 0) return;
    const found = [...lost].sort((a, b) => a - b);
    const fault = this.#fault ?? { code: 'MISSING', what: 'blocks that their writers have counted are not there' };
    throw new SluiceError(fault.code, { shuffle: shuffleText(this.#shuffle), location: this.#request.location, maps: found, what: fault.what });
  }

  /** Blocks the account has taken so far. */
  get #taken(): number {
    return this.#serving.memory.words[this.#account / 4 + 10]!;
  }
  get #dropped(): number {
    return this.#serving.memory.words[this.#account / 4 + 19]!;
  }

  /**
   * A window in the order of the store: shelf by shelf the regions, then what is still in memory. What leaves memory meanwhile is
   * found again in a region, where the account drops what was sent.
   */
  async #stream(window: Rectangle, isAll: boolean): Promise<void> {
    const due = this.#begin(window);
    this.#due = isAll ? due : -1;
    for (const shelf of this.#data?.shelves ?? []) {
      for (let ordinal = 0; this.#taken < due; ) {
        const region = shelf.regions[ordinal];
        if (region) {
          ordinal++;
          for (const extent of extentsOf(region, window, this.#frameBytes)) {
            if (this.#taken === due) break;
            await this.#piece(extent);
          }
        } else if (!(await this.#batches(shelf, due)) && !shelf.regions[ordinal]) break;
        this.#check();
      }
    }
    this.#complete(window);
  }

  /** Reads one extent and sends what is wanted of it. */
  async #piece(extent: Extent): Promise<void> {
    const { memory, pieces } = this.#serving;
    const { kernel, index } = memory;
    // Credit first: who waits for a reader must not hold a place that others could use.
    await this.#room(extent.length);
    const address = await pieces.take(extent.length);
    let sending = false;
    try {
      this.#check();
      const read = await this.#fill(extent, address);
      const { entries, isAll } = this.#walk(extent, address, read, 0);
      if (entries === 0) return;
      // In place: a block never moves to a higher address.
      const bytes = isAll ? extent.length : kernel.gather(index.entries, memory.readNumbers, 0, entries, 0, address, extent.length).bytes;
      await this.#sent;
      this.#check();
      sending = true;
      this.#send(address, extent.length, bytes, entries);
    } finally {
      if (!sending) pieces.give(address, extent.length);
    }
  }

  /** Reads an extent from its file; answers how many bytes there were. */
  async #fill(extent: Extent, address: number): Promise<number> {
    const into = this.#serving.memory.bytes.subarray(address, address + extent.length);
    let read = 0;
    try {
      read = await extent.region.segment.file.read(extent.offset, into);
    } catch (thrown) {
      this.#note(extent, 'MISSING', asSluiceError(thrown).message);
    }
    // Released meanwhile, the place in the file is somebody else's.
    this.#check();
    if (read < extent.length) this.#note(extent, 'MISSING', 'a file has lost its end');
    return read;
  }

  /**
   * Verifies the headers of an extent of which `length` bytes were read, and enters what is wanted of it, from entry `first` on.
   * What is damaged is passed over, by granules: whether it was wanted is seen when the counts are compared. -1 entries: no room.
   */
  #walk(extent: Extent, address: number, length: number, first: number): { entries: number; isAll: boolean } {
    const { memory } = this.#serving;
    const { kernel, index, words } = memory;
    const dropped = this.#dropped;
    let isAll = length === extent.length;
    let entries = 0;
    for (let at = 0; at < length; ) {
      const entry = memory.readEntry + first + entries;
      const walked = kernel.walk(address + at, length - at, this.#account, index.entries, entry, readEntries - first - entries);
      entries += walked.entries;
      at += walked.position;
      if (walked.code === 0) break;
      const verdict = verdictOf(walked.code);
      if (verdict === 'full') return { entries: -1, isAll: false };
      isAll = false;
      this.#note(extent, verdict === 'corrupt' ? 'CORRUPT_BLOCK' : 'MISSING', nameOfCode(walked.code));
      // Of a block whose header is right the length is known.
      at = verdict === 'identity' ? at + blockBytes(words[(address + at) / 4 + 2]!) : granuleAfter(extent.region, extent.offset + at) - extent.offset;
    }
    return { entries, isAll: isAll && this.#dropped === dropped };
  }

  /** Sends what is in memory; true when a batch has left it meanwhile, so that regions have to be looked at again. */
  async #batches(shelf: Shelf, due: number): Promise<boolean> {
    const { memory, pieces } = this.#serving;
    const { kernel, index } = memory;
    let batch: Batch | undefined = shelf.batches[0];
    let run = 0;
    let place = 0;
    let bytes = this.#frameBytes;
    while (batch && this.#taken < due) {
      const placeBytes = bytes;
      await this.#room(placeBytes);
      await this.#sent;
      const address = await pieces.take(placeBytes);
      let sending = false;
      try {
        this.#check();
        if (batch.over) return true;
        let filled = 0;
        let chosen = 0;
        let next = 0;
        // One frame from as many runs as it takes.
        while (batch && next === 0) {
          const entries: EntryRun | undefined = batch.runs[run];
          if (!entries) {
            batch = shelf.batches[shelf.batches.indexOf(batch) + 1];
            run = 0;
            place = 0;
            continue;
          }
          const list = index.numbers + 4 * entries.first;
          const selected = kernel.select(index.entries, list, place, entries.used, this.#account, memory.readList, placeBytes - filled);
          const to = address + filled;
          filled += kernel.gather(index.entries, memory.readList, 0, selected.entries, 0, to, placeBytes - filled).bytes;
          chosen += selected.entries;
          place = selected.position;
          const verdict = verdictOf(selected.code);
          if (verdict === 'full') next = this.#lengthOf(entries.first + place);
          else if (verdict !== 'ok') place++;
          else {
            run++;
            place = 0;
          }
        }
        // A block that does not even fit a frame alone gets one of its own length.
        bytes = filled === 0 && next > 0 ? next : this.#frameBytes;
        if (filled === 0) continue;
        sending = true;
        this.#send(address, placeBytes, filled, chosen);
      } finally {
        if (!sending) pieces.give(address, placeBytes);
      }
    }
    return false;
  }

  /**
   * A window map by map, in one frame. `large`: it is more than fits one, nothing was sent · `again`: a batch became a region
   * in between.
   */
  async #sorted(window: Rectangle): Promise<'sent' | 'large' | 'again'> {
    const { memory, pieces } = this.#serving;
    const { kernel, index } = memory;
    const shelves = this.#data?.shelves ?? [];
    const regions = shelves.map((shelf) => shelf.regions.length);
    const extents = shelves.map((shelf) => shelf.regions.flatMap((region) => extentsOf(region, window, readPieceBytes)));
    const fileBytes = extents.flat().reduce((sum, extent) => sum + extent.length, 0);
    const limit = this.#frameBytes;
    if (fileBytes > readPieceBytes) return 'large';
    const placeBytes = fileBytes + limit;
    await this.#room(limit);
    await this.#sent;
    const address = await pieces.take(placeBytes);
    let sending = false;
    try {
      this.#check();
      let at = address + limit;
      const addresses = extents.map((list) =>
        list.map((extent) => {
          const from = at;
          at += extent.length;
          return from;
        }),
      );
      const fills = extents.flatMap((list, shelf) => list.map((extent, i) => this.#fill(extent, addresses[shelf]![i]!)));
      // All of them have ended before the place is given back.
      const read = (await Promise.allSettled(fills)).map((fill) => {
        if (fill.status === 'rejected') throw fill.reason;
        return fill.value;
      });
      if (shelves.some((shelf, i) => shelf.regions.length !== regions[i])) return 'again';
      const due = this.#begin(window);
      let chosen = 0;
      /** Numbers of entries go behind those that are chosen; the list has room for two frames of the smallest blocks. */
      const into = (): number => memory.readList + 4 * chosen;
      for (const [i, shelf] of shelves.entries()) {
        for (const [k, extent] of extents[i]!.entries()) {
          const from = addresses[i]![k]!;
          const { entries } = this.#walk(extent, from, read.shift()!, chosen);
          if (entries < 0) return 'large';
          const numbers = memory.readNumbers / 4 + chosen;
          memory.words.copyWithin(into() / 4, numbers, numbers + entries);
          chosen += entries;
        }
        for (const { first, used } of shelf.batches.flatMap((batch) => batch.runs)) {
          for (let place = 0; place < used; ) {
            if (chosen > readEntries / 2) return 'large';
            const selected = kernel.select(index.entries, index.numbers + 4 * first, place, used, this.#account, into(), limit);
            const verdict = verdictOf(selected.code);
            if (verdict === 'full') return 'large';
            chosen += selected.entries;
            // Behind a gap: passed over, the counts will tell.
            place = selected.position + (verdict === 'ok' ? 0 : 1);
          }
        }
      }
      if (this.#taken !== due) this.#complete(window);
      if (chosen === 0) return 'sent';
      kernel.sort(index.entries, memory.readList, memory.readScratch, chosen, 1);
      const gathered = kernel.gather(index.entries, memory.readList, 0, chosen, 0, address, limit);
      if (gathered.place < chosen) return 'large';
      sending = true;
      this.#send(address, placeBytes, gathered.bytes, chosen);
      return 'sent';
    } finally {
      if (!sending) pieces.give(address, placeBytes);
    }
  }

  /** Sends a frame from a place of `placeBytes`, which goes back when the frame has left. */
  #send(address: number, placeBytes: number, bytes: number, blocks: number): void {
    const { counters } = this.#serving;
    this.#granted -= bytes;
    counters.blocksSent += blocks;
    counters.bytesSent += bytes;
    if (this.#taken === this.#due) this.#last = { address, placeBytes, bytes };
    else this.#hand(address, placeBytes, bytes, null);
  }

  #hand(address: number, placeBytes: number, bytes: number, behind: Message | null): void {
    const { pieces, clock } = this.#serving;
    const timer = clock.after(stallMs, () => this.#link.cut(`nothing of a frame was taken for ${stallMs} ms`));
    const [opened = null] = this.#takeOpened();
    this.#sent = this.#link.send(this.id, address, bytes, opened, behind).finally(() => {
      timer.cancel();
      pieces.give(address, placeBytes);
    });
    // Awaited before the next frame; a failure in between must not count as unhandled.
    this.#sent.catch(() => {});
  }

  /** Waits until the reader has granted `bytes`; asks for more than it ever grants by itself. */
  async #room(bytes: number): Promise<void> {
    let asked = false;
    while (this.#granted < bytes) {
      this.#check();
      // A reader gives back in quarters of its window, so the last one may stay out.
      const short = bytes - (this.#window - (this.#request.grantBytes >>> 2));
      if (short > 0 && !asked) {
        asked = true;
        this.#window += short;
        this.#link.tell(...this.#takeOpened(), { type: 'credit', stream: this.id, grantBytes: 0, wantedBytes: short });
      } else if (this.#opened) this.#link.tell(...this.#takeOpened());
      this.#credit ??= Promise.withResolvers();
      await this.#credit.promise;
    }
  }

  #lengthOf(entry: number): number {
    const { words, index } = this.#serving.memory;
    return words[(index.entries + entryBytes * entry) / 4 + 6]!;
  }

  /** Something stored is not what was written, or cannot be read. It is no error yet: it may be a loser's. */
  #note({ region, firstMap, lastMap }: Extent, code: 'CORRUPT_BLOCK' | 'MISSING', what: string): void {
    const where = { shuffle: shuffleText(this.#shuffle), segment: region.segment.number, region: region.ordinal, firstMap, lastMap };
    this.#serving.log.error(where, `stored blocks are damaged: ${what}`);
    this.#fault ??= { code, what: `${what}, in segment ${where.segment}, region ${where.region}` };
  }

  #missing(maps: readonly number[], what: string): SluiceError {
    return new SluiceError('MISSING', { shuffle: shuffleText(this.#shuffle), location: this.#request.location, maps, what });
  }
}

function isSame(a: Uint32Array, b: Uint32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
