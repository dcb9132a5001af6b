/**
 * The worker: store, credits, layouts and sessions composed over ports, and its place in the cluster. It admits who has a
 * token, serves streams, and does what the manager orders. It opens no socket and no file by itself: server.ts and
 * transport.ts bring connections, the simulator brings its own.
 */
import type { Channel, ChannelHandlers, Clock, Disk, Hello, Log, Millis, Random, Timer, Welcome } from '#manager/process/ports.ts';
import { sleep } from '#manager/process/retry.ts';
import type { ManagerCalls, Request } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Incarnation, jobOf, mint128, protocolVersion, type ShuffleId, shuffleText } from '#manager/protocol/ids.ts';
import { verifyToken } from '#manager/protocol/token.ts';
import { type CreditAccount, Credits } from './credits.ts';
import { Layouts } from './layouts.ts';
import { OrderFollower } from './orders.ts';
import { Session, type SessionServing } from './session.ts';
import { Directory } from './store/directory.ts';
import { commonIdentity, readIdentity, writeIdentity } from './store/identity.ts';
import { createStoreMemory, type StoreMemory } from './store/memory.ts';
import { Places } from './store/places.ts';
import { type Recovered, recoverDirectory } from './store/recover.ts';
import { Store } from './store/store.ts';

export interface WorkerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly manager: ManagerCalls;
  /** A data folder each; at least one. What earlier incarnations left there is served again. */
  readonly disks: readonly Disk[];
  /** The cluster's: tokens are checked with it. */
  readonly secret: string;
  /** Where clients reach this worker. */
  readonly host: string;
  readonly port: number;
  /** The machine, for placement: replicas go to different ones. */
  readonly hostLabel: string;
  readonly pid: number;
  readonly arenaBytes: number;
  readonly segmentBytes: number;
  /** What all segments together may take; 0: as much as the file systems have. */
  readonly diskBytes: number;
  /** How long those who are connected get to finish when this worker drains: told to them, and kept by `drained`. */
  readonly drainTimeoutMs: Millis;
}

/** Who was let in. It is attached at once, in the same turn; one that never is holds its grant for good. */
export interface Admission {
  readonly welcome: Welcome;
  /** Whose shuffles he may touch; null: everyone's. */
  readonly job: number | null;
  readonly client: string;
  readonly account: CreditAccount;
  /** Where grants go once there is a session. */
  readonly grants: { to: ((bytes: number) => void) | null };
}

/** Released shuffles and jobs that are remembered; of older ones the manager is asked. */
const maxTombstones = 4096;
/** A connection that says nothing this long is cut. Clients hang up when they have rested for a minute. */
const silenceMs: Millis = 75_000;
const lookMs: Millis = 5000;
/** A worker that drains looks so often whether it is still needed. */
const drainLookMs: Millis = 200;
/** So many looks without a grant for whoever is first, and those who wait are sent elsewhere. */
const looksWithoutGrant = 3;

export class Worker {
  readonly id: string;
  readonly incarnation: Incarnation;
  readonly cluster: string;
  readonly #options: WorkerOptions;
  readonly #memory: StoreMemory;
  readonly #directories: readonly Directory[];
  readonly #store: Store;
  readonly #credits: Credits;
  readonly #layouts: Layouts;
  readonly #serving: SessionServing;
  readonly #orders: OrderFollower;
  readonly #sessions = new Set<Session>();
  /** "123" or "job:1", oldest first. */
  readonly #tombstones = new Set<string>();
  /** Jobs that may store no more, and the sentence about each. */
  #overQuota = new Map<number, string>();
  #draining = false;
  #look: Timer | null = null;
  /** Who was first in line for memory at the last look, what he wanted, and for how many looks that has been so. */
  #first: { readonly account: CreditAccount; readonly wanted: number; looks: number } | null = null;
  #closing: Promise<void> | null = null;
  readonly counters = { connections: 0, refused: 0, blocksSent: 0, bytesSent: 0, framesReceived: 0, streamErrors: 0, released: 0 };

  private constructor(options: WorkerOptions, self: { id: string; incarnation: string; cluster: string }, found: Found) {
    this.#options = options;
    this.id = self.id;
    this.incarnation = self.incarnation as Incarnation;
    this.cluster = self.cluster;
    const { clock, log, manager } = options;
    this.#memory = createStoreMemory(options.arenaBytes);
    this.#credits = new Credits(this.#memory);
    this.#layouts = new Layouts(manager);
    const pieces = new Places(this.#memory.reads);
    const accounts = new Places(this.#memory.slots);
    const diskBytes = (): number => this.#directories.reduce((sum, directory) => sum + directory.diskBytes, 0);
    const mayGrow = (bytes: number): boolean => options.diskBytes === 0 || diskBytes() + bytes <= options.diskBytes;
    this.#directories = found.map(
      ({ disk, directory, recovered }) =>
        new Directory({ disk, id: directory, cluster: self.cluster, segmentBytes: options.segmentBytes, mayGrow }, recovered?.segments ?? []),
    );
    this.#store = new Store({
      memory: this.#memory,
      directories: this.#directories,
      clock,
      log,
      orderOf: async (shuffle) => (await this.#layouts.at(shuffle, 0)).layout.spec.order,
      freed: () => {
        this.#credits.pump();
        accounts.retry();
        if (this.#directories.some((directory) => directory.failed)) this.#refuseWhenStuck();
      },
      isShort: () => this.#credits.isShort,
    });
    for (const [place, { recovered }] of found.entries()) if (recovered) this.#store.adopt(place, recovered.shuffles);
    this.#serving = {
      memory: this.#memory,
      store: this.#store,
      layouts: this.#layouts,
      credits: this.#credits,
      clock,
      log,
      pieces,
      accounts,
      feeding: new WeakMap(),
      counters: this.counters,
      isReleased: (shuffle) => this.#isReleased(shuffle),
      overQuota: (job) => this.#overQuota.get(job) ?? null,
    };
    this.#orders = new OrderFollower({
      manager,
      clock,
      random: options.random,
      log,
      self: {
        worker: self.id,
        incarnation: self.incarnation,
        cluster: self.cluster,
        host: options.host,
        port: options.port,
        hostLabel: options.hostLabel,
        pid: options.pid,
        protocol: protocolVersion,
      },
      load: () => this.gauges(),
      stored: () => this.#store.storedByJob(),
      overQuota: (jobs) => {
        this.#overQuota = new Map(jobs.map(({ job, what }) => [job, what]));
      },
      held: () => this.#held(),
      release: (texts) => this.#release(texts),
      drain: () => this.drain(),
    });
  }

  /**
   * Finds what the folders hold, becomes a new incarnation, registers and announces; serves when it settles: `recover` and `join`.
   * @throws CONFIG_INVALID for folders that do not belong together · WORKER_REFUSED when they are of another cluster · DISK_FAILED ·
   * NO_SPACE · CLUSTER_UNREACHABLE · FENCED when another process of this id is newer
   */
  static async open(options: WorkerOptions): Promise<Worker> {
    const worker = await Worker.recover(options);
    await worker.join();
    return worker;
  }

  /** A worker that has what its folders hold and is not known to anyone yet. @throws as open */
  static async recover(options: WorkerOptions): Promise<Worker> {
    const { disks, random, manager, log, segmentBytes } = options;
    if (disks.length === 0) throw new SluiceError('CONFIG_INVALID', { what: 'a worker needs a data folder' });
    const identities = await Promise.all(disks.map(readIdentity));
    const known = commonIdentity(identities);
    const { cluster } = await manager.hello({});
    if (known && known.cluster !== cluster) {
      throw new SluiceError('WORKER_REFUSED', { what: `its data are of cluster ${known.cluster}, this is ${cluster}` });
    }
    const id = known?.worker ?? mint128(random);
    const found: Found[number][] = [];
    for (const [place, disk] of disks.entries()) {
      const identity = identities[place];
      const directory = identity?.directory ?? mint128(random);
      if (!identity) await writeIdentity(disk, { worker: id, cluster, directory });
      const recovered = identity ? await recoverDirectory({ disk, id: directory, cluster, segmentBytes, mayGrow: () => true }, log) : null;
      found.push({ disk, directory, recovered });
    }
    return new Worker(options, { id, incarnation: mint128(random), cluster }, found);
  }

  /** Registers and announces what was found; serves when it settles. Once. @throws as open */
  async join(): Promise<void> {
    try {
      await this.#orders.join();
      this.#lookAfterSessions();
    } catch (thrown) {
      await this.#store.close();
      throw thrown;
    }
  }

  /** Settles when this worker has no cluster any more: null after close, else the reason. Its process then ends. */
  get ended(): Promise<SluiceError | null> {
    return this.#orders.ended;
  }
  get isDraining(): boolean {
    return this.#draining;
  }

  /** Lets a client in, or not. @throws UNAUTHORIZED · WRONG_INCARNATION · CONNECTION_LOST while it closes */
  admit(hello: Hello): Admission {
    const { secret, clock } = this.#options;
    try {
      if (this.#closing) throw new SluiceError('CONNECTION_LOST', { what: 'the worker is closing' });
      const grant = verifyToken({ secret, cluster: this.cluster }, hello.token, clock.wall());
      if (hello.incarnation !== this.incarnation) throw new SluiceError('WRONG_INCARNATION', { what: `this is incarnation ${this.incarnation}` });
      const grants: Admission['grants'] = { to: null };
      const account = this.#credits.open((bytes) => grants.to?.(bytes));
      const welcome: Welcome = {
        version: protocolVersion,
        cluster: this.cluster,
        incarnation: this.incarnation,
        maxBlockBytes: this.#memory.maxBlockBytes,
        idleGrantBytes: account.outstanding,
      };
      return { welcome, job: grant.scope === 'job' ? grant.job : null, client: hello.client, account, grants };
    } catch (thrown) {
      this.counters.refused++;
      throw thrown;
    }
  }

  /** One session per connection; its handlers are called from then on. Call it in the same turn as admit. */
  attach(channel: Channel, admission: Admission): ChannelHandlers {
    const { account, grants, job, client } = admission;
    const session: Session = new Session({ serving: this.#serving, channel, job, client, account, ended: () => this.#sessions.delete(session) });
    grants.to = (bytes) => session.grant(bytes);
    this.#sessions.add(session);
    this.counters.connections++;
    if (this.#draining) session.sayGoodbye(this.#options.drainTimeoutMs);
    return session;
  }

  /** No new attempts: those who are connected are told, and the manager places nothing here any more. Reads go on. Again: does nothing. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#options.log.info({ worker: this.id }, 'draining');
    for (const session of this.#sessions) session.sayGoodbye(this.#options.drainTimeoutMs);
    this.#orders.leave();
  }

  /** Drains, and settles when nothing here is needed any more: no stream goes on and no data is held; at the latest after drainTimeoutMs. */
  async drained(): Promise<void> {
    const { clock, drainTimeoutMs, log } = this.#options;
    this.drain();
    const deadline = clock.now() + drainTimeoutMs;
    const holds = (): boolean => {
      const { cells, streams } = this.gauges();
      return cells > 0 || streams > 0;
    };
    while (holds() && clock.now() < deadline && !this.#closing) await sleep(clock, Math.min(drainLookMs, deadline - clock.now()));
    const { cells, streams } = this.gauges();
    log.info({ worker: this.id, cells, streams }, 'drained');
  }

  /** Says goodbye, writes out what is in memory, ends. What it holds is served again after the next start. Again: the same promise. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.drain();
      this.#look?.cancel();
      for (const session of this.#sessions) session.end(null);
      try {
        await this.#store.flushAll();
      } catch (thrown) {
        this.#options.log.error({ error: (thrown as Error).message }, 'not all could be written out');
      }
      await this.#orders.close();
      await this.#store.close();
    })();
    return this.#closing;
  }

  /** What the manager shows as load, and the gauges of /metrics. */
  gauges() {
    const { arena, index, slots, reads, arenaBytes } = this.#memory;
    let cells = 0;
    let streams = 0;
    for (const { cells: held } of this.#store.shuffles.values()) cells += held.count;
    for (const session of this.#sessions) streams += session.streams;
    return {
      arenaBytes,
      arenaUsedBytes: arena.usedBytes,
      grantedBytes: this.#credits.outstandingBytes,
      indexBytes: index.usedBytes,
      accountBytes: slots.usedBytes,
      readBytes: reads.usedBytes,
      diskBytes: this.#directories.reduce((sum, directory) => sum + directory.diskBytes, 0),
      sessions: this.#sessions.size,
      streams,
      shuffles: this.#store.shuffles.size,
      cells,
      isDraining: this.#draining ? 1 : 0,
      isFull: this.#store.isFull ? 1 : 0,
      failedFolders: this.#directories.filter((directory) => directory.failed).length,
    };
  }

  /** What is held, to look at: for metrics, and for an oracle that knows what may be believed. */
  get store(): Pick<Store, 'shuffles' | 'counters' | 'options'> {
    return this.#store;
  }

  #lookAfterSessions(): void {
    const { clock } = this.#options;
    this.#look = clock.after(lookMs, () => {
      for (const session of this.#sessions) session.endIfSilent(clock.now() - silenceMs);
      this.#lookAfterMemory();
      this.#lookAfterSessions();
    });
  }

  /** Backpressure is no answer when nothing moves any more: a full disk, or a failed one. */
  #lookAfterMemory(): void {
    const account = this.#credits.waiting[0];
    if (!account) this.#first = null;
    else if (this.#first?.account === account && this.#first.wanted === account.wanted) this.#first.looks++;
    else this.#first = { account, wanted: account.wanted, looks: 0 };
    const isStuck = (this.#first?.looks ?? 0) >= looksWithoutGrant || this.#directories.some((directory) => directory.failed);
    if (isStuck) this.#refuseWhenStuck();
  }

  #refuseWhenStuck(): void {
    const starved = new Set((this.#first?.looks ?? 0) >= looksWithoutGrant ? this.#credits.waiting : []);
    for (const session of this.#sessions) session.refuseWhenStuck(starved);
    // What is in memory is still served; new data has no place here.
    if (this.#directories.every((directory) => directory.failed)) this.drain();
  }

  #isReleased(shuffle: ShuffleId): boolean {
    return this.#tombstones.has(shuffleText(shuffle)) || this.#tombstones.has(`job:${jobOf(shuffle)}`);
  }

  #held(): Request<'announce'>['held'] {
    const held: Request<'announce'>['held'] = [];
    for (const { shuffle, cells } of this.#store.shuffles.values()) {
      for (const { map, attempt, location, manifestHash } of cells.all()) {
        held.push({ shuffle: shuffleText(shuffle), map, attempt, location, manifestHash: manifestHash.toString() });
      }
    }
    return held;
  }

  #release(texts: readonly string[]): void {
    for (const text of texts) {
      if (this.#tombstones.has(text)) continue;
      this.#tombstones.add(text);
      this.counters.released++;
    }
    for (const text of this.#tombstones) {
      if (this.#tombstones.size <= maxTombstones) break;
      this.#tombstones.delete(text);
    }
    const wanted = (shuffle: ShuffleId): boolean => this.#isReleased(shuffle);
    this.#layouts.forget(wanted);
    this.#store.release(wanted);
    for (const session of this.#sessions) session.released();
  }
}

type Found = readonly { readonly disk: Disk; readonly directory: string; readonly recovered: Recovered | null }[];
