/**
 * Hostile clients against a worker in this process, over a channel in memory: the bulk of the frames. They have the token of one job; the data
 * of another lie in the same arena and files, and its client reads and writes all the time. Nothing of it may come back, every
 * refusal is typed, and when they are gone nothing of theirs is left.
 */
import { setImmediate } from 'node:timers/promises';
import type { Channel, ChannelHandlers, DataTransport, Log, Random } from '#manager/process/ports.ts';
import { asSluiceError, codeOfWire } from '#manager/protocol/errors.ts';
import { MiB, type ShuffleId, shuffleFrom } from '#manager/protocol/ids.ts';
import { mintToken } from '#manager/protocol/token.ts';
import { FrameParser } from '#worker/protocol/frames.ts';
import type { Store } from '#worker/store/store.ts';
import type { Worker } from '#worker/worker.ts';
import { seededRandom, specOf } from '../shuffle-manager/world.ts';
import { join, openWorkerWorld, payloadOf, secret, type WorkerWorld } from '../shuffle-worker/world.ts';
import { GoodClient } from './good-client.ts';
import { HostileClient } from './hostile-client.ts';
import { holdsPlanted } from './planted.ts';
import { spoil } from './spoil.ts';
import { below, happens, pick, type Tally } from './tally.ts';

const connectionsAtOnce = 4;
const framesPerTurn = 256;
const framesPerTick = 4096;
const framesPerShuffle = 65_536;
const yearMs = 365 * 24 * 3_600_000;
const tickMs = 5000;
/** Simulated time in which the good client must be through with a round. */
const patienceMs = 300_000;

/** `plant`: what a worker says to a hostile one is changed by it; for the test that a fault is seen. */
export async function fuzzWorker(
  frames: number,
  seed: number,
  tally: Tally,
  plant: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
): Promise<void> {
  const random = seededRandom(seed);
  const log: Log = {
    info() {},
    warn() {},
    error: (facts, text) => {
      // What is damaged or cannot be written is said; what is not foreseen comes with where it was.
      if ('stack' in facts) tally.fault(`the worker says: ${text} ${String(facts.stack)}`);
    },
  };
  const world = await openWorkerWorld({ arenaBytes: 16 * MiB, segmentBytes: 2 * MiB }, log);
  // Lives as long as its token: minutes of simulated time go by while good clients wait.
  const hostile = await world.calls.mintToken({ name: 'hostile', expiresMs: yearMs });
  const good = new GoodClient({ calls: world.calls, job: world.job, token: world.token, transport: transportTo(world.worker), clock: world.clock });
  await finish(world, tally, good.round());
  await (world.worker.store as Store).flushAll();
  // Also some that stay in memory.
  const tokens = tokensOf(world, hostile.token, hostile.job);
  let shuffles = await openShuffles(world, hostile);
  const lines: Line[] = [];
  const connect = (): Line =>
    new Line(world.worker, hostile.token, new HostileClient(random, { job: hostile.job, own: shuffles, theirs: good.kept! }), tally, plant);
  let round: Promise<void> = Promise.resolve();
  let isIdle = true;

  for (let sent = 0; sent < frames; sent++) {
    if (happens(random, 0.002)) tryToken(world.worker, random, tokens, tally);
    const place = below(random, connectionsAtOnce);
    let line = lines[place];
    if (!line || line.isClosed) {
      line = connect();
      lines[place] = line;
    }
    if (line.say(random) === 'leave') lines.splice(place, 1);
    else if (happens(random, 0.002)) line.cut();
    if (sent % framesPerTurn === 0) await setImmediate();
    if (sent % framesPerTick !== framesPerTick - 1) continue;
    tally.lookAtMemory();
    lookAtGauges(world.worker, tally);
    if (isIdle) {
      isIdle = false;
      round = good.round().then(
        () => {
          isIdle = true;
          tally.answered('the good client', 'right');
        },
        (thrown: unknown) => {
          isIdle = true;
          tally.fault(`the good client: ${asSluiceError(thrown).stack}`);
        },
      );
    }
    await world.clock.advance(tickMs);
    if (sent % framesPerShuffle < framesPerTick) {
      for (const shuffle of shuffles) await world.calls.release({ shuffle: shuffle.toString() });
      shuffles = await openShuffles(world, hostile);
      for (const old of lines.splice(0)) old.cut();
    }
  }

  await finish(world, tally, round);
  for (const line of lines) line.cut();
  await world.calls.closeJob({ job: hostile.job });
  // Those who were left half-open are cut, streams without a connection dropped, the rest written out.
  await world.clock.advance(200_000);
  const gauges = world.worker.gauges();
  if (gauges.streams !== 0 || gauges.arenaUsedBytes !== 0 || gauges.sessions > 1) tally.fault(`afterwards there is left: ${JSON.stringify(gauges)}`);
  const others = [...world.worker.store.shuffles.keys()].filter((shuffle) => Number(shuffle >> 32n) !== world.job);
  if (others.length > 0) tally.fault(`of the hostile job ${others.length} shuffles are left`);
  await finish(world, tally, good.round());
  if (good.refusals > 0) tally.answered('the good client', `refused for a while, ${good.refusals} times`);
  good.close();
  await world.close();
}

/** Runs simulated time until it settles. */
async function finish(world: WorkerWorld, tally: Tally, work: Promise<void>): Promise<void> {
  let isOver = false;
  const watched = work.then(
    () => {
      isOver = true;
    },
    (thrown: unknown) => {
      isOver = true;
      tally.fault(`the good client: ${asSluiceError(thrown).stack}`);
    },
  );
  for (let ms = 0; ms < patienceMs && !isOver; ms += tickMs) await world.clock.advance(ms === 0 ? 0 : tickMs);
  if (!isOver) return tally.fault('the good client waits for ever');
  await watched;
}

/** Two shuffles of the hostile job, the first of them with data. */
async function openShuffles(world: WorkerWorld, { job, token }: { job: number; token: string }): Promise<ShuffleId[]> {
  const shuffles: ShuffleId[] = [];
  const client = new GoodClient({ calls: world.calls, job, token, transport: transportTo(world.worker), clock: world.clock });
  for (const name of ['one', 'two']) {
    const layout = await world.calls.openShuffle({ job, name: `${name} ${world.clock.now()}`, spec: specOf({ maps: 4, partitions: 4 }) });
    shuffles.push(shuffleFrom(layout.shuffle));
    if (name !== 'one') continue;
    for (let map = 0; map < 2; map++) {
      const written = client.write(
        layout.locations[0]!,
        shuffles[0]!,
        map,
        [0, 1, 2, 3].map((partition) => [partition, payloadOf(200, partition)] as const),
      );
      let isOver = false;
      void written
        .finally(() => {
          isOver = true;
        })
        .catch(() => {});
      for (let i = 0; i < 100 && !isOver; i++) await world.clock.advance(100);
      await written.catch(() => {});
    }
  }
  client.close();
  return shuffles;
}

function lookAtGauges(worker: Worker, tally: Tally): void {
  const { arenaUsedBytes, grantedBytes, arenaBytes } = worker.gauges();
  if (arenaUsedBytes + grantedBytes > arenaBytes) tally.fault(`more is granted than there is: ${arenaUsedBytes} used, ${grantedBytes} granted`);
}

const tokensOf = (world: WorkerWorld, right: string, job: number): string[] => [
  '',
  'x',
  right.slice(0, -1),
  `${right}A`,
  right.replace(`.${job}.`, `.${world.job}.`),
  right.replace('v1.job', 'v1.cluster'),
  `v1.job.${job}.99999999999.${'_'.repeat(43)}`,
  mintToken({ secret, cluster: world.worker.cluster }, { scope: 'job', job }, world.clock.wall() - 1000),
  mintToken({ secret: 'another secret', cluster: world.worker.cluster }, { scope: 'cluster' }, world.clock.wall() + 1e9),
];

/** Nobody gets in with one of these, nor with a right one at another incarnation. */
function tryToken(worker: Worker, random: Random, tokens: readonly string[], tally: Tally): void {
  try {
    worker.admit({ token: pick(random, tokens), client: '../../x', incarnation: worker.incarnation });
    tally.fault('a wrong token was let in');
  } catch (thrown) {
    const { code } = asSluiceError(thrown);
    tally.answered('hello', code);
    if (code !== 'UNAUTHORIZED') tally.fault(`a wrong token is answered with ${code}`);
  }
}

/** A hostile connection, and what comes back on it. */
class Line implements Channel {
  readonly #tally: Tally;
  readonly #hostile: HostileClient;
  readonly #handlers: ChannelHandlers;
  readonly #parser = new FrameParser();
  readonly #plant: (bytes: Uint8Array) => Uint8Array;
  /** What was said last: answers are counted for it. */
  #last = 'hello';
  isClosed = false;

  constructor(worker: Worker, token: string, hostile: HostileClient, tally: Tally, plant: (bytes: Uint8Array) => Uint8Array) {
    this.#tally = tally;
    this.#hostile = hostile;
    this.#plant = plant;
    const admission = worker.admit({ token, client: 'hostile', incarnation: worker.incarnation });
    this.#handlers = worker.attach(this, admission);
    hostile.granted(admission.welcome.idleGrantBytes);
  }

  /** Says one thing more. `leave`: it was a part only, and nothing will follow. */
  say(random: Random): 'go on' | 'leave' {
    const { name, frame } = this.#hostile.next();
    const { way, pieces } = spoil(random, frame);
    this.#last = name;
    this.#tally.sent(way);
    try {
      for (const piece of pieces) {
        if (this.isClosed) break;
        this.#handlers.data(piece);
      }
    } catch (thrown) {
      this.#tally.fault(`${name}, ${way}: thrown ${(thrown as Error).stack}`);
      this.cut();
    }
    if (way !== 'half' || this.isClosed) return 'go on';
    if (happens(random, 0.8)) this.cut();
    return 'leave';
  }

  async send(parts: readonly Uint8Array[]): Promise<void> {
    const bytes = this.#plant(join(parts));
    if (holdsPlanted(bytes)) this.#tally.fault(`${this.#last} is answered with data of another job`);
    try {
      this.#parser.push(bytes, {
        message: (message) => {
          if ('grantBytes' in message) this.#hostile.granted(message.grantBytes);
          const answer = message.type === 'error' ? codeOfWire(message.code) : message.type;
          if (message.type === 'error' && answer === 'INTERNAL' && message.code !== 0) this.#tally.fault(`an answer has the number ${message.code}`);
          if (message.type === 'error' && message.code === 0) this.#tally.fault(`an answer has no number: ${message.text}`);
          this.#tally.answered(this.#last, answer);
        },
        beginBlocks: (_, length) => new Uint8Array(length),
        endBlocks: () => this.#tally.answered(this.#last, 'blocks'),
      });
    } catch (thrown) {
      this.#tally.fault(`an answer that is none: ${(thrown as Error).message}`);
    }
  }

  close(): void {
    this.isClosed = true;
  }
  cut(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#handlers.closed();
  }
}

/** Connections within the process, for those who behave. */
function transportTo(worker: Worker): DataTransport {
  return {
    async connect(_to, hello, handlers) {
      const admission = worker.admit(hello);
      const line = (to: () => ChannelHandlers): Channel => ({
        send: async (parts) => {
          const bytes = join(parts);
          await Promise.resolve();
          to().data(bytes);
        },
        close: () => queueMicrotask(() => to().closed()),
      });
      const session: ChannelHandlers = worker.attach(
        line(() => handlers),
        admission,
      );
      return { channel: line(() => session), welcome: admission.welcome };
    },
  };
}
