/**
 * A worker's recovery and reads over one harmed segment, and a client that reads from it with every check: the product's own
 * modules from the file up to verifiedRead, with a connection in memory between them. The segment is changed under it, thousands
 * of times, so memories and the connection are made once.
 */
import { setImmediate } from 'node:timers/promises';
import { type ChannelHandlers, type DataTransport, silent } from '#manager/process/ports.ts';
import { asSluiceError, type SluiceError } from '#manager/protocol/errors.ts';
import { MiB, protocolVersion, type ShuffleId } from '#manager/protocol/ids.ts';
import { createWorkerClient, type WorkerClient } from '#worker/client.ts';
import { Credits } from '#worker/credits.ts';
import { createReceiveMemory } from '#worker/receive.ts';
import { Session, type SessionServing } from '#worker/session.ts';
import { Directory, segmentPath } from '#worker/store/directory.ts';
import { createStoreMemory } from '#worker/store/memory.ts';
import { Places } from '#worker/store/places.ts';
import { recoverDirectory } from '#worker/store/recover.ts';
import { Store } from '#worker/store/store.ts';
import { verifiedRead } from '#worker/verified-read.ts';
import { join, ManualClock, seededRandom, TestDisk } from '../shuffle-worker/world.ts';
import { segmentBytes, type WrittenSegment, type WrittenShuffle } from './segment.ts';

/** Turns of the event loop after which a read that has not ended never will: nothing here waits for anything. */
const turnsAtMost = 50;

/** What a worker holds of a shuffle. */
export interface Held {
  /** "map.attempt manifestHash" of each finished stream. */
  readonly cells: readonly string[];
  /** Where its regions lie, and their indexes. */
  readonly regions: string;
}

/** How a read ended: with all that was committed, with an error, or with something else than was committed. */
export type ReadOutcome =
  | { readonly kind: 'right' }
  | { readonly kind: 'error'; readonly error: SluiceError }
  | { readonly kind: 'wrong'; readonly what: string };

export class HarmedWorker {
  readonly #written: WrittenSegment;
  readonly #clock = new ManualClock();
  readonly #memory = createStoreMemory(MiB);
  readonly #client: WorkerClient;
  #store: Store | null = null;

  constructor(written: WrittenSegment) {
    this.#written = written;
    const memory = this.#memory;
    const store = (): Store => this.#store!;
    const serving: SessionServing = {
      memory,
      get store() {
        return store();
      },
      layouts: written.layouts,
      credits: new Credits(memory),
      clock: this.#clock,
      log: silent,
      pieces: new Places(memory.reads),
      accounts: new Places(memory.slots),
      feeding: new WeakMap(),
      counters: { blocksSent: 0, bytesSent: 0, framesReceived: 0, streamErrors: 0 },
      isReleased: () => false,
      overQuota: () => null,
    };
    this.#client = createWorkerClient({
      transport: transportTo(serving),
      clock: this.#clock,
      random: seededRandom(1),
      token: '',
      name: 'bitflips',
      receive: createReceiveMemory(8 * MiB, 2 * MiB),
    });
  }

  /** A start over a segment file of these bytes, which it may change. Answers what it holds from now on. */
  async start(bytes: Uint8Array): Promise<Map<ShuffleId, Held>> {
    const { cluster, directory: id } = this.#written;
    const disk = new TestDisk();
    disk.files.set(segmentPath(0), { bytes, synced: bytes });
    const options = { disk, id, cluster, segmentBytes, mayGrow: () => true };
    const { segments, shuffles } = await recoverDirectory(options, silent);
    this.#store = new Store({
      memory: this.#memory,
      directories: [new Directory(options, segments)],
      clock: this.#clock,
      log: silent,
      orderOf: async () => 0,
      freed: () => {},
      isShort: () => false,
    });
    this.#store.adopt(0, shuffles);
    const held = new Map<ShuffleId, Held>();
    for (const { shuffle, regions, cells } of shuffles) {
      held.set(shuffle, {
        cells: cells.map(({ map, attempt, manifestHash }) => `${map}.${attempt} ${manifestHash}`),
        regions: regions.map(({ offset, ordinal, order, dataBytes, index }) => `${offset} ${ordinal} ${order} ${dataBytes} ${index}`).join('; '),
      });
    }
    return held;
  }

  /** Reads maps [mapFrom, mapTo) of the shuffle whole, and compares each block with what was committed. */
  async read(shuffle: WrittenShuffle, mapFrom = 0, mapTo = shuffle.maps): Promise<ReadOutcome> {
    let outcome: ReadOutcome | null = null;
    void this.#read(shuffle, mapFrom, mapTo).then((found) => {
      outcome = found;
    });
    for (let turn = 0; turn < turnsAtMost && outcome === null; turn++) await setImmediate();
    return outcome ?? { kind: 'wrong', what: 'the read does not end' };
  }

  async #read({ view, ordered, partitions, payloads }: WrittenShuffle, mapFrom: number, mapTo: number): Promise<ReadOutcome> {
    const next = new Map<number, number>();
    let wrong: string | null = null;
    try {
      for await (const batch of verifiedRead(this.#client, view, { partitionFrom: 0, partitionTo: partitions, mapFrom, mapTo, ordered })) {
        batch.each((partition, map, records, payload) => {
          const key = map * partitions + partition;
          const place = next.get(key) ?? 0;
          next.set(key, place + 1);
          const expected = map >= mapFrom && map < mapTo ? payloads.get(key)?.[place] : undefined;
          if (!expected || records !== 1 || Buffer.compare(expected, payload) !== 0) wrong ??= `block ${place} of map ${map}, partition ${partition}`;
        });
      }
    } catch (thrown) {
      const error = asSluiceError(thrown);
      return wrong === null ? { kind: 'error', error } : { kind: 'wrong', what: wrong };
    }
    for (const [key, blocks] of payloads) {
      const map = Math.floor(key / partitions);
      if (map >= mapFrom && map < mapTo && next.get(key) !== blocks.length)
        wrong ??= `${next.get(key) ?? 0} of ${blocks.length} blocks of map ${map}`;
    }
    return wrong === null ? { kind: 'right' } : { kind: 'wrong', what: wrong };
  }

  close(): void {
    this.#client.close();
  }
}

/** A connection within the process: what one side sends, the other has at the next microtask, as bytes of its own. */
function transportTo(serving: SessionServing): DataTransport {
  return {
    async connect(_to, hello, handlers) {
      const account = serving.credits.open(() => {});
      const welcome = {
        version: protocolVersion,
        cluster: '',
        incarnation: hello.incarnation,
        maxBlockBytes: serving.memory.maxBlockBytes,
        idleGrantBytes: 0,
      };
      const line = (to: () => ChannelHandlers) => ({
        send: async (parts: readonly Uint8Array[]) => {
          const bytes = join(parts);
          await Promise.resolve();
          to().data(bytes);
        },
        close: () => queueMicrotask(() => to().closed()),
      });
      const session = new Session({ serving, channel: line(() => handlers), job: null, client: hello.client, account, ended: () => {} });
      return { channel: line(() => session), welcome };
    },
  };
}
