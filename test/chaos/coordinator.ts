/**
 * One run of a job on the cluster, whatever happens to the process that coordinates it: `sluice run` in a process of its own, and again
 * when that was killed. Says what came of it and what it cost.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorJson } from '#manager/protocol/errors.ts';
import type { JobEvent, JobReport } from '#runtime/schedule/events.ts';
import { bin, type Cluster } from './cluster.ts';
import type { ChaosJob } from './jobs.ts';

export interface Ended {
  readonly report: JobReport | null;
  readonly error: ErrorJson | null;
  /** All that processes of it have said on stderr. */
  readonly said: string;
  /** Times its coordinator was killed. */
  readonly resumed: number;
  /** Times it was not even begun, because the cluster was not there. */
  readonly refused: number;
  /** From its first stage to its end, of the last process. */
  readonly ranMs: number;
  readonly tasksMs: number;
  /** Of them, what was done another time. */
  readonly rerunMs: number;
  readonly tasksRerun: number;
}

/** What a user is told at the start while the manager is down, or has not heard of its members again. */
const refusals: ReadonlySet<string> = new Set(['CLUSTER_UNREACHABLE', 'NO_EXECUTORS', 'NO_WORKERS']);
const againMs = 500;

export class JobRun {
  readonly #job: ChaosJob;
  readonly #cluster: Cluster;
  readonly #out: string;
  readonly #log: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #usualMs: number;
  #child: ChildProcess | null = null;
  #killed = false;
  /** When its first stage began; null before and after. */
  #begunAt: number | null = null;
  #given = false;
  /** The cluster's number of the job, once it has one. */
  #id: number | null = null;

  /** @param log  file for its events  @param usualMs  what it takes without faults */
  constructor(job: ChaosJob, cluster: Cluster, out: string, log: string, environment: NodeJS.ProcessEnv, usualMs: number) {
    this.#job = job;
    this.#cluster = cluster;
    this.#out = out;
    this.#log = log;
    this.#environment = environment;
    this.#usualMs = usualMs;
  }

  /** Its process, while tasks run. */
  get coordinator(): ChildProcess | null {
    return this.#begunAt === null ? null : this.#child;
  }

  /** How long its tasks have been running, of what it takes without faults. */
  get share(): number {
    return this.#begunAt === null ? 0 : (performance.now() - this.#begunAt) / this.#usualMs;
  }

  /** SIGKILL to its process, which is then resumed. */
  kill(): void {
    this.#killed = true;
    this.#begunAt = null;
    this.#child?.kill('SIGKILL');
  }

  /** Ends it for good. */
  giveUp(): void {
    this.#given = true;
    this.#child?.kill('SIGKILL');
  }

  async end(): Promise<Ended> {
    let said = '';
    let [tasksMs, lostMs, tasks] = [0, 0, 0];
    let [resumed, refused] = [0, 0];
    for (;;) {
      this.#killed = false;
      const process = await this.#process(resumed === 0 ? this.#first() : this.#resume());
      said += process.said;
      if (this.#killed && process.report === null && !this.#given) {
        resumed++;
        tasksMs += process.tasksMs;
        lostMs += process.lostMs;
        tasks += process.running;
        continue;
      }
      if (!process.began && refusals.has(process.error?.code ?? '') && !this.#given) {
        refused++;
        await sleep(againMs);
        continue;
      }
      const { report, error } = process;
      const own = report ?? { tasksMs: process.tasksMs, tasksRerunMs: 0, tasksRerun: 0 };
      return {
        report,
        error,
        said,
        resumed,
        refused,
        ranMs: process.ranMs,
        tasksMs: tasksMs + own.tasksMs,
        rerunMs: lostMs + own.tasksRerunMs,
        tasksRerun: tasks + own.tasksRerun,
      };
    }
  }

  #first(): readonly string[] {
    const params = { ...this.#job.params, out: this.#out };
    return ['run', this.#job.module, ...Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`])];
  }

  /** How a job goes on whose coordinator is gone: where that one ended, or from the beginning when it had not begun. */
  #resume(): readonly string[] {
    return this.#id === null ? this.#first() : ['run', '--resume', String(this.#id)];
  }

  async #process(args: readonly string[]) {
    const where = ['--cluster', this.#cluster.url, '--token-file', this.#cluster.secretFile, '--json'];
    const child = spawn(process.execPath, [bin, ...args, ...where], { env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#child = child;
    const exit = once(child, 'exit');
    const stderr = text(child.stderr!);
    let report: JobReport | null = null;
    let error: ErrorJson | null = null;
    let [tasksMs, tasksDone, running, at] = [0, 0, 0, 0];
    let began = false;
    for await (const line of createInterface({ input: child.stdout! })) {
      appendFileSync(this.#log, `${line}\n`);
      const event = parse(line);
      if (event?.type === 'stage') {
        began = true;
        this.#begunAt ??= performance.now();
      }
      if (event?.type === 'opened') this.#id = event.id;
      if (event?.type === 'done') report = event;
      else if (event?.type === 'error') error = event.error;
      else if (event?.type === 'progress') {
        tasksMs += running * (event.at - at);
        running = event.stages.reduce((sum, stage) => sum + stage.running, 0);
        tasksDone = event.stages.reduce((sum, stage) => sum + stage.done, 0);
        at = event.at;
      }
    }
    const [code, signal] = (await exit) as [number | null, string | null];
    const ranMs = this.#begunAt === null ? 0 : performance.now() - this.#begunAt;
    this.#child = null;
    this.#begunAt = null;
    const said = `${this.#job.name} to ${this.#out}: ${signal ?? `exit code ${code}`}\n${await stderr}`;
    // What ran when it was killed is lost, each task about as much as one takes.
    const lostMs = (running * tasksMs) / Math.max(1, tasksDone + running);
    return { report: code === 0 || signal !== null ? report : null, error, said, began, ranMs, tasksMs, lostMs, running };
  }
}

/** A killed process may leave a part of a line. */
function parse(line: string): JobEvent | null {
  try {
    return JSON.parse(line) as JobEvent;
  } catch {
    return null;
  }
}
