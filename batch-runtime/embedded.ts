/**
 * A cluster on this machine, each member a process of its own on a loopback port the system picks: what `sluice up` is,
 * and what a run without a cluster starts and stops, with the manager in its own process, which a job ends with anyway, and all executors
 * in one. Members get their configuration on stdin and live no longer than it is open, so a killed parent leaves nothing behind. Called by
 * submit.ts and the CLI.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import type { RunningManager } from '#manager/main.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { asSluiceError, fromJson, SluiceError } from '#manager/protocol/errors.ts';
import { release } from './cli/release.ts';
import { embeddedBudget } from './spill/budget.ts';

const bin = fileURLToPath(new URL('./cli/bin.js', import.meta.url));
/** What a member gets to end by itself after SIGINT. */
const patienceMs = 5_000;
/** Before a member is started again: at first, and at most where it dies soon each time. */
const [pauseLeastMs, pauseMostMs] = [500, 30_000];
const longRunMs = 60_000;

export interface EmbeddedOptions {
  readonly workers: number;
  readonly executors: number;
  /** Keeps data and logs there; null: a temporary folder that is removed. */
  readonly dataDir: string | null;
  /**
   * For one run: the manager is no process of its own but in this one, which it dies with, and the executors are threads of one process, which
   * takes 100 MB less for each but the first. Absent: each is a process.
   */
  readonly forOneRun?: boolean;
  /** Manager's port; 0: the system picks. */
  readonly port: number;
  /** Configuration keys for every worker, over the defaults. */
  readonly worker?: Readonly<Record<string, unknown>>;
  /** Of each executor; absent: half of the machine's memory is the executors'. */
  readonly memoryBudgetBytes?: number;
  /** A member that dies is started again, over its folder; absent: it stays away. */
  readonly restart?: boolean;
  /** A member has died that nobody stopped. */
  readonly died: (name: string, how: string) => void;
}

export interface EmbeddedCluster {
  readonly url: string;
  readonly folder: string;
  readonly secret: string;
  /** As they are now. */
  readonly pids: readonly { readonly name: string; readonly pid: number }[];
  /** Stops every member and removes what is temporary. `keepLogs`: their logs stay; answers the folder they are in. Again: the same answer. */
  close(keepLogs: boolean): Promise<string | null>;
}

/** One life of a member. */
interface Member {
  readonly name: string;
  readonly pid: number;
  /** Tells it what it is, once. */
  configure(config: object): void;
  /** What it says when it is ready. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  /** Settles with how it ended. */
  readonly gone: Promise<string>;
  /** Again, and after it has ended: does nothing. */
  stop(): Promise<void>;
}

/**
 * An executor's columns come and go by gigabytes. Left alone, glibc keeps ever larger ones in heaps that it cannot give back; so those from
 * 2 MiB on are always the system's again once they are free, and threads share two heaps. Elsewhere these names mean nothing.
 */
const executorMalloc = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '2097152', MALLOC_TRIM_THRESHOLD_: '2097152' };

interface Spawned {
  readonly folder: string;
  readonly programs: readonly Program[];
  readonly children: readonly ChildProcess[];
}

/** A member that is a process. */
interface Program {
  readonly name: string;
  /** What it has to know before it is configured. */
  readonly flags: readonly string[];
}

/** A process that loads its program and waits on stdin to be told what it is. Its stderr goes to a log in `folder`. */
function spawnMember(folder: string, { name, flags }: Program): ChildProcess {
  const log = openSync(join(folder, 'logs', `${name}.log`), 'a');
  const verb = name.replace(/-.*/, '');
  // A worker keeps data in one fixed memory; what it makes besides dies young and needs no room of 48 MiB.
  // Batches are arrays outside of the heap, which the collector looks for often; that more threads of it do so costs more CPU than it saves time.
  const node = ['--single-threaded-gc', ...(verb === 'worker' ? ['--max-semi-space-size=2'] : [])];
  // A session of its own: Ctrl-C reaches the parent only, which then stops its members in order.
  const env = verb === 'executor' ? { ...process.env, ...executorMalloc } : process.env;
  const child = spawn(process.execPath, [...node, bin, verb, '--config', '-', ...flags], { stdio: ['pipe', 'pipe', log], detached: true, env });
  closeSync(log);
  child.stdin?.on('error', () => {});
  return child;
}

function spawnMembers(folder: string, programs: readonly Program[]): Spawned {
  mkdirSync(join(folder, 'logs'), { recursive: true, mode: 0o700 });
  return { folder, programs, children: programs.map((program) => spawnMember(folder, program)) };
}

const numbered = (verb: string, count: number, flags: readonly string[] = []): Program[] =>
  Array.from({ length: count }, (_, i) => ({ name: `${verb}-${i + 1}`, flags }));

function programsOf({ workers, executors, forOneRun = false }: Pick<EmbeddedOptions, 'workers' | 'executors' | 'forOneRun'>): Program[] {
  const together = forOneRun && executors > 1;
  return [
    ...(forOneRun ? [] : [{ name: 'manager', flags: [] }]),
    ...numbered('worker', workers),
    ...(together ? numbered('executor', 1, ['--executors', String(executors)]) : numbered('executor', executors)),
  ];
}

const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'sluice-'));

let warmed: Spawned | null = null;

/** Starts the processes of a temporary cluster for one run that this process will ask for soon, so that they load while it does; `cool` ends them. */
export function warm(workers: number, executors: number): void {
  warmed ??= spawnMembers(temporaryFolder(), programsOf({ workers, executors, forOneRun: true }));
}

/** Ends what was warmed and never asked for: a member whose stdin closes before it is configured ends by itself. */
export function cool(): void {
  for (const child of warmed?.children ?? []) child.stdin?.end();
  if (warmed !== null) rmSync(warmed.folder, { recursive: true, force: true });
  warmed = null;
}

function takeWarmed(programs: readonly Program[], dataDir: string | null): Spawned | null {
  if (warmed === null || dataDir !== null || JSON.stringify(warmed.programs) !== JSON.stringify(programs)) return null;
  const taken = warmed;
  warmed = null;
  return taken;
}

/**
 * Starts all members at once and settles when all have registered.
 * @throws what a member could not start with; then nothing is left running
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedCluster> {
  const programs = programsOf(options);
  const { folder, children } = takeWarmed(programs, options.dataDir) ?? spawnMembers(options.dataDir ?? temporaryFolder(), programs);
  const logs = join(folder, 'logs');
  const logOf = (name: string): string => join(logs, `${name}.log`);
  const members = children.map((child, at) => memberOf(programs[at]!.name, child, logOf(programs[at]!.name)));
  if (options.forOneRun) members.unshift(managerHere(logOf('manager')));
  /** The next life of a member. */
  const again = (name: string): Member => {
    const program = programs.find((one) => one.name === name);
    return program === undefined ? managerHere(logOf(name)) : memberOf(name, spawnMember(folder, program), logOf(name));
  };
  const restarts = new Set<NodeJS.Timeout>();
  let stopping = false;

  /** What it is, told to a process; when that ends and nobody has stopped it, to the next one. */
  const configure = (at: number, config: object, pauseMs = pauseLeastMs): void => {
    const member = members[at]!;
    const startedAt = performance.now();
    member.configure(config);
    void member.gone.then((how) => {
      if (stopping) return;
      options.died(member.name, how);
      if (options.restart !== true) return;
      const timer = setTimeout(() => {
        restarts.delete(timer);
        members[at] = again(member.name);
        configure(at, config, performance.now() - startedAt > longRunMs ? pauseLeastMs : Math.min(pauseMs * 2, pauseMostMs));
      }, pauseMs);
      restarts.add(timer);
    });
  };

  let kept: Promise<string | null> | null = null;
  const close = (keepLogs: boolean): Promise<string | null> => {
    kept ??= (async () => {
      stopping = true;
      for (const timer of restarts) clearTimeout(timer);
      // The manager last: it is there for the others' goodbye.
      await Promise.all(members.slice(1).map((member) => member.stop()));
      await members[0]?.stop();
      if (options.dataDir !== null) return null;
      let left: string | null = null;
      if (keepLogs) {
        left = mkdtempSync(join(tmpdir(), 'sluice-logs-'));
        renameSync(logs, join(left, 'logs'));
      }
      rmSync(folder, { recursive: true, force: true });
      return left;
    })();
    return kept;
  };

  try {
    const [manager, ...others] = members as [Member, ...Member[]];
    const own = { host: '127.0.0.1', dataDir: join(folder, 'manager') };
    const address = { ...own, port: options.port };
    configure(0, address);
    const { url, secretFile } = (await manager.ready) as { url: string; secretFile: string };
    // Whoever starts it again finds it where it was.
    address.port = Number(new URL(url).port);
    const budgetBytes = (options.memoryBudgetBytes ?? embeddedBudget(options.executors)) * (options.forOneRun ? options.executors : 1);
    for (const [i, { name }] of others.entries()) {
      const facts = { managerUrl: url, secretFile };
      const executor = { memoryBudgetBytes: budgetBytes, scratchDir: join(folder, name) };
      const worker = { port: 0, dataDirs: [join(folder, name)], ...options.worker };
      configure(i + 1, { ...facts, ...(name.startsWith('worker') ? worker : executor) });
    }
    await Promise.all(others.map(({ ready }) => ready));
    return {
      url,
      folder,
      secret: readFileSync(secretFile, 'utf8').trim(),
      get pids() {
        return members.map(({ name, pid }) => ({ name, pid }));
      },
      close,
    };
  } catch (thrown) {
    const left = await close(true);
    if (left !== null && thrown instanceof Error) thrown.message += ` (logs: ${left})`;
    throw thrown;
  }
}

function memberOf(name: string, child: ChildProcess, log: string): Member {
  const { promise: ready, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  ready.catch(() => {});
  createInterface({ input: child.stdout! }).once('line', (line) => {
    const said = JSON.parse(line) as { error?: Parameters<typeof fromJson>[0] };
    if (said.error === undefined) resolve(said as Readonly<Record<string, unknown>>);
    else reject(fromJson(said.error));
  });
  const gone = new Promise<string>((settle) => {
    const ended = (how: string): void => {
      reject(new SluiceError('INTERNAL', { what: `${name} ended before it was ready (${how}); see ${log}` }));
      settle(how);
    };
    child.once('error', (error) => {
      reject(new SluiceError('INTERNAL', { what: `${name} cannot be started: ${error.message}` }));
      settle(error.message);
    });
    child.once('exit', (code, signal) => ended(signal ?? `exit code ${code}`));
    // One that was warmed may have ended already.
    if (child.exitCode !== null || child.signalCode !== null) ended(child.signalCode ?? `exit code ${child.exitCode}`);
  });
  return {
    name,
    pid: child.pid ?? 0,
    configure: (config) => child.stdin?.write(`${JSON.stringify(config)}\n`),
    ready,
    gone,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      // Not SIGTERM, at which a worker serves what it holds: whoever would read it is going, too.
      child.kill('SIGINT');
      // A stopped process (SIGSTOP) does not hear it.
      const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** A manager as `sluice manager` starts it, in this process. */
function managerHere(logFile: string): Member {
  const { promise: ready, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  ready.catch(() => {});
  const { promise: gone, resolve: end } = Promise.withResolvers<string>();
  let running: Promise<RunningManager | null> = Promise.resolve(null);
  const start = async (config: object): Promise<RunningManager | null> => {
    try {
      const { startManager } = await import('#manager/main.ts');
      const { config: whole } = loadConfig(ManagerConfig, managerPrefix, { environment: process.env, flags: { ...config, logFile } });
      const manager = await startManager(whole, release());
      void manager.ended.then(async (error) => {
        await manager.close();
        end(error.message);
      });
      resolve({ url: manager.url, secretFile: manager.secretFile });
      return manager;
    } catch (thrown) {
      reject(thrown);
      end(asSluiceError(thrown).message);
      return null;
    }
  };
  return {
    name: 'manager',
    pid: process.pid,
    configure(config) {
      running = start(config);
    },
    ready,
    gone,
    async stop() {
      await (await running)?.close();
    },
  };
}
