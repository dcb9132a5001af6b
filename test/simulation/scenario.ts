/**
 * What a seed means: how many workers of which size, which shuffles with which blocks, what goes wrong and how often. A pure
 * function from seed and permitted faults to a value; run.ts plays it. Worlds are small, so that a hundred are played in
 * seconds, and short of memory and disk, so that regions are written and segments used again.
 */
import type { Millis, Random } from '#manager/process/ports.ts';
import type { Level } from '#manager/protocol/control.ts';
import { GiB, KiB } from '#manager/protocol/ids.ts';
import { seededRandom } from '../shuffle-manager/world.ts';
import { allFaults, type FaultKind, type Rate } from './faults.ts';

export interface ShufflePlan {
  readonly maps: number;
  readonly partitions: number;
  readonly level: Level;
  readonly order: 0 | 1;
  readonly deterministic: boolean;
  readonly replicas: number;
  readonly bytesHint: number;
  /** Per map, in the order of writing. */
  readonly blocks: readonly (readonly PlannedBlock[])[];
  readonly readers: readonly PlannedRead[];
}

export interface PlannedBlock {
  readonly partition: number;
  readonly bytes: number;
  readonly records: number;
}

export interface PlannedRead {
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly mapFrom: number;
  readonly mapTo: number;
  readonly ordered: boolean;
  /** Rests this long after every so many blocks; 0: never. */
  readonly restMs: Millis;
}

export interface Scenario {
  readonly seed: number;
  readonly workers: number;
  readonly executors: number;
  readonly arenaBytes: number;
  readonly segmentBytes: number;
  readonly leaseMs: Millis;
  /** Shuffles that are open at the same time. */
  readonly abreast: number;
  readonly shuffles: readonly ShufflePlan[];
  readonly rates: ReadonlyMap<FaultKind, Rate>;
  /** After this nothing goes wrong any more. */
  readonly faultMs: Millis;
  /** Of what would strike only these, as `kind:n`; null: all. */
  readonly only: readonly string[] | null;
}

/** A smaller world out of a seed's: what shrink.ts looks for. */
export interface Cuts {
  /** The faults that strike, as Outcome.fired names them. */
  readonly only?: readonly string[];
  readonly workers?: number;
  readonly executors?: number;
  /** Their places among those of the seed. */
  readonly shuffles?: readonly number[];
  /** At most, of each shuffle. */
  readonly maps?: number;
  /** At most, of each map. */
  readonly blocks?: number;
}

/** Chances are per opportunity: a send, a call, a write, a delivery to the process. */
const usual: { readonly [K in FaultKind]: Rate } = {
  delay: { chance: 0.05, most: 30 },
  cut: { chance: 0.03, most: 6 },
  silence: { chance: 0.01, most: 2 },
  flip: { chance: 0.02, most: 4 },
  lostCall: { chance: 0.06, most: 8 },
  lostAnswer: { chance: 0.06, most: 8 },
  slowCall: { chance: 0.1, most: 12 },
  kill: { chance: 0.04, most: 3 },
  power: { chance: 0.05, most: 3 },
  torn: { chance: 0.05, most: 3 },
  managerKill: { chance: 0.03, most: 2 },
  managerPower: { chance: 0.03, most: 2 },
  executorKill: { chance: 0.03, most: 2 },
  // Strikes in whole jobs (whole.ts), which have a rate of their own.
  coordinatorKill: { chance: 0, most: 0 },
  full: { chance: 0.03, most: 3 },
  sync: { chance: 0.1, most: 1 },
  rot: { chance: 0.1, most: 3 },
  gone: { chance: 0.06, most: 2 },
  slowDisk: { chance: 0.1, most: 20 },
  rival: { chance: 0.3, most: 6 },
  drain: { chance: 0.03, most: 1 },
  partition: { chance: 0.03, most: 3 },
  oneWay: { chance: 0.05, most: 3 },
  stranger: { chance: 0.1, most: 4 },
  twice: { chance: 0.1, most: 12 },
  lateCommit: { chance: 0.3, most: 3 },
  cutOff: { chance: 0.05, most: 3 },
  cutOffLong: { chance: 0.05, most: 2 },
  killPushing: { chance: 0.08, most: 2 },
  killAcked: { chance: 0.4, most: 3 },
  killFetching: { chance: 0.2, most: 2 },
  killReplica: { chance: 0.1, most: 2 },
  bounce: { chance: 0.08, most: 3 },
  indexLost: { chance: 0.1, most: 2 },
  pause: { chance: 0.03, most: 2 },
  clockJump: { chance: 0.05, most: 2 },
  killIdle: { chance: 0.1, most: 2 },
  killAllocating: { chance: 0.2, most: 2 },
  killCommitting: { chance: 0.4, most: 3 },
  killReleasing: { chance: 0.6, most: 2 },
  tear: { chance: 0.08, most: 3 },
  twoManagers: { chance: 0.05, most: 2 },
  eio: { chance: 0.03, most: 2 },
  zeroPage: { chance: 0.08, most: 3 },
  stalePage: { chance: 0.3, most: 3 },
  misdirected: { chance: 0.1, most: 3 },
  sluggish: { chance: 0.02, most: 2 },
  hang: { chance: 0.01, most: 1 },
  dieWriting: { chance: 0.1, most: 2 },
  dieCommitting: { chance: 0.15, most: 2 },
  dieReading: { chance: 0.3, most: 2 },
  stageRerun: { chance: 0.7, most: 2 },
  partRerun: { chance: 0.9, most: 3 },
  deafReader: { chance: 0.7, most: 2 },
  race: { chance: 0.8, most: 3 },
};

const levels: readonly Level[] = ['received', 'written', 'durable'];

/** One worker dies, once, and every shuffle has a copy elsewhere. */
const oneReplicaDies: ReadonlyMap<FaultKind, Rate> = new Map([['killReplica', { chance: 0.2, most: 1 }]]);

export function scenarioOf(seed: number, permitted: readonly FaultKind[] = allFaults): Scenario {
  const random = seededRandom(seed ^ 0x51c0ffee);
  const integer = (from: number, to: number): number => from + Math.floor(random.next() * (to - from));
  const oneOf = <T>(list: readonly T[]): T => list[integer(0, list.length)]!;
  const workers = integer(2, 5);
  const arenaBytes = 1024 * KiB;
  // Sometimes a job does the same small thing again and again: its regions are then as long as those that lay there before.
  const again = random.next() < 0.2 ? shuffleOf(random, oneOf(levels.slice(1)), true) : null;
  const shuffles = Array.from({ length: again ? integer(5, 9) : integer(1, 4) }, () => again ?? shuffleOf(random, oneOf(levels)));
  const drawn = ratesOf(seed, random, permitted);
  const isLoneDeath = drawn.has('killReplica') && random.next() < 0.5;
  const rates = isLoneDeath ? oneReplicaDies : drawn;
  return {
    seed,
    workers,
    executors: integer(1, 4),
    arenaBytes,
    segmentBytes: 512 * KiB,
    leaseMs: 4000,
    abreast: integer(1, 3),
    shuffles: shuffles.map((plan) => ({
      ...plan,
      replicas: rates.has('killReplica') ? 2 : plan.replicas,
      deterministic: plan.deterministic && !(rates.has('partRerun') && plan.maps % 2 === 0),
    })),
    rates,
    faultMs: integer(300, 8000),
    only: null,
  };
}

/** The world of `cuts`; all that is not named stays as it is. */
export function cutScenario(scenario: Scenario, cuts: Cuts): Scenario {
  const { only = scenario.only, workers = scenario.workers, executors = scenario.executors, maps, blocks } = cuts;
  const shuffles = scenario.shuffles.filter((_, i) => cuts.shuffles?.includes(i) ?? true);
  return { ...scenario, only, workers, executors, shuffles: shuffles.map((plan) => cutShuffle(plan, maps ?? plan.maps, blocks ?? Infinity)) };
}

function cutShuffle(plan: ShufflePlan, maps: number, blocks: number): ShufflePlan {
  const kept = Math.min(maps, plan.maps);
  return {
    ...plan,
    maps: kept,
    blocks: plan.blocks.slice(0, kept).map((all) => all.slice(0, blocks)),
    readers: plan.readers.filter(({ mapFrom }) => mapFrom < kept).map((read) => ({ ...read, mapTo: Math.min(read.mapTo, kept) })),
  };
}

/**
 * A few kinds at a time, so that what one hides another does not hide too; sometimes one alone, sometimes none. The first two go by the seed's
 * number, so that seeds one after the other have every kind, and many of them every pair; the others are drawn.
 */
function ratesOf(seed: number, random: Random, permitted: readonly FaultKind[]): ReadonlyMap<FaultKind, Rate> {
  const rates = new Map<FaultKind, Rate>();
  const count = Math.floor(random.next() ** 1.5 * 7 + 0.9);
  const { length } = permitted;
  for (let i = 0; i < count && length > 0; i++) {
    const place = i === 0 ? seed % length : i === 1 ? Math.floor(seed / length) % length : Math.floor(random.next() * length);
    const kind = permitted[place]!;
    const { chance, most } = usual[kind];
    rates.set(kind, { chance: chance * (0.3 + 2 * random.next()), most });
  }
  return rates;
}

function shuffleOf(random: Random, level: Level, isSmall = false): ShufflePlan {
  const integer = (from: number, to: number): number => from + Math.floor(random.next() * (to - from));
  const maps = integer(1, 7);
  const partitions = integer(1, 9);
  const sizes = [() => integer(8, 200), () => integer(8, 3000), () => integer(4000, 24_000), () => integer(0, 120_000)];
  const size = sizes[isSmall ? 0 : Math.min(integer(0, 5), 3)]!;
  const most = integer(1, 20);
  const blocks = Array.from({ length: maps }, () =>
    Array.from({ length: random.next() < 0.1 ? 0 : integer(1, most + 1) }, (): PlannedBlock => {
      const bytes = size();
      return { partition: integer(0, partitions), bytes: Math.max(bytes, 24), records: integer(1, 1000) };
    }),
  );
  return {
    maps,
    partitions,
    level,
    order: random.next() < 0.8 ? 0 : 1,
    deterministic: random.next() < 0.85,
    replicas: random.next() < 0.2 ? 2 : 1,
    // Large and known: a grid over the workers. Not known: one place for all.
    bytesHint: random.next() < 0.6 ? GiB : 0,
    blocks,
    readers: readersOf(random, maps, partitions),
  };
}

function readersOf(random: Random, maps: number, partitions: number): PlannedRead[] {
  const integer = (from: number, to: number): number => from + Math.floor(random.next() * (to - from));
  const readers: PlannedRead[] = [];
  const rest = (): Millis => (random.next() < 0.3 ? integer(1, 100) : 0);
  for (let from = 0; from < partitions; ) {
    const to = Math.min(partitions, from + integer(1, 4));
    const cut = random.next() < 0.2 ? integer(0, maps + 1) : maps;
    for (const [mapFrom, mapTo] of [
      [0, cut],
      [cut, maps],
    ] as const) {
      if (mapFrom < mapTo) readers.push({ partitionFrom: from, partitionTo: to, mapFrom, mapTo, ordered: random.next() < 0.4, restMs: rest() });
    }
    from = to;
  }
  return readers;
}
