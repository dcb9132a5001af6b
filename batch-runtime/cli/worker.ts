/** `sluice worker`: one shuffle worker, the way production starts it; with --shards, so many of them on this host. */
import { type ChildProcess, spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fromJson, SluiceError } from '#manager/protocol/errors.ts';
import { WorkerConfig as schema, type WorkerConfig, workerPrefix } from '#worker/config.ts';
import { startWorker } from '#worker/main.ts';
import { runProcess } from './process.ts';
import { release } from './release.ts';
import type { Verb } from './verb.ts';

export const verb: Verb = {
  help: `Usage: sluice worker [--config FILE] [--shards N] [--KEY VALUE]... [--explain-config]

Starts one shuffle worker, which keeps blocks of shuffles. FILE is JSON; keys may also come as flags (--manager-url http://host:7070)
or from the environment (SLUICE_WORKER_MANAGER_URL). --shards N starts N worker processes on this host: one uses one core. Each has
a port of its own (the next ones, unless 0) and a folder shard-1 .. shard-N in every data folder. --explain-config prints every
key, its value, where it came from and what it is for. SIGTERM drains it: it takes nothing new, serves what it holds for drainTimeoutMs at
most, and ends; a second one, and Ctrl-C, end it at once. What it holds is on its disks then, and served again after the next start.

Example: sluice worker --manager-url http://127.0.0.1:7070 --secret-file /var/lib/sluice/manager/secret --data-dirs /disk1,/disk2
`,
  run: (args) =>
    runProcess({
      schema,
      prefix: workerPrefix,
      args,
      async start(config) {
        if (config.shards > 1) return await startShards(config);
        const { url, id, incarnation, ended, drained, close } = await startWorker(config, process.env['SLUICE_TOKEN'] ?? '', release());
        return { says: { url, worker: id, incarnation }, ended, drained, close };
      },
    }),
};

/** What each process of `shards` is started with. */
export function shardConfigs(config: WorkerConfig): WorkerConfig[] {
  return Array.from({ length: config.shards }, (_, i) => ({
    ...config,
    shards: 1,
    port: config.port === 0 ? 0 : config.port + i,
    hostLabel: config.hostLabel === '' ? hostname() : config.hostLabel,
    dataDirs: config.dataDirs.map((folder) => join(folder, `shard-${i + 1}`)),
    logFile: config.logFile === '' ? '' : `${config.logFile}.${i + 1}`,
  }));
}

const bin = fileURLToPath(new URL('./bin.js', import.meta.url));

/** Each gets its configuration on stdin and lives no longer than that is open; one that dies ends them all. */
async function startShards(config: WorkerConfig): Promise<{ says: object; drained(): Promise<void>; close(): Promise<void> }> {
  const children: { readonly child: ChildProcess; readonly gone: Promise<void> }[] = [];
  let stopping = false;
  const close = async (): Promise<void> => {
    stopping = true;
    for (const { child } of children) child.stdin?.end();
    await Promise.all(children.map(({ gone }) => gone));
  };
  /** Each shard drains for itself, and ends. */
  const drained = async (): Promise<void> => {
    stopping = true;
    for (const { child } of children) child.kill('SIGTERM');
    await Promise.all(children.map(({ gone }) => gone));
  };
  const start = (shard: WorkerConfig): Promise<unknown> => {
    // As an embedded cluster starts its workers: what they make besides their one memory dies young.
    const child = spawn(process.execPath, ['--max-semi-space-size=2', bin, 'worker', '--config', '-'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    const { promise: ready, resolve, reject } = Promise.withResolvers<unknown>();
    child.stdin?.on('error', () => {});
    child.stdin?.write(`${JSON.stringify(shard)}\n`);
    createInterface({ input: child.stdout! }).once('line', (line) => {
      const said = JSON.parse(line) as { error?: Parameters<typeof fromJson>[0] };
      if (said.error) reject(fromJson(said.error));
      else resolve(said);
    });
    const gone = new Promise<void>((settle) => {
      child.once('exit', (code, signal) => {
        reject(new SluiceError('INTERNAL', { what: `a shard ended before it was ready (${signal ?? `exit code ${code}`})` }));
        settle();
        if (stopping) return;
        process.stderr.write(`a shard of this worker has died (${signal ?? `exit code ${code}`}): ending the others\n`);
        void close().then(() => process.exit(1));
      });
    });
    children.push({ child, gone });
    return ready;
  };
  try {
    return { says: { shards: await Promise.all(shardConfigs(config).map(start)) }, drained, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
