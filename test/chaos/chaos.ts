/**
 * The whole of a chaos run: starts the cluster, lets each job run without faults once, lets them run in a loop while the storm rages,
 * compares what each has published, and looks for what is left in the end. Called by main.ts.
 */
import assert from 'node:assert/strict';
import { appendFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Dice } from '../oracle/dice.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { type Ended, JobRun } from './coordinator.ts';
import { mountedKinds, unmountDisks } from './disks.ts';
import { type FaultKind, faultKinds, faultsOf, type Met, mayFail } from './faults.ts';
import { type ChaosJob, fiveStages, flights } from './jobs.ts';
import { leakedFiles, leakedProcesses, leakedShuffles } from './leaks.ts';
import { firewall, proxies } from './network.ts';
import { Storm } from './storm.ts';
import { isInside } from './world.ts';

export interface ChaosOptions {
  readonly kills: number;
  readonly seed: number;
  /** Of the generated sales. */
  readonly rows: number;
  /** Only the job of this name. */
  readonly job: string | null;
  /** Changes what the first run has published, before it is compared. */
  readonly plant: boolean;
  /** Exists, and is empty. Only `logs` is left in it. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

export interface Verdict {
  readonly seed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly runs: number;
  readonly right: number;
  /** Published what it should not, or said so. */
  readonly wrong: number;
  /** Ended with an error that so many faults explain. */
  readonly failed: number;
  /** Ended with an error that they do not explain. */
  readonly broken: number;
  /** Did not end. */
  readonly stuck: number;
  readonly leaked: { readonly shuffles: number; readonly files: number; readonly processes: number };
  /** Coordinators that were killed; starts the cluster was not there for; members that ended though nobody had killed them. */
  readonly resumed: number;
  readonly refused: number;
  readonly endedThemselves: number;
  readonly tasksSeconds: number;
  readonly rerunSeconds: number;
  readonly wasted: number;
  readonly leftOut: readonly string[];
  readonly seconds: number;
}

const workers = 3;
const executors = 3;
/** Between two faults, on average. */
const pauseMs = 1_200;
/** What a job gets, faults and the slowness of a busy machine included. */
const patienceMs = 360_000;

type Judgement = 'right' | 'wrong' | 'failed' | 'broken' | 'stuck';

export async function chaos(options: ChaosOptions): Promise<Verdict> {
  const { seed, kills, folder, signal, tell } = options;
  const logs = join(folder, 'logs');
  const environment = { ...process.env, TMPDIR: join(folder, 'tmp'), XDG_STATE_HOME: join(folder, 'state'), SLUICE_TOKEN: '' };
  for (const name of ['logs', 'tmp', 'state', 'out']) mkdirSync(join(folder, name));
  const startedAt = performance.now();
  const at = (): string => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  const log = (text: string): void => appendFileSync(join(logs, 'chaos.log'), `${new Date().toISOString()} ${text}\n`);
  const network = isInside() ? firewall() : proxies();
  const jobs = [fiveStages(join(folder, 'data'), seed, options.rows), flights].filter(({ name }) => options.job === null || options.job === name);
  let cluster: Cluster | null = null;
  let running: JobRun | null = null;
  signal.addEventListener('abort', () => running?.giveUp(), { once: true });
  try {
    cluster = await startCluster({ folder, logs, environment, network }, workers, executors);
    const up = cluster;
    const possible: FaultKind[] = ['kill', 'stop', 'cutTo', 'cutFrom', ...mountedKinds(cluster.manager.disk)];
    const leftOut = (Object.keys(faultKinds) as FaultKind[]).filter((kind) => !possible.includes(kind));
    tell(`cluster of a manager, ${workers} workers, ${executors} executors; cuts by ${network.how}; left out: ${leftOut.join(', ') || 'nothing'}`);

    const known = new Map<ChaosJob, { hash: string; digest: string; ranMs: number }>();
    const outputs: { job: ChaosJob; folder: string }[] = [];
    const begin = (job: ChaosJob): { run: JobRun; out: string } => {
      const out = join(folder, 'out', String(outputs.length));
      outputs.push({ job, folder: out });
      return { run: new JobRun(job, up, out, join(logs, `run-${outputs.length - 1}.ndjson`), environment, known.get(job)?.ranMs ?? 0), out };
    };

    for (const job of jobs) {
      const { run, out } = begin(job);
      running = run;
      const { report, said, ranMs } = await run.end();
      signal.throwIfAborted();
      assert.ok(report !== null, `${job.name} fails without faults: ${said}`);
      const digest = await job.digest(out);
      assert.ok(job.right === null || job.right === digest, `${job.name} is wrong without faults`);
      known.set(job, { hash: report.resultHash, digest, ranMs });
      tell(`${job.name} without faults: ${(report.ms / 1000).toFixed(1)} s, ${report.tasks} tasks, result hash ${report.resultHash}`);
    }

    const dice = new Dice(seed, 3);
    const storm = new Storm(cluster, network, faultsOf(seed, kills, possible, pauseMs), () => running, log);
    const count = { right: 0, wrong: 0, failed: 0, broken: 0, stuck: 0 };
    const cost = { tasksMs: 0, rerunMs: 0, resumed: 0, refused: 0 };
    let raging = true;
    running = null;
    const over = new AbortController();
    const raged = storm.rage(AbortSignal.any([signal, over.signal])).finally(() => {
      raging = false;
    });
    for (let runs = 1; raging && !signal.aborted; runs++) {
      const job = dice.pick(jobs);
      const { run, out } = begin(job);
      const before = storm.count;
      storm.takeManagerAwayMs();
      const beganAt = performance.now();
      running = run;
      let stuck = false;
      const timer = setTimeout(() => {
        stuck = true;
        run.giveUp();
      }, patienceMs);
      const ended = await run.end();
      running = null;
      clearTimeout(timer);
      if (signal.aborted) break;
      if (options.plant && runs === 1) plantAt(out);
      const faults = storm.count - before;
      const judgement: Judgement = stuck
        ? 'stuck'
        : await judge(job, ended, out, known.get(job)!, { faults, managerAwayMs: storm.takeManagerAwayMs() });
      count[judgement]++;
      cost.tasksMs += ended.tasksMs;
      cost.rerunMs += ended.rerunMs;
      cost.resumed += ended.resumed;
      cost.refused += ended.refused;
      log(`run ${runs}: ${judgement}\n${ended.said}`);
      const error = ended.error === null ? '' : `, ${ended.error.code}: ${ended.error.message}`;
      const left =
        storm.count === 0 ? '' : `, about ${(((performance.now() - startedAt) / 60_000 / storm.count) * (kills - storm.count)).toFixed(1)} min left`;
      tell(
        `run ${runs}: ${job.name} is ${judgement} in ${((performance.now() - beganAt) / 1000).toFixed(1)} s, ${faults} faults, ${ended.tasksRerun} tasks again, resumed ${ended.resumed} times${error} · ${storm.count} of ${kills} kills in ${at()}${left}`,
      );
    }
    over.abort();
    await raged;
    signal.throwIfAborted();
    tell('looking for what is left');
    const shuffles = await leakedShuffles(cluster);
    const files = leakedFiles(folder, outputs);
    const endedThemselves = cluster.members.reduce((sum, { ended }) => sum + ended, 0);
    await cluster.close();
    const processes = leakedProcesses(folder);
    for (const one of [...shuffles, ...files, ...processes]) tell(`left behind: ${one}`);
    return {
      seed,
      faults: Object.fromEntries([...storm.done].sort()),
      runs: Object.values(count).reduce((sum, one) => sum + one, 0),
      ...count,
      leaked: { shuffles: shuffles.length, files: files.length, processes: processes.length },
      resumed: cost.resumed,
      refused: cost.refused,
      endedThemselves,
      tasksSeconds: Math.round(cost.tasksMs / 1000),
      rerunSeconds: Math.round(cost.rerunMs / 1000),
      wasted: Number((cost.rerunMs / Math.max(1, cost.tasksMs)).toFixed(3)),
      leftOut,
      seconds: Math.round((performance.now() - startedAt) / 1000),
    };
  } finally {
    await cluster?.close();
    await network.close();
    if (isInside()) unmountDisks(folder);
    for (const name of globSync('*', { cwd: folder })) if (name !== 'logs') rmSync(join(folder, name), { recursive: true, force: true });
  }
}

async function judge(job: ChaosJob, ended: Ended, out: string, known: { hash: string; digest: string }, met: Met): Promise<Judgement> {
  const { report, error } = ended;
  if (report === null) return error !== null && mayFail(error.code, met) ? 'failed' : 'broken';
  const digest = await job.digest(out).catch((thrown: Error) => thrown.message);
  return report.resultHash === known.hash && digest === known.digest ? 'right' : 'wrong';
}

/** One digit of what was published becomes another one. */
function plantAt(out: string): void {
  const path = join(out, globSync('*.csv', { cwd: out })[0]!);
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(/\d(?=\n$)/, (digit) => String((Number(digit) + 1) % 10)),
  );
}
