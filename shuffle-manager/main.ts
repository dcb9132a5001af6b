/**
 * The manager as a process: makes clock, disk, log and server, and wires them to the core. The only file of the manager
 * that does. Called by `sluice manager`, by the cluster of a run in the run's process, and by tests and benches.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ManagerConfig } from './config.ts';
import { Manager } from './manager.ts';
import { systemClock, systemRandom } from './process/clock.ts';
import { diskError, openDisk } from './process/disk.ts';
import { openLog } from './process/log.ts';
import { isLoopback } from './process/loopback.ts';
import { makeSecret } from './process/secret.ts';
import { SluiceError } from './protocol/errors.ts';
import { createServer } from './server.ts';

export interface RunningManager {
  /** http://host:port, with the port the system picked. */
  readonly url: string;
  readonly cluster: string;
  readonly term: number;
  /** Where the cluster's secret is. */
  readonly secretFile: string;
  /** Settles with what has ended the manager; not after close. */
  readonly ended: Promise<SluiceError>;
  /** Answers what waits, writes what is pending, frees the port. Again: does nothing. */
  close(): Promise<void>;
}

/**
 * Starts a manager in this process. `release` is the program's version.
 * @throws BIND_REFUSED off loopback without a named secret file · PORT_IN_USE · JOURNAL_CORRUPT · NO_SPACE · DISK_FAILED
 */
export async function startManager(config: ManagerConfig, release: string): Promise<RunningManager> {
  if (!isLoopback(config.host) && config.secretFile === '') throw new SluiceError('BIND_REFUSED', { host: config.host });
  // Before the log, which may be in it and would let others read the folder.
  makeFolder(config.dataDir);
  const log = openLog({ name: 'manager', level: config.logLevel, ...(config.logFile === '' ? {} : { file: config.logFile }) });
  const secretFile = config.secretFile === '' ? join(config.dataDir, 'secret') : config.secretFile;
  const secret = makeSecret(secretFile, systemRandom);
  const disk = await openDisk(join(config.dataDir, 'journal'));
  const manager = await Manager.open({ clock: systemClock, random: systemRandom, disk, log }, { ...config, secret, release });
  const server = await createServer(manager, { log, release, maxRequestBytes: config.maxRequestBytes });
  let url: string;
  try {
    url = await server.listen({ host: config.host, port: config.port });
  } catch (thrown) {
    await manager.close();
    throw listenError(config, thrown);
  }
  let closing: Promise<void> | undefined;
  return {
    url,
    cluster: manager.cluster,
    term: manager.term,
    secretFile,
    ended: manager.ended,
    close: () => {
      closing ??= manager
        .close()
        .then(() => server.close())
        .then(() => log.close());
      return closing;
    },
  };
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw diskError(path, thrown);
  }
}

function listenError(config: ManagerConfig, thrown: unknown): unknown {
  const code = (thrown as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') return new SluiceError('PORT_IN_USE', { host: config.host, port: config.port }, { cause: thrown });
  if (typeof code !== 'string') return thrown;
  return new SluiceError('CONFIG_INVALID', { what: `host ${config.host}, port ${config.port}: ${(thrown as Error).message}` }, { cause: thrown });
}
