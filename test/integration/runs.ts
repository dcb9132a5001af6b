/** `sluice run` as a process, its events as they come: what tests of whole clusters watch and kill. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { JobEvent } from '#runtime/schedule/events.ts';

const bin = fileURLToPath(new URL('../../batch-runtime/cli/bin.js', import.meta.url));

export interface Run {
  readonly child: ChildProcess;
  readonly events: JobEvent[];
  /** The first event that passes. */
  until(what: (event: JobEvent) => boolean): Promise<JobEvent>;
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

/** @param environment  SLUICE_TOKEN and the like, over this process's own */
export function startRun(environment: Readonly<Record<string, string>>, ...args: string[]): Run {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [bin, 'run', ...args, '--json'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const events: JobEvent[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout! })
    .on('line', (line) => {
      events.push(JSON.parse(line) as JobEvent);
      for (const look of waiting) look();
    })
    .on('close', () => {
      for (const look of waiting) look();
    });
  const stderr = text(child.stderr!);
  const closed = once(child, 'close') as Promise<[number | null]>;
  return {
    child,
    events,
    until: (what) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = events.find(what);
          if (found !== undefined) resolve(found);
          else if (child.exitCode !== null) reject(new Error(`it ended before, with ${JSON.stringify(events.at(-1))}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    ended: closed.then(async ([code]) => ({ code, stderr: await stderr })),
  };
}

export const rowsOf = (events: readonly JobEvent[]): unknown[] => events.flatMap((event) => (event.type === 'row' ? [event.row] : []));

export const typed = <T extends JobEvent['type']>(events: readonly JobEvent[], type: T) =>
  events.filter((event): event is Extract<JobEvent, { type: T }> => event.type === type);

/** Its last event, when it has ended as it should. */
export async function finished(run: Run): Promise<Extract<JobEvent, { type: 'done' }>> {
  const { code, stderr } = await run.ended;
  assert.equal(code, 0, stderr);
  const done = run.events.at(-1);
  assert.ok(done?.type === 'done');
  return done;
}

/** The next progress that says that of the stage of so many tasks at least so many are done. */
export const tasksDone =
  (ofTasks: number, atLeast: number) =>
  (event: JobEvent): boolean =>
    event.type === 'progress' && event.stages.some(({ tasks, done }) => tasks === ofTasks && done >= atLeast);
export const stageDone =
  (ofTasks: number) =>
  (event: JobEvent): boolean =>
    event.type === 'stage' && event.state === 'done' && event.tasks === ofTasks;
