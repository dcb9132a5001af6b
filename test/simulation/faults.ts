/**
 * What may go wrong, how often, and how often it did. A fault is counted only when it changed what somebody received: a
 * cut that cut nothing off, or a crash of a process that held nothing and spoke to nobody, is none. The parts of
 * the world ask here before they do harm; which kinds a seed may use is scenario.ts, which row of the matrix they play matrix.ts.
 */
import type { Millis, Random } from '#manager/process/ports.ts';
import { seededRandom } from '../shuffle-manager/world.ts';
import type { Simulation } from './simulation.ts';

export const faultKinds = {
  // Data connections.
  delay: 'bytes of a data connection were late by 20 ms and more, and others overtook them',
  cut: 'a data connection ended with bytes on their way, which were lost, half of the time inside the header of a frame',
  silence: 'a data connection lost bytes without an end',
  flip: 'a bit of a data connection changed',
  partition: 'a client and a worker could not reach each other for a while, shorter or longer than a lease',
  oneWay: 'what a worker sent to a client did not arrive for a while, and the other way was open',
  stranger: 'a connection or call with a wrong token, or one of another job, was made and refused',
  // Control calls.
  lostCall: 'a call of the control plane did not reach the manager',
  lostAnswer: 'a call was done and its answer did not arrive',
  slowCall: 'a call of the control plane took 100 ms and more',
  twice: 'a call was delivered to the manager twice',
  lateCommit: 'a commit was delivered after the next attempt had committed',
  cutOff: 'a worker and the manager did not reach each other, for less than a lease',
  cutOffLong: 'as cutOff, for longer than a lease',
  // Workers.
  kill: 'a worker was killed that held cells or was spoken to (kill -9), and started again',
  killPushing: 'a worker was killed when blocks of a writer had just come',
  killAcked: 'a worker was killed when it had acknowledged a manifest and not yet written out what it held',
  killFetching: 'a worker was killed when a reader had asked it, or had some of its blocks',
  killReplica: 'a worker was killed that held one of two replicas',
  bounce: 'a worker was killed while it was spoken to, and was there again on the same port within a second',
  power: 'as kill, and writes that were not synced were lost',
  torn: 'as power, and parts of such writes were lost',
  indexLost: 'as kill, and the index of a region was gone',
  drain: 'a worker left with data',
  pause: 'a process was stopped for 1 to 120 s, and what came meanwhile was late',
  clockJump: 'the wall clock of a process jumped by a day, forwards or backwards',
  // The manager.
  managerKill: 'the manager was killed with calls under way or a journal, and started again',
  managerPower: 'as managerKill, and what was not synced was lost',
  killIdle: 'the manager was killed while all that was under way were long polls',
  killAllocating: 'the manager was killed while it opened a job or shuffle, or took a worker in',
  killCommitting: 'the manager was killed while it did a commit',
  killReleasing: 'the manager was killed while it did a release',
  tear: 'the manager was killed in a write of its journal, which was torn at a byte',
  twoManagers: 'a second manager took over the journal of one that went on',
  // Disks.
  full: 'a write found no space',
  sync: 'a sync failed',
  eio: 'a call of a disk failed',
  rot: 'a bit of a segment changed, and was read',
  gone: 'the bytes of a segment were gone when they were read',
  zeroPage: 'a page of a segment was zeros when it was read',
  stalePage: 'a page of a segment was what it had been before, when it was read',
  misdirected: 'a write of a segment went elsewhere in it, and one of the two places was read',
  slowDisk: 'a write or read took 20 ms and more',
  sluggish: 'a disk was ten or a hundred times slower for a while',
  hang: 'a disk did nothing for 30 s',
  // Executors and their tasks.
  executorKill: 'an executor was killed with tasks under way',
  coordinatorKill: 'a coordinator was killed, and another one went on',
  dieWriting: 'an executor was killed in the middle of a map',
  dieCommitting: 'an executor was killed while its commit was under way',
  dieReading: 'an executor was killed when it had opened a read',
  rival: 'two to four attempts of one map wrote at the same time',
  stageRerun: 'a stage was run again while tasks of the run before still pushed',
  partRerun: 'a map of a stage that is not deterministic was run once more, and refused',
  deafReader: 'a reader took one block, and then none for a long time',
  race: 'a shuffle was released while an attempt or a read of it was under way',
} as const;
export type FaultKind = keyof typeof faultKinds;
export const allFaults = Object.keys(faultKinds) as FaultKind[];

/** In one chance, and how often at most. */
export interface Rate {
  readonly chance: number;
  readonly most: number;
}

export class Faults {
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #rates: ReadonlyMap<FaultKind, Rate>;
  readonly #until: Millis;
  readonly #only: ReadonlySet<string> | null;
  /** Of each kind its own: what one does, or is kept from, does not move the others. */
  readonly #chances = new Map<FaultKind, Random>();
  readonly #struck = new Map<FaultKind, number>();
  /** `kind:n` for the n-th time it struck, in the order of time. */
  readonly fired: string[] = [];
  readonly reached = new Map<FaultKind, number>();

  /** @param only  of what would strike only these do, as in `fired`; null: all */
  constructor(simulation: Simulation, rates: ReadonlyMap<FaultKind, Rate>, until: Millis, only: readonly string[] | null = null) {
    this.#simulation = simulation;
    this.#random = simulation.fork();
    this.#rates = rates;
    this.#until = until;
    this.#only = only === null ? null : new Set(only);
    for (const kind of rates.keys()) this.#chances.set(kind, seededRandom(simulation.seed ^ Math.imul(allFaults.indexOf(kind) + 1, 0x9e3779b1)));
  }

  /** Whether this world has it at all. */
  has(kind: FaultKind): boolean {
    return this.#rates.has(kind);
  }

  /** From now on nothing goes wrong any more. */
  get isOver(): boolean {
    return this.#simulation.now >= this.#until;
  }
  get leftMs(): Millis {
    return Math.max(0, this.#until - this.#simulation.now);
  }

  /** A chance for it: whether it happens. Whoever asks then does it, and counts it if it changed anything. */
  strikes(kind: FaultKind): boolean {
    const rate = this.#rates.get(kind);
    if (rate === undefined || this.isOver) return false;
    const before = this.#struck.get(kind) ?? 0;
    if (before === rate.most || this.#chances.get(kind)!.next() >= rate.chance) return false;
    this.#struck.set(kind, before + 1);
    const name = `${kind}:${before + 1}`;
    if (this.#only !== null && !this.#only.has(name)) return false;
    this.fired.push(name);
    this.#simulation.tell(() => `STRIKES ${name}`);
    return true;
  }

  count(kind: FaultKind): void {
    this.reached.set(kind, (this.reached.get(kind) ?? 0) + 1);
    this.#simulation.tell(() => `FAULT ${kind}`);
  }

  number(from: number, to: number): number {
    return from + this.#random.next() * (to - from);
  }
  integer(from: number, to: number): number {
    return Math.floor(this.number(from, to));
  }
  oneOf<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length)]!;
  }
}
