/**
 * The manager's journal over the port Disk: records in checksummed frames, a frame per batch, a file per term whose first
 * frame is a snapshot. Whoever must not speak of a record before it is synced waits for that. It knows nothing of what the
 * records mean. Called by manager.ts; docs/STORAGE.md draws the file.
 *
 * frame   0 magic `SLJR` u32 · 4 length u32 · 8 sequence u64, from 0 · 16 crc32 of the payload u32 · 20 crc32 of bytes 0..19 u32
 *         24 payload: a JSON array of records, UTF-8
 * file    journal-<term>-<nonce>-<part>, renamed into place with its snapshot; an empty one is a claim; the newest that is not empty counts
 *
 * A manager takes over by claiming a higher term before it reads the older files; each batch looks for such a claim after
 * its sync and before anyone is answered. So of two managers on one folder the older never acknowledges what the newer
 * one has not read.
 */
import { crc32 } from 'node:zlib';
import type { Disk, DiskFile, Random } from './process/ports.ts';
import { asSluiceError, SluiceError } from './protocol/errors.ts';
import { mint128 } from './protocol/ids.ts';

const magic = 0x524a4c53;
const headerBytes = 24;
const prefix = 'journal-';
const draftName = 'draft-journal';

export interface JournalOptions<R> {
  readonly disk: Disk;
  readonly random: Random;
  /** Called for every record of the newest journal, in order; the first one is a snapshot. Not called for a new cluster. */
  replay(record: R): void;
  /** The record that stands for everything replayed and appended so far. */
  snapshot(): R;
  /** A batch was not written: nothing appended since the last durable one counts. Called before anyone waiting hears of it. */
  failed(error: SluiceError): void;
  /** A file longer than this, and four times its snapshot, is followed by a new one. */
  readonly compactBytes: number;
}

interface Waiter {
  resolve(): void;
  reject(error: SluiceError): void;
}

export class Journal<R> {
  readonly term: number;
  readonly #options: JournalOptions<R>;
  /** `journal-<term>-<nonce>`: compared with others' names. */
  readonly #owner: string;
  #part = 0;
  #file!: DiskFile;
  /** Durable bytes and frames of the current file. */
  #bytes = 0;
  #frames = 0;
  #snapshotBytes = 0;
  /** A sync has failed: this file is not written again. */
  #spoiled = false;
  #fenced = false;
  #pending: R[] = [];
  #waiting: Waiter[] = [];
  #inFlight: Promise<void> | null = null;
  #failing = false;
  /** For the metrics. */
  readonly counters = { records: 0, batches: 0, bytes: 0, failures: 0 };

  private constructor(term: number, owner: string, options: JournalOptions<R>) {
    this.term = term;
    this.#owner = owner;
    this.#options = options;
  }

  /**
   * Takes over the folder: claims the next term, replays what is there, starts this term's file with a snapshot, removes the
   * older files. Cost: one read of the newest file, one write of the snapshot.
   * @throws JOURNAL_CORRUPT with path and offset when a frame in the middle is damaged (a torn last one is left out) · NO_SPACE · DISK_FAILED
   */
  static async open<R>(options: JournalOptions<R>): Promise<Journal<R>> {
    const { disk, random } = options;
    for (let tries = 0; ; tries++) {
      // Two that start at once withdraw from the same term and must not meet again at the next.
      const leap = tries === 0 ? 0 : Math.floor(random.next() * 8);
      const term = Math.max(0, ...(await namesIn(disk)).map(termOf)) + 1 + leap;
      const owner = `${prefix}${String(term).padStart(10, '0')}-${mint128(random).slice(0, 8)}`;
      const journal = new Journal(term, owner, options);
      const claim = await disk.open(journal.#name(), 'create');
      await claim.close();
      const others = (await namesIn(disk)).filter((name) => !name.startsWith(owner));
      if (others.some((name) => termOf(name) >= term)) {
        await disk.remove(journal.#name());
        continue;
      }
      try {
        await replayNewest(options, others);
        await journal.#startFile([]);
      } catch (thrown) {
        await disk.remove(journal.#name()).catch(() => {});
        // A file that a later manager has taken away is no broken disk.
        await journal.checkTerm();
        throw thrown;
      }
      for (const name of [...others, ...(await disk.list('.')).filter((name) => name.startsWith(draftName))]) await disk.remove(name);
      return journal;
    }
  }

  /** Length of the current file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The last batch was refused. */
  get isFailing(): boolean {
    return this.#failing;
  }

  /** Queues one record; it is durable when `flushed` resolves. */
  append(record: R): void {
    this.#pending.push(record);
    this.#start();
  }

  /** Resolves when all records appended so far are durable; rejects with NO_SPACE, DISK_FAILED or FENCED when they are not, and then never will be. */
  flushed(): Promise<void> {
    if (this.#pending.length > 0) return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    return this.#inFlight ?? Promise.resolve();
  }

  /** Replays what is durable; after a failure, to put right the state that ran ahead. */
  async replay(): Promise<void> {
    const bytes = new Uint8Array(this.#bytes);
    const read = await this.#file.read(0, bytes);
    replayFrames(this.#name(), bytes.subarray(0, read), this.#options);
  }

  /** After what is pending. */
  async close(): Promise<void> {
    await this.flushed().catch(() => {});
    await this.#file.close();
  }

  #name(): string {
    return `${this.#owner}-${String(this.#part).padStart(6, '0')}`;
  }

  /** Batches are written one after the other; what comes meanwhile is the next batch. */
  #start(): void {
    if (this.#inFlight !== null || this.#pending.length === 0) return;
    const run = this.#flush();
    this.#inFlight = run;
    // Whoever asked for it hears of a failure; a batch nobody waits for has none to tell.
    run.catch(() => {});
  }

  async #flush(): Promise<void> {
    // What the same turn of the event loop appends goes into the same batch.
    await Promise.resolve();
    const batch = this.#pending;
    const waiting = this.#waiting;
    this.#pending = [];
    this.#waiting = [];
    try {
      await this.#write(batch);
      this.#failing = false;
      this.counters.batches++;
      this.counters.records += batch.length;
      this.#inFlight = null;
      for (const waiter of waiting) waiter.resolve();
    } catch (thrown) {
      const error = asSluiceError(thrown);
      this.#failing = true;
      this.counters.failures++;
      this.#inFlight = null;
      // Records judged on top of the lost ones are lost with them.
      const later = this.#waiting;
      this.#pending = [];
      this.#waiting = [];
      this.#options.failed(error);
      for (const waiter of [...waiting, ...later]) waiter.reject(error);
      throw error;
    }
    this.#start();
  }

  async #write(batch: readonly R[]): Promise<void> {
    if (this.#fenced) throw fenced();
    if (this.#spoiled || this.#bytes > Math.max(this.#options.compactBytes, 4 * this.#snapshotBytes)) return this.#startFile(batch);
    const frame = frameOf(this.#frames, batch);
    try {
      await this.#file.write(this.#bytes, frame);
    } catch (thrown) {
      // A part of the frame may be there: it is torn until the next frame overwrites it.
      await this.#file.truncate(this.#bytes).catch(() => {});
      throw thrown;
    }
    // A later manager that cannot be seen yet reads what has just been written, durable or not.
    const [synced, checked] = await Promise.allSettled([this.#sync(this.#file), this.checkTerm()]);
    if (synced.status === 'rejected') throw synced.reason;
    this.#bytes += frame.length;
    this.#frames++;
    this.counters.bytes += frame.length;
    if (checked.status === 'rejected') throw checked.reason;
  }

  /** A file whose snapshot holds the batch already: records are applied before they are appended. */
  async #startFile(batch: readonly R[]): Promise<void> {
    const old = this.#file as DiskFile | undefined;
    const oldName = this.#name();
    if (old !== undefined) this.#part++;
    const name = this.#name();
    const frame = frameOf(0, [this.#options.snapshot()]);
    const draft = `${draftName}-${this.#owner.slice(prefix.length)}`;
    let file: DiskFile | undefined;
    try {
      file = await this.#options.disk.open(draft, 'create');
      await file.write(0, frame);
      await file.sync();
      await this.#options.disk.rename(draft, name);
    } catch (thrown) {
      await file?.close().catch(() => {});
      await this.#options.disk.remove(draft).catch(() => {});
      if (old !== undefined) {
        this.#part--;
        // The old file still takes the batch unless it is spoiled.
        if (!this.#spoiled && batch.length > 0) {
          this.#snapshotBytes = this.#bytes;
          return this.#write(batch);
        }
      }
      throw thrown;
    }
    this.#file = file;
    this.#bytes = frame.length;
    this.#snapshotBytes = frame.length;
    this.#frames = 1;
    this.#spoiled = false;
    this.counters.bytes += frame.length;
    await this.checkTerm();
    if (old !== undefined) {
      await old.close().catch(() => {});
      await this.#options.disk.remove(oldName).catch(() => {});
    }
  }

  async #sync(file: DiskFile): Promise<void> {
    try {
      await file.sync();
    } catch (thrown) {
      this.#spoiled = true;
      throw thrown;
    }
  }

  /** @throws FENCED, from now on always, when a manager of a later term has claimed the folder */
  async checkTerm(): Promise<void> {
    const newer = (await namesIn(this.#options.disk)).some((name) => name > this.#owner && !name.startsWith(this.#owner));
    if (!newer) return;
    this.#fenced = true;
    throw fenced();
  }
}

const fenced = () => new SluiceError('FENCED', { what: 'manager on the same data folder' });
const namesIn = async (disk: Disk): Promise<string[]> => (await disk.list('.')).filter((name) => name.startsWith(prefix));
const termOf = (name: string): number => Number(name.slice(prefix.length, prefix.length + 10));

function frameOf(sequence: number, records: readonly unknown[]): Uint8Array {
  const payload = Buffer.from(JSON.stringify(records));
  const frame = Buffer.alloc(headerBytes + payload.length);
  frame.writeUInt32LE(magic, 0);
  frame.writeUInt32LE(payload.length, 4);
  frame.writeBigUInt64LE(BigInt(sequence), 8);
  frame.writeUInt32LE(crc32(payload), 16);
  frame.writeUInt32LE(crc32(frame.subarray(0, 20)), 20);
  payload.copy(frame, headerBytes);
  return frame;
}

type Frame = { readonly is: 'whole'; readonly sequence: number; readonly payload: Buffer; readonly end: number } | { readonly is: 'short' | 'bad' };

function readFrame(bytes: Buffer, offset: number): Frame {
  const left = bytes.length - offset;
  if (left < headerBytes) return { is: 'short' };
  if (bytes.readUInt32LE(offset) !== magic || crc32(bytes.subarray(offset, offset + 20)) !== bytes.readUInt32LE(offset + 20)) return { is: 'bad' };
  const length = bytes.readUInt32LE(offset + 4);
  if (left < headerBytes + length) return { is: 'short' };
  const payload = bytes.subarray(offset + headerBytes, offset + headerBytes + length);
  if (crc32(payload) !== bytes.readUInt32LE(offset + 16)) return { is: 'bad' };
  return { is: 'whole', sequence: Number(bytes.readBigUInt64LE(offset + 8)), payload, end: offset + headerBytes + length };
}

/** Whether a whole frame that belongs after `sequence` starts anywhere behind `offset`. */
function hasLaterFrame(bytes: Buffer, offset: number, sequence: number): boolean {
  const mark = Buffer.from([0x53, 0x4c, 0x4a, 0x52]);
  for (let at = bytes.indexOf(mark, offset); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    const frame = readFrame(bytes, at);
    if (frame.is === 'whole' && frame.sequence > sequence) return true;
  }
  return false;
}

/**
 * Replays the frames of one file. Answers how many there were; 0 = not even the first is whole.
 * @throws JOURNAL_CORRUPT when a damaged frame is followed by a whole one
 */
function replayFrames<R>(path: string, given: Uint8Array, options: Pick<JournalOptions<R>, 'replay'>): number {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  let offset = 0;
  for (let sequence = 0; ; sequence++) {
    if (offset === bytes.length) return sequence;
    const frame = readFrame(bytes, offset);
    if (frame.is !== 'whole' || frame.sequence !== sequence) {
      if (frame.is === 'whole' || hasLaterFrame(bytes, offset + 1, sequence)) throw new SluiceError('JOURNAL_CORRUPT', { path, offset });
      return sequence;
    }
    for (const record of JSON.parse(frame.payload.toString('utf8')) as R[]) options.replay(record);
    offset = frame.end;
  }
}

/** The newest file that is more than a claim. None: a new cluster. */
async function replayNewest<R>(options: JournalOptions<R>, names: readonly string[]): Promise<void> {
  for (const name of [...names].sort().reverse()) {
    const bytes = await readWhole(options.disk, name);
    if (bytes.length === 0) continue;
    // A file is renamed into place with a whole first frame: without one it is damaged, not young.
    if (replayFrames(name, bytes, options) === 0) throw new SluiceError('JOURNAL_CORRUPT', { path: name, offset: 0 });
    return;
  }
}

async function readWhole(disk: Disk, name: string): Promise<Uint8Array> {
  const file = await disk.open(name, 'read');
  try {
    const bytes = new Uint8Array(await file.size());
    return bytes.subarray(0, await file.read(0, bytes));
  } finally {
    await file.close();
  }
}
