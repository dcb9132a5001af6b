/**
 * What every group of checks works with: a cluster and a Spark of its own when it asks for them, one driver process that all share,
 * answers of Spark's own shuffle, and steps, each of which holds or fails by itself. A failed step costs the shared driver, since
 * nobody knows what state it is in; the next step gets a fresh one.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answers, Expected } from './answers.ts';
import { type Cluster, type ClusterOptions, startCluster } from './cluster.ts';
import { type Conf, type Driver, type Opened, patienceMs, type Result, type Stage, startDriver } from './driver.ts';
import { queriesFile } from './jobs-jar.ts';
import { until } from './processes.ts';

export interface Settings {
  readonly version: string;
  /** The version on which everything is checked. */
  readonly whole: boolean;
  readonly quick: boolean;
  /** Spark's own shuffle instead of Sluice: whether the job programs are right. */
  readonly own: boolean;
  readonly only: readonly string[];
  readonly seed: number;
  readonly sparkHome: string;
  readonly jobs: string;
  readonly plugin: string;
  readonly suite: string | null;
  readonly data: string;
  readonly folder: string;
  readonly answers: Answers;
  tell(text: string): void;
}

export interface StepResult {
  readonly name: string;
  readonly seconds: number;
  readonly note: string;
  readonly error: string | null;
}

/** A Spark that is open in the shared driver. */
export interface Session {
  readonly opened: Opened;
  readonly driver: Driver;
  run(job: string, options?: Conf, timeoutMs?: number): Promise<Result>;
  /** Runs a job and compares its answer with that of Spark's own shuffle. */
  same(job: string, options?: Conf): Promise<Result>;
}

/** Of one group of checks. */
export interface Bench {
  readonly settings: Settings;
  cluster(options?: ClusterOptions): Promise<Cluster>;
  /** Opens a Spark on the cluster, unless one with the same settings is open. */
  spark(cluster: Cluster, conf?: Conf): Promise<Session>;
  /** A driver process of the step's own. */
  driver(conf?: Conf, env?: NodeJS.ProcessEnv): Promise<Driver>;
  step(name: string, check: () => Promise<unknown>): Promise<void>;
  gates(): Gates;
}

export interface Group {
  readonly name: string;
  readonly about: string;
  /** On which runs it is part of: quick ones, other versions. */
  readonly quick: boolean;
  readonly everyVersion: boolean;
  check(bench: Bench): Promise<void>;
}

/** Where tasks stand still until the harness opens them. */
export interface Gates {
  readonly folder: string;
  reached(name: string, timeoutMs?: number): Promise<void>;
  open(name: string): void;
  passed(name: string): boolean;
}

export function makeGates(parent: string): Gates {
  const folder = mkdtempSync(join(parent, 'gates-'));
  return {
    folder,
    reached: (name, timeoutMs = patienceMs) => until(`a task at the gate ${name}`, timeoutMs, () => existsSync(join(folder, `${name}.reached`))),
    open: (name) => writeFileSync(join(folder, `${name}.open`), ''),
    passed: (name) => existsSync(join(folder, `${name}.reached`)),
  };
}

export const sluiceConf = (cluster: Cluster): Conf => ({
  'spark.shuffle.manager': 'org.apache.spark.shuffle.sluice.SluiceShuffleManager',
  'spark.sluice.manager.url': cluster.url,
  'spark.sluice.token.file': cluster.secretFile,
});

export const query = (settings: Settings, number: number): Conf => ({ query: String(number), data: settings.data, file: queriesFile });

export function assertSame(result: Result, expected: Expected, what: string): void {
  const { answer, lines, head } = result;
  assert.deepEqual(
    { lines, head, answer },
    { lines: expected.lines, head: expected.head, answer: expected.answer },
    `${what} differs from Spark's own shuffle`,
  );
}

/** Sum over stage attempts. */
export const total = (stages: readonly Stage[], key: keyof Stage): number => stages.reduce((sum, stage) => sum + Number(stage[key] ?? 0), 0);

/** Before 4.0 executors make the shuffle manager before they have fetched any jar. */
export const needsClassPath = (version: string): boolean => version.startsWith('3.');

/** The shared driver and the steps of a whole run. */
export class Runner {
  readonly settings: Settings;
  readonly results: StepResult[] = [];
  #driver: Driver | null = null;
  #open: { key: string; session: Session } | null = null;
  #folders = 0;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  #folder(name: string): string {
    const folder = join(this.settings.folder, `${name}-${++this.#folders}`);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  #startDriver(conf: Conf = {}, env: NodeJS.ProcessEnv = {}): Promise<Driver> {
    const { sparkHome, jobs, plugin, own, version } = this.settings;
    const classPath: Conf = own || !needsClassPath(version) ? {} : { 'spark.driver.extraClassPath': plugin, 'spark.executor.extraClassPath': plugin };
    const jars = own || needsClassPath(version) ? null : plugin;
    return startDriver({ sparkHome, jobs, plugin: jars, folder: this.#folder('driver'), conf: { ...classPath, ...conf }, env });
  }

  async #spark(cluster: Cluster, conf: Conf): Promise<Session> {
    const all: Conf = { ...(this.settings.own ? {} : sluiceConf(cluster)), ...conf };
    const key = JSON.stringify(all);
    if (this.#open?.key === key) return this.#open.session;
    await this.#close();
    this.#driver ??= await this.#startDriver();
    const driver = this.#driver;
    const opened = await driver.open(all);
    const session: Session = {
      opened,
      driver,
      run: (job, options, timeoutMs) => driver.run(job, options, timeoutMs),
      same: async (job, options = {}) => {
        const expected = await this.settings.answers.of(job, options);
        const result = await driver.run(job, options);
        assertSame(result, expected, `${job} ${options['query'] ?? ''}`);
        return result;
      },
    };
    this.#open = { key, session };
    return session;
  }

  async #close(): Promise<void> {
    if (this.#open === null) return;
    this.#open = null;
    try {
      await this.#driver?.close();
    } catch {
      await this.#drop();
    }
  }

  async #drop(): Promise<void> {
    this.#open = null;
    const driver = this.#driver;
    this.#driver = null;
    await driver?.kill();
  }

  async check(group: Group): Promise<void> {
    const { settings } = this;
    const clusters: Cluster[] = [];
    const drivers: Driver[] = [];
    const bench: Bench = {
      settings,
      cluster: async (options) => {
        const cluster = await startCluster(this.#folder('cluster'), options);
        clusters.push(cluster);
        return cluster;
      },
      spark: (cluster, conf = {}) => this.#spark(cluster, conf),
      driver: async (conf, env) => {
        const driver = await this.#startDriver(conf, env);
        drivers.push(driver);
        return driver;
      },
      gates: () => makeGates(settings.folder),
      step: async (name, check) => {
        const full = `${group.name}/${name}`;
        if (settings.only.length > 0 && !settings.only.some((one) => full.startsWith(one) || one === group.name)) return;
        const begin = performance.now();
        let note = '';
        let error: string | null = null;
        try {
          const said = await check();
          note = typeof said === 'string' ? said : '';
        } catch (thrown) {
          error = thrown instanceof Error ? thrown.message : String(thrown);
        }
        const seconds = Math.round((performance.now() - begin) / 100) / 10;
        this.results.push({ name: full, seconds, note, error });
        settings.tell(`${error === null ? 'ok    ' : 'FAILED'} ${full} ${seconds} s${note === '' ? '' : `: ${note}`}`);
        if (error !== null) {
          settings.tell(error.split('\n').slice(0, 30).join('\n'));
          await this.#drop();
        }
      },
    };
    try {
      await group.check(bench);
    } catch (thrown) {
      // What comes before the first step, such as a cluster that does not start.
      const error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      this.results.push({ name: group.name, seconds: 0, note: '', error });
      settings.tell(`FAILED ${group.name}: ${error}`);
      await this.#drop();
    } finally {
      await this.#close();
      for (const driver of drivers) await driver.kill();
      for (const cluster of clusters) await cluster.close();
    }
  }

  async end(): Promise<void> {
    await this.#drop();
    await this.settings.answers.close();
  }
}
