/**
 * What a hostile client says to a worker: right sequences of frames of its own job, out of which single ones are spoilt, sent in the wrong
 * order, or name what belongs to another job. It knows what it has said, so that it gets deep before it is refused.
 */
import type { Random } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB, type ShuffleId, shuffleId } from '#manager/protocol/ids.ts';
import { blockHeaderBytes, sealBlock } from '#worker/protocol/block.ts';
import { encodeCounts } from '#worker/protocol/counts.ts';
import { blocksFrameHeader, encodeMessage, errorMessage, type Message } from '#worker/protocol/frames.ts';
import { ManifestBuilder } from '#worker/protocol/manifest.ts';
import { join } from '../shuffle-worker/world.ts';
import { below, happens, oddNumber, pick, weighted } from './tally.ts';

/** What the hostile one knows of: shuffles it may touch, and one that it may not. */
export interface Targets {
  readonly job: number;
  readonly own: readonly ShuffleId[];
  /** Of another job. */
  readonly theirs: ShuffleId;
}

/** How often each message is said. */
const messageTable = {
  openWrite: 14,
  blocks: 26,
  manifest: 8,
  openRead: 14,
  credit: 10,
  close: 8,
  error: 3,
  ping: 6,
  pong: 2,
  opened: 1,
  ack: 1,
  end: 1,
  goaway: 1,
} as const;
export type HostileMessage = keyof typeof messageTable;

interface Writing {
  readonly stream: number;
  readonly shuffle: ShuffleId;
  readonly map: number;
  readonly attempt: number;
  readonly builder: ManifestBuilder;
}

const partitions = 4;
const creditWanted = 16 * KiB;

export class HostileClient {
  readonly #random: Random;
  readonly #targets: Targets;
  /** Streams of this connection that should be open. */
  readonly #writes: Writing[] = [];
  #nextStream = 1;
  /** What may be sent without being cut off for it. */
  #credit = 0;
  #reads: number[] = [];

  constructor(random: Random, targets: Targets) {
    this.#random = random;
    this.#targets = targets;
  }

  next(): { name: HostileMessage; frame: Uint8Array } {
    const name = weighted(this.#random, messageTable);
    const needsCredit = name === 'blocks' || name === 'manifest';
    if (needsCredit && this.#credit < creditWanted / 2 && happens(this.#random, 0.95)) {
      return { name: 'credit', frame: this.#message({ type: 'credit', stream: 0, grantBytes: 0, wantedBytes: creditWanted }) };
    }
    const frame = this.#make(name);
    if (needsCredit) this.#credit -= frame.length;
    return { name, frame };
  }

  granted(bytes: number): void {
    this.#credit += bytes;
  }

  #shuffle(): ShuffleId {
    const random = this.#random;
    const { job, own, theirs } = this.#targets;
    const way = random.next();
    if (way < 0.8) return pick(random, own);
    if (way < 0.9) return theirs;
    if (way < 0.96) return shuffleId(job, below(random, 1000));
    return shuffleId(oddNumber(random), oddNumber(random));
  }

  #stream(): number {
    const random = this.#random;
    return happens(random, 0.97) ? this.#nextStream++ : pick(random, [0, 1, this.#nextStream - 1, oddNumber(random)]);
  }

  #someStream(): number {
    const random = this.#random;
    const known = [...this.#writes.map(({ stream }) => stream), ...this.#reads];
    return known.length > 0 && happens(random, 0.85) ? pick(random, known) : pick(random, [0, 1, 2, oddNumber(random)]);
  }

  #make(name: HostileMessage): Uint8Array {
    const random = this.#random;
    switch (name) {
      case 'openWrite':
        return this.#openWrite();
      case 'blocks':
        return this.#blocks();
      case 'manifest':
        return this.#manifest();
      case 'openRead':
        return this.#openRead();
      case 'credit': {
        const stream = happens(random, 0.5) ? 0 : this.#someStream();
        const small = happens(random, 0.8);
        return this.#message({
          type: 'credit',
          stream,
          grantBytes: stream === 0 ? (small ? 0 : oddNumber(random)) : small ? 65536 : oddNumber(random),
          wantedBytes: stream === 0 ? (small ? 4096 : oddNumber(random)) : 0,
        });
      }
      case 'close':
        return this.#message({ type: 'close', stream: this.#someStream(), reason: below(random, 3) });
      case 'error': {
        const stream = happens(random, 0.8) ? this.#someStream() : 0;
        const maps = Array.from({ length: below(random, 5) }, () => oddNumber(random));
        const known = errorMessage(stream, new SluiceError(pick(random, ['CORRUPT_BLOCK', 'MISSING', 'NO_SPACE'] as const), { what: 'x' }));
        return this.#message({ ...known, maps, code: happens(random, 0.7) ? known.code : oddNumber(random) });
      }
      case 'ping':
      case 'pong':
        return this.#message({ type: name, stream: happens(random, 0.9) ? 0 : this.#someStream(), nonce: BigInt(oddNumber(random)) });
      case 'opened':
        return this.#message({ type: 'opened', stream: this.#someStream(), accepted: 1, grantBytes: 1, ledgerVersion: 1, backlogBytes: 0n });
      case 'ack':
        return this.#message({ type: 'ack', stream: this.#someStream(), accepted: 1, level: 0, grantBytes: 1, final: 1 });
      case 'end':
        return this.#message({ type: 'end', stream: this.#someStream(), section: 0, more: 0, cursor: 0n, counts: new Uint8Array(below(random, 9)) });
      case 'goaway':
        return this.#message({ type: 'goaway', stream: 0, deadlineMs: 1 });
    }
  }

  #message(message: Message): Uint8Array {
    return encodeMessage(message);
  }

  #openWrite(): Uint8Array {
    const random = this.#random;
    const stream = this.#stream();
    const shuffle = this.#shuffle();
    const map = happens(random, 0.95) ? below(random, 4) : oddNumber(random);
    const attempt = happens(random, 0.9) ? 100 + below(random, 4000) : oddNumber(random);
    const isUsual = happens(random, 0.93);
    const partitionFrom = isUsual ? 0 : oddNumber(random);
    const partitionTo = isUsual ? partitions : oddNumber(random);
    const level = happens(random, 0.95) ? below(random, 3) : oddNumber(random);
    if (isUsual) this.#writes.push({ stream, shuffle, map, attempt, builder: new ManifestBuilder(0, partitions) });
    if (this.#writes.length > 6) this.#writes.shift();
    return this.#message({
      type: 'openWrite',
      stream,
      shuffle,
      map,
      attempt,
      section: 0,
      location: happens(random, 0.97) ? 0 : oddNumber(random),
      partitionFrom,
      partitionTo,
      level,
    });
  }

  /** A frame of one or two sealed blocks; their hashes hold even where what they state does not. */
  #blocks(): Uint8Array {
    const random = this.#random;
    const writing = this.#writes.length > 0 ? pick(random, this.#writes) : null;
    const blocks: Uint8Array[] = [];
    for (let i = 0; i <= below(random, 2); i++) {
      const length = happens(random, 0.9) ? below(random, 300) : below(random, 5000);
      const partition = below(random, partitions);
      const sequence = writing ? writing.builder.nextSequence(partition) : 0;
      const { shuffle, map, attempt } = writing ?? { shuffle: this.#shuffle(), map: 0, attempt: 1 };
      const facts = {
        kind: 0,
        codec: 0,
        flags: 0,
        tag: 0,
        payloadLength: length,
        rawLength: length,
        records: 1,
        shuffle,
        partition,
        map,
        attempt,
        section: 0,
        sequence,
      };
      const isOdd = happens(random, 0.08);
      if (isOdd)
        Object.assign(
          facts,
          pick(random, [
            { shuffle: this.#targets.theirs },
            { partition: oddNumber(random) },
            { map: oddNumber(random) },
            { sequence: oddNumber(random) },
            { attempt: oddNumber(random) },
            { kind: below(random, 256) },
            { codec: below(random, 256) },
            { flags: below(random, 256) },
          ]),
        );
      const block = new Uint8Array(blockHeaderBytes + ((length + 7) & ~7));
      const payload = new Uint8Array(length).fill(below(random, 256));
      sealBlock(block, 0, facts, payload);
      const view = new DataView(block.buffer);
      if (writing && !isOdd) writing.builder.add(partition, length, 1, view.getUint32(56, true), view.getUint32(60, true));
      blocks.push(block);
    }
    const body = join(blocks);
    return join([blocksFrameHeader(writing?.stream ?? this.#someStream(), body.length), body]);
  }

  #manifest(): Uint8Array {
    const random = this.#random;
    const at = below(random, this.#writes.length);
    const writing = this.#writes[at];
    if (!writing) return this.#openWrite();
    const { stream, shuffle, map, attempt, builder } = writing;
    const manifest = builder.seal({ shuffle, map, attempt, section: 0 });
    if (happens(random, 0.7)) this.#writes.splice(at, 1);
    return join([blocksFrameHeader(stream, manifest.length), manifest]);
  }

  #openRead(): Uint8Array {
    const random = this.#random;
    const stream = this.#stream();
    const odd = (usual: number): number => (happens(random, 0.97) ? usual : oddNumber(random));
    this.#reads.push(stream);
    if (this.#reads.length > 4) this.#reads.shift();
    return this.#message({
      type: 'openRead',
      stream,
      shuffle: this.#shuffle(),
      location: odd(0),
      partitionFrom: odd(below(random, 2)),
      partitionTo: odd(partitions),
      mapFrom: odd(0),
      mapTo: odd(happens(random, 0.5) ? 2 : 4),
      sectionFrom: odd(0),
      ledgerVersion: odd(0),
      flags: happens(random, 0.9) ? pick(random, [0, 4]) : oddNumber(random),
      grantBytes: happens(random, 0.9) ? 2 * MiB : oddNumber(random),
      cursor: happens(random, 0.97) ? 0n : 7n,
      skip: happens(random, 0.8)
        ? new Uint8Array(0)
        : happens(random, 0.5)
          ? encodeCounts(new Uint32Array([0, 0, oddNumber(random), 1]))
          : random.fill(new Uint8Array(below(random, 40))),
    });
  }
}
