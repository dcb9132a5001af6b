/**
 * Serves one lease of one job: joins the coordinator, rebuilds the graph if it has functions of the user's, runs the attempts it is given (several at once
 * when it has several slots), reports ends and progress. Runs in a thread of an executor, or, for the memory driver, in the
 * coordinator's own process; the link hides which.
 */

import type { Clock } from '#manager/process/ports.ts';
import { asSluiceError, SluiceError, toJson } from '#manager/protocol/errors.ts';
import type { Graph, Plan } from '../graph/plan.ts';
import type { StageGraph } from '../graph/stage.ts';
import { firstDifference } from '../job.ts';
import { createKeptTables } from '../operators/kept-tables.ts';
import type { Assignment, CoordinatorLink, Ended, JobDescription } from '../schedule/messages.ts';
import type { ShuffleDriver } from '../shuffle/spi.ts';
import type { MemoryLimit } from '../spill/memory.ts';
import { graphOf, loadJob } from './job-module.ts';
import { type Meter, runTask, type TaskWorld } from './task.ts';

const progressEveryMs = 250;
const pollMs = 20_000;

export interface LeaseOptions {
  readonly link: CoordinatorLink;
  readonly lease: string;
  readonly slots: number;
  /** Of each task; null or absent: it has no bounds. */
  readonly memory?: MemoryLimit | null;
  readonly clock: Clock;
  /** The same shuffles as the coordinator's, from its descriptor. */
  readonly openDriver: (description: JobDescription) => Promise<ShuffleDriver>;
  /** Aborted: the lease is taken away; what runs is cancelled. */
  readonly signal: AbortSignal;
}

interface Running {
  readonly assignment: Assignment;
  readonly meter: Meter;
  readonly abort: AbortController;
  readonly end: Promise<void>;
}

/** Settles when the job is over, the lease is taken away or the coordinator is gone. */
export async function serveLease({ link, lease, slots, memory = null, clock, openDriver, signal }: LeaseOptions): Promise<void> {
  const description = await link.join({ lease }, signal);
  const driver = await openDriver(description);
  const running = new Map<string, Running>();
  const broken = new AbortController();
  const over = AbortSignal.any([signal, broken.signal]);
  const world = await makeWorld(description, driver, clock, memory).catch(asSluiceError);

  const run = async (assignment: Assignment, meter: Meter, abort: AbortSignal): Promise<void> => {
    const { stage, task, attempt } = assignment;
    const startedAt = clock.now();
    let end: Omit<Ended, 'ms'>;
    try {
      if (world instanceof SluiceError) throw world;
      end = { stage, task, attempt, outcome: await runTask(world, assignment, meter, abort), error: null };
    } catch (thrown) {
      // Called off with the lease, and not by the coordinator: no failure of the task.
      const error = abort.reason instanceof SluiceError ? abort.reason : asSluiceError(thrown);
      end = { stage, task, attempt, outcome: null, error: toJson(error) };
    }
    running.delete(`${stage}.${task}.${attempt}`);
    // A cancelled one too: the coordinator waits for it before it clears what it has staged.
    await link.report({ lease, ended: [{ ...end, ms: clock.now() - startedAt }], progress: [] }).catch((thrown: unknown) => {
      // The coordinator would wait for this end for ever, so the lease ends here and it hears of that.
      broken.abort(thrown);
    });
  };

  const meters = (): void => {
    if (signal.aborted) return;
    const progress = [...running.values()].map(({ assignment: { stage, task, attempt }, meter }) => ({ stage, task, attempt, ...meter }));
    if (progress.length > 0) link.report({ lease, ended: [], progress }).catch(() => {});
    timer = clock.after(progressEveryMs, meters);
  };
  let timer = clock.after(progressEveryMs, meters);

  try {
    for (;;) {
      const { assignments, cancel, done } = await link.poll({ lease, slots, waitMs: pollMs }, over);
      if (broken.signal.aborted) throw broken.signal.reason;
      for (const { stage, task, attempt } of cancel) running.get(`${stage}.${task}.${attempt}`)?.abort.abort();
      if (done || signal.aborted) break;
      for (const assignment of assignments) {
        const abort = new AbortController();
        const meter: Meter = { rows: 0, bytes: 0 };
        const key = `${assignment.stage}.${assignment.task}.${assignment.attempt}`;
        // Registered before it runs: a task may end within the same turn.
        const begun = Promise.resolve().then(() => run(assignment, meter, abort.signal));
        running.set(key, { assignment, meter, abort, end: begun });
      }
    }
  } finally {
    timer.cancel();
    const taken = new SluiceError('LEASE_ENDED', { lease: lease.slice(0, 8) });
    for (const { abort } of running.values()) abort.abort(taken);
    await Promise.all([...running.values()].map(({ end }) => end));
    await driver.close();
  }
}

async function makeWorld(description: JobDescription, driver: ShuffleDriver, clock: Clock, memory: MemoryLimit | null): Promise<TaskWorld> {
  const { functions, rowFunctions } = description.hasFunctions ? await rebuild(description) : { functions: [], rowFunctions: [] };
  const { staging: job, places } = description;
  return { job, stages: description.stages as StageGraph, functions, rowFunctions, places, driver, clock, memory, tables: createKeptTables() };
}

/** The graph as this process builds it. @throws JOB_GRAPH_DIFFERS when that is another graph */
async function rebuild(description: JobDescription): Promise<Graph> {
  const graph = graphOf(await loadJob(description.module), description.params, description.module);
  if (graph.digest !== description.digest) {
    throw new SluiceError('JOB_GRAPH_DIFFERS', { node: firstDifference(graph.plan, description.plan as Plan) ?? 'the text of a function' });
  }
  return graph;
}
