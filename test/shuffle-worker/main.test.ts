import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { type RunningManager, startManager } from '#manager/main.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { WorkerConfig, workerPrefix } from '#worker/config.ts';
import { startWorker } from '#worker/main.ts';

const isCode = (code: ErrorCode) => (thrown: unknown) => thrown instanceof SluiceError && thrown.code === code;
const folder = mkdtempSync(join(tmpdir(), 'sluice-worker-'));
const title = process.title;
let manager: RunningManager;
const configOf = (flags: object): WorkerConfig =>
  loadConfig(WorkerConfig, workerPrefix, {
    flags: { port: 0, logLevel: 'silent', managerUrl: manager.url, secretFile: manager.secretFile, dataDirs: [join(folder, 'worker')], ...flags },
  }).config;

before(async () => {
  const { config } = loadConfig(ManagerConfig, managerPrefix, { flags: { port: 0, logLevel: 'silent', dataDir: join(folder, 'manager') } });
  manager = await startManager(config, 'test');
});
after(async () => {
  await manager.close();
  process.title = title;
  rmSync(folder, { recursive: true });
});

test('it registers under the port the system picked, keeps its id over a restart, and frees everything when it closes', async () => {
  const first = await startWorker(configOf({}), '', 'test');
  assert.equal(process.title, 'sluice-worker');
  const health = (await (await fetch(`${first.url}/health`, { headers: { connection: 'close' } })).json()) as { cluster: string };
  assert.equal(health.cluster, manager.cluster);
  await Promise.all([first.close(), first.close()]);
  assert.equal(await first.ended, null);
  await assert.rejects(fetch(`${first.url}/health`));
  const second = await startWorker(configOf({}), '', 'test');
  assert.equal(second.id, first.id);
  assert.notEqual(second.incarnation, first.incarnation);
  await second.close();
  assert.deepEqual(readdirSync(join(folder, 'worker')), ['identity.json']);
});

test('the secret itself may come in place of a file; a token will not do', async () => {
  const secret = readFileSync(manager.secretFile, 'utf8');
  const worker = await startWorker(configOf({ secretFile: '', dataDirs: [join(folder, 'other')] }), secret, 'test');
  await worker.close();
  await assert.rejects(startWorker(configOf({ secretFile: '' }), '', 'test'), isCode('CONFIG_INVALID'));
  await assert.rejects(startWorker(configOf({ secretFile: '' }), 'v1.cluster.0.1.x', 'test'), isCode('CONFIG_INVALID'));
});

test('off loopback it needs a secret that was given by name', async () => {
  await assert.rejects(startWorker(configOf({ host: '0.0.0.0', secretFile: '' }), 'a long enough secret', 'test'), isCode('BIND_REFUSED'));
});

test('a wrong secret, a port in use, an address that is none', async () => {
  await assert.rejects(startWorker(configOf({ secretFile: '' }), 'not the right secret', 'test'), isCode('UNAUTHORIZED'));
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  await assert.rejects(
    startWorker(configOf({ port }), '', 'test'),
    (thrown: SluiceError) => thrown.code === 'PORT_IN_USE' && thrown.facts['port'] === port,
  );
  await new Promise((resolve) => taken.close(resolve));
  await assert.rejects(startWorker(configOf({ host: '192.0.2.1' }), '', 'test'), isCode('CONFIG_INVALID'));
});
