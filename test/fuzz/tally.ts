/** What was sent and what was answered: how often each message was spoilt in which way, and which answer it got. Everything that must never happen is a fault. */
import type { Random } from '#manager/process/ports.ts';

const faultsSaid = 20;

export class Tally {
  /** By direction and message: its answers, by code or name. */
  readonly reached: Record<string, Record<string, number>> = {};
  readonly ways: Record<string, number> = {};
  frames = 0;
  faults = 0;
  peakRssBytes = 0;
  readonly #say: (text: string) => void;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  sent(way: string): void {
    this.frames++;
    this.ways[way] = (this.ways[way] ?? 0) + 1;
  }
  answered(message: string, answer: string): void {
    this.reached[message] ??= {};
    const row = this.reached[message];
    row[answer] = (row[answer] ?? 0) + 1;
  }
  fault(what: string): void {
    if (this.faults++ < faultsSaid) this.#say(`FAULT: ${what}`);
  }
  say(text: string): void {
    this.#say(text);
  }
  /** Call it now and then. */
  lookAtMemory(): void {
    this.peakRssBytes = Math.max(this.peakRssBytes, process.memoryUsage.rss());
  }
}

export const below = (random: Random, limit: number): number => Math.floor(random.next() * limit);
export const pick = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)]!;
export const happens = (random: Random, chance: number): boolean => random.next() < chance;

/** A key of the table, as likely as its number says beside the others. */
export function weighted<K extends string>(random: Random, table: Readonly<Record<K, number>>): K {
  const rows = Object.entries(table) as [K, number][];
  let left = random.next() * rows.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [key, weight] of rows) {
    left -= weight;
    if (left < 0) return key;
  }
  return rows[0]![0];
}

/** Numbers at which code goes wrong. */
const edges = [0, 1, 2, 7, 8, 0x7fff, 0xffff, 0x10000, 0xffffff, 0x1000000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xfffffffe, 0xffffffff];
export const oddNumber = (random: Random): number => (happens(random, 0.7) ? pick(random, edges) : below(random, 2 ** 32));
