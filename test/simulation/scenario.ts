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
  kill: { chance: 0.02, most: 3 },
  power: { chance: 0.02, most: 3 },
  torn: { chance: 0.02, most: 3 },
  managerKill: { chance: 0.03, most: 2 },
  managerPower: { chance: 0.03, most: 2 },
  executorKill: { chance: 0.01, most: 2 },
  coordinatorKill: { chance: 0.03, most: 3 },
  full: { chance: 0.03, most: 3 },
  sync: { chance: 0.05, most: 1 },
  rot: { chance: 0.05, most: 3 },
  gone: { chance: 0.04, most: 2 },
  slowDisk: { chance: 0.1, most: 20 },
  rival: { chance: 0.3, most: 6 },
  drain: { chance: 0.01, most: 1 },
};

const levels: readonly Level[] = ['received', 'written', 'durable'];

export function scenarioOf(seed: number, permitted: readonly FaultKind[] = allFaults): Scenario {
  const random = seededRandom(seed ^ 0x51c0ffee);
  const integer = (from: number, to: number): number => from + Math.floor(random.next() * (to - from));
  const oneOf = <T>(list: readonly T[]): T => list[integer(0, list.length)]!;
  const workers = integer(2, 5);
  const arenaBytes = 1024 * KiB;
  // Sometimes a job does the same small thing again and again: its regions are then as long as those that lay there before.
  const again = random.next() < 0.25 ? shuffleOf(random, oneOf(levels.slice(1)), true) : null;
  const shuffles = Array.from({ length: again ? integer(6, 11) : integer(2, 5) }, () => again ?? shuffleOf(random, oneOf(levels)));
  return {
    seed,
    workers,
    executors: integer(1, 4),
    arenaBytes,
    segmentBytes: 512 * KiB,
    leaseMs: 4000,
    abreast: integer(1, 3),
    shuffles,
    rates: ratesOf(random, permitted),
    faultMs: integer(300, 8000),
  };
}

/** A few kinds at a time, so that what one hides another does not hide too; sometimes one alone, sometimes none. */
function ratesOf(random: Random, permitted: readonly FaultKind[]): ReadonlyMap<FaultKind, Rate> {
  const rates = new Map<FaultKind, Rate>();
  const count = Math.floor(random.next() ** 1.5 * 7 + 0.9);
  for (let i = 0; i < count && permitted.length > 0; i++) {
    const kind = permitted[Math.floor(random.next() * permitted.length)]!;
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
