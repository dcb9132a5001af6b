/**
 * The processes of a run of the Spark tests: each is started here, in a group of its own, so that one call ends them all, with
 * what they started themselves, however the run ends. Looks at /proc for children (Linux).
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

const living = new Set<ChildProcess>();

export function start(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, { ...options, detached: true });
  living.add(child);
  child.once('exit', () => living.delete(child));
  child.once('error', () => living.delete(child));
  return child;
}

/** SIGKILL to the process and all of its group; answers when it has ended. */
export async function end(child: ChildProcess): Promise<void> {
  const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
  killGroup(child);
  await exit;
}

/** The exit code of a process, which is ended when it takes longer; null then. */
export async function exitCode(child: ChildProcess, ms: number): Promise<number | null> {
  const timer = setTimeout(() => killGroup(child), ms);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  return code;
}

export function endAll(): void {
  for (const child of living) killGroup(child);
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of the group has ended.
  }
}

/** Descendants of a process whose command line has this word. */
export function descendants(pid: number, word: string): number[] {
  const found: number[] = [];
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    try {
      for (const task of readdirSync(`/proc/${next}/task`))
        for (const child of readFileSync(`/proc/${next}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)) {
          queue.push(child);
          if (readFileSync(`/proc/${child}/cmdline`, 'utf8').includes(word)) found.push(child);
        }
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until the answer is true. @throws when it is not within the time */
export async function until(what: string, ms: number, ask: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + ms;
  while (!(await ask())) {
    if (Date.now() > end) throw new Error(`not within ${ms / 1000} s: ${what}`);
    await sleep(25);
  }
}
