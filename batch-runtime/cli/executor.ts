/** `sluice executor`: one executor, the way production starts it. */
import { ExecutorConfig, executorPrefix } from '../config.ts';
import { warmThreads } from '../execute/threads.ts';
import { startExecutorProcess } from '../main.ts';
import { runProcess } from './process.ts';
import type { Verb } from './verb.ts';

export const verb: Verb = {
  help: `Usage: sluice executor [--config FILE] [--KEY VALUE]... [--explain-config]

Starts one executor, which takes tasks of jobs. FILE is JSON; keys may also come as flags (--manager-url http://host:7070) or from
the environment (SLUICE_EXECUTOR_MANAGER_URL). --explain-config prints every key, its value, where it came from and what it is for.

Example: sluice executor --manager-url http://127.0.0.1:7070 --secret-file /var/lib/sluice/manager/secret
`,
  run: (args) =>
    runProcess({
      schema: ExecutorConfig,
      prefix: executorPrefix,
      args,
      warm: (flags) => warmThreads(Number(flags['executors'] ?? 1)),
      async start(config) {
        const executor = await startExecutorProcess(config, process.env['SLUICE_TOKEN'] ?? '');
        return { says: { ready: true }, close: () => executor.close() };
      },
    }),
};
