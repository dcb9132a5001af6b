/** `sluice up`: a cluster on this machine, each member a process, until Ctrl-C. It says who died and does not restart them. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { startEmbedded } from '../embedded.ts';
import { leaveCredential, removeCredential } from './credentials.ts';
import { aborted, bytes, count, interruption, readArgs, type Verb } from './verb.ts';

export const verb: Verb = {
  help: `Usage: sluice up [--workers N] [--executors N] [--memory-budget S] [--port N] [--data DIR]

Starts a manager, shuffle workers and executors on this machine and keeps them until Ctrl-C. Its URL goes to --cluster of other
verbs; clients of the same user need no token. Without --data everything lives in a temporary folder that is removed.

  --workers N     shuffle workers (2; 0 is possible)
  --executors N   executors (one per core)
  --memory-budget S  of each executor, as 512MiB; rows beyond it go to files (half of the machine's memory, shared)
  --port N        port of the manager (0: any)
  --data DIR      keep journal, blocks and logs there

Example: sluice up --workers 2 --executors 2
`,
  async run(args) {
    const { values } = readArgs(args, {
      workers: { type: 'string' },
      executors: { type: 'string' },
      'memory-budget': { type: 'string' },
      port: { type: 'string' },
      data: { type: 'string' },
    });
    const workers = count('workers', values.workers, 0) ?? 2;
    const executors = count('executors', values.executors, 0) ?? availableParallelism();
    const signal = interruption();
    const died = (name: string, how: string): void => {
      process.stderr.write(`${name} has died (${how}); it is started again\n`);
    };
    const dataDir = values.data === undefined ? null : resolve(values.data);
    const memoryBudgetBytes = bytes('memory-budget', values['memory-budget']);
    const cluster = await startEmbedded({
      workers,
      executors,
      dataDir,
      port: count('port', values.port, 0) ?? 0,
      restart: true,
      died,
      ...(memoryBudgetBytes === undefined ? {} : { memoryBudgetBytes }),
    });
    try {
      leaveCredential({ url: cluster.url, secret: cluster.secret });
      process.stdout.write(`${cluster.url}\n`);
      for (const { name, pid } of cluster.pids) process.stdout.write(`${name} pid ${pid}\n`);
      process.stdout.write(`logs ${cluster.folder}/logs\nCtrl-C stops it\n`);
      await aborted(signal);
    } finally {
      removeCredential(cluster.url);
      await cluster.close(false);
    }
    return 0;
  },
};
