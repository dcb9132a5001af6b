/**
 * A cluster on this machine, each member a process of its own on a loopback port the system picks: what `sluice up` is,
 * and what a run without a cluster starts and stops. Members get their configuration on stdin and live no longer than it
 * is open, so a killed parent leaves nothing behind. Called by run.ts and the CLI.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fromJson, SluiceError } from '#manager/protocol/errors.ts';

const bin = fileURLToPath(new URL('./cli/bin.js', import.meta.url));
/** What a member gets to end by itself after SIGTERM. */
const patienceMs = 5_000;

export interface EmbeddedOptions {
  readonly workers: number;
  readonly executors: number;
  /** Keeps data and logs there; null: a temporary folder that is removed. */
  readonly dataDir: string | null;
  /** Manager's port; 0: the system picks. */
  readonly port: number;
  /** Configuration keys for every worker, over the defaults. */
  readonly worker?: Readonly<Record<string, unknown>>;
  /** A member has died that nobody stopped. */
  readonly died: (name: string, how: string) => void;
}

export interface EmbeddedCluster {
  readonly url: string;
  readonly folder: string;
  readonly secret: string;
  readonly pids: readonly { readonly name: string; readonly pid: number }[];
  /** Stops every member and removes what is temporary. `keepLogs`: their logs stay; answers the folder they are in. Again: the same answer. */
  close(keepLogs: boolean): Promise<string | null>;
}

interface Member {
  readonly name: string;
  readonly child: ChildProcess;
  /** The first line the process says when it is ready, as JSON. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  readonly gone: Promise<void>;
}

/**
 * Starts all members at once and settles when all have registered.
 * @throws what a member could not start with; then nothing is left running
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedCluster> {
  const folder = options.dataDir ?? mkdtempSync(join(tmpdir(), 'sluice-'));
  const logs = join(folder, 'logs');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  let stopping = false;
  const members: Member[] = [];

  const start = (verb: 'manager' | 'worker' | 'executor', name: string): Member => {
    const log = openSync(join(logs, `${name}.log`), 'a');
    // A session of its own: Ctrl-C reaches the parent only, which then stops its members in order.
    const child = spawn(process.execPath, [bin, verb, '--config', '-'], { stdio: ['pipe', 'pipe', log], detached: true });
    closeSync(log);
    child.stdin?.on('error', () => {});
    const { promise: ready, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
    ready.catch(() => {});
    createInterface({ input: child.stdout! }).once('line', (line) => {
      const said = JSON.parse(line) as { error?: Parameters<typeof fromJson>[0] };
      if (said.error === undefined) resolve(said as Readonly<Record<string, unknown>>);
      else reject(fromJson(said.error));
    });
    const gone = new Promise<void>((settle) => {
      child.once('error', (error) => reject(new SluiceError('INTERNAL', { what: `${name} cannot be started: ${error.message}` })));
      child.once('exit', (code, signal) => {
        const how = signal ?? `exit code ${code}`;
        reject(new SluiceError('INTERNAL', { what: `${name} ended before it was ready (${how}); see ${join(logs, `${name}.log`)}` }));
        if (!stopping) options.died(name, how);
        settle();
      });
    });
    const member = { name, child, ready, gone };
    members.push(member);
    return member;
  };
  const configure = (member: Member, config: object): void => {
    member.child.stdin?.write(`${JSON.stringify(config)}\n`);
  };

  let kept: Promise<string | null> | null = null;
  const close = (keepLogs: boolean): Promise<string | null> => {
    kept ??= (async () => {
      stopping = true;
      // Executors and workers first: the manager is there for their goodbye.
      for (const verb of ['executor', 'worker', 'manager']) await Promise.all(members.filter(({ name }) => name.startsWith(verb)).map(stop));
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
    const manager = start('manager', 'manager');
    const workers = Array.from({ length: options.workers }, (_, i) => start('worker', `worker-${i + 1}`));
    const executors = Array.from({ length: options.executors }, (_, i) => start('executor', `executor-${i + 1}`));
    configure(manager, { host: '127.0.0.1', port: options.port, dataDir: join(folder, 'manager') });
    const { url, secretFile } = (await manager.ready) as { url: string; secretFile: string };
    for (const [i, worker] of workers.entries())
      configure(worker, { managerUrl: url, port: 0, secretFile, dataDirs: [join(folder, `worker-${i + 1}`)], ...options.worker });
    for (const executor of executors) configure(executor, { managerUrl: url, secretFile });
    await Promise.all([...workers, ...executors].map(({ ready }) => ready));
    const pids = members.map(({ name, child }) => ({ name, pid: child.pid ?? 0 }));
    return { url, folder, secret: readFileSync(secretFile, 'utf8').trim(), pids, close };
  } catch (thrown) {
    const left = await close(true);
    if (left !== null && thrown instanceof Error) thrown.message += ` (logs: ${left})`;
    throw thrown;
  }
}

async function stop({ child, gone }: Member): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  // A stopped process (SIGSTOP) does not hear SIGTERM.
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await gone;
  clearTimeout(timer);
}
