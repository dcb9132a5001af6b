/** What must not be there when all jobs have ended and their leases are over: data, files, processes. Each answers with what is left. */
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, type Member, metricsOf } from './cluster.ts';
import type { ChaosJob } from './jobs.ts';

/** Of killed coordinators the leases have to run out first, and workers have to hear of it. */
const patienceMs = 90_000;

const ofManager = ['sluice_manager_jobs', 'sluice_manager_shuffles', 'sluice_manager_cells', 'sluice_manager_slots_leased'];
const ofWorkers = [
  'sluice_worker_shuffles',
  'sluice_worker_cells',
  'sluice_worker_streams',
  'sluice_worker_granted_bytes',
  'sluice_worker_read_bytes',
];

/** Jobs and shuffles at the manager, and data of shuffles at workers, after a grace. */
export async function leakedShuffles({ manager, workers }: Cluster): Promise<string[]> {
  const left = async (): Promise<string[]> => {
    const of = async (member: Member, names: readonly string[]): Promise<string[]> =>
      [...(await metricsOf(member, names))].filter(([, value]) => value !== 0).map(([name, value]) => `${member.name}: ${name} ${value}`);
    return (await Promise.all([of(manager, ofManager), ...workers.map((worker) => of(worker, ofWorkers))])).flat();
  };
  const until = performance.now() + patienceMs;
  for (;;) {
    const found = await left().catch((error: Error) => [`a member does not answer: ${error.message}`]);
    if (found.length === 0 || performance.now() > until) return found;
    await sleep(250);
  }
}

/** Beside and inside outputs; temporary files; and in the folders of members what is no journal, segment or identity. */
export function leakedFiles(folder: string, outputs: readonly { readonly job: ChaosJob; readonly folder: string }[]): string[] {
  const strange = outputs.flatMap(({ job, folder: out }) => {
    const names = globSync('{*,.*}', { cwd: out });
    return names.filter((name) => !job.published.includes(name)).map((name) => join(out, name));
  });
  const hidden = globSync('{**/.*,**/.*/**}', { cwd: join(folder, 'out') }).map((path) => join(folder, 'out', path));
  const temporary = readdirSync(join(folder, 'tmp')).map((name) => join(folder, 'tmp', name));
  const known = /^(lost\+found|identity\.json|segments(\/\d+\.segment)?|journal(\/journal-[\w.-]+)?)$/;
  const members = globSync('{worker-*,manager}', { cwd: folder }).flatMap((name) =>
    globSync('**', { cwd: join(folder, name) })
      .filter((path) => path !== '.' && path !== '' && !known.test(path))
      .map((path) => join(folder, name, path)),
  );
  return [...new Set([...strange, ...hidden, ...temporary, ...members])];
}

/** Processes that were started with this folder for temporary files. */
export function leakedProcesses(folder: string): string[] {
  return globSync('/proc/[0-9]*/environ').flatMap((path) => {
    try {
      const isOurs = readFileSync(path, 'latin1').includes(`TMPDIR=${join(folder, 'tmp')}\0`);
      return isOurs ? [`${path.split('/')[2]} ${readFileSync(path.replace('environ', 'comm'), 'utf8').trim()}`] : [];
    } catch {
      return [];
    }
  });
}
