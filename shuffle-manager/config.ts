/**
 * The manager's configuration: one schema, which is type, check, defaults, `--explain-config` and a table of docs/CONFIG.md.
 * Loaded by process/load-config.ts with the prefix below; what workers and clients must agree on they are told when they register.
 */
import { type Static, Type } from 'typebox';

export const managerPrefix = 'SLUICE_MANAGER';

export const ManagerConfig = Type.Object(
  {
    host: Type.String({
      default: '127.0.0.1',
      minLength: 1,
      description: 'Address to listen on; one that is not loopback needs secretFile as well.',
    }),
    port: Type.Integer({ default: 7070, minimum: 0, maximum: 65535, description: 'Port to listen on; 0 lets the system pick one.' }),
    dataDir: Type.String({ default: 'sluice-data/manager', minLength: 1, description: 'Folder of the journal; a lost one is another cluster.' }),
    secretFile: Type.String({
      default: '',
      description:
        'File with the cluster secret, which workers and executors need too; empty: `secret` in dataDir. Made at the first start. Of several lines the first makes tokens, and each is good.',
    }),
    leaseMs: Type.Integer({
      default: 10000,
      minimum: 100,
      maximum: 600000,
      description: 'Silence after which a worker, an executor or a job counts as gone; a closed connection tells sooner.',
    }),
    resumeMs: Type.Integer({
      default: 600000,
      minimum: 0,
      maximum: 7 * 86_400_000,
      description:
        'How long a job outlives its coordinator, so that `sluice run --resume` can take it over; its shuffles stay so long, its slots go to others.',
    }),
    workerWaitMs: Type.Integer({
      default: 5000,
      minimum: 0,
      maximum: 600000,
      description: 'How long opening a shuffle waits for a first worker before it fails with NO_WORKERS.',
    }),
    jobQuotaBytes: Type.Integer({
      default: 0,
      minimum: 0,
      description: 'What one job may store over all workers before new shuffles and streams of it are refused with QUOTA_EXCEEDED; 0: no limit.',
    }),
    maxRequestBytes: Type.Integer({
      default: 64 * 1024 * 1024,
      minimum: 65536,
      description: 'Longest request body; what a restarted worker announces is the largest, about 120 bytes per manifest.',
    }),
    logLevel: Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error'), Type.Literal('silent')], {
      default: 'info',
      description: 'Least severe line that is logged, as JSON, to stderr.',
    }),
    logFile: Type.String({ default: '', description: 'File to append the log to; empty: stderr.' }),
  },
  { additionalProperties: false },
);
export type ManagerConfig = Static<typeof ManagerConfig>;
