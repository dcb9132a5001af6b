/** A manager of this process that the verbs find by the credential it leaves, and a worker that is one only in name. */
import { join } from 'node:path';
import { connectManager } from '#manager/client.ts';
import { ManagerConfig } from '#manager/config.ts';
import { startManager } from '#manager/main.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { readSecret } from '#manager/process/secret.ts';
import type { ManagerCalls, Request, ShuffleSpec } from '#manager/protocol/control.ts';
import { mint128, protocolVersion } from '#manager/protocol/ids.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { leaveCredential } from '#runtime/cli/credentials.ts';

export interface Home {
  readonly url: string;
  readonly secretFile: string;
  readonly calls: ManagerCalls;
  readonly worker: string;
  readonly spec: ShuffleSpec;
  /** The worker says what it stores, and which load it has. */
  report(stored: NonNullable<Request<'orders'>['stored']>, load?: Record<string, number>): Promise<void>;
  close(): Promise<void>;
}

export async function openHome(folder: string, flags: object): Promise<Home> {
  process.env['XDG_STATE_HOME'] = folder;
  delete process.env['SLUICE_TOKEN'];
  const { config } = loadConfig(ManagerConfig, 'SLUICE_TEST', { flags: { port: 0, dataDir: join(folder, 'manager'), logLevel: 'silent', ...flags } });
  const manager = await startManager(config, '0.0.0');
  const secret = readSecret(manager.secretFile);
  leaveCredential({ url: manager.url, secret });
  const calls = await connectManager({ urls: [manager.url], token: tokenSource(secret, Date.now), clock: systemClock, random: systemRandom });
  const [worker, incarnation] = [mint128(systemRandom), mint128(systemRandom)];
  await calls.registerWorker({ worker, incarnation, host: '127.0.0.1', port: 7999, hostLabel: 'here', pid: 43, protocol: protocolVersion });
  return {
    url: manager.url,
    secretFile: manager.secretFile,
    calls,
    worker,
    spec: { maps: 1, partitions: 1, order: 0, level: 'received', deterministic: true, replicas: 1, bytesHint: 0, schema: '' },
    async report(stored, load = {}) {
      await calls.orders({ id: worker, incarnation, after: 0, load, stored, leaving: false, waitMs: 0 });
    },
    async close() {
      await calls.close();
      await manager.close();
    },
  };
}
