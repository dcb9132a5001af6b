/**
 * What this machine lets the harness do. Where it may, the harness runs itself again in namespaces of its own for network, mounts and
 * processes: cuts are then rules of a firewall nobody else has, disks are mounts nobody else sees, and all of it, with
 * every process, is gone when the harness is. Where it may not, cuts are made by proxies, and faults of disks are left out.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** Set for the harness that runs inside. */
const mark = 'SLUICE_CHAOS_INSIDE';
const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];

export const isInside = (): boolean => process.env[mark] === '1';

/** Whether namespaces, a firewall and loop devices of our own are there to be had. */
export function canIsolate(): boolean {
  const attempt = 'ip link set lo up && iptables -A INPUT -p tcp --dport 1 -j DROP';
  return process.platform === 'linux' && spawnSync('unshare', [...namespaces, 'sh', '-c', attempt], { stdio: 'ignore' }).status === 0;
}

/** Runs this program again inside; Ctrl-C and SIGTERM reach it as the end of its stdin. Answers its exit code. */
export async function runInside(): Promise<number> {
  const args = [...namespaces, process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child: ChildProcess = spawn('unshare', args, { stdio: ['pipe', 'inherit', 'inherit'], env: { ...process.env, [mark]: '1' }, detached: true });
  child.stdin?.on('error', () => {});
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.stdin?.end());
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** Runs a command of the system. @throws with what it said */
export function system(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
  return stdout.trim();
}
