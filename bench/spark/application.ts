/**
 * A living Spark application for the bench: driver.py under a SPARK_HOME of its own, in a process group of its own, asked for one
 * piece of work at a time. Its CPU is that of the whole tree below it, executors included, read from /proc before and after.
 * Linux only. Called by bench/spark.ts.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '#manager/protocol/errors.ts';
import { treeCpuSeconds } from '../processes.ts';
import type { Sample } from './figures.ts';

const program = fileURLToPath(new URL('./driver.py', import.meta.url));
/** What an application gets to end by itself. */
const patienceMs = 15_000;

export interface ApplicationOptions {
  readonly name: string;
  /** Where Spark lies; nothing is written there. */
  readonly home: string;
  /** Made and used for everything the application writes. */
  readonly folder: string;
  readonly data: string;
  readonly conf: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

export interface Work {
  readonly do: 'pure' | 'query' | 'tiny';
  readonly [argument: string]: number | string;
}

export interface Done extends Sample {
  readonly answer: string;
}

export interface Application {
  /** Settles with Spark's version when work may be asked for. */
  readonly ready: Promise<string>;
  run(work: Work): Promise<Done>;
  /** Lets it forget shuffles that are done with. */
  settle(): Promise<void>;
  /** Shuffle bytes written so far, by Spark's own count. */
  written(): Promise<number>;
  /** Ends it and all its processes, at once when `force`, else by force only when it takes long. What is asked for meanwhile fails. */
  close(force: boolean): Promise<void>;
}

/** Starts one; every promise of it fails with JOB_FAILED, which says where the log lies, once it has ended. */
export function startApplication({ name, home, folder, data, conf, env }: ApplicationOptions): Application {
  const ownHome = join(folder, 'home');
  mkdirSync(ownHome, { recursive: true });
  // Executors of a local cluster work below SPARK_HOME, in folders that two applications would name alike.
  for (const part of readdirSync(home)) symlinkSync(join(home, part), join(ownHome, part));
  const settings = {
    'spark.app.name': `bench ${name}`,
    'spark.driver.host': '127.0.0.1',
    'spark.driver.bindAddress': '127.0.0.1',
    'spark.ui.port': '0',
    'spark.ui.showConsoleProgress': 'false',
    'spark.local.dir': join(folder, 'local'),
    'spark.sql.warehouse.dir': join(folder, 'warehouse'),
    ...conf,
  };
  const python = join(ownHome, 'python');
  const py4j = readdirSync(join(python, 'lib')).find((file) => file.startsWith('py4j-')) ?? '';
  const logFile = join(folder, 'driver.log');
  const log = openSync(logFile, 'a');
  const child = spawn('python3', [program, JSON.stringify({ conf: settings, data })], {
    cwd: folder,
    env: {
      ...process.env,
      ...env,
      SPARK_HOME: ownHome,
      SPARK_LOCAL_IP: '127.0.0.1',
      PYTHONPATH: [python, join(python, 'lib', py4j)].join(':'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
    stdio: ['pipe', log, log, 'pipe'],
    // A group of its own: Ctrl-C reaches the bench only, and what Spark starts can be ended with it.
    detached: true,
  });
  closeSync(log);
  const pid = child.pid ?? 0;
  child.once('error', () => {});
  child.stdin!.on('error', () => {});
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdio[3] as Readable })[Symbol.asyncIterator]();
  const answer = async (): Promise<Readonly<Record<string, unknown>>> => {
    const { value, done } = await lines.next();
    if (done === true) throw new SluiceError('JOB_FAILED', { what: `the Spark application ${name} has ended; see ${logFile}` });
    return JSON.parse(value) as Record<string, unknown>;
  };
  const ask = (request: object) => {
    child.stdin!.write(`${JSON.stringify(request)}\n`);
    return answer();
  };
  const ready = answer().then(({ version }) => String(version));
  ready.catch(() => {});
  return {
    ready,
    async run(work) {
      const before = treeCpuSeconds(pid);
      const { seconds, answer: hash } = await ask(work);
      return { seconds: Number(seconds), cpuSeconds: treeCpuSeconds(pid) - before, answer: String(hash) };
    },
    async settle() {
      await ask({ do: 'settle' });
    },
    async written() {
      return Number((await ask({ do: 'written' }))['bytes']);
    },
    async close(force) {
      child.stdin!.end();
      const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), force ? 0 : patienceMs);
      await gone;
      clearTimeout(timer);
      // Executors see their driver go, and go.
      for (let waited = 0; signalGroup(pid, force ? 'SIGKILL' : 0); waited += 50) {
        if (waited >= patienceMs) signalGroup(pid, 'SIGKILL');
        await sleep(50);
      }
    },
  };
}

/** @returns whether anyone was there to get it */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return pid > 0 && process.kill(-pid, signal);
  } catch {
    return false;
  }
}
