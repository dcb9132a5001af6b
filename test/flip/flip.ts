/**
 * Runs of a small shuffle, each harmed once while its workers run: what was written is read back right, after the loop that an
 * engine would go through (maps that are lost run again under a new attempt, a read that broke is made again), or ends in a typed
 * error that names maps. Anything else is counted as wrong or crashed. Called by main.ts and by the test.
 */
import { asSluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import type { ShuffleDriver, ShuffleHandle } from '#runtime/shuffle/spi.ts';
import { xxh64 } from '#worker/protocol/xxh64.ts';
import { createTransport } from '#worker/transport.ts';
import { type Cluster, flush, type JobWorld, openJob, startCluster } from '../contract/cluster.ts';
import { payload, request } from '../contract/shuffle.ts';
import { seededRandom } from '../shuffle-manager/world.ts';
import { below, harmFile, harmful, ways } from './harm.ts';

export interface Tally {
  readonly seed: number;
  readonly n: number;
  /** Runs in which bytes that were to be read were changed. */
  hit: number;
  /** Of the hits: those that ended with the right result. */
  right: number;
  /** Of the hits: those that ended with an error that names maps. */
  typed: number;
  wrong: number;
  crashed: number;
}

/** Rounds of reading and running again before a run gives up. */
const roundsAtMost = 8;
const attemptsAtMost = 6;
const silenceMs = 1500;

export async function flip(seed: number, n: number, say: (text: string) => void): Promise<Tally> {
  const tally: Tally = { seed, n, hit: 0, right: 0, typed: 0, wrong: 0, crashed: 0 };
  const crash = (thrown: unknown): void => {
    tally.crashed++;
    say(`crashed: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
  };
  process.on('uncaughtException', crash);
  const cluster = await startCluster(2, 4 * MiB, 2 * MiB);
  const world = await openJob(cluster);
  try {
    for (let i = 0; i < n; i++) {
      const outcome = await oneRun(cluster, world, seed, i);
      if (outcome.hit) tally.hit++;
      if (outcome.kind === 'right') tally.right += outcome.hit ? 1 : 0;
      else if (outcome.kind === 'typed') tally.typed += outcome.hit ? 1 : 0;
      else tally[outcome.kind]++;
      if (outcome.kind !== 'right') say(`run ${i} (${outcome.how}): ${outcome.kind}: ${outcome.what}`);
      if ((i + 1) % 50 === 0) say(`${i + 1} of ${n}: ${JSON.stringify(tally)}`);
    }
  } finally {
    await world.close();
    await cluster.close();
    process.off('uncaughtException', crash);
  }
  return tally;
}

/** Bounds of rightness. */
export const isRight = ({ n, hit, right, wrong, crashed }: Tally): boolean => wrong === 0 && crashed === 0 && hit >= 0.8 * n && right >= hit / 2;

interface Outcome {
  readonly hit: boolean;
  readonly kind: 'right' | 'typed' | 'wrong' | 'crashed';
  readonly how: string;
  readonly what: string;
}

interface Shape {
  readonly maps: number;
  readonly partitions: number;
  readonly blocks: number;
  readonly blockBytes: number;
}

async function oneRun(cluster: Cluster, world: JobWorld, seed: number, run: number): Promise<Outcome> {
  const random = seededRandom(seed * 1_000_003 + run);
  const shape: Shape = {
    maps: 2 + below(random, 4),
    partitions: 2 + below(random, 6),
    blocks: 1 + below(random, 3),
    blockBytes: 64 + below(random, 8 * KiB),
  };
  const where = (['file', 'file', 'toClient', 'toWorker'] as const)[run % 4]!;
  const way = ways[below(random, ways.length)]!;
  const transport = harmful(createTransport(), random);
  const driver = world.driver(transport, silenceMs);
  let hit = false;
  const result = (kind: Outcome['kind'], what = ''): Outcome => ({ hit: hit || transport.hit, kind, how: `${way} ${where}`, what });
  try {
    const handle = await driver.open(request(`run ${run}`, shape.maps, shape.partitions));
    const bytes = shape.maps * shape.partitions * shape.blocks * shape.blockBytes;
    if (where === 'toWorker') transport.arm('toWorker', way, below(random, bytes * 0.9));
    for (let map = 0; map < shape.maps; map++) await runMap(driver, handle, shape, map, seed, run, 0);
    if (where === 'file') {
      await flush(cluster);
      hit = await harmFile(cluster, await world.view(handle), way, random);
    } else if (where === 'toClient') {
      if (random.next() < 0.5) await flush(cluster);
      transport.arm('toClient', way, below(random, bytes * 0.9));
    }
    const found = await readAndRepair(driver, handle, shape, seed, run);
    await driver.release(handle);
    return found === expected(shape, seed, run) ? result('right') : result('wrong', 'the result is another one');
  } catch (thrown) {
    const error = asSluiceError(thrown);
    if (error.code === 'INTERNAL') return result('crashed', error.stack);
    const { maps } = error.facts;
    const namesMaps = (Array.isArray(maps) && maps.length > 0) || typeof error.facts['map'] === 'number';
    return namesMaps ? result('typed', `${error.code}: ${error.message}`) : result('wrong', `${error.code} names no maps: ${error.message}`);
  } finally {
    transport.disarm();
    await driver.close();
  }
}

/** Attempts of a map until one is its output. */
async function runMap(
  driver: ShuffleDriver,
  handle: ShuffleHandle,
  shape: Shape,
  map: number,
  seed: number,
  run: number,
  first: number,
): Promise<void> {
  for (let attempt = first; ; attempt++) {
    try {
      const writer = await driver.createWriter(handle, map, attempt);
      for (const { partition, bytes } of blocksOf(shape, map, seed, run)) await writer.write(partition, bytes, 1);
      await writer.commit();
      return;
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (error.remedy === 'superseded') return;
      if (error.remedy !== 'retry' || attempt - first >= attemptsAtMost) throw error;
    }
  }
}

/** Digest of what is read, once all of it is. */
async function readAndRepair(driver: ShuffleDriver, handle: ShuffleHandle, shape: Shape, seed: number, run: number): Promise<bigint> {
  for (let round = 1; ; round++) {
    try {
      let digest = 0n;
      const range = { partitionFrom: 0, partitionTo: shape.partitions, mapFrom: 0, mapTo: shape.maps, ordered: round % 2 === 0 };
      for await (const block of driver.createReader(handle, range)) digest += digestOf(block.map, block.partition, block.payload);
      return BigInt.asUintN(64, digest);
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (round === roundsAtMost || (error.remedy !== 'recompute' && error.remedy !== 'retry')) throw error;
      for (const map of await driver.vacant(handle)) await runMap(driver, handle, shape, map, seed, run, round * 100);
    }
  }
}

function* blocksOf({ partitions, blocks, blockBytes }: Shape, map: number, seed: number, run: number) {
  for (let i = 0; i < blocks; i++) {
    for (let partition = 0; partition < partitions; partition++) yield { partition, bytes: payload(blockBytes, seed, run, map, partition, i) };
  }
}

const digestOf = (map: number, partition: number, bytes: Uint8Array): bigint =>
  xxh64(bytes, 0, bytes.length) * BigInt(1 + 2 * (map * 65536 + partition));

function expected(shape: Shape, seed: number, run: number): bigint {
  let digest = 0n;
  for (let map = 0; map < shape.maps; map++) {
    for (const { partition, bytes } of blocksOf(shape, map, seed, run)) digest += digestOf(map, partition, bytes);
  }
  return BigInt.asUintN(64, digest);
}
