/**
 * `sluice up` and a long job, then `kill -9` of each process in turn: every worker, every executor, the manager. The job ends right
 * each time, on the same cluster, whose members are started again. (The coordinator: resume.test.ts.)
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { JobEvent } from '#runtime/schedule/events.ts';
import { finished, rowsOf, stageDone, startRun, tasksDone } from './runs.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const module = join(root, 'test/fixtures/jobs/late.ts');
/** Row groups of the example's file. */
const maps = 11;
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
const environment = { XDG_STATE_HOME: folder, TMPDIR: folder, SLUICE_TOKEN: '' };
let up: ChildProcess;
let url = '';
let expected: { readonly hash: string; readonly rows: readonly unknown[] };

before(async () => {
  const alone = startRun(environment, module, '--shuffle', 'memory');
  expected = { hash: (await finished(alone)).resultHash, rows: rowsOf(alone.events) };
  const bin = join(root, 'batch-runtime/cli/bin.js');
  up = spawn(process.execPath, [bin, 'up', '--workers', '2', '--executors', '2'], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Interface = createInterface({ input: up.stdout! });
  [url] = (await once(lines, 'line')) as [string];
});
after(async () => {
  up.kill('SIGINT');
  assert.deepEqual(await once(up, 'exit'), [0, null]);
  rmSync(folder, { recursive: true });
});

interface Status {
  readonly workers: readonly { readonly pid: number; readonly state: string }[];
  readonly executors: readonly { readonly pid: number }[];
}
/** What is there, when all are. */
async function whole(): Promise<Status> {
  for (;;) {
    const bin = join(root, 'batch-runtime/cli/bin.js');
    const child = spawn(process.execPath, [bin, 'status', '--cluster', url, '--json'], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [said] = (await Promise.all([child.stdout!.toArray(), once(child, 'close')])) as [Buffer[], unknown];
    const status = JSON.parse(Buffer.concat(said).toString() || '{"workers":[],"executors":[]}') as Status;
    if (status.workers.filter(({ state }) => state === 'live').length === 2 && status.executors.length === 2) return status;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The manager is a child of `up`, too, and the only one that is in no list. */
async function pidOf(name: string): Promise<number> {
  const { workers, executors } = await whole();
  const live = workers.filter(({ state }) => state === 'live');
  if (name.startsWith('worker')) return live[Number(name.at(-1)) - 1]!.pid;
  if (name.startsWith('executor')) return executors[Number(name.at(-1)) - 1]!.pid;
  const known = new Set([...live, ...executors].map(({ pid }) => pid));
  const children = readFileSync(`/proc/${up.pid}/task/${up.pid}/children`, 'latin1').trim().split(' ').map(Number);
  const [pid] = children.filter((one) => !known.has(one));
  return pid!;
}

const moments: Readonly<Record<string, (event: JobEvent) => boolean>> = {
  'while maps write': tasksDone(maps, 3),
  'while they are read': stageDone(maps),
};
const victims = ['worker-1', 'worker-2', 'executor-1', 'executor-2', 'manager'];
for (const [i, victim] of victims.entries()) {
  for (const [name, moment] of Object.entries(moments)) {
    // Each victim at one moment, the manager at both.
    if (victim !== 'manager' && name !== Object.keys(moments)[i % 2]) continue;
    test(`${victim} is killed ${name}`, { timeout: 120_000 }, async () => {
      const pid = await pidOf(victim);
      const run = startRun(environment, module, '--cluster', url, '--param', 'mapMs=60', '--param', 'readMs=3');
      await run.until(moment);
      process.kill(pid, 'SIGKILL');
      assert.equal((await finished(run)).resultHash, expected.hash);
      assert.deepEqual(rowsOf(run.events), expected.rows);
    });
  }
}
