/**
 * A worker over a manual clock, disks in memory and a real manager core, and a peer that speaks frames to it: what the
 * worker's tests hand to it instead of machines. Also sealed streams to send.
 */
import assert from 'node:assert/strict';
import type { ManagerOptions } from '#manager/manager.ts';
import { type Channel, type ChannelHandlers, type Disk, type DiskFile, type Log, silent } from '#manager/process/ports.ts';
import type { ManagerCalls, ShuffleSpec } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { MiB, type ShuffleId, shuffleFrom } from '#manager/protocol/ids.ts';
import { mintToken } from '#manager/protocol/token.ts';
import { blockBytes, sealBlock, verifyBlock } from '#worker/protocol/block.ts';
import { decodeCounts } from '#worker/protocol/counts.ts';
import { blocksFrameHeader, encodeMessage, FrameParser, type Message, type MessageOf } from '#worker/protocol/frames.ts';
import { ManifestBuilder } from '#worker/protocol/manifest.ts';
import { type Admission, Worker, type WorkerOptions } from '#worker/worker.ts';
import { ManualClock, openWorld, seededRandom, settle, specOf } from '../shuffle-manager/world.ts';

export { ManualClock, seededRandom, settle };
export const secret = 'a secret of the tests';

/** Folders in memory. What a process wrote stays when it is dropped; `crash` takes what was not synced. */
export class TestDisk implements Disk {
  readonly files = new Map<string, { bytes: Uint8Array; synced: Uint8Array }>();
  freeBytes = 1e12;
  /** Thrown by the next writes, reads or syncs while set. */
  failWrite: SluiceError | null = null;
  failRead: SluiceError | null = null;
  failSync: SluiceError | null = null;
  /** Told of each write that is taken. */
  wrote: ((parts: readonly Uint8Array[]) => void) | null = null;
  /** When set, writes wait for it. */
  gate: Promise<void> | null = null;
  syncs = 0;

  async open(path: string, mode: 'read' | 'create' | 'write'): Promise<DiskFile> {
    if (mode === 'create') this.files.set(path, { bytes: new Uint8Array(0), synced: new Uint8Array(0) });
    const file = this.files.get(path);
    if (!file) throw new SluiceError('DISK_FAILED', { what: path, code: 'ENOENT' });
    return {
      read: async (offset, into) => {
        if (this.failRead) throw this.failRead;
        const part = file.bytes.subarray(offset, offset + into.length);
        into.set(part);
        return part.length;
      },
      write: async (offset, ...parts) => {
        await this.gate;
        this.wrote?.(parts);
        const part = Buffer.concat(parts);
        if (this.failWrite) throw this.failWrite;
        if (offset + part.length > file.bytes.length) file.bytes = resized(file.bytes, offset + part.length);
        file.bytes.set(part, offset);
      },
      sync: async () => {
        this.syncs++;
        if (this.failSync) throw this.failSync;
        file.synced = file.bytes.slice();
      },
      size: async () => file.bytes.length,
      truncate: async (length) => {
        file.bytes = resized(file.bytes, length);
      },
      close: async () => {},
    };
  }
  async list(folder: string): Promise<string[]> {
    const prefix = folder === '.' ? '' : `${folder}/`;
    const names = [...this.files.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split('/')[0]!);
    return [...new Set(names)].sort();
  }
  async remove(path: string): Promise<void> {
    for (const name of this.files.keys()) if (name === path || name.startsWith(`${path}/`)) this.files.delete(name);
  }
  async rename(from: string, to: string): Promise<void> {
    this.files.set(to, this.files.get(from)!);
    this.files.delete(from);
  }
  async makeFolder(): Promise<void> {}
  async free(): Promise<number> {
    return this.freeBytes;
  }

  /** Loss of power: only what was synced is left. */
  crash(): void {
    for (const file of this.files.values()) file.bytes = file.synced.slice();
  }
  /** The bytes of a file, to look at or to harm. */
  bytes(path: string): Uint8Array {
    return this.files.get(path)!.bytes;
  }
}

function resized(bytes: Uint8Array, length: number): Uint8Array {
  const other = new Uint8Array(length);
  other.set(bytes.subarray(0, length));
  return other;
}

export interface StreamOf {
  readonly shuffle: ShuffleId;
  readonly map: number;
  readonly attempt?: number;
  readonly section?: number;
  readonly partitionFrom?: number;
  readonly partitionTo?: number;
}

/** A sealed stream: its blocks one by one, and its manifest. */
export interface Sealed {
  readonly blocks: Uint8Array[];
  readonly all: Uint8Array;
  readonly manifest: Uint8Array;
  readonly manifestHash: bigint;
}

/** One block per pair (partition, payload), in that order. */
export function sealStream(of: StreamOf, payloads: readonly (readonly [partition: number, payload: Uint8Array])[]): Sealed {
  const { shuffle, map, attempt = 1, section = 0, partitionFrom = 0, partitionTo = 4 } = of;
  const builder = new ManifestBuilder(partitionFrom, partitionTo);
  const blocks = payloads.map(([partition, payload]) => {
    const block = new Uint8Array(blockBytes(payload.length));
    const view = new DataView(block.buffer);
    const sequence = builder.nextSequence(partition);
    const facts = { kind: 0, codec: 0, flags: 0, tag: 0, payloadLength: payload.length, rawLength: payload.length, records: 1 };
    sealBlock(block, 0, { ...facts, shuffle, partition, map, attempt, section, sequence }, payload);
    builder.add(partition, payload.length, 1, view.getUint32(56, true), view.getUint32(60, true));
    return block;
  });
  const manifest = builder.seal({ shuffle, map, attempt, section });
  return { blocks, all: join(blocks), manifest, manifestHash: new DataView(manifest.buffer).getBigUint64(56, true) };
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export const payloadOf = (length: number, seed: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) & 0xff);

/** A connection to the worker, seen from the client. */
export class Peer implements Channel {
  readonly admission: Admission;
  readonly messages: Message[] = [];
  readonly frames: { readonly stream: number; readonly bytes: Uint8Array }[] = [];
  isClosed = false;
  /** Frames are taken only when it settles. */
  gate: Promise<void> | null = null;
  readonly #handlers: ChannelHandlers;
  readonly #parser = new FrameParser();

  constructor(worker: Worker, token: string) {
    this.admission = worker.admit({ token, client: 'a test', incarnation: worker.incarnation });
    this.#handlers = worker.attach(this, this.admission);
  }

  /** The worker's side of the channel. */
  async send(parts: readonly Uint8Array[]): Promise<void> {
    if (this.isClosed) throw new SluiceError('CONNECTION_LOST', { what: 'closed' });
    for (const part of parts) {
      this.#parser.push(part, {
        message: (message) => this.messages.push(message),
        beginBlocks: (_, length) => new Uint8Array(length),
        endBlocks: (stream, bytes) => this.frames.push({ stream, bytes }),
      });
    }
    await this.gate;
  }
  close(): void {
    this.isClosed = true;
  }

  tell(...messages: Message[]): void {
    this.raw(...messages.map(encodeMessage));
  }
  push(stream: number, blocks: Uint8Array): void {
    this.raw(blocksFrameHeader(stream, blocks.length), blocks);
  }
  raw(...parts: Uint8Array[]): void {
    this.#handlers.data(join(parts));
  }
  cut(): void {
    this.isClosed = true;
    this.#handlers.closed();
  }

  of<T extends Message['type']>(type: T, stream?: number): MessageOf<T>[] {
    return this.messages.filter((message) => message.type === type && (stream === undefined || message.stream === stream)) as MessageOf<T>[];
  }
  last<T extends Message['type']>(type: T, stream?: number): MessageOf<T> {
    const found = this.of(type, stream).at(-1);
    assert.ok(found, `no ${type} came; what came: ${this.messages.map((message) => message.type).join(' ')}`);
    return found;
  }
  /** What a read stream has given: "map.partition.sequence" of each block, all of them whole. */
  seen(stream: number): string[] {
    const names: string[] = [];
    for (const frame of this.frames) {
      if (frame.stream !== stream) continue;
      for (let at = 0; at < frame.bytes.length; ) {
        const block = verifyBlock(frame.bytes, at);
        assert.equal(block.kind, 'block');
        if (block.kind !== 'block') break;
        const { map, partition, sequence } = block.header;
        names.push(`${map}.${partition}.${sequence}`);
        at += block.bytes;
      }
    }
    return names;
  }
}

export const openWrite = (stream: number, of: StreamOf, more: Partial<MessageOf<'openWrite'>> = {}): MessageOf<'openWrite'> => ({
  type: 'openWrite',
  stream,
  shuffle: of.shuffle,
  map: of.map,
  attempt: of.attempt ?? 1,
  section: of.section ?? 0,
  location: 0,
  partitionFrom: of.partitionFrom ?? 0,
  partitionTo: of.partitionTo ?? 4,
  level: 0,
  ...more,
});

export const openRead = (stream: number, shuffle: ShuffleId, more: Partial<MessageOf<'openRead'>> = {}): MessageOf<'openRead'> => ({
  type: 'openRead',
  stream,
  shuffle,
  location: 0,
  partitionFrom: 0,
  partitionTo: 4,
  mapFrom: 0,
  mapTo: 4,
  sectionFrom: 0,
  ledgerVersion: 0,
  flags: 0,
  grantBytes: 2 * MiB,
  cursor: 0n,
  skip: new Uint8Array(0),
  ...more,
});

/** Counts of END, the map running faster. */
export function countsOf(end: MessageOf<'end'>, total: number): number[] {
  const counts = Array.from({ length: total }, () => 0);
  assert.equal(
    decodeCounts(end.counts, 0, total, (index, count) => {
      counts[index] = count;
    }),
    end.counts.length,
  );
  return counts;
}

export interface WorkerWorld {
  readonly clock: ManualClock;
  readonly calls: ManagerCalls;
  readonly disk: TestDisk;
  worker: Worker;
  readonly job: number;
  readonly token: string;
  readonly clusterToken: string;
  /** Another worker process over the same or other disks. */
  start(more?: Partial<WorkerOptions>): Promise<Worker>;
  /** A shuffle of the job with one location. */
  shuffle(name: string, spec?: Partial<ShuffleSpec>): Promise<ShuffleId>;
  connect(token?: string): Peer;
  /** Sends whole streams and commits them. */
  write(shuffle: ShuffleId, map: number, payloads: readonly (readonly [number, Uint8Array])[], attempt?: number): Promise<Sealed>;
  version(shuffle: ShuffleId): Promise<number>;
  close(): Promise<void>;
}

export async function openWorkerWorld(
  more: Partial<WorkerOptions> = {},
  log: Log = silent,
  managed: Partial<ManagerOptions> = {},
): Promise<WorkerWorld> {
  const { clock, manager, calls } = await openWorld(undefined, managed);
  const disk = new TestDisk();
  let boots = 0;
  const start = (others: Partial<WorkerOptions> = {}): Promise<Worker> =>
    Worker.open({
      clock,
      random: seededRandom(900 + boots++),
      log,
      manager: calls,
      disks: [disk],
      secret,
      host: '127.0.0.1',
      port: 2000 + boots,
      hostLabel: 'here',
      pid: 1,
      arenaBytes: 2 * MiB,
      segmentBytes: MiB,
      diskBytes: 0,
      drainTimeoutMs: 1000,
      ...more,
      ...others,
    });
  const worker = await start();
  const { job, token } = await calls.openJob({ name: 'test', url: '', slots: 0 });
  const keeper = new AbortController();
  // Keeps the job alive however far the clock is moved.
  const keeping = (async () => {
    try {
      while (!keeper.signal.aborted) await calls.keepJob({ job, after: 2 ** 50, slots: 0, waitMs: 30_000 }, { signal: keeper.signal });
    } catch {
      // The test has closed the job, or is over.
    }
  })();
  const clusterToken = mintToken({ secret, cluster: worker.cluster }, { scope: 'cluster' }, clock.wall() + 1e9);
  const world: WorkerWorld = {
    clock,
    calls,
    disk,
    worker,
    job,
    token,
    clusterToken,
    start,
    async shuffle(name, spec = {}) {
      const layout = await calls.openShuffle({ job, name, spec: specOf(spec) });
      assert.equal(layout.locations.length, 1, 'small shuffles have one location');
      return shuffleFrom(layout.shuffle);
    },
    connect: (given = token) => new Peer(world.worker, given),
    async write(shuffle, map, payloads, attempt = 1) {
      const sealed = sealStream({ shuffle, map, attempt }, payloads);
      const peer = world.connect();
      peer.tell(openWrite(1, { shuffle, map, attempt }));
      for (const block of [...sealed.blocks, sealed.manifest]) {
        if (peer.admission.account.outstanding < block.length) peer.tell({ type: 'credit', stream: 0, grantBytes: 0, wantedBytes: block.length });
        for (let i = 0; i < 50 && peer.admission.account.outstanding < block.length; i++) await clock.advance(5);
        peer.push(1, block);
      }
      assert.equal(peer.last('ack', 1).final, 1);
      peer.cut();
      const cells = [{ location: 0, incarnations: [world.worker.incarnation], manifestHash: sealed.manifestHash.toString() }];
      await calls.commit({ shuffle: shuffle.toString(), map, attempt, cells });
      return sealed;
    },
    version: async (shuffle) => (await calls.layout({ shuffle: shuffle.toString(), after: -1, waitMs: 0 })).version,
    async close() {
      keeper.abort();
      await world.worker.close();
      await manager.close();
      await keeping;
    },
  };
  return world;
}
