/**
 * A Spark driver process as `spark-submit` starts it, which carries out orders (java/sluice/test/Driver.java): open a Spark with
 * these settings, run a job, take executors away. One process serves many checks; each opens its own Spark in it.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { descendants, end, start } from './processes.ts';

export type Conf = Readonly<Record<string, string>>;

/** A stage attempt: tasks that ended well and badly, and the shuffle's metrics of the good ones. */
export interface Stage {
  readonly stage: number;
  readonly attempt: number;
  readonly of?: number;
  readonly done?: number;
  readonly bad?: number;
  readonly failure?: string;
  readonly speculative?: number;
  readonly bytesWritten?: number;
  readonly recordsWritten?: number;
  readonly writeTime?: number;
  readonly bytesRead?: number;
  readonly localBytesRead?: number;
  readonly blocksRead?: number;
  readonly recordsRead?: number;
  readonly fetchWait?: number;
  readonly spilled?: number;
}
export interface Result {
  readonly answer: string;
  readonly lines: number;
  readonly head: readonly string[];
  readonly facts: Readonly<Record<string, unknown>>;
  readonly stages: readonly Stage[];
}
export interface Opened {
  readonly application: string;
  readonly ui: string;
  readonly spark: string;
  readonly pid: number;
  readonly conf: Conf;
}

export interface Driver {
  readonly pid: number;
  readonly log: string;
  readonly ended: boolean;
  open(conf: Conf): Promise<Opened>;
  run(job: string, options?: Conf, timeoutMs?: number): Promise<Result>;
  order(order: Readonly<Record<string, unknown>>, timeoutMs?: number): Promise<unknown>;
  close(): Promise<void>;
  /** Process ids of its executors. */
  executors(): number[];
  kill(): Promise<void>;
}

export interface DriverOptions {
  readonly sparkHome: string;
  readonly jobs: string;
  /** Given with --jars; null for Spark's own shuffle. */
  readonly plugin: string | null;
  /** Of this driver alone: logs, local folders, the work folder of its executors. */
  readonly folder: string;
  readonly conf?: Conf;
  readonly env?: NodeJS.ProcessEnv;
}

const logging = `rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss.SSS} %p %c{1}: %m%n%ex
`;

/** For what takes seconds on a machine that has nothing else to do. */
export const patienceMs = 400_000;

/** What the second compiler would gain, these processes do not live to see. */
export const shortLived = '-XX:+UseSerialGC -XX:TieredStopAtLevel=1';

/** A SPARK_HOME of links, so that executors of local-cluster leave their work here and not in the cache. */
export function homeOf(sparkHome: string, folder: string): string {
  const home = join(folder, 'home');
  if (existsSync(home)) return home;
  mkdirSync(join(home, 'conf'), { recursive: true });
  for (const name of ['jars', 'bin', 'python', 'RELEASE']) symlinkSync(join(sparkHome, name), join(home, name));
  writeFileSync(join(home, 'conf', 'log4j2.properties'), logging);
  return home;
}

/** The environment of any Spark program of a run. */
export function sparkEnv(home: string): NodeJS.ProcessEnv {
  const { SPARK_LOCAL_DIRS: _dirs, SPARK_CONF_DIR: _conf, PYTHONPATH: _path, ...rest } = process.env;
  return { ...rest, SPARK_HOME: home, SPARK_CONF_DIR: join(home, 'conf'), SPARK_LOCAL_IP: '127.0.0.1', SLUICE_TOKEN: '', PYSPARK_PYTHON: 'python3' };
}

export async function startDriver({ sparkHome, jobs, plugin, folder, conf = {}, env = {} }: DriverOptions): Promise<Driver> {
  const home = homeOf(sparkHome, folder);
  const log = join(folder, 'driver.log');
  const args = [
    '--class',
    'sluice.test.Driver',
    '--driver-memory',
    '1536m',
    '--driver-java-options',
    shortLived,
    ...(plugin === null ? [] : ['--jars', plugin]),
  ];
  for (const [key, value] of Object.entries(conf)) args.push('--conf', `${key}=${value}`);
  const child: ChildProcess = start(join(home, 'bin/spark-submit'), [...args, jobs], {
    stdio: ['pipe', 'pipe', openSync(log, 'a')],
    cwd: folder,
    env: { ...sparkEnv(home), ...env },
  });
  child.stdin?.on('error', () => {});
  const waiting = new Map<number, { resolve(value: unknown): void; reject(reason: Error): void }>();
  let gone = false;
  child.once('exit', (code, signal) => {
    gone = true;
    for (const { reject } of waiting.values()) reject(new Error(`the driver ended (${signal ?? code}); see ${log}`));
    waiting.clear();
  });
  createInterface({ input: child.stdout! }).on('line', (line) => {
    if (!line.startsWith('@ ')) return;
    const said = JSON.parse(line.slice(2)) as { id: number; result?: unknown; error?: string };
    const waiter = waiting.get(said.id);
    waiting.delete(said.id);
    if (said.error === undefined) waiter?.resolve(said.result);
    else waiter?.reject(new Error(said.error));
  });
  let last = 0;
  const answerTo = (id: number, timeoutMs: number, what: string): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    if (gone) reject(new Error(`the driver has ended; see ${log}`));
    const timer = setTimeout(() => {
      waiting.delete(id);
      reject(new Error(`no answer within ${timeoutMs / 1000} s to ${what}; see ${log}`));
    }, timeoutMs);
    waiting.set(id, { resolve, reject });
    return promise.finally(() => clearTimeout(timer));
  };
  const order = (given: Readonly<Record<string, unknown>>, timeoutMs = patienceMs): Promise<unknown> => {
    const answer = answerTo(++last, timeoutMs, `${given['do']} ${given['job'] ?? ''}`);
    // A caller may wait for something else first.
    answer.catch(() => {});
    child.stdin?.write(`${JSON.stringify({ id: last, ...given })}\n`);
    return answer;
  };
  await answerTo(0, patienceMs, 'its start');
  return {
    pid: child.pid!,
    log,
    get ended() {
      return gone;
    },
    order,
    open: (settings) =>
      order({
        do: 'open',
        conf: {
          'spark.master': 'local-cluster[2,1,1536]',
          'spark.executor.memory': '1536m',
          'spark.executor.extraJavaOptions': shortLived,
          'spark.ui.enabled': 'false',
          'spark.ui.showConsoleProgress': 'false',
          'spark.driver.host': '127.0.0.1',
          'spark.driver.bindAddress': '127.0.0.1',
          'spark.local.dir': join(folder, 'local'),
          'spark.sql.warehouse.dir': join(folder, 'warehouse'),
          'spark.sql.ansi.enabled': 'false',
          // A task that leaves memory behind has failed.
          'spark.unsafe.exceptionOnMemoryLeak': 'true',
          'spark.sql.session.timeZone': 'UTC',
          'spark.app.name': 'sluice-test',
          ...settings,
        },
      }) as Promise<Opened>,
    run: (job, options = {}, timeoutMs = patienceMs) => order({ do: 'run', job, with: options }, timeoutMs) as Promise<Result>,
    async close() {
      if (!gone) await order({ do: 'close' });
    },
    executors: () => descendants(child.pid!, 'CoarseGrainedExecutorBackend'),
    async kill() {
      await end(child);
      if (!gone) await once(child, 'exit');
    },
  };
}
