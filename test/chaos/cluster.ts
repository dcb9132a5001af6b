/**
 * The members of the cluster as production starts them, each a process of the CLI that keeps its folder and its port when it is
 * started again. One that ends though nobody has killed it is started again as a unit of the system would do it. Members live no
 * longer than their stdin is open.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Mounted, mountDisk } from './disks.ts';
import type { Network } from './network.ts';
import { isInside } from './world.ts';

export const bin = fileURLToPath(new URL('../../batch-runtime/cli/bin.js', import.meta.url));
/** The default of the manager. */
export const leaseMs = 10_000;
/** How soon one that ended by itself is started again. */
const againMs = 500;
const goodbyeMs = 8_000;

export type MemberKind = 'manager' | 'worker' | 'executor';

export class Member {
  readonly name: string;
  readonly kind: MemberKind;
  readonly disk: Mounted | null;
  /** Where it listens; 0 for executors. */
  port = 0;
  /** Times it ended though nobody had killed it. */
  ended = 0;
  readonly #world: Surroundings;
  readonly #config: Readonly<Record<string, unknown>>;
  #child: ChildProcess | null = null;
  /** It is to be down now. */
  #isDown = true;
  #starting: Promise<void> = Promise.resolve();

  constructor(kind: MemberKind, name: string, world: Surroundings, config: Readonly<Record<string, unknown>>, disk: Member['disk']) {
    this.kind = kind;
    this.name = name;
    this.disk = disk;
    this.#world = world;
    this.#config = config;
  }

  /** Settles when it says that it is ready, however often it has to be started until then. */
  start(): Promise<void> {
    this.#isDown = false;
    this.#starting = this.#starting.then(() => this.#until());
    return this.#starting;
  }

  async kill(): Promise<void> {
    this.#isDown = true;
    await this.#end('SIGKILL');
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async close(): Promise<void> {
    this.#isDown = true;
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), goodbyeMs);
    await this.#end('SIGINT');
    clearTimeout(timer);
    await this.#starting;
  }

  async #end(signal: 'SIGKILL' | 'SIGINT'): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  async #until(): Promise<void> {
    while (!this.#isDown && this.#child === null && !(await this.#once())) await sleep(againMs);
  }

  /** Starts it once; whether it became ready. */
  async #once(): Promise<boolean> {
    const { logs, environment, network } = this.#world;
    const log = openSync(join(logs, `${this.name}.log`), 'a');
    const node = this.kind === 'worker' ? ['--max-semi-space-size=2'] : [];
    const args = [...node, bin, this.kind, '--config', '-'];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', log], env: environment, detached: true });
    closeSync(log);
    this.#child = child;
    child.stdin?.on('error', () => {});
    child.stdin?.write(`${JSON.stringify({ ...this.#config, ...(this.kind === 'executor' ? {} : { port: this.port }) })}\n`);
    const { promise: ready, resolve } = Promise.withResolvers<string | null>();
    createInterface({ input: child.stdout! }).once('line', resolve);
    child.once('exit', () => {
      this.#child = null;
      resolve(null);
      if (this.#isDown) return;
      this.ended++;
      if (wasReady) void sleep(againMs).then(() => (this.#isDown ? undefined : this.start()));
    });
    let wasReady = false;
    const line = await ready;
    const said = line === null ? {} : (JSON.parse(line) as { url?: string; error?: unknown });
    if (line === null || said.error !== undefined) {
      await this.#end('SIGKILL');
      return false;
    }
    if (said.url !== undefined) {
      this.port = Number(new URL(said.url).port);
      await network.serve(this.port);
    }
    wasReady = this.#child === child;
    return wasReady;
  }
}

interface Surroundings {
  readonly folder: string;
  readonly logs: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly network: Pick<Network, 'host' | 'serve'>;
}

export interface Cluster {
  readonly url: string;
  readonly secretFile: string;
  readonly manager: Member;
  readonly workers: readonly Member[];
  readonly executors: readonly Member[];
  readonly members: readonly Member[];
  close(): Promise<void>;
}

const MiB = 1024 * 1024;

/** A manager, workers and executors below `world.folder`. */
export async function startCluster(world: Surroundings, workers: number, executors: number): Promise<Cluster> {
  mkdirSync(world.logs, { recursive: true });
  const disk = (name: string): Member['disk'] => (isInside() ? mountDisk(join(world.folder, 'images'), join(world.folder, name)) : null);
  const { host } = world.network;
  const dataDir = join(world.folder, 'manager');
  // A secret of its own place: a start with a full disk finds it all the same.
  const secretFile = join(world.folder, 'secret');
  const manager = new Member('manager', 'manager', world, { host, dataDir, secretFile, leaseMs, logLevel: 'info' }, disk('manager'));
  await manager.start();
  const url = `http://127.0.0.1:${manager.port}`;
  const common = { managerUrl: url, secretFile };
  // Small enough that blocks go to the disk.
  const small = { arenaBytes: 4 * MiB, segmentBytes: 2 * MiB };
  const names = (kind: MemberKind, count: number): string[] => Array.from({ length: count }, (_, i) => `${kind}-${i + 1}`);
  const all = {
    workers: names('worker', workers).map((name) => {
      const config = { ...common, ...small, host, advertisedHost: '127.0.0.1', hostLabel: name, dataDirs: [join(world.folder, name)] };
      return new Member('worker', name, world, config, disk(name));
    }),
    executors: names('executor', executors).map((name) => new Member('executor', name, world, common, null)),
  };
  const members = [...all.workers, ...all.executors];
  await Promise.all(members.map((member) => member.start()));
  return {
    url,
    secretFile,
    manager,
    ...all,
    members: [manager, ...members],
    async close() {
      await Promise.all(members.map((member) => member.close()));
      await manager.close();
    },
  };
}

/** One metric of a member, summed over its labels. */
export async function metricsOf(member: Member, names: readonly string[]): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${member.port}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
  const values = new Map<string, number>();
  for (const name of names) {
    const found = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
    if (found.length === 0) throw new Error(`${member.name} has no metric ${name}`);
    values.set(
      name,
      found.reduce((sum, match) => sum + Number(match[1]), 0),
    );
  }
  return values;
}
