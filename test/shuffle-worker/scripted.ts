/**
 * A worker that does what a test tells it, behind a DataTransport in memory: it takes note of what clients send, answers
 * when told to, or serves reads of blocks it was given. What the tests of the client hand to it instead of sockets.
 */
import assert from 'node:assert/strict';
import type { Channel, ChannelHandlers, DataTransport, Hello } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB, protocolVersion, type Replica } from '#manager/protocol/ids.ts';
import { createWorkerClient, type WorkerClient } from '#worker/client.ts';
import { readHeader } from '#worker/protocol/block.ts';
import { decodeCounts, encodeCounts } from '#worker/protocol/counts.ts';
import { blocksFrameHeader, encodeMessage, errorMessage, FrameParser, type Message, type MessageOf, readFlags } from '#worker/protocol/frames.ts';
import { createReceiveMemory } from '#worker/receive.ts';
import { join, ManualClock, seededRandom, settle } from './world.ts';

export { ManualClock, settle };

export const replicaOf = (number: number): Replica => ({
  worker: number.toString(16).padStart(32, '0'),
  incarnation: (100 + number).toString(16).padStart(32, '0'),
  host: 'here',
  port: number,
  hostLabel: 'here',
});

/** One connection, seen from the worker. */
export class Line implements Channel {
  readonly hello: Hello;
  readonly messages: Message[] = [];
  /** BLOCKS bodies that came. */
  readonly frames: { readonly stream: number; readonly bytes: Uint8Array }[] = [];
  isClosed = false;
  readonly #worker: ScriptedWorker;
  readonly #handlers: ChannelHandlers;
  readonly #parser = new FrameParser();

  constructor(worker: ScriptedWorker, hello: Hello, handlers: ChannelHandlers) {
    this.#worker = worker;
    this.hello = hello;
    this.#handlers = handlers;
  }

  async send(parts: readonly Uint8Array[]): Promise<void> {
    if (this.isClosed) throw new SluiceError('CONNECTION_LOST', { what: 'closed' });
    for (const part of parts) {
      this.#parser.push(part, {
        message: (message) => {
          this.messages.push(message);
          queueMicrotask(() => this.#worker.answer(this, message));
        },
        beginBlocks: (_, length) => new Uint8Array(length),
        endBlocks: (stream, bytes) => this.frames.push({ stream, bytes }),
      });
    }
  }
  close(): void {
    this.isClosed = true;
  }

  tell(...messages: Message[]): void {
    for (const message of messages) this.raw(encodeMessage(message));
  }
  push(stream: number, blocks: Uint8Array): void {
    this.raw(blocksFrameHeader(stream, blocks.length), blocks);
  }
  raw(...parts: Uint8Array[]): void {
    if (!this.isClosed) this.#handlers.data(join(parts));
  }
  cut(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#handlers.closed();
  }

  of<T extends Message['type']>(type: T): MessageOf<T>[] {
    return this.messages.filter((message) => message.type === type) as MessageOf<T>[];
  }
  last<T extends Message['type']>(type: T): MessageOf<T> {
    const found = this.of(type).at(-1);
    assert.ok(found, `no ${type} came; what came: ${this.messages.map((message) => message.type).join(' ')}`);
    return found;
  }
}

export class ScriptedWorker implements DataTransport {
  readonly lines: Line[] = [];
  idleGrantBytes = 64 * KiB;
  maxBlockBytes = 16 * MiB;
  /** Thrown at whoever dials. */
  refusal: SluiceError | null = null;
  /** By port. */
  readonly refused = new Set<number>();
  answer: (line: Line, message: Message) => void = () => {};

  async connect(to: { host: string; port: number }, hello: Hello, handlers: ChannelHandlers) {
    await Promise.resolve();
    if (this.refusal) throw this.refusal;
    if (this.refused.has(to.port)) throw new SluiceError('CONNECTION_LOST', { what: 'refused' });
    const line = new Line(this, hello, handlers);
    this.lines.push(line);
    const { incarnation } = hello;
    const welcome = { version: protocolVersion, cluster: 'c', incarnation, maxBlockBytes: this.maxBlockBytes, idleGrantBytes: this.idleGrantBytes };
    return { channel: line, welcome };
  }
  get line(): Line {
    const line = this.lines.at(-1);
    assert.ok(line, 'nobody has dialled');
    return line;
  }
}

export function clientOf(worker: ScriptedWorker, clock = new ManualClock(), more: { silenceMs?: number; reconnects?: number } = {}): WorkerClient {
  const receive = createReceiveMemory(16 * MiB, 8 * MiB);
  return createWorkerClient({ transport: worker, clock, random: seededRandom(5), token: 'a token', name: 'a test', receive, ...more });
}

/** What a worker holds in a location: whole blocks, and the version of the layout it goes by. */
export interface Holding {
  readonly blocks: readonly Uint8Array[];
  readonly version?: number;
}

/** What happens to a frame of blocks on its way, or to an answer: passed on, changed, dropped, or the connection is cut before it. */
export type Fate = Uint8Array | 'drop' | 'cut';

/** Serves reads: OPENED, frames of a few blocks each, END. `fate` is asked for each frame, numbered over all connections. */
export function serve(
  worker: ScriptedWorker,
  holdings: ReadonlyMap<number, Holding>,
  fate: (frame: number, bytes: Uint8Array) => Fate = (_, bytes) => bytes,
  counts: (counts: Uint32Array) => Uint32Array = (all) => all,
): void {
  let frame = 0;
  worker.answer = (line, message) => {
    if (message.type !== 'openRead') return;
    const { stream, location, mapFrom, mapTo, partitionFrom, partitionTo, skip } = message;
    const held = holdings.get(location);
    if (!held) {
      line.tell(errorMessage(stream, new SluiceError('MISSING', { shuffle: '1', maps: [mapFrom], what: 'not held' })));
      return;
    }
    line.tell({ type: 'opened', stream, accepted: 0, grantBytes: 0, ledgerVersion: held.version ?? 1, backlogBytes: 0n });
    const maps = mapTo - mapFrom;
    const stated = new Uint32Array(maps * (partitionTo - partitionFrom));
    const next = new Uint32Array(stated.length);
    const takeCount = (index: number, count: number): void => {
      next[index] = count;
    };
    if (skip.length > 0) decodeCounts(skip, 0, next.length, takeCount);
    const wanted: { bytes: Uint8Array; map: number; at: number }[] = [];
    for (const bytes of held.blocks) {
      const { map, partition, sequence } = readHeader(new DataView(bytes.buffer, bytes.byteOffset), 0);
      if (map < mapFrom || map >= mapTo || partition < partitionFrom || partition >= partitionTo) continue;
      const at = (partition - partitionFrom) * maps + map - mapFrom;
      stated[at]!++;
      if (sequence >= next[at]!) wanted.push({ bytes, map, at });
    }
    if (message.flags & readFlags.ordered) wanted.sort((a, b) => a.map - b.map);
    for (let i = 0; i < wanted.length; i += 3) {
      const bytes = join(wanted.slice(i, i + 3).map((one) => one.bytes));
      const passed = fate(frame++, bytes);
      if (passed === 'cut') return line.cut();
      if (passed !== 'drop') line.push(stream, passed);
    }
    line.tell({ type: 'end', stream, section: 0, more: 0, cursor: 0n, counts: encodeCounts(counts(stated)) });
  };
}
