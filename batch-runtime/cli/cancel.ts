/** `sluice cancel JOB`: ends a job, whosever it is, and releases what it stores. */
import { clusterFlags, connect } from './cluster.ts';
import { readArgs, usage, type Verb } from './verb.ts';

export const verb: Verb = {
  help: `Usage: sluice cancel JOB [--cluster URL] [--token-file FILE] [--json]

Ends a job by its number, as \`sluice jobs\` shows it: its slots are freed, its shuffles are released on all workers, its token is of no more
use. What still runs of it fails with JOB_UNKNOWN or SHUFFLE_RELEASED. A job that has ended already is no error.

Example: sluice cancel 12 --cluster http://127.0.0.1:7070
`,
  async run(args) {
    const { values, positionals } = readArgs(args, { ...clusterFlags, json: { type: 'boolean' } });
    const [text, ...more] = positionals;
    if (text === undefined || more.length > 0 || !/^[1-9]\d{0,9}$/.test(text) || Number(text) > 0xffffffff) {
      throw usage('cancel takes the number of one job, as `sluice jobs` shows it');
    }
    const job = Number(text);
    await using manager = await connect(values);
    const open = (await manager.status({})).jobs.find((one) => one.job === job);
    await manager.closeJob({ job });
    if (values.json === true) process.stdout.write(`${JSON.stringify({ job, wasOpen: open !== undefined, shuffles: open?.shuffles ?? 0 })}\n`);
    else if (open === undefined) process.stdout.write(`job ${job} had ended already\n`);
    else process.stdout.write(`job ${job} (${open.name}) is cancelled, ${open.shuffles} shuffles are released\n`);
    return 0;
  },
};
