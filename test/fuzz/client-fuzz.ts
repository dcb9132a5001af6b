/**
 * A hostile worker against clients in this process: right answers of which single ones are spoilt, come in the wrong order, for streams that
 * nobody has opened, or not at all. A client reads either exactly what was written or a typed error, and when it is closed its
 * receive memory is empty.
 */
import { setImmediate } from 'node:timers/promises';
import type { Channel, ChannelHandlers, DataTransport, Hello, Random } from '#manager/process/ports.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB, protocolVersion, shuffleId, shuffleText } from '#manager/protocol/ids.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { createWorkerClient } from '#worker/client.ts';
import { encodeCounts } from '#worker/protocol/counts.ts';
import { blocksFrameHeader, encodeMessage, errorMessage, FrameParser, type Message } from '#worker/protocol/frames.ts';
import { createReceiveMemory, type ReceiveMemory } from '#worker/receive.ts';
import { verifiedRead } from '#worker/verified-read.ts';
import { ManualClock, seededRandom, specOf } from '../shuffle-manager/world.ts';
import { replicaOf } from '../shuffle-worker/scripted.ts';
import { join, payloadOf, type Sealed, sealStream } from '../shuffle-worker/world.ts';
import { spoil } from './spoil.ts';
import { below, happens, oddNumber, pick, type Tally } from './tally.ts';

const maps = 3;
const partitions = 4;
const shuffle = shuffleId(5, 1);
const receiveBytes = 8 * MiB;
/** Simulated time in which a read or a write has ended, one way or the other. */
const patienceMs = 900_000;
const tickMs = 5000;
const silentMs = 60_000;
const framesPerTurn = 4;

const payloadsOf = (map: number): (readonly [number, Uint8Array])[] =>
  [0, 1, 1, 3, 0].map((partition, i) => [partition, payloadOf(60 + 90 * i, map * 10 + i)] as const);
const written: readonly Sealed[] = Array.from({ length: maps }, (_, map) => sealStream({ shuffle, map }, payloadsOf(map)));
const counts = new Uint32Array(maps * partitions);
for (let map = 0; map < maps; map++) for (const [partition] of payloadsOf(map)) counts[partition * maps + map]!++;

const view = viewLayout({
  shuffle: shuffleText(shuffle),
  spec: specOf({ maps, partitions }),
  stageAttempt: 0,
  version: 3,
  sealed: true,
  invalidated: false,
  locations: [{ id: 0, mapFrom: 0, mapTo: maps, partitionFrom: 0, partitionTo: partitions, replicas: [replicaOf(1), replicaOf(2)] }],
  winners: { mapFrom: 0, attempts: [1, 1, 1], exceptions: [] },
});

export async function fuzzClient(frames: number, seed: number, tally: Tally): Promise<void> {
  const random = seededRandom(seed ^ 0x5eed);
  const receive = createReceiveMemory(receiveBytes, 2 * MiB);
  const until = tally.frames + frames;
  for (let round = 0; tally.frames < until; round++) {
    await oneRound(random, receive, tally);
    if (round % 64 === 0) tally.lookAtMemory();
  }
}

async function oneRound(random: Random, receive: ReceiveMemory, tally: Tally): Promise<void> {
  const clock = new ManualClock();
  const worker = new HostileWorker(random, tally);
  const client = createWorkerClient({ transport: worker, clock, random, token: '', name: 'fuzz', receive, silenceMs: 20_000, reconnects: 2 });
  let open = 2;
  const watch = (name: string, work: Promise<string>): void => {
    void work
      .catch((thrown: unknown) => {
        const error = asSluiceError(thrown);
        // The one error without a name is one whose number the worker has made up.
        if (error.code === 'INTERNAL' && !worker.hasSaidError) tally.fault(`${name}: ${error.stack}`);
        return error.code;
      })
      .then((answer) => {
        open--;
        tally.answered(name, answer);
      });
  };
  watch('read', read(client, happens(random, 0.5), tally));
  watch('write', write(client));
  for (let ms = 0; open > 0; ) {
    let moved = false;
    for (let i = 0; i < framesPerTurn && worker.pump(); i++) moved = true;
    await setImmediate();
    if (moved || open === 0) continue;
    if (ms >= patienceMs) {
      tally.fault('a client waits for ever');
      break;
    }
    ms += tickMs;
    // A worker that keeps a stream waiting and answers every ping is trusted to have its reasons; this one gives up.
    if (ms % silentMs === 0) worker.cut();
    await clock.advance(tickMs);
  }
  client.close();
  await setImmediate();
  const most = receiveBytes - receiveBytes / 8;
  let isFree = false;
  void receive.reserve(most).then(() => {
    isFree = true;
  });
  await Promise.resolve();
  if (isFree) receive.release(most);
  if (!isFree || receive.arena.usedBytes !== 0 || receive.slots.usedBytes !== 0) {
    tally.fault(`a closed client keeps ${receive.arena.usedBytes} bytes of frames, ${receive.slots.usedBytes} of accounts, or a window`);
  }
}

async function read(client: ReturnType<typeof createWorkerClient>, ordered: boolean, tally: Tally): Promise<string> {
  const taken = new Uint32Array(maps * partitions);
  for await (const batch of verifiedRead(client, view, { partitionFrom: 0, partitionTo: partitions, mapFrom: 0, mapTo: maps, ordered })) {
    batch.each((partition, map, _records, payload) => {
      const place = taken[partition * maps + map]!++;
      const expected = payloadsOf(map).filter(([one]) => one === partition)[place]?.[1];
      if (!expected || Buffer.compare(expected, payload) !== 0) tally.fault(`block ${place} of map ${map}, partition ${partition} is another one`);
    });
  }
  if (taken.some((count, i) => count !== counts[i])) tally.fault(`a read has ended with ${taken} blocks of ${counts}`);
  return 'right';
}

async function write(client: ReturnType<typeof createWorkerClient>): Promise<string> {
  const { blocks, manifest } = written[0]!;
  const target = { shuffle, map: 0, attempt: 1, section: 0, location: 0, partitionFrom: 0, partitionTo: partitions, level: 'received' } as const;
  const stream = client.openWrite(replicaOf(1), target);
  const pushed = Promise.all(blocks.map((block) => stream.push(block)));
  pushed.catch(() => {});
  const level = await stream.finish(manifest);
  return `finished ${level}`;
}

/** Answers what clients ask. */
class HostileWorker implements DataTransport {
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #lines: HostileLine[] = [];
  hasSaidError = false;

  constructor(random: Random, tally: Tally) {
    this.#random = random;
    this.#tally = tally;
  }

  async connect(_to: unknown, hello: Hello, handlers: ChannelHandlers) {
    await Promise.resolve();
    const random = this.#random;
    if (happens(random, 0.02)) throw new SluiceError(pick(random, ['UNAUTHORIZED', 'WRONG_INCARNATION', 'CONNECTION_LOST'] as const), { what: 'no' });
    const line = new HostileLine(random, handlers);
    this.#lines.push(line);
    const odd = (usual: number): number => (happens(random, 0.98) ? usual : oddNumber(random));
    const welcome = {
      version: protocolVersion,
      cluster: 'c',
      incarnation: hello.incarnation,
      maxBlockBytes: odd(16 * MiB),
      idleGrantBytes: odd(64 * KiB),
    };
    return { channel: line, welcome };
  }

  cut(): void {
    for (const line of this.#lines) line.cut();
  }

  /** Says what is next on some line. False: nobody has anything to say. */
  pump(): boolean {
    const busy = this.#lines.filter((line) => !line.isClosed && line.queue.length > 0);
    if (busy.length === 0) return false;
    const line = pick(this.#random, busy);
    const random = this.#random;
    if (happens(random, 0.05)) line.queue.splice(below(random, line.queue.length + 1), 0, stray(random));
    if (happens(random, 0.03)) line.queue.reverse();
    const { name, frame } = line.queue.shift()!;
    const { way, pieces } = spoil(random, frame);
    if (name === 'error' || way === 'type') this.hasSaidError = true;
    this.#tally.sent(way);
    this.#tally.answered(`worker ${name}`, way);
    for (const piece of pieces) line.give(piece, this.#tally);
    if (way === 'half' && happens(random, 0.5)) line.cut();
    return true;
  }
}

interface Said {
  readonly name: string;
  readonly frame: Uint8Array;
}
const saying = (message: Message): Said => ({ name: message.type, frame: encodeMessage(message) });

/** A message that nobody has asked for. */
function stray(random: Random): Said {
  const stream = below(random, 4);
  return saying(
    pick<Message>(random, [
      { type: 'opened', stream, accepted: oddNumber(random), grantBytes: oddNumber(random), ledgerVersion: oddNumber(random), backlogBytes: 0n },
      { type: 'ack', stream, accepted: oddNumber(random), level: below(random, 4), grantBytes: oddNumber(random), final: below(random, 2) },
      { type: 'credit', stream, grantBytes: oddNumber(random), wantedBytes: oddNumber(random) },
      { type: 'end', stream, section: 0, more: 0, cursor: 0n, counts: random.fill(new Uint8Array(below(random, 20))) },
      { type: 'ping', stream: 0, nonce: 1n },
      { type: 'pong', stream: 0, nonce: 1n },
      { type: 'goaway', stream: 0, deadlineMs: 0 },
      { type: 'close', stream, reason: 1 },
      errorMessage(
        stream,
        new SluiceError(pick(random, ['CORRUPT_BLOCK', 'MISSING', 'NO_SPACE', 'SHUFFLE_RELEASED', 'CORRUPT_FRAME'] as const), {
          maps: [1],
          what: 'x',
        }),
      ),
      { type: 'error', stream, code: oddNumber(random), retryAfterMs: oddNumber(random), maps: [oddNumber(random)], text: '../' },
    ]),
  );
}

class HostileLine implements Channel {
  readonly queue: Said[] = [];
  readonly #random: Random;
  readonly #handlers: ChannelHandlers;
  readonly #parser = new FrameParser();
  readonly #accepted = new Map<number, number>();
  isClosed = false;

  constructor(random: Random, handlers: ChannelHandlers) {
    this.#random = random;
    this.#handlers = handlers;
  }

  async send(parts: readonly Uint8Array[]): Promise<void> {
    this.#parser.push(join(parts), {
      message: (message) => this.#answer(message),
      beginBlocks: (_, length) => new Uint8Array(length),
      endBlocks: (stream, bytes) => this.#take(stream, bytes),
    });
  }

  give(bytes: Uint8Array, tally: Tally): void {
    if (this.isClosed) return;
    try {
      this.#handlers.data(bytes);
    } catch (thrown) {
      tally.fault(`a client throws ${(thrown as Error).stack}`);
    }
  }

  cut(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#handlers.closed();
  }
  close(): void {
    queueMicrotask(() => this.cut());
  }

  #answer(message: Message): void {
    const { stream } = message;
    if (message.type === 'openWrite') {
      const accepted = this.#accepted.get(stream) ?? 0;
      this.queue.push(saying({ type: 'opened', stream, accepted, grantBytes: 4096, ledgerVersion: 0, backlogBytes: 0n }));
    } else if (message.type === 'credit' && stream === 0 && message.wantedBytes > 0) {
      this.queue.push(saying({ type: 'credit', stream: 0, grantBytes: message.wantedBytes, wantedBytes: 0 }));
    } else if (message.type === 'ping') {
      this.queue.push(saying({ type: 'pong', stream: 0, nonce: message.nonce }));
    } else if (message.type === 'openRead') {
      this.queue.push(saying({ type: 'opened', stream, accepted: 0, grantBytes: 0, ledgerVersion: 3, backlogBytes: 0n }));
      for (const { blocks } of written) {
        const some = below(this.#random, blocks.length);
        for (const part of [blocks.slice(0, some), blocks.slice(some)]) {
          const body = join(part);
          this.queue.push({ name: 'blocks', frame: join([blocksFrameHeader(stream, body.length), body]) });
        }
      }
      this.queue.push(saying({ type: 'end', stream, section: 0, more: 0, cursor: 0n, counts: encodeCounts(counts) }));
    }
  }

  #take(stream: number, bytes: Uint8Array): void {
    let blocks = 0;
    const text = new DataView(bytes.buffer, bytes.byteOffset);
    let isManifest = false;
    for (let at = 0; at < bytes.length; at += 64 + ((text.getUint32(at + 8, true) + 7) & ~7)) {
      isManifest = text.getUint8(at + 3) === 2;
      if (!isManifest) blocks++;
    }
    const accepted = (this.#accepted.get(stream) ?? 0) + blocks;
    this.#accepted.set(stream, accepted);
    this.queue.push(saying({ type: 'ack', stream, accepted, level: 0, grantBytes: 0, final: isManifest ? 1 : 0 }));
  }
}
