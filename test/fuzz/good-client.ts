/** The client that has done nothing wrong: it writes, commits and reads all the time, and each answer it gets must be right. */
import type { Clock, DataTransport } from '#manager/process/ports.ts';
import { sleep } from '#manager/process/retry.ts';
import type { ManagerCalls } from '#manager/protocol/control.ts';
import { asSluiceError } from '#manager/protocol/errors.ts';
import { KiB, type Location, MiB, type ShuffleId, shuffleFrom } from '#manager/protocol/ids.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { createWorkerClient, type WorkerClient } from '#worker/client.ts';
import { createReceiveMemory } from '#worker/receive.ts';
import { verifiedRead } from '#worker/verified-read.ts';
import { seededRandom, specOf } from '../shuffle-manager/world.ts';
import { sealStream } from '../shuffle-worker/world.ts';
import { plantedPayload } from './planted.ts';

const maps = 3;
const triesAtMost = 100;
const pauseMs = 1000;
const partitions = 4;

export class GoodClient {
  readonly job: number;
  readonly #calls: ManagerCalls;
  readonly #client: WorkerClient;
  #kept: ShuffleId | null = null;
  #round = 0;
  /** Rounds that were refused for lack of memory, and gone through again. */
  refusals = 0;

  constructor(options: { calls: ManagerCalls; job: number; token: string; transport: DataTransport; clock: Clock }) {
    const { calls, job, token, transport, clock } = options;
    this.#calls = calls;
    this.job = job;
    const receive = createReceiveMemory(16 * MiB, 4 * MiB);
    this.#client = createWorkerClient({ transport, clock, random: seededRandom(3), token, name: 'the good client', receive });
  }

  get kept(): ShuffleId | null {
    return this.#kept;
  }

  /** A round that is refused for a while is gone through again, as an engine would. @throws as #once */
  async round(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#once();
      } catch (thrown) {
        if (asSluiceError(thrown).remedy !== 'retry' || tries === triesAtMost) throw thrown;
        this.refusals++;
        await sleep(this.#client.clock, pauseMs);
      }
    }
  }

  /** One round: reads the shuffle it keeps, and makes another one, which it reads and releases. @throws when anything is not right */
  async #once(): Promise<void> {
    this.#kept ??= await this.#write('kept');
    await this.#read(this.#kept);
    if (this.#round++ % 4 !== 0) return;
    const shuffle = await this.#write(`round ${this.#round} of ${Math.round(this.#client.clock.now())}`);
    await this.#read(shuffle);
    await this.#calls.release({ shuffle: shuffle.toString() });
  }

  async #write(name: string): Promise<ShuffleId> {
    const layout = await this.#calls.openShuffle({ job: this.job, name, spec: specOf({ maps, partitions }) });
    const shuffle = shuffleFrom(layout.shuffle);
    for (let map = 0; map < maps; map++) await this.write(layout.locations[0]!, shuffle, map, payloadsOf(map));
    return shuffle;
  }

  /** One attempt of a map, committed. */
  async write(location: Location, shuffle: ShuffleId, map: number, payloads: readonly (readonly [number, Uint8Array])[]): Promise<void> {
    const target = { shuffle, map, attempt: 1, section: 0, location: location.id, partitionFrom: 0, partitionTo: partitions };
    const sealed = sealStream(target, payloads);
    const stream = this.#client.openWrite(location.replicas[0]!, { ...target, level: 'received' });
    const pushed = stream.push(sealed.all);
    await stream.finish(sealed.manifest);
    await pushed;
    const cells = [{ location: location.id, incarnations: [location.replicas[0]!.incarnation], manifestHash: sealed.manifestHash.toString() }];
    await this.#calls.commit({ shuffle: shuffle.toString(), map, attempt: 1, cells });
  }

  async #read(shuffle: ShuffleId): Promise<void> {
    const view = viewLayout(await this.#calls.layout({ shuffle: shuffle.toString(), after: -1, waitMs: 0 }));
    const next = new Map<string, number>();
    const range = { partitionFrom: 0, partitionTo: partitions, mapFrom: 0, mapTo: maps, ordered: this.#round % 2 === 0 };
    let wrong = '';
    for await (const batch of verifiedRead(this.#client, view, range)) {
      batch.each((partition, map, _records, payload) => {
        const key = `${map}.${partition}`;
        const place = next.get(key) ?? 0;
        next.set(key, place + 1);
        const expected = payloadsOf(map).filter(([one]) => one === partition)[place]?.[1];
        if (!expected || Buffer.compare(expected, payload) !== 0) wrong ||= `block ${place} of ${key}`;
      });
    }
    for (let map = 0; map < maps; map++) {
      for (let partition = 0; partition < partitions; partition++) {
        const expected = payloadsOf(map).filter(([one]) => one === partition).length;
        if ((next.get(`${map}.${partition}`) ?? 0) !== expected) wrong ||= `the number of blocks of ${map}.${partition}`;
      }
    }
    if (wrong !== '') throw new Error(`the good client has read something else than it wrote: ${wrong}`);
  }

  close(): void {
    this.#client.close();
  }
}

const payloads = Array.from({ length: maps }, (_, map) =>
  [0, 1, 1, 3, 2, 0].map((partition, i) => [partition, plantedPayload(i === 5 ? 20 * KiB : 90 + 61 * i, map * 10 + i)] as const),
);
export const payloadsOf = (map: number): readonly (readonly [number, Uint8Array])[] => payloads[map]!;
