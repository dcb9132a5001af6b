/**
 * The shuffle through the service: the only file of the engine that talks to manager and workers about data. It composes
 * the manager's calls with the workers' data plane: who writes where is the layout's, moving blocks the client's,
 * verifying them verified-read.ts's; what a failure means for the engine is decided here. Ports only: the simulator loads it.
 */
import assert from 'node:assert/strict';
import type { Clock, DataTransport, Log, Millis, Random } from '#manager/process/ports.ts';
import { type RetryOptions, retry, sleep } from '#manager/process/retry.ts';
import type { CommittedCell, Layout, Level, ManagerCalls, Request } from '#manager/protocol/control.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import { KiB, type Location, maxBlockBytes, type Replica, shuffleFrom } from '#manager/protocol/ids.ts';
import { type LayoutView, viewLayout } from '#manager/protocol/layout.ts';
import { createWorkerClient, type WorkerClient, type WriteStream } from '#worker/client.ts';
import { type Kernel, kernelReservedBytes } from '#worker/kernel/kernel.ts';
import { blockBytes } from '#worker/protocol/block.ts';
import { verifiedRead } from '#worker/verified-read.ts';
import { memoryPool } from './memory-pool.ts';
import { assertRange, missing, readerOf } from './reading.ts';
import { Sealer } from './sealer.ts';
import type { Committed, ReadRange, ReceivedBlock, ShuffleDriver, ShuffleHandle, ShuffleRequest, ShuffleWriter } from './spi.ts';

export interface RemoteShuffleOptions {
  readonly manager: ManagerCalls;
  readonly transport: DataTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly job: number;
  /** The job's. */
  readonly token: string;
  /** Workers that keep each block of the shuffles opened here, 1 when left out; fewer when there are not as many. */
  readonly replicas?: number;
  /** What their commits survive; `received` when left out. */
  readonly level?: Level;
  /** Who is calling, for the workers' logs. */
  readonly name?: string;
  /** As the worker client's. */
  readonly silenceMs?: Millis;
}

const bufferBytes = 288 * KiB;
/** Of a writer for each location: while one is filled the others are on their way. */
const buffersPerColumn = 7;
/** The one place for a block that fits no buffer. */
const largeBytes = blockBytes(maxBlockBytes);
/** A layout older than this is asked for again; one that does not serve is asked for again at once. */
const layoutMaxAgeMs = 2000;
/** How long the manager may be out of reach: it may be starting anew, on another host or a busy one. */
const patienceMs = 120_000;
const mayPass = (error: SluiceError): boolean => error.remedy === 'retry' || error.code === 'CLUSTER_UNREACHABLE';
/** The manager believes the third report of a live worker, a second apart. */
const reportGapMs = 1100;
const reportsAtMost = 5;
/** How often a read begins again because its cells have moved; it goes on behind what was given out. */
const beginningsAtMost = 5;

/**
 * One per process and job. Cost: one connection per worker; per open writer 2 MiB per location, touched as used; per
 * process what the worker client keeps for reads.
 */
export function createRemoteShuffle(options: RemoteShuffleOptions): ShuffleDriver {
  const { manager, transport, clock, random, token, job } = options;
  const service: Service = {
    ...options,
    retry: { clock, random, patienceMs, again: mayPass },
    client: createWorkerClient({
      transport,
      clock,
      random,
      token,
      name: options.name ?? 'sluice',
      receive: memoryPool.takeReceive(),
      ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
    }),
    layouts: new Layouts(manager, { clock, random, patienceMs, again: mayPass }),
  };
  return {
    name: 'remote',
    async open(request) {
      const layout = await retry(service.retry, () => manager.openShuffle({ job, name: request.name, spec: specOf(request, options) }));
      service.layouts.put(layout);
      return { driver: 'remote', id: layout.shuffle, maps: request.maps, partitions: request.partitions };
    },
    async createWriter(handle, map, attempt) {
      const isFresh = (view: LayoutView): boolean => {
        const targets = view.targets(map);
        // What was committed once is a repair: which cells it has to fill is not a matter for an old layout.
        return view.holders(map) === null && targets.length === columnsOf(view.layout) && !targets.some((target) => isLeaving(service, target));
      };
      const view = await service.layouts.get(handle.id, isFresh);
      assert.ok(map >= 0 && map < handle.maps, 'map out of range');
      if (view.layout.invalidated) throw new SluiceError('ATTEMPT_SUPERSEDED', { map });
      return new RemoteWriter(service, handle, view, map, attempt);
    },
    createReader: (handle, range) => readerOf(read(service, handle, range)),
    async vacant(handle) {
      const view = await service.layouts.fetch(handle.id);
      return view.layout.invalidated ? numbers(0, handle.maps) : view.vacant();
    },
    async release(handle) {
      await retry(service.retry, () => manager.release({ shuffle: handle.id }));
      service.layouts.forget(handle.id);
    },
    async close() {
      if (service.client.isClosed) return;
      service.client.close();
      memoryPool.giveReceive(service.client.receive);
    },
  };
}

interface Service extends RemoteShuffleOptions {
  readonly retry: RetryOptions;
  readonly client: WorkerClient;
  readonly layouts: Layouts;
}

const specOf = (
  { maps, partitions, deterministic, bytesHint, schema }: ShuffleRequest,
  { replicas = 1, level = 'received' }: Pick<RemoteShuffleOptions, 'replicas' | 'level'>,
): Layout['spec'] => ({
  maps,
  partitions,
  order: 0,
  level,
  deterministic,
  replicas,
  bytesHint,
  schema: Buffer.from(schema.buffer, schema.byteOffset, schema.byteLength).toString('base64'),
});

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const columnsOf = ({ locations }: Layout): number => new Set(locations.map((location) => location.partitionFrom)).size;
const isLeaving = ({ client }: Service, { replicas }: Location): boolean => replicas.some((replica) => client.isLeaving(replica));

/** The layouts this process knows. One question to the manager at a time per shuffle, however many tasks ask. */
class Layouts {
  readonly #manager: ManagerCalls;
  readonly #retry: RetryOptions;
  readonly #known = new Map<string, { view: LayoutView; at: number }>();
  readonly #asking = new Map<string, Promise<LayoutView>>();

  constructor(manager: ManagerCalls, options: RetryOptions) {
    this.#manager = manager;
    this.#retry = options;
  }

  put(layout: Layout): LayoutView {
    const view = viewLayout(layout);
    const known = this.#known.get(layout.shuffle);
    // An answer that was overtaken does not bring an old layout back.
    if (!known || known.view.layout.version <= layout.version) this.#known.set(layout.shuffle, { view, at: this.#retry.clock.now() });
    return view;
  }

  forget(shuffle: string): void {
    this.#known.delete(shuffle);
  }

  /** The known one, when it is young and serves; else the manager's. @throws SHUFFLE_UNKNOWN · SHUFFLE_RELEASED */
  async get(shuffle: string, serves: (view: LayoutView) => boolean): Promise<LayoutView> {
    const known = this.#known.get(shuffle);
    if (known && this.#retry.clock.now() - known.at <= layoutMaxAgeMs && serves(known.view)) return known.view;
    return await this.fetch(shuffle);
  }

  /** The manager's, as of a moment after the call. */
  async fetch(shuffle: string): Promise<LayoutView> {
    // One that was asked before may be older than what the caller has done since.
    await this.#asking.get(shuffle)?.catch(() => undefined);
    const asked = this.#asking.get(shuffle) ?? this.#ask(shuffle);
    return await asked;
  }

  #ask(shuffle: string): Promise<LayoutView> {
    const asked = retry(this.#retry, () => this.#manager.layout({ shuffle, after: -1, waitMs: 0 }))
      .then(
        (layout) => this.put(layout),
        (error: unknown) => {
          this.forget(shuffle);
          throw error;
        },
      )
      .finally(() => this.#asking.delete(shuffle));
    this.#asking.set(shuffle, asked);
    return asked;
  }
}

/** Maps of the range with a vacant cell in it, ascending; all of the shuffle's when its run is invalidated. */
function vacantIn(view: LayoutView, range: ReadRange): number[] {
  const { layout } = view;
  if (layout.invalidated) return numbers(0, layout.spec.maps);
  const columns = [...Map.groupBy(layout.locations, (location) => location.partitionFrom).values()].filter(
    ([first]) => first!.partitionFrom < range.partitionTo && range.partitionFrom < first!.partitionTo,
  );
  return numbers(range.mapFrom, range.mapTo).filter((map) => columns.some((column) => !column.some(({ id }) => view.winner(map, id) >= 0)));
}

type Lost = Pick<Request<'lost'>, 'maps' | 'because'>;

/**
 * Tells the manager of cells that could not be read or written, until it has drawn the consequence: they are vacant and
 * later attempts go elsewhere, or the worker is there under a new incarnation. Never throws: a report is a help, not a duty.
 */
async function report(service: Service, shuffle: string, location: number, incarnation: string, lost: Lost): Promise<void> {
  const { manager, clock, layouts, log } = service;
  log.warn({ shuffle, location, incarnation, ...lost }, 'cells are out of reach');
  try {
    for (let count = 0; count < reportsAtMost; count++) {
      const { vacated } = await retry(service.retry, () => manager.lost({ shuffle, location, incarnation, ...lost }));
      const { layout } = await layouts.fetch(shuffle);
      const isOther = !layout.locations[location]?.replicas.some((replica) => replica.incarnation === incarnation);
      if (vacated || isOther || lost.because !== 'unreachable') return;
      await sleep(clock, reportGapMs);
    }
  } catch (thrown) {
    const { code, message } = asSluiceError(thrown);
    log.warn({ shuffle, location, code, what: message }, 'the manager did not take the report');
  }
}

/** What a writer sends to one location. */
interface Column {
  readonly location: Location;
  readonly sealer: Sealer;
  /** One per replica that has not failed; the same bytes go to each. */
  readonly streams: Set<{ readonly replica: Replica; readonly stream: WriteStream }>;
  /** Where each buffer begins, and what is on its way out of each. */
  readonly buffers: readonly { readonly from: number; sent: Promise<void> }[];
  filling: number;
}

const nothingSent: Promise<void> = Promise.resolve();

class RemoteWriter implements ShuffleWriter {
  readonly #service: Service;
  readonly #handle: ShuffleHandle;
  readonly #map: number;
  readonly #attempt: number;
  readonly #kernel: Kernel;
  /** By partition range; ranges whose cells are committed already are absent. */
  readonly #columns: readonly Column[];
  readonly #largeFrom: number;
  #largeSent = nothingSent;
  #state: 'writing' | 'ended' = 'writing';
  #committed: Committed | null = null;
  #failure: SluiceError | null = null;
  /** Where the first stream failed. */
  #failedAt: { readonly location: number; readonly incarnation: string } | null = null;

  constructor(service: Service, handle: ShuffleHandle, view: LayoutView, map: number, attempt: number) {
    this.#service = service;
    this.#handle = handle;
    this.#map = map;
    this.#attempt = attempt;
    const targets = view.targets(map).sort((a, b) => a.partitionFrom - b.partitionFrom);
    this.#largeFrom = kernelReservedBytes + targets.length * buffersPerColumn * bufferBytes;
    const kernel = memoryPool.take(this.#largeFrom + largeBytes);
    this.#kernel = kernel;
    const shuffle = shuffleFrom(handle.id);
    const { level } = view.layout.spec;
    this.#columns = targets.map((location, i): Column => {
      const { partitionFrom, partitionTo } = location;
      const from = kernelReservedBytes + i * buffersPerColumn * bufferBytes;
      const sealer = new Sealer({ shuffle, map, attempt, partitionFrom, partitionTo, kernel });
      sealer.begin(from, from + bufferBytes);
      const target = { shuffle, map, attempt, section: 0, location: location.id, partitionFrom, partitionTo, level };
      return {
        location,
        sealer,
        streams: new Set(location.replicas.map((replica) => ({ replica, stream: service.client.openWrite(replica, target) }))),
        buffers: Array.from({ length: buffersPerColumn }, (_, buffer) => ({ from: from + buffer * bufferBytes, sent: nothingSent })),
        filling: 0,
      };
    });
  }

  async write(partition: number, payload: Uint8Array, records: number): Promise<void> {
    assert.ok(partition >= 0 && partition < this.#handle.partitions, 'partition out of range');
    assert.ok(payload.length <= maxBlockBytes, 'a payload has at most maxBlockBytes');
    if (this.#failure) throw this.#failure;
    assert.ok(this.#state === 'writing', 'the attempt has ended');
    const column = this.#columns.find(({ location }) => location.partitionFrom <= partition && partition < location.partitionTo);
    // The cell is intact under an earlier attempt.
    if (!column) return;
    if (blockBytes(payload.length) > bufferBytes) await this.#guard(() => this.#writeLarge(column, partition, payload, records));
    else {
      if (!column.sealer.fits(payload.length)) await this.#guard(() => this.#turn(column));
      column.sealer.add(partition, payload, records);
    }
  }

  async commit(): Promise<Committed> {
    if (this.#committed) return this.#committed;
    if (this.#failure) throw this.#failure;
    assert.ok(this.#state === 'writing', 'the attempt has ended');
    const won = await this.#guard(async () => {
      const cells = await Promise.all(this.#columns.map((column) => this.#finish(column)));
      // A repair that others have done meanwhile.
      if (cells.length === 0) return false;
      const { manager, retry: options } = this.#service;
      const commit = { shuffle: this.#handle.id, map: this.#map, attempt: this.#attempt, cells };
      return (await retry(options, () => manager.commit(commit))).won;
    });
    let [blocks, records, bytes] = [0, 0, 0];
    for (const { sealer } of this.#columns) {
      blocks += sealer.counts.blocks;
      records += sealer.counts.records;
      bytes += sealer.counts.bytes;
    }
    this.#committed = { won, blocks, records, bytes };
    this.#state = 'ended';
    // Everything was acknowledged: nobody reads the buffers any more.
    memoryPool.give(this.#kernel);
    return this.#committed;
  }

  async abort(): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    for (const { streams } of this.#columns) for (const { stream } of streams) stream.abort();
  }

  /** Sends what the column has, and goes on in its next buffer once that is free. */
  async #turn(column: Column): Promise<void> {
    column.buffers[column.filling]!.sent = this.#push(column);
    column.filling = (column.filling + 1) % buffersPerColumn;
    const next = column.buffers[column.filling]!;
    await next.sent;
    column.sealer.begin(next.from, next.from + bufferBytes);
  }

  async #writeLarge(column: Column, partition: number, payload: Uint8Array, records: number): Promise<void> {
    await this.#turn(column);
    await this.#largeSent;
    column.sealer.begin(this.#largeFrom, this.#largeFrom + largeBytes);
    column.sealer.add(partition, payload, records);
    this.#largeSent = this.#push(column);
    const { from } = column.buffers[column.filling]!;
    column.sealer.begin(from, from + bufferBytes);
  }

  #push(column: Column): Promise<void> {
    const bytes = column.sealer.seal();
    const sent = this.#toAll(column, (stream) => stream.push(bytes));
    // It is looked at when its buffer is wanted again, or at the commit.
    sent.catch(() => undefined);
    return sent;
  }

  /** Blocks and manifest go together, so that a small task waits for one round trip. */
  async #finish(column: Column): Promise<CommittedCell> {
    const sent = this.#push(column);
    const manifest = column.sealer.manifest();
    await this.#toAll(column, (stream) => stream.finish(manifest));
    await sent;
    const view = new DataView(manifest.buffer, manifest.byteOffset, manifest.byteLength);
    return {
      location: column.location.id,
      incarnations: [...column.streams].map(({ replica }) => replica.incarnation),
      manifestHash: view.getBigUint64(56, true).toString(),
    };
  }

  /** Goes on with the replicas that take it: what one of them lacks is kept by the others alone. */
  async #toAll(column: Column, act: (stream: WriteStream) => Promise<unknown>): Promise<void> {
    const { location, streams } = column;
    const acts = [...streams].map(async (one) => {
      try {
        await act(one.stream);
      } catch (thrown) {
        const error = asSluiceError(thrown);
        const isLast = streams.size === 1;
        if (!streams.has(one)) return;
        if (isLast || error.remedy === 'superseded' || error.remedy === 'fail') {
          this.#failedAt ??= { location: location.id, incarnation: one.replica.incarnation };
          throw error;
        }
        streams.delete(one);
        one.stream.abort();
        this.#service.log.warn(
          { location: location.id, incarnation: one.replica.incarnation, code: error.code },
          'a replica takes no more of an attempt',
        );
      }
    });
    await Promise.all(acts);
  }

  /** Runs one step; when it fails the attempt has failed, and says so from then on. */
  async #guard<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (thrown) {
      await this.abort();
      this.#failure = await this.#judge(asSluiceError(thrown));
      throw this.#failure;
    }
  }

  /** What the failure means for the task: a worker that does not take the blocks is reported, and a new attempt goes elsewhere. */
  async #judge(error: SluiceError): Promise<SluiceError> {
    const { layouts } = this.#service;
    layouts.forget(this.#handle.id);
    if (error.remedy === 'superseded' || error.remedy === 'fail') return error;
    if (this.#failedAt && (error.code === 'CONNECTION_LOST' || error.code === 'WRONG_INCARNATION' || error.code === 'NO_SPACE')) {
      const because = error.code === 'WRONG_INCARNATION' ? 'incarnation' : 'unreachable';
      const { location, incarnation } = this.#failedAt;
      await report(this.#service, this.#handle.id, location, incarnation, { maps: [this.#map], because });
    }
    if (error.remedy === 'retry') return error;
    return new SluiceError('CONNECTION_LOST', { ...error.facts, what: `map ${this.#map}: ${error.message}` }, { cause: error });
  }
}

async function* read(service: Service, handle: ShuffleHandle, range: ReadRange): AsyncGenerator<ReceivedBlock, void, undefined> {
  assertRange(handle, range);
  const { client, layouts } = service;
  const width = range.partitionTo - range.partitionFrom;
  const pairOf = (map: number, partition: number): number => (map - range.mapFrom) * width + partition - range.partitionFrom;
  /** Blocks given out of each (map, partition), and the layout they were read by. */
  let taken: Uint32Array | null = null;
  let by: LayoutView | null = null;
  for (let beginning = 1; ; beginning++) {
    const view = await layouts.get(handle.id, (known) => vacantIn(known, range).length === 0);
    const vacant = vacantIn(view, range);
    if (vacant.length > 0) throw missing(handle.id, vacant, view.layout.invalidated ? 'the run is invalidated' : 'not committed');
    if (range.mapFrom === range.mapTo || range.partitionFrom === range.partitionTo) return;
    if (by !== null && taken !== null && !hasSameWinners(by, view, range, taken))
      throw new SluiceError('CONNECTION_LOST', { what: 'what was read in part has another winner by now' });
    by = view;
    const skip: Uint32Array | null = taken?.slice() ?? null;
    taken ??= new Uint32Array(width * (range.mapTo - range.mapFrom));
    try {
      for await (const batch of verifiedRead(client, view, range)) {
        for (let i = 0; i < batch.blocks; i++) {
          const block = batch.at(i);
          const pair = pairOf(block.map, block.partition);
          // An attempt's blocks come in the order they were written, so those that were given before are the first ones.
          if (skip !== null && skip[pair]! > 0) skip[pair]!--;
          else {
            taken[pair]!++;
            yield block;
          }
        }
      }
      return;
    } catch (thrown) {
      const error = asSluiceError(thrown);
      await settleLoss(service, handle, view, range, error);
      // The cells are there after all: on another replica, of a worker that came back, or by another attempt.
      if (beginning < beginningsAtMost) continue;
      throw new SluiceError('CONNECTION_LOST', { what: error.message }, { cause: error });
    }
  }
}

/** Whether blocks that were taken by one layout are the first ones of what another gives. */
function hasSameWinners(one: LayoutView, other: LayoutView, range: ReadRange, taken: Uint32Array): boolean {
  const width = range.partitionTo - range.partitionFrom;
  const winnerOf = (view: LayoutView, map: number, partition: number): number => {
    const held = (location: Location): boolean =>
      location.partitionFrom <= partition && partition < location.partitionTo && view.winner(map, location.id) >= 0;
    const location = view.layout.locations.find(held);
    return location === undefined ? -1 : view.winner(map, location.id);
  };
  return taken.every((count, pair) => {
    if (count === 0) return true;
    const [map, partition] = [range.mapFrom + Math.floor(pair / width), range.partitionFrom + (pair % width)];
    return winnerOf(one, map, partition) === winnerOf(other, map, partition);
  });
}

/** Reports what a read ran into. Returns when all cells of the range are committed nonetheless. @throws MISSING, or the error when it is no loss */
async function settleLoss(service: Service, handle: ShuffleHandle, view: LayoutView, range: ReadRange, error: SluiceError): Promise<void> {
  if (error.code !== 'LAYOUT_MOVED') {
    const because = lossOf[error.code];
    const { location, incarnation } = error.facts;
    if (because === undefined || typeof location !== 'number' || typeof incarnation !== 'string') throw error;
    const named = Array.isArray(error.facts['maps']) ? (error.facts['maps'] as number[]) : [];
    // No map named means all that was asked of the location, not all that it has.
    const maps = named.length > 0 ? named : numbers(range.mapFrom, range.mapTo).filter((map) => view.winner(map, location) >= 0);
    await report(service, handle.id, location, incarnation, { maps, because });
  }
  const now = await service.layouts.fetch(handle.id);
  const vacant = vacantIn(now, range);
  if (vacant.length > 0) throw missing(handle.id, vacant, error.message);
}

const lossOf: { readonly [code: string]: Lost['because'] | undefined } = {
  MISSING: 'missing',
  CORRUPT_BLOCK: 'corrupt',
  INCOMPLETE: 'corrupt',
  WRONG_INCARNATION: 'incarnation',
  CONNECTION_LOST: 'unreachable',
};
