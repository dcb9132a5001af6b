/**
 * What may go wrong, how often, and how often it did. A fault is counted only when it changed what somebody received: a
 * cut that cut nothing off, or a crash of a process that held nothing and spoke to nobody, is none. The parts of
 * the world ask here before they do harm; which kinds a seed may use is scenario.ts.
 */
import type { Millis, Random } from '#manager/process/ports.ts';
import type { Simulation } from './simulation.ts';

export const faultKinds = {
  /** Bytes of a data connection come late, so that other connections overtake them. */
  delay: 'bytes of a data connection were late by 20 ms and more, and others overtook them',
  /** A data connection ends at any byte. */
  cut: 'a data connection ended with bytes on their way, which were lost',
  /** A data connection carries nothing any more, and nobody is told. */
  silence: 'a data connection lost bytes without an end',
  /** A bit changes on its way. */
  flip: 'a bit of a data connection changed',
  /** A control call, or its answer, does not arrive. */
  lostCall: 'a call of the control plane did not reach the manager',
  lostAnswer: 'a call was done and its answer did not arrive',
  slowCall: 'a call of the control plane took 100 ms and more',
  kill: 'a worker was killed that held cells or was spoken to (kill -9), and started again',
  power: 'as kill, and writes that were not synced were lost',
  torn: 'as power, and parts of such writes were lost',
  managerKill: 'the manager was killed with calls under way or a journal, and started again',
  managerPower: 'as managerKill, and what was not synced was lost',
  executorKill: 'an executor was killed with tasks under way',
  coordinatorKill: 'a coordinator was killed, and another one went on',
  full: 'a write found no space',
  sync: 'a sync failed',
  rot: 'a bit of a segment changed, and was read',
  gone: 'the bytes of a segment were gone when they were read',
  slowDisk: 'a write or read took 20 ms and more',
  rival: 'two attempts of one map wrote at the same time',
  drain: 'a worker left with data',
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
  readonly #left = new Map<FaultKind, number>();
  readonly reached = new Map<FaultKind, number>();

  constructor(simulation: Simulation, rates: ReadonlyMap<FaultKind, Rate>, until: Millis) {
    this.#simulation = simulation;
    this.#random = simulation.fork();
    this.#rates = rates;
    this.#until = until;
    for (const [kind, { most }] of rates) this.#left.set(kind, most);
  }

  /** Whether this world has it at all. */
  has(kind: FaultKind): boolean {
    return this.#rates.has(kind);
  }

  /** From now on nothing goes wrong any more. */
  get isOver(): boolean {
    return this.#simulation.now >= this.#until;
  }

  /** A chance for it: whether it happens. Whoever asks then does it, and counts it if it changed anything. */
  strikes(kind: FaultKind): boolean {
    const rate = this.#rates.get(kind);
    if (rate === undefined || this.isOver) return false;
    const left = this.#left.get(kind)!;
    if (left === 0 || this.#random.next() >= rate.chance) return false;
    this.#left.set(kind, left - 1);
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
}
