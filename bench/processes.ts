/**
 * What the system knows of processes: CPU and memory of one, and of all below it, read from /proc. Linux only. For the benches that measure
 * more than their own process.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** CPU of a process and of everything below it that lives. */
export const treeCpuSeconds = (pid: number): number => treeOf(pid).reduce((sum, one) => sum + (cpuSecondsOf(one) ?? 0), 0);

/** Resident memory of a process and of everything below it that lives, in MB; shared pages count once for each. */
export const treeMegabytes = (pid: number): number => treeOf(pid).reduce((sum, one) => sum + (megabytesOf(one, 'VmRSS') ?? 0), 0);

/** A process and all below it. */
export function treeOf(pid: number): number[] {
  const found: number[] = [];
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    found.push(next);
    queue.push(...childrenOf(next));
  }
  return found;
}

/** A thread may end between the listing and the look at it; what the others have started counts still. */
function childrenOf(pid: number): number[] {
  return read(() => readdirSync(`/proc/${pid}/task`), []).flatMap((task) =>
    read(() => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'), '')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
}

function read<T>(from: () => T, none: T): T {
  try {
    return from();
  } catch {
    return none;
  }
}

/** User and system time since its start; null when there is no such process. */
export function cpuSecondsOf(pid: number): number | null {
  const fields = statOf(pid);
  return fields === null ? null : (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The fields of /proc/PID/stat behind the name, which may hold anything. */
function statOf(pid: number): string[] | null {
  const stat = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
  return stat === '' ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** CPU of the children of a process that have ended, and of theirs: exact, where a look now and then would miss the short ones. */
export function endedChildrenCpuSeconds(pid: number): number {
  const fields = statOf(pid);
  return fields === null ? 0 : (Number(fields[13]) + Number(fields[14])) / 100;
}

/** Most that it has had resident, in MB; null when there is no such process. */
export const peakMegabytesOf = (pid: number): number | null => megabytesOf(pid, 'VmHWM');

function megabytesOf(pid: number, what: 'VmHWM' | 'VmRSS'): number | null {
  const kibibytes = new RegExp(`${what}:\\s+(\\d+)`).exec(read(() => readFileSync(`/proc/${pid}/status`, 'utf8'), ''))?.[1];
  return kibibytes === undefined ? null : (Number(kibibytes) * 1024) / 1e6;
}
