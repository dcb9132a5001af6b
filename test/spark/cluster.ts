/**
 * A manager and workers as production starts them, each a process of the repository's own CLI, with the faults that the tests
 * want of them: killed, stopped, started again on the same folders and port. Not an embedded cluster: see batch-runtime/embedded.ts.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connectManager } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import type { Answer } from '#manager/protocol/control.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { end, start, until } from './processes.ts';

const bin = fileURLToPath(new URL('../../batch-runtime/cli/bin.js', import.meta.url));

export interface Member {
  readonly name: string;
  /** http://host:port */
  readonly url: string;
  readonly pid: number;
  readonly folder: string;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** The same configuration, folders and port. */
  restart(): Promise<void>;
}

export interface Cluster {
  readonly url: string;
  readonly secretFile: string;
  readonly secret: string;
  readonly manager: Member;
  readonly workers: readonly Member[];
  status(): Promise<Answer<'status'>>;
  /** Waits until the manager sees so many live workers. */
  settled(workers: number): Promise<void>;
  /** Sum over the members of a kind of one metric (all of its labels). */
  metric(name: string): Promise<number>;
  /** The worker that holds most of what is committed, or has received most. @throws when none holds anything */
  holder(): Promise<Member>;
  addWorker(config?: Config): Promise<Member>;
  close(): Promise<void>;
}

type Config = Readonly<Record<string, unknown>>;
export interface ClusterOptions {
  readonly workers?: number;
  readonly manager?: Config;
  readonly worker?: Config;
}

async function startMember(name: string, verb: string, folder: string, given: Config): Promise<Member & { end(): Promise<void> }> {
  mkdirSync(folder, { recursive: true });
  let config = given;
  let child: ChildProcess;
  let url = '';
  const launch = async (): Promise<void> => {
    const log = openSync(join(folder, `${name}.log`), 'a');
    child = start(process.execPath, [bin, verb, '--config', '-'], { stdio: ['pipe', 'pipe', log], env: { ...process.env, SLUICE_TOKEN: '' } });
    child.stdin?.on('error', () => {});
    child.stdin?.write(`${JSON.stringify(config)}\n`);
    const ended = once(child, 'exit').then(() => [`{"error":{"message":"it ended; see ${folder}"}}`]);
    const [line] = (await Promise.race([once(createInterface({ input: child.stdout! }), 'line'), ended])) as [string];
    const said = JSON.parse(line) as { url?: string; error?: { message: string } };
    if (said.url === undefined) throw new Error(`${name} does not start: ${said.error?.message}`);
    url = said.url;
    config = { ...config, port: Number(/:(\d+)$/.exec(url)?.[1]) };
  };
  await launch();
  return {
    name,
    folder,
    get url() {
      return url;
    },
    get pid() {
      return child.pid!;
    },
    async kill(signal) {
      const exit = signal === 'SIGKILL' || signal === 'SIGTERM' ? once(child, 'exit') : null;
      child.kill(signal);
      await exit;
    },
    async restart() {
      await end(child);
      await launch();
    },
    end: () => end(child),
  };
}

export async function startCluster(
  folder: string,
  { workers = 2, manager: managerConfig = {}, worker: workerConfig = {} }: ClusterOptions = {},
): Promise<Cluster> {
  const dataDir = join(folder, 'manager');
  const manager = await startMember('manager', 'manager', dataDir, { port: 0, dataDir, leaseMs: 3000, ...managerConfig });
  const secretFile = join(dataDir, 'secret');
  const secret = readFileSync(secretFile, 'utf8').trim();
  const members: (Member & { end(): Promise<void> })[] = [];
  let named = 0;
  const addWorker = async (config: Config = {}): Promise<Member> => {
    const name = `worker-${++named}`;
    const at = join(folder, name);
    const given = {
      managerUrl: manager.url,
      port: 0,
      secretFile,
      dataDirs: [at],
      hostLabel: name,
      segmentBytes: 64 << 20,
      ...workerConfig,
      ...config,
    };
    const member = await startMember(name, 'worker', at, given);
    members.push(member);
    return member;
  };
  await Promise.all(Array.from({ length: workers }, () => addWorker()));
  const status = async (): Promise<Answer<'status'>> => {
    const token = tokenSource(secret, Date.now);
    const client = await connectManager({ urls: [manager.url], token, clock: systemClock, random: systemRandom });
    try {
      return await client.status({});
    } finally {
      await client.close();
    }
  };
  const settled = (wanted: number): Promise<void> =>
    until(`${wanted} live workers`, 120_000, async () => (await status()).workers.filter(({ state }) => state === 'live').length === wanted);
  await settled(workers);
  return {
    url: manager.url,
    secretFile,
    secret,
    manager,
    workers: members,
    status,
    settled,
    addWorker,
    async metric(name) {
      const of = name.startsWith('sluice_manager') ? [manager] : members;
      return (await Promise.all(of.map((member) => metricOf(member, name)))).reduce((sum, value) => sum + value, 0);
    },
    async holder() {
      const held = await Promise.all(
        members.map(async (member) => ({
          member,
          cells: await metricOf(member, 'sluice_worker_cells'),
          bytes: await metricOf(member, 'sluice_worker_bytes_received_total'),
        })),
      );
      const most = held.sort((a, b) => b.cells - a.cells || b.bytes - a.bytes)[0];
      if (most === undefined || most.cells + most.bytes === 0) throw new Error('no worker holds anything yet');
      return most.member;
    },
    async close() {
      await Promise.all([...members, manager].map((member) => member.end()));
    },
  };
}

/** One metric of one member, summed over its labels. */
async function metricOf({ url }: Member, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce((sum, match) => sum + Number(match[1]), 0);
}

/** Bytes of files below a folder. */
export function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).blocks * 512, 0);
}
