/**
 * Executors on which attempts keep failing, of one job: they get nothing for a while as long as there is another. A state object;
 * time is an argument. Whether a failure is the executor's own is the caller's to say.
 */
import type { Millis } from '#manager/process/ports.ts';

/** Tasks that must have failed here, or failures, within `withinMs`. */
const tasksMax = 3;
const faultsMax = 4;
const withinMs: Millis = 60_000;
/** Failures so close together have one cause: a worker that died under several attempts says little about who was writing. */
const boutMs: Millis = 1_000;
/** How long it gets nothing. */
const blockedMs: Millis = 60_000;

interface Fault {
  readonly task: string;
  readonly at: Millis;
}

export class Blocklist {
  readonly #faults = new Map<string, readonly Fault[]>();
  readonly #until = new Map<string, Millis>();

  /** An attempt of that task failed there. @returns true when the executor gets nothing from now on */
  fault(executor: string, task: string, at: Millis): boolean {
    const recent = (this.#faults.get(executor) ?? []).filter((fault) => at - fault.at <= withinMs);
    const last = recent.at(-1);
    if (last !== undefined && at - last.at < boutMs) return false;
    const faults = [...recent, { task, at }];
    this.#faults.set(executor, faults);
    if (faults.length < faultsMax && new Set(faults.map((fault) => fault.task)).size < tasksMax) return false;
    this.#faults.delete(executor);
    this.#until.set(executor, at + blockedMs);
    return true;
  }

  isBlocked(executor: string, at: Millis): boolean {
    return at < (this.#until.get(executor) ?? 0);
  }

  /** Those who may get something: all, when none is left otherwise. */
  allowed(executors: ReadonlySet<string>, at: Millis): ReadonlySet<string> {
    const allowed = new Set([...executors].filter((executor) => !this.isBlocked(executor, at)));
    return allowed.size > 0 ? allowed : executors;
  }
}
