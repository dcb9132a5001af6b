/**
 * The worker's configuration: one schema, which is type, check, defaults, `--explain-config` and a table of docs/CONFIG.md.
 * Loaded by process/load-config.ts with the prefix below; what must agree in a cluster it is told by the manager.
 */
import { type Static, Type } from 'typebox';
import { GiB, MiB } from '#manager/protocol/ids.ts';

export const workerPrefix = 'SLUICE_WORKER';

export const WorkerConfig = Type.Object(
  {
    managerUrl: Type.String({ default: 'http://127.0.0.1:7070', description: 'Where the manager listens; several URLs are separated by commas.' }),
    host: Type.String({
      default: '127.0.0.1',
      minLength: 1,
      description: 'Address to listen on; one that is not loopback needs secretFile as well.',
    }),
    port: Type.Integer({
      default: 7071,
      minimum: 0,
      maximum: 65535,
      description: 'Port to listen on; 0 lets the system pick one. Shards take the next ones.',
    }),
    advertisedHost: Type.String({ default: '', description: 'Address under which writers and readers reach this worker; empty: host.' }),
    hostLabel: Type.String({
      default: '',
      description: 'Name of the machine, for placement; workers with the same one fail together. Empty: its host name.',
    }),
    secretFile: Type.String({
      default: '',
      description: 'File with the cluster secret, as the manager made it; empty: the secret itself in SLUICE_TOKEN.',
    }),
    dataDirs: Type.Array(Type.String({ minLength: 1 }), {
      default: ['sluice-data/worker'],
      minItems: 1,
      description: 'Folders for blocks, one per disk; what an earlier start left there is served again.',
    }),
    shards: Type.Integer({
      default: 1,
      minimum: 1,
      maximum: 64,
      description: 'Worker processes on this host, each with a port, an arena and folders of its own.',
    }),
    arenaBytes: Type.Integer({
      default: 128 * MiB,
      minimum: 3 * MiB,
      maximum: 2 * GiB,
      description:
        'Memory for blocks between their arrival and their flush; half as much again goes to indexes and buffers, as used. An eighth of it is the largest block, and writers aim at 256 KiB.',
    }),
    segmentBytes: Type.Integer({
      default: 256 * MiB,
      minimum: MiB,
      maximum: GiB,
      description: 'Length of a segment file. Folders that were used with another one are emptied.',
    }),
    diskBytes: Type.Integer({ default: 0, minimum: 0, description: 'What all segments together may take; 0: what the file systems have.' }),
    drainTimeoutMs: Type.Integer({
      default: 60000,
      minimum: 0,
      maximum: 86400000,
      description:
        'How long a worker that is told to end by SIGTERM serves what it holds and lets attempts go on that have begun; it ends sooner when it holds nothing any more. 0: at once.',
    }),
    logLevel: Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error'), Type.Literal('silent')], {
      default: 'info',
      description: 'Least severe line that is logged, as JSON, to stderr.',
    }),
    logFile: Type.String({ default: '', description: 'File to append the log to; empty: stderr.' }),
  },
  { additionalProperties: false },
);
export type WorkerConfig = Static<typeof WorkerConfig>;
