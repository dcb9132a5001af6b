/**
 * The client's side of one data connection: streams on it, credits both ways, and a new connection when it is cut. Writes
 * go on where the worker says it is; reads fail with CONNECTION_LOST and are begun anew by their reader. It
 * is made by client.ts and knows nothing of layouts or hashes.
 */
import assert from 'node:assert/strict';
import type { Channel, Clock, DataTransport, Hello, Millis, Random, Timer, Welcome } from '#manager/process/ports.ts';
import { type Level, levels } from '#manager/protocol/control.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import type { ReadPart, ReadStream, ReadTarget, WriteStream, WriteTarget } from './client.ts';
import { frameBytes, readWindowBytes } from './limits.ts';
import { blockBytes, blockHeaderBytes } from './protocol/block.ts';
import {
  blocksFrameHeader,
  closeReasons,
  encodeMessage,
  errorMessage,
  errorOfMessage,
  FrameParser,
  type Message,
  readFlags,
} from './protocol/frames.ts';
import type { ReceiveMemory } from './receive.ts';

export interface ConnectionOptions {
  readonly transport: DataTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly receive: ReceiveMemory;
  readonly to: { readonly host: string; readonly port: number };
  readonly hello: Hello;
  readonly silenceMs: Millis;
  readonly reconnects: number;
}

/** What a bulk writer may send before it hears from the worker; it asks again when half of it is used, so that neither waits for the other. */
const bulkBytes = 2 * MiB;
/** A stream whose blocks arrived damaged is resumed this often. */
const resendsAtMost = 3;
const firstPauseMs = 50;
const lastPauseMs = 3000;
/** A connection nobody uses is cut after this. */
const restMs = 60_000;

type Sink = Parameters<FrameParser['push']>[1];
const quiet = (): void => {};

export class Connection {
  readonly options: ConnectionOptions;
  #channel: Channel | null = null;
  #welcome: Welcome | null = null;
  #connecting = false;
  /** Cut, and not yet to be made anew. */
  #pausing = false;
  #closed = false;
  /** Which channel the handlers belong to; those of an older one are not listened to. */
  #turn = 0;
  #failures = 0;
  #credit = 0;
  #asked = 0;
  #nextStream = 1;
  #heard: Millis = 0;
  #used: Millis = 0;
  #timer: Timer | null = null;
  #pumping = false;
  readonly #writes = new Map<number, Writing>();
  readonly #reads = new Map<number, Reading>();
  leaving = false;

  constructor(options: ConnectionOptions) {
    this.options = options;
  }

  openWrite(target: WriteTarget): WriteStream {
    const writing = new Writing(this, target, this.#nextStream++);
    this.#writes.set(writing.id, writing);
    return writing;
  }

  openRead(target: ReadTarget): ReadStream {
    const reading = new Reading(this, target, this.#nextStream++);
    this.#reads.set(reading.id, reading);
    void reading.start();
    return reading;
  }

  close(): void {
    this.#closed = true;
    this.#drop();
    this.#failAll(new SluiceError('CONNECTION_LOST', { what: 'this client is closed' }));
  }

  get isOpen(): boolean {
    return this.#channel !== null;
  }

  /** Puts what can be sent on its way; connects first when need be. Called whenever there may be more to send. */
  wake(): void {
    if (this.#closed) return;
    this.#used = this.options.clock.now();
    if (this.#channel) this.#pump();
    else void this.#connect();
  }

  tell(message: Message): void {
    this.#channel?.send([encodeMessage(message)]).catch(quiet);
  }

  forget(stream: Writing | Reading): void {
    this.#writes.delete(stream.id);
    this.#reads.delete(stream.id);
  }

  async #connect(): Promise<void> {
    if (this.#connecting || this.#pausing || this.#closed) return;
    this.#connecting = true;
    const turn = ++this.#turn;
    const parser = new FrameParser();
    const sink = this.#sink();
    const { transport, to, hello, clock } = this.options;
    try {
      const { channel, welcome } = await transport.connect(to, hello, {
        data: (bytes) => {
          if (turn !== this.#turn) return;
          try {
            parser.push(bytes, sink.sink);
            // A damaged length could make a frame that swallows every word that is still to come.
            if (!parser.inControl) this.#heard = clock.now();
          } catch (thrown) {
            const error = asSluiceError(thrown);
            if (error.code === 'INTERNAL') throw thrown;
            this.tell(errorMessage(0, error));
            this.#lost(error.message);
          }
        },
        closed: () => {
          sink.drop();
          if (turn === this.#turn) this.#lost('the worker closed it');
        },
      });
      if (turn !== this.#turn || this.#closed) return channel.close();
      this.#connecting = false;
      this.#channel = channel;
      this.#welcome = welcome;
      this.#credit = welcome.idleGrantBytes;
      this.#asked = 0;
      this.#heard = clock.now();
      this.#watch();
      this.#pump();
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (turn !== this.#turn) return;
      this.#connecting = false;
      if (error.code === 'CONNECTION_LOST') this.#lost(String(error.facts['what'] ?? error.message));
      else this.#failAll(error);
    }
  }

  /** Forgets the channel without telling anyone. */
  #drop(): void {
    this.#turn++;
    this.#connecting = false;
    this.#timer?.cancel();
    this.#timer = null;
    const channel = this.#channel;
    this.#channel = null;
    channel?.close();
  }

  #lost(what: string): void {
    this.#drop();
    const { clock, random, reconnects, to } = this.options;
    const facts = { what: `${to.host}:${to.port}: ${what}` };
    for (const reading of [...this.#reads.values()]) reading.fail(new SluiceError('CONNECTION_LOST', facts));
    if (this.#closed || this.#writes.size === 0) return;
    if (this.#failures++ >= reconnects) {
      this.#failAll(new SluiceError('CONNECTION_LOST', facts));
      return;
    }
    for (const writing of this.#writes.values()) writing.pause();
    const pause = Math.min(firstPauseMs * 3 ** (this.#failures - 1), lastPauseMs);
    this.#pausing = true;
    clock.after(pause * (0.5 + random.next() / 2), () => {
      this.#pausing = false;
      if (this.#writes.size + this.#reads.size > 0 && !this.#channel) void this.#connect();
    });
  }

  #failAll(error: SluiceError): void {
    this.#failures = 0;
    for (const stream of [...this.#writes.values(), ...this.#reads.values()]) stream.fail(error);
  }

  /** Pings while something is waited for, gives back credit and cuts what is not used. */
  #watch(): void {
    const { clock, silenceMs } = this.options;
    this.#timer = clock.after(silenceMs / 4, () => {
      const now = clock.now();
      if (this.#writes.size + this.#reads.size > 0) {
        if (now - this.#heard > silenceMs) return this.#lost(`no word for ${silenceMs} ms`);
        if (now - this.#heard > silenceMs / 3) this.tell({ type: 'ping', stream: 0, nonce: BigInt(Math.floor(now)) });
      } else if (now - this.#used > restMs) return this.#drop();
      this.#giveBack(now);
      this.#watch();
    });
  }

  #giveBack(now: Millis): void {
    const surplus = this.#credit - this.#welcome!.idleGrantBytes;
    if (this.#writes.size > 0 || surplus <= 0 || now - this.#used < 1000) return;
    this.#credit -= surplus;
    this.tell({ type: 'credit', stream: 0, grantBytes: surplus, wantedBytes: 0 });
  }

  #pump(): void {
    if (this.#pumping || !this.#channel) return;
    this.#pumping = true;
    const parts: Uint8Array[] = [];
    let [sent, unsent, blocked] = [0, 0, 0];
    for (const reading of this.#reads.values()) reading.open(parts);
    for (const writing of [...this.#writes.values()]) {
      if (!writing.open(parts)) continue;
      for (;;) {
        const header = parts.length;
        const taken = writing.take(this.#credit, parts);
        if (taken === 0) break;
        parts.splice(header, 0, blocksFrameHeader(writing.id, taken));
        this.#credit -= taken;
        sent += taken;
      }
      if (writing.unsentBytes === 0) continue;
      unsent += writing.unsentBytes;
      blocked = Math.max(blocked, writing.nextBytes);
      if (blocked > blockBytes(this.#welcome!.maxBlockBytes)) {
        this.tell({ type: 'close', stream: writing.id, reason: closeReasons.abort });
        writing.fail(new SluiceError('NO_SPACE', { what: `a block of ${blocked} bytes is more than this worker takes` }));
        blocked = 0;
      }
    }
    if (this.#asked === 0) {
      const wanted = Math.max(blocked, sent + unsent > 64 * KiB ? bulkBytes : unsent) - this.#credit;
      if (wanted > (unsent > 0 ? 0 : bulkBytes / 2)) {
        this.#asked = wanted;
        parts.push(encodeMessage({ type: 'credit', stream: 0, grantBytes: 0, wantedBytes: wanted }));
      }
    }
    this.#pumping = false;
    if (parts.length > 0) this.#channel.send(parts).catch(quiet);
  }

  #granted(bytes: number): void {
    this.#credit += bytes;
  }

  /** What the parser calls for one channel; `drop` frees a frame the channel did not finish. */
  #sink(): { sink: Sink; drop: () => void } {
    const { receive } = this.options;
    let at = -1;
    let length = 0;
    return {
      sink: {
        beginBlocks: (id, bodyLength) => {
          const reading = this.#reads.get(id);
          if (!reading || bodyLength === 0) return null;
          reading.arriving(bodyLength);
          at = receive.arena.allocate(bodyLength);
          length = bodyLength;
          if (at < 0) {
            reading.fail(new SluiceError('NO_SPACE', { what: `no room for a frame of ${bodyLength} bytes in the receive memory` }));
            return null;
          }
          return receive.bytes.subarray(at, at + bodyLength);
        },
        endBlocks: (id) => {
          const reading = this.#reads.get(id);
          const address = at;
          at = -1;
          if (reading) reading.arrived(address, length);
          else receive.arena.free(address, length);
        },
        message: (message) => this.#message(message),
      },
      drop: () => {
        if (at >= 0) receive.arena.free(at, length);
        at = -1;
      },
    };
  }

  #message(message: Message): void {
    const writing = this.#writes.get(message.stream);
    const reading = this.#reads.get(message.stream);
    switch (message.type) {
      case 'opened':
        this.#granted(message.grantBytes);
        writing?.opened(message.accepted);
        reading?.opened(message.ledgerVersion);
        break;
      case 'ack':
        this.#failures = 0;
        this.#granted(message.grantBytes);
        writing?.acknowledged(message.accepted, message.final === 1 ? (levels[message.level] ?? null) : null);
        break;
      case 'credit':
        if (message.stream === 0) {
          this.#granted(message.grantBytes);
          // A wish is answered once, by less than was asked for when the worker is small.
          this.#asked = 0;
        } else if (message.wantedBytes > 0) void reading?.widen(message.wantedBytes);
        this.#pump();
        return;
      case 'end':
        reading?.ended(message.counts);
        return;
      case 'error':
        this.#errorFrom(message, writing, reading);
        return;
      case 'ping':
        this.tell({ type: 'pong', stream: 0, nonce: message.nonce });
        return;
      case 'pong':
        return;
      case 'goaway':
        this.leaving = true;
        return;
      default:
        throw new SluiceError('CORRUPT_FRAME', { what: `a worker does not send ${message.type}` });
    }
    this.#pump();
  }

  #errorFrom(message: Extract<Message, { type: 'error' }>, writing: Writing | undefined, reading: Reading | undefined): void {
    if (message.stream === 0) {
      const error = errorOfMessage(message, this.facts());
      if (error.remedy === 'retry') {
        this.#lost(error.message);
        return;
      }
      this.#drop();
      this.#failAll(error);
      return;
    }
    if (reading) reading.fail(errorOfMessage(message, this.facts(reading.target)));
    if (!writing) return;
    const error = errorOfMessage(message, { ...this.facts(writing.target), map: writing.target.map });
    // Damaged on its way: the worker has all before it, and is told to take the rest again.
    if (error.code !== 'CORRUPT_BLOCK' || ++writing.resends > resendsAtMost) {
      writing.fail(error);
      return;
    }
    this.#writes.delete(writing.id);
    writing.id = this.#nextStream++;
    this.#writes.set(writing.id, writing);
    writing.pause();
    this.#pump();
  }

  facts(target?: { shuffle: bigint; location: number }): Record<string, unknown> {
    const place = { incarnation: this.options.hello.incarnation };
    return target ? { ...place, shuffle: target.shuffle.toString(), location: target.location } : place;
  }
}

interface Pushed {
  readonly bytes: Uint8Array;
  /** The number of its first block in the stream. */
  readonly first: number;
  readonly blocks: number;
  readonly settle: PromiseWithResolvers<void>;
}

const lengthAt = (view: DataView, at: number): number => blockBytes(view.getUint32(at + 8, true));
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function countBlocks(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  let blocks = 0;
  let at = 0;
  while (at + blockHeaderBytes <= bytes.length) {
    at += lengthAt(view, at);
    blocks++;
  }
  assert.ok(at === bytes.length, 'push takes whole blocks');
  return blocks;
}

class Writing implements WriteStream {
  readonly #connection: Connection;
  readonly target: WriteTarget;
  id: number;
  resends = 0;
  /** new: OPEN_WRITE is due · waiting: for OPENED, since blocks may be there already · ready: blocks may go. */
  #state: 'new' | 'waiting' | 'ready' = 'new';
  #resuming = false;
  /** Pushed and not yet acknowledged. */
  readonly #queue: Pushed[] = [];
  #pushedBlocks = 0;
  /** The next to send: place in the queue, offset in its bytes. */
  #place = 0;
  #offset = 0;
  unsentBytes = 0;
  #manifest: Uint8Array | null = null;
  #manifestSent = false;
  #finished: PromiseWithResolvers<Level> | null = null;
  #error: SluiceError | null = null;

  constructor(connection: Connection, target: WriteTarget, id: number) {
    this.#connection = connection;
    this.target = target;
    this.id = id;
  }

  push(bytes: Uint8Array): Promise<void> {
    assert.ok(!this.#manifest, 'nothing is pushed after finish');
    if (this.#error) return Promise.reject(this.#error);
    if (bytes.length === 0) return Promise.resolve();
    const blocks = countBlocks(bytes);
    const settle = Promise.withResolvers<void>();
    // Whoever does not look at this push hears of the failure from the next call.
    settle.promise.catch(quiet);
    this.#queue.push({ bytes, first: this.#pushedBlocks, blocks, settle });
    this.#pushedBlocks += blocks;
    this.unsentBytes += bytes.length;
    this.#connection.wake();
    return settle.promise;
  }

  finish(manifest: Uint8Array): Promise<Level> {
    if (this.#error) return Promise.reject(this.#error);
    if (this.#finished) return this.#finished.promise;
    this.#finished = Promise.withResolvers();
    this.#finished.promise.catch(quiet);
    this.#manifest = manifest;
    this.unsentBytes += manifest.length;
    this.#connection.wake();
    return this.#finished.promise;
  }

  abort(): void {
    if (this.#error) return;
    // Also before anything was acknowledged: what is on its way is dropped by the worker as it comes.
    if (this.#state !== 'new' || this.#resuming) this.#connection.tell({ type: 'close', stream: this.id, reason: closeReasons.abort });
    this.fail(new SluiceError('INTERRUPTED'));
  }

  /** True when blocks may follow. */
  open(parts: Uint8Array[]): boolean {
    if (this.#state === 'ready') return true;
    if (this.#state === 'waiting' || (this.unsentBytes === 0 && this.#queue.length === 0 && !this.#manifest)) return false;
    const { shuffle, map, attempt, section, location, partitionFrom, partitionTo, level } = this.target;
    parts.push(
      encodeMessage({
        type: 'openWrite',
        stream: this.id,
        shuffle,
        map,
        attempt,
        section,
        location,
        partitionFrom,
        partitionTo,
        level: levels.indexOf(level),
      }),
    );
    this.#state = this.#resuming ? 'waiting' : 'ready';
    return !this.#resuming;
  }

  /** The connection or the stream was cut: where the worker is will be asked. */
  pause(): void {
    if (this.#state === 'new' && !this.#resuming) return;
    this.#state = 'new';
    this.#resuming = true;
  }

  opened(accepted: number): void {
    if (this.#state !== 'waiting') return;
    const first = this.#queue[0]?.first ?? this.#pushedBlocks;
    if (accepted < first || accepted > this.#pushedBlocks) {
      const what = `the worker has ${accepted} blocks of the stream, ${first} were acknowledged`;
      this.fail(new SluiceError('CONNECTION_LOST', { ...this.#connection.facts(this.target), map: this.target.map, what }));
      return;
    }
    this.#settle(accepted);
    this.#state = 'ready';
    this.#place = 0;
    this.#offset = 0;
    this.#manifestSent = false;
    this.unsentBytes = this.#manifest?.length ?? 0;
    for (const pushed of this.#queue) this.unsentBytes += pushed.bytes.length;
    const next = this.#queue[0];
    if (!next) return;
    const view = viewOf(next.bytes);
    for (let block = next.first; block < accepted; block++) this.#offset += lengthAt(view, this.#offset);
    this.unsentBytes -= this.#offset;
  }

  /** Adds to `parts` the next whole blocks of one frame that the credit allows; answers their bytes. */
  take(credit: number, parts: Uint8Array[]): number {
    const limit = Math.min(credit, Math.max(frameBytes, this.nextBytes));
    let taken = 0;
    while (this.#place < this.#queue.length) {
      const { bytes } = this.#queue[this.#place]!;
      let end = bytes.length;
      if (end - this.#offset > limit - taken) {
        const view = viewOf(bytes);
        end = this.#offset;
        for (let next = end + lengthAt(view, end); next - this.#offset <= limit - taken; next += lengthAt(view, next)) {
          end = next;
          if (next === bytes.length) break;
        }
      }
      if (end > this.#offset) parts.push(bytes.subarray(this.#offset, end));
      taken += end - this.#offset;
      this.#offset = end;
      if (end < bytes.length) break;
      this.#place++;
      this.#offset = 0;
    }
    if (this.#manifest && !this.#manifestSent && this.#place === this.#queue.length && taken + this.#manifest.length <= limit) {
      parts.push(this.#manifest);
      taken += this.#manifest.length;
      this.#manifestSent = true;
    }
    this.unsentBytes -= taken;
    return taken;
  }

  /** Bytes of the next block to send; 0 when there is none. */
  get nextBytes(): number {
    const pushed = this.#queue[this.#place];
    if (pushed) return lengthAt(viewOf(pushed.bytes), this.#offset);
    return this.#manifest && !this.#manifestSent ? this.#manifest.length : 0;
  }

  acknowledged(accepted: number, final: Level | null): void {
    this.#settle(accepted);
    if (final === null || !this.#finished) return;
    this.#connection.forget(this);
    this.#error = new SluiceError('INTERRUPTED');
    this.#finished.resolve(final);
  }

  #settle(accepted: number): void {
    while (this.#queue.length > 0 && this.#queue[0]!.first + this.#queue[0]!.blocks <= accepted) {
      this.#queue.shift()!.settle.resolve();
      if (this.#place > 0) this.#place--;
      else this.#offset = 0;
    }
  }

  fail(error: SluiceError): void {
    if (this.#error) return;
    this.#error = error;
    this.unsentBytes = 0;
    this.#connection.forget(this);
    for (const pushed of this.#queue) pushed.settle.reject(error);
    this.#queue.length = 0;
    this.#place = 0;
    this.#manifest = null;
    this.#finished?.reject(error);
  }
}

class Reading implements ReadStream {
  readonly #connection: Connection;
  readonly target: ReadTarget;
  readonly id: number;
  ledgerVersion = 0;
  #state: 'reserving' | 'new' | 'open' | 'done' = 'reserving';
  /** Reserved in the receive memory; what is granted or held is part of it. */
  #window = 0;
  /** Granted and not yet come. */
  #granted = 0;
  /** Freed and not yet granted again. */
  #owed = 0;
  #heldBytes = 0;
  readonly #parts: ReadPart[] = [];
  #current: ReadPart | null = null;
  #waiter: PromiseWithResolvers<ReadPart> | null = null;
  #error: SluiceError | null = null;
  #closed = false;

  constructor(connection: Connection, target: ReadTarget, id: number) {
    this.#connection = connection;
    this.target = target;
    this.id = id;
  }

  async start(): Promise<void> {
    await this.#connection.options.receive.reserve(readWindowBytes);
    this.#window = readWindowBytes;
    this.#granted = readWindowBytes;
    if (this.#error || this.#closed) return this.#settleWindow();
    this.#state = 'new';
    this.#connection.wake();
  }

  open(parts: Uint8Array[]): void {
    if (this.#state !== 'new') return;
    this.#state = 'open';
    const { shuffle, location, partitionFrom, partitionTo, mapFrom, mapTo, section, ledgerVersion, ordered, skip } = this.target;
    const flags = ordered ? readFlags.ordered : 0;
    parts.push(
      encodeMessage({
        type: 'openRead',
        stream: this.id,
        shuffle,
        location,
        partitionFrom,
        partitionTo,
        mapFrom,
        mapTo,
        sectionFrom: section,
        ledgerVersion,
        flags,
        grantBytes: this.#granted,
        cursor: 0n,
        skip,
      }),
    );
  }

  next(): Promise<ReadPart> {
    assert.ok(!this.#waiter, 'next is not concurrent');
    this.#freeCurrent();
    const part = this.#parts.shift();
    if (part) {
      this.#current = part;
      return Promise.resolve(part);
    }
    if (this.#error || this.#closed) return Promise.reject(this.#error ?? new SluiceError('INTERRUPTED'));
    this.#waiter = Promise.withResolvers();
    return this.#waiter.promise;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#state === 'open') this.#connection.tell({ type: 'close', stream: this.id, reason: closeReasons.done });
    if (this.#state !== 'reserving') this.#state = 'done';
    this.#connection.forget(this);
    this.#freeCurrent();
    for (const part of this.#parts) this.#free(part);
    this.#parts.length = 0;
    this.#waiter?.reject(new SluiceError('INTERRUPTED'));
    this.#waiter = null;
    this.#settleWindow();
  }

  opened(ledgerVersion: number): void {
    this.ledgerVersion = ledgerVersion;
  }

  /** A frame is about to come. */
  arriving(bytes: number): void {
    if (bytes > this.#granted) throw new SluiceError('CORRUPT_FRAME', { what: `${bytes} bytes where ${this.#granted} were granted` });
    this.#granted -= bytes;
  }

  arrived(address: number, length: number): void {
    this.#heldBytes += length;
    this.#deliver({ kind: 'blocks', address, length });
  }

  ended(counts: Uint8Array): void {
    this.#state = 'done';
    this.#connection.forget(this);
    this.#deliver({ kind: 'end', counts });
  }

  /** The worker has a block that does not fit the window. */
  async widen(bytes: number): Promise<void> {
    const { receive } = this.#connection.options;
    const more = Math.min(bytes, receive.arena.bytes / 2);
    await receive.reserve(more);
    this.#window += more;
    if (this.#state !== 'open' || this.#closed) return this.#settleWindow();
    this.#granted += more;
    this.#connection.tell({ type: 'credit', stream: this.id, grantBytes: more, wantedBytes: 0 });
  }

  fail(error: SluiceError): void {
    if (this.#error || this.#state === 'done') return;
    this.#error = error;
    if (this.#state !== 'reserving') this.#state = 'done';
    this.#connection.forget(this);
    this.#waiter?.reject(error);
    this.#waiter = null;
    this.#settleWindow();
  }

  #deliver(part: ReadPart): void {
    if (!this.#waiter) {
      this.#parts.push(part);
      return;
    }
    this.#current = part;
    this.#waiter.resolve(part);
    this.#waiter = null;
  }

  #freeCurrent(): void {
    if (this.#current) this.#free(this.#current);
    this.#current = null;
  }

  #free(part: ReadPart): void {
    if (part.kind === 'end') return;
    this.#connection.options.receive.arena.free(part.address, part.length);
    this.#heldBytes -= part.length;
    this.#owed += part.length;
    if (this.#state !== 'open') {
      this.#settleWindow();
      return;
    }
    if (this.#owed < readWindowBytes / 4) return;
    this.#granted += this.#owed;
    this.#connection.tell({ type: 'credit', stream: this.id, grantBytes: this.#owed, wantedBytes: 0 });
    this.#owed = 0;
  }

  /** Nothing more will come: what is not held goes back. */
  #settleWindow(): void {
    if (this.#window === this.#heldBytes) return;
    this.#connection.options.receive.release(this.#window - this.#heldBytes);
    this.#window = this.#heldBytes;
  }
}
