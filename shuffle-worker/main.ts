/**
 * The worker as a process: makes clock, disks, log, the manager's client and the server, and wires them to the core. The
 * only file of the worker that does. Called by `sluice worker`, by the embedded cluster in a process of its own, and by tests.
 */
import { hostname } from 'node:os';
import { connectManager } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { openDisk } from '#manager/process/disk.ts';
import { openLog } from '#manager/process/log.ts';
import { isLoopback } from '#manager/process/loopback.ts';
import { readSecret } from '#manager/process/secret.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import type { WorkerConfig } from './config.ts';
import { createServer } from './server.ts';
import { Worker } from './worker.ts';

export interface RunningWorker {
  /** http://host:port, with the port the system picked. */
  readonly url: string;
  readonly id: string;
  readonly incarnation: string;
  /** Settles when the worker is over: null after close, else what has ended it. */
  readonly ended: Promise<SluiceError | null>;
  /** Takes nothing new, and settles when nothing here is needed any more, at the latest after drainTimeoutMs. Then close it. */
  drained(): Promise<void>;
  /** Says goodbye, writes out what is in memory, frees the port. Again: does nothing. */
  close(): Promise<void>;
}

/**
 * Starts a worker in this process and registers it. `token`: the cluster's secret, used when the configuration names no file.
 * @throws BIND_REFUSED off loopback without a named secret file · CONFIG_INVALID · PORT_IN_USE · CLUSTER_UNREACHABLE · UNAUTHORIZED ·
 * VERSION_UNSUPPORTED, also when the manager is of another release than `release` speaks · WORKER_REFUSED · NO_SPACE · DISK_FAILED
 */
export async function startWorker(config: WorkerConfig, token: string, release: string): Promise<RunningWorker> {
  process.title = 'sluice-worker';
  if (!isLoopback(config.host) && config.secretFile === '') throw new SluiceError('BIND_REFUSED', { host: config.host });
  const secret = config.secretFile === '' ? token.trim() : readSecret(config.secretFile);
  if (secret === '' || secret.startsWith('v1.')) {
    throw new SluiceError('CONFIG_INVALID', { what: 'a worker checks tokens and needs the secret itself: set secretFile' });
  }
  const log = openLog({ name: 'worker', level: config.logLevel, ...(config.logFile === '' ? {} : { file: config.logFile }) });
  const disks = await Promise.all(config.dataDirs.map(openDisk));
  const manager = await connectManager({
    urls: config.managerUrl.split(','),
    token: tokenSource(secret, () => systemClock.wall()),
    clock: systemClock,
    random: systemRandom,
  });
  let worker: Worker | null = null;
  const server = createServer(() => worker);
  try {
    const url = await server.listen({ host: config.host, port: config.port }).catch((thrown: unknown) => {
      throw listenError(config, thrown);
    });
    const running = await Worker.open({
      clock: systemClock,
      random: systemRandom,
      log,
      manager,
      disks,
      secret,
      host: config.advertisedHost === '' ? config.host : config.advertisedHost,
      port: Number(new URL(url).port),
      hostLabel: config.hostLabel === '' ? hostname() : config.hostLabel,
      pid: process.pid,
      arenaBytes: config.arenaBytes,
      segmentBytes: config.segmentBytes,
      diskBytes: config.diskBytes,
      drainTimeoutMs: config.drainTimeoutMs,
    });
    worker = running;
    log.info({ url, worker: running.id, incarnation: running.incarnation, cluster: running.cluster, release }, 'worker serves');
    let closing: Promise<void> | undefined;
    return {
      url,
      id: running.id,
      incarnation: running.incarnation,
      ended: running.ended,
      drained: () => running.drained(),
      close() {
        closing ??= running
          .close()
          .then(() => server.close())
          .then(() => manager.close());
        return closing;
      },
    };
  } catch (thrown) {
    await server.close();
    await manager.close();
    throw thrown;
  }
}

function listenError(config: WorkerConfig, thrown: unknown): unknown {
  const code = (thrown as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') return new SluiceError('PORT_IN_USE', { host: config.host, port: config.port }, { cause: thrown });
  if (typeof code !== 'string') return thrown;
  return new SluiceError('CONFIG_INVALID', { what: `host ${config.host}, port ${config.port}: ${(thrown as Error).message}` }, { cause: thrown });
}
