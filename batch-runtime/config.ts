/**
 * The executor's configuration: one schema, which is type, check, defaults, `--explain-config` and a table of docs/CONFIG.md.
 * What a job needs to know comes with its lease, not from here.
 */
import { type Static, Type } from 'typebox';

export const executorPrefix = 'SLUICE_EXECUTOR';

export const ExecutorConfig = Type.Object(
  {
    managerUrl: Type.String({ default: 'http://127.0.0.1:7070', description: 'Where the manager listens; several URLs are separated by commas.' }),
    secretFile: Type.String({
      default: '',
      description: 'File with the cluster secret, as the manager made it; empty: SLUICE_TOKEN from the environment, a cluster token.',
    }),
    slots: Type.Integer({
      default: 1,
      minimum: 1,
      maximum: 64,
      description: 'Tasks at once of each executor. A job runs in one thread of it, so more cores are better used by more executors.',
    }),
    executors: Type.Integer({
      default: 1,
      minimum: 1,
      maximum: 64,
      description: 'Executors in this process, a thread each: they take the memory of one process less than as many processes, and end together.',
    }),
    memoryBudgetBytes: Type.Integer({
      default: 0,
      minimum: 0,
      description:
        "Memory of all tasks here together for rows, groups and buffers; what is beyond it goes to files. 0: what the container leaves, else a quarter of the machine's.",
    }),
    scratchDir: Type.String({
      default: '',
      description: "Folder for those files, which have no names and go with their task; empty: the system's folder for temporary files.",
    }),
    logLevel: Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error'), Type.Literal('silent')], {
      default: 'info',
      description: 'Least severe line that is logged, as JSON, to stderr.',
    }),
    logFile: Type.String({ default: '', description: 'File to append the log to; empty: stderr.' }),
  },
  { additionalProperties: false },
);
export type ExecutorConfig = Static<typeof ExecutorConfig>;
