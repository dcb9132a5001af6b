/**
 * The engines of `npm run bench -- etl`, all asked the same way: a program that lives, gets a line per piece of work and answers with a line
 * (peer.py, driver.ts). warm: asked again and again while it lives. cold: a new process, from start to exit, that does one piece of work.
 * CPU and memory are those of the whole process tree, read from outside.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '#manager/protocol/errors.ts';
import { cpuSecondsOf, endedChildrenCpuSeconds, treeCpuSeconds, treeMegabytes, treeOf } from '../processes.ts';
import type { Installed } from './install.ts';

export const engineNames = ['sluice', 'duckdb', 'polars', 'spark'] as const;
export type EngineName = (typeof engineNames)[number];

/** One piece of work, done once. */
export interface Sample {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly megabytes: number;
}

export interface Engine {
  readonly name: EngineName;
  /** null: it cannot do this one, and said why. */
  warm(workload: string, out: string): Promise<Sample | null>;
  cold(workload: string, out: string): Promise<Sample | null>;
  close(): Promise<void>;
}

export interface Bench {
  readonly installed: Installed;
  /** For logs and what engines leave behind. */
  readonly folder: string;
  /** The text of each workload. */
  readonly sql: Readonly<Record<string, string>>;
  readonly threads: number;
  readonly say: (text: string) => void;
}

interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const bin = here('../../batch-runtime/cli/bin.js');
/** What an engine does after its answer counts as its CPU too, if it comes this soon. */
const lateMs = 2_500;
const sampleEveryMs = 30;

/** The job module of a workload, and its params but for the output. */
export const jobOf = (workload: string): string =>
  /^q\d/.test(workload) ? here(`../../examples/tpch/${workload}.ts`) : here(`./jobs/${workload}.ts`);

export function paramsOf(workload: string, data: Installed['data']): Record<string, string> {
  if (workload.startsWith('e1')) return { flights: data['flights']! };
  if (workload === 'e5') return { lineitem: data['lineitem_csv']! };
  if (workload === 'e3') return { lineitem: data['lineitem']!, orders: data['orders']! };
  return { lineitem: data['lineitem']! };
}

export function openEngine(bench: Bench, name: EngineName): Engine {
  const program = name === 'sluice' ? driverProgram(bench) : peerProgram(bench, name);
  const living = startLiving(bench, name, program);
  return {
    name,
    async warm(workload, out) {
      await living.ready;
      const before = treeCpuSeconds(living.pid);
      const watch = watchMemory(living.pid);
      const answer = await living.ask({ workload, out });
      const megabytes = watch.end();
      await sleep(lateMs);
      return sampleOf(bench, name, workload, answer, treeCpuSeconds(living.pid) - before, megabytes);
    },
    async cold(workload, out) {
      if (name === 'sluice') return coldRun(bench, workload, out);
      return coldPeer(bench, name, program, workload, out);
    },
    close: () => living.close(),
  };
}

function sampleOf(
  { say }: Bench,
  name: EngineName,
  workload: string,
  answer: Readonly<Record<string, unknown>>,
  cpuSeconds: number,
  megabytes: number,
): Sample | null {
  if (typeof answer['seconds'] === 'number') return { seconds: answer['seconds'], cpuSeconds, megabytes };
  say(`${name} cannot do ${workload}: ${String(answer['failed'])}`);
  return null;
}

const driverProgram = ({ installed, threads }: Bench): Program => ({
  command: process.execPath,
  args: [here('./driver.ts'), JSON.stringify({ threads, data: installed.data })],
  env: process.env,
});

function peerProgram({ installed, folder, sql, threads }: Bench, engine: EngineName): Program {
  const { python, spark, data } = installed;
  const conf = {
    'spark.driver.memory': '6g',
    'spark.driver.host': '127.0.0.1',
    'spark.driver.bindAddress': '127.0.0.1',
    'spark.ui.enabled': 'false',
    'spark.ui.showConsoleProgress': 'false',
    'spark.sql.shuffle.partitions': '8',
    'spark.local.dir': join(folder, 'spark-local'),
    'spark.sql.warehouse.dir': join(folder, 'spark-warehouse'),
  };
  const own = spark === null ? '' : join(spark, 'python');
  const py4j = spark === null ? [] : readdirSync(join(own, 'lib')).filter((file) => file.startsWith('py4j-'));
  return {
    command: 'python3',
    args: [here('./peer.py'), JSON.stringify({ engine, threads, data, sql, conf })],
    env: {
      ...process.env,
      PYTHONPATH: [python, own, ...py4j.map((file) => join(own, 'lib', file))].join(':'),
      PYTHONDONTWRITEBYTECODE: '1',
      ...(spark === null ? {} : { SPARK_HOME: spark, SPARK_LOCAL_IP: '127.0.0.1' }),
    },
  };
}

function start({ folder }: Bench, log: string, { command, args, env }: Program): ChildProcess {
  mkdirSync(folder, { recursive: true });
  const file = openSync(join(folder, `${log}.log`), 'a');
  // A group of its own: what it starts can be ended with it.
  const child = spawn(command, args, { cwd: folder, env, stdio: ['pipe', file, file, 'pipe'], detached: true });
  closeSync(file);
  child.stdin?.on('error', () => {});
  return child;
}

interface Living {
  readonly pid: number;
  readonly ready: Promise<unknown>;
  ask(request: object): Promise<Readonly<Record<string, unknown>>>;
  close(): Promise<void>;
}

function startLiving(bench: Bench, name: EngineName, program: Program): Living {
  const child = start(bench, name, program);
  const pid = child.pid ?? 0;
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.once('error', () => {});
  const lines = createInterface({ input: child.stdio[3] as Readable })[Symbol.asyncIterator]();
  const answer = async (): Promise<Readonly<Record<string, unknown>>> => {
    const { value, done } = await lines.next();
    if (done === true) throw new SluiceError('JOB_FAILED', { what: `${name} has ended; see ${join(bench.folder, `${name}.log`)}` });
    return JSON.parse(value) as Record<string, unknown>;
  };
  const ready = answer();
  ready.catch(() => {});
  return {
    pid,
    ready,
    ask(request) {
      child.stdin!.write(`${JSON.stringify(request)}\n`);
      return answer();
    },
    async close() {
      child.stdin!.end();
      const timer = setTimeout(() => endGroup(pid), 15_000);
      await gone;
      clearTimeout(timer);
    },
  };
}

function endGroup(pid: number): void {
  try {
    if (pid > 0) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Looks at a process tree now and then: the most it has had resident at one time, in MB, and the CPU of what it has seen. */
function watchMemory(pid: number): { end(): number; cpuSeconds(): number } {
  let most = treeMegabytes(pid);
  const cpu = new Map<number, number>();
  const timer = setInterval(() => {
    most = Math.max(most, treeMegabytes(pid));
    for (const one of treeOf(pid)) cpu.set(one, cpuSecondsOf(one) ?? cpu.get(one) ?? 0);
  }, sampleEveryMs);
  return {
    end() {
      clearInterval(timer);
      return Math.max(most, treeMegabytes(pid));
    },
    cpuSeconds: () => [...cpu.values()].reduce((sum, seconds) => sum + seconds, 0),
  };
}

/** From start to exit. CPU by what was seen and by what the system says of children that have ended, whichever is more. */
async function timed(bench: Bench, log: string, program: Program, input: string, onOutput?: (at: number) => void) {
  const before = endedChildrenCpuSeconds(process.pid);
  const startedAt = performance.now();
  const child = start(bench, log, program);
  child.stdin!.end(input);
  const watch = watchMemory(child.pid ?? 0);
  let said = '';
  (child.stdio[3] as Readable).on('data', (bytes: Buffer) => {
    onOutput?.(performance.now() - startedAt);
    said += bytes.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const seconds = (performance.now() - startedAt) / 1000;
  const megabytes = watch.end();
  const cpuSeconds = Math.max(watch.cpuSeconds(), endedChildrenCpuSeconds(process.pid) - before);
  return { code, said, sample: { seconds, cpuSeconds, megabytes } };
}

async function coldPeer(bench: Bench, name: EngineName, program: Program, workload: string, out: string): Promise<Sample | null> {
  const { said, sample } = await timed(bench, `${name}-cold`, program, `${JSON.stringify({ workload, out })}\n`);
  const last = JSON.parse(said.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown>;
  return typeof last['seconds'] === 'number' ? sample : null;
}

/** `sluice run`, with a cluster that starts and stops with it. */
async function coldRun(bench: Bench, workload: string, out: string): Promise<Sample | null> {
  const params = Object.entries({ ...paramsOf(workload, bench.installed.data), out }).flatMap(([key, value]) => ['--param', `${key}=${value}`]);
  const program = { command: process.execPath, args: [bin, 'run', jobOf(workload), ...params], env: process.env };
  const { code, sample } = await timed(bench, 'sluice-cold', program, '');
  if (code !== 0) bench.say(`sluice cannot do ${workload}: exit code ${code}; see ${join(bench.folder, 'sluice-cold.log')}`);
  return code === 0 ? sample : null;
}

/** Milliseconds from the start of `sluice run` to the first row on its stdout. */
export async function coldStartMs({ folder }: Bench): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [bin, 'run', jobOf('first')], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const first = new Promise<number>((resolve) => child.stdout.once('data', () => resolve(performance.now() - startedAt)));
  const ended = new Promise<never>((_, reject) =>
    child.once('close', (code) => reject(new SluiceError('JOB_FAILED', { what: `the first job ended with ${code} and no row` }))),
  );
  ended.catch(() => {});
  const ms = await Promise.race([first, ended]);
  await new Promise<void>((resolve) => (child.exitCode === null ? child.once('exit', () => resolve()) : resolve()));
  return ms;
}
