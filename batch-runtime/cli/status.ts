/** `sluice status`: workers, executors and jobs of a cluster. */
import type { Answer } from '#manager/protocol/control.ts';
import { clusterFlags, connect } from './cluster.ts';
import { size, table } from './table.ts';
import { readArgs, type Verb } from './verb.ts';

type Job = Answer<'status'>['jobs'][number];

/** The columns of a job, here and in `sluice jobs`. */
export const jobColumns = ['job', 'name', 'of', 'shuffles', 'slots', 'stored', 'quota', 'age', 'state'] as const;

export const jobRow = ({ job, name, url, expiresAt, shuffles, slots, storedBytes, quotaBytes, ageMs, resumableUntil }: Job): readonly string[] => [
  String(job),
  name,
  url !== '' ? 'sluice' : expiresAt > 0 ? 'a token' : 'an engine',
  String(shuffles),
  String(slots),
  size(storedBytes),
  quotaBytes === 0 ? 'none' : size(quotaBytes),
  `${Math.round(ageMs / 1000)} s`,
  resumableUntil > 0 ? `waits for --resume until ${new Date(resumableUntil).toISOString()}` : 'open',
];

export const verb: Verb = {
  help: `Usage: sluice status [--cluster URL] [--token-file FILE] [--json]

Shows the members and the jobs of a cluster; without --cluster, of the one that \`sluice up\` runs on this machine.

Example: sluice status --cluster http://127.0.0.1:7070
`,
  async run(args) {
    const { values } = readArgs(args, { ...clusterFlags, json: { type: 'boolean' } });
    await using manager = await connect(values);
    const status = await manager.status({});
    if (values.json === true) {
      process.stdout.write(`${JSON.stringify(status)}\n`);
      return 0;
    }
    const members = [
      ...status.workers.map(({ worker, host, port, pid, state }) => ['worker', worker.slice(0, 8), `${host}:${port}`, String(pid), state]),
      ...status.executors.map(({ executor, host, pid, slots, used }) => [
        'executor',
        executor.slice(0, 8),
        host,
        String(pid),
        `${used} of ${slots} slots`,
      ]),
    ];
    process.stdout.write(`cluster ${status.cluster}, term ${status.term}\n\n`);
    process.stdout.write(`${table(['member', 'id', 'address', 'pid', 'state'], members)}\n`);
    if (status.jobs.length > 0) process.stdout.write(`\n${table(jobColumns, status.jobs.map(jobRow))}\n`);
    return 0;
  },
};
