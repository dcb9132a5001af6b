/** A coordinator over a memory shuffle, without processes, sockets or a manager: what tests of the scheduler's neighbours run. */
import { systemClock } from '#manager/process/clock.ts';
import { type Clock, silent } from '#manager/process/ports.ts';
import { loadJob } from '#runtime/execute/job-module.ts';
import { serveLease } from '#runtime/execute/lease.ts';
import { type AnyJob, buildGraph } from '#runtime/job.ts';
import { Coordinator } from '#runtime/schedule/coordinator.ts';
import type { JobEvent } from '#runtime/schedule/events.ts';
import { type BegunEntry, type JobLog, type LogEntry, noLog } from '#runtime/schedule/job-log.ts';
import type { CoordinatorLink } from '#runtime/schedule/messages.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
import type { ShuffleDriver } from '#runtime/shuffle/spi.ts';

export const fixture = (name: string): string => new URL(`../../fixtures/jobs/${name}.ts`, import.meta.url).href;

export interface JobWorld {
  readonly coordinator: Coordinator;
  readonly driver: ShuffleDriver;
  readonly events: JobEvent[];
  /** Serves a lease in this thread until the job is over or `signal` is aborted. */
  serve(lease: string, options?: { link?: CoordinatorLink; signal?: AbortSignal; slots?: number }): Promise<void>;
}

/** @param given  url: the module; params; clock; driver: instead of a memory shuffle; slots: hoped for */
export async function jobWorld(given: {
  readonly url: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
  readonly driver?: ShuffleDriver;
  readonly slots?: number;
  readonly job?: AnyJob;
  readonly log?: JobLog;
  /** Entries of the coordinators before this one, and its epoch. */
  readonly earlier?: { readonly entries: readonly LogEntry[]; readonly epoch: number };
}): Promise<JobWorld> {
  const { url, params = {}, clock = systemClock, slots = 2, driver = createMemoryShuffle({ budgetBytes: 64 * 1024 * 1024 }) } = given;
  const events: JobEvent[] = [];
  const graph = buildGraph(given.job ?? (await loadJob(url)), params);
  const coordinator = new Coordinator({
    graph,
    module: url,
    params,
    folder: process.cwd(),
    staging: 'test',
    partitions: null,
    clock,
    log: silent,
    emit: (event) => events.push(event),
  });
  if (given.earlier === undefined) await coordinator.plan();
  else coordinator.restore(given.earlier.entries as [BegunEntry, ...LogEntry[]], given.earlier.epoch);
  await coordinator.prepare();
  coordinator.start({ job: 1, driver, descriptor: null, slots, log: given.log ?? noLog });
  const shared: ShuffleDriver = {
    name: driver.name,
    open: (request) => driver.open(request),
    createWriter: (handle, map, attempt) => driver.createWriter(handle, map, attempt),
    createReader: (handle, range) => driver.createReader(handle, range),
    vacant: (handle) => driver.vacant(handle),
    release: (handle) => driver.release(handle),
    close: async () => {},
  };
  return {
    coordinator,
    driver,
    events,
    serve: (lease, { link = coordinator, signal = new AbortController().signal, slots: own = 1 } = {}) =>
      serveLease({ link, lease, slots: own, clock, openDriver: async () => shared, signal }),
  };
}

export const lease = (n: number): string => n.toString(16).padStart(32, '0');
