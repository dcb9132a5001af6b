/** `sluice jobs`: what applications there are, what they store, and what they may. */
import { clusterFlags, connect } from './cluster.ts';
import { jobColumns, jobRow } from './status.ts';
import { table } from './table.ts';
import { readArgs, type Verb } from './verb.ts';

export const verb: Verb = {
  help: `Usage: sluice jobs [--cluster URL] [--token-file FILE] [--json]

Shows the jobs of a cluster: whose they are (sluice: run by this program; an engine: another engine's, as long as its driver keeps it; a token:
minted by \`sluice token\`), their shuffles, what they store over all workers and what they may store. --json prints one object a line.

Example: sluice jobs --cluster http://127.0.0.1:7070
`,
  async run(args) {
    const { values } = readArgs(args, { ...clusterFlags, json: { type: 'boolean' } });
    await using manager = await connect(values);
    const { jobs } = await manager.status({});
    if (values.json === true) for (const job of jobs) process.stdout.write(`${JSON.stringify(job)}\n`);
    else if (jobs.length === 0) process.stdout.write('no jobs\n');
    else process.stdout.write(`${table(jobColumns, jobs.map(jobRow))}\n`);
    return 0;
  },
};
