// The manager as a process: its folder, secret, port and end.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connectManager } from '#manager/client.ts';
import { ManagerConfig } from '#manager/config.ts';
import { startManager } from '#manager/main.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { tokenSource } from '#manager/protocol/token.ts';

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-manager-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
const start = (dataDir: string, flags: object = {}) =>
  startManager(loadConfig(ManagerConfig, '', { flags: { port: 0, dataDir, logFile: join(dataDir, 'log'), ...flags } }).config, '1.2.3');

test('it makes its folder and secret, serves, and is the same cluster in the next term after a restart', async (context) => {
  const folder = join(folderOf(context), 'deep', 'data');
  const first = await start(folder);
  assert.match(first.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(first.secretFile, join(folder, 'secret'));
  assert.equal(statSync(first.secretFile).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  const secret = readFileSync(first.secretFile, 'utf8');
  const client = await connectManager({ urls: [first.url], token: tokenSource(secret, systemClock.wall), clock: systemClock, random: systemRandom });
  assert.equal(client.welcome.release, '1.2.3');
  const { job } = await client.openJob({ name: 'j', url: '', slots: 0 });
  await client.close();
  await first.close();
  await first.close();
  const second = await start(folder);
  assert.deepEqual([second.cluster, second.term], [first.cluster, first.term + 1]);
  const again = await connectManager({ urls: [second.url], token: tokenSource(secret, systemClock.wall), clock: systemClock, random: systemRandom });
  assert.deepEqual(
    (await again.status({})).jobs.map((one) => one.job),
    [job],
  );
  await again.close();
  await second.close();
  assert.equal(readFileSync(second.secretFile, 'utf8'), secret);
  const log = readFileSync(join(folder, 'log'), 'utf8');
  assert.match(log, /manager serves/);
  assert.ok(!log.includes(secret.trim()));
});

test('off loopback it listens only with a secret that is named', async (context) => {
  const folder = folderOf(context);
  await assert.rejects(start(folder, { host: '0.0.0.0' }), { code: 'BIND_REFUSED', facts: { host: '0.0.0.0' } });
  assert.deepEqual(readdirSync(folder), [], 'and has made nothing');
  writeFileSync(join(folder, 'key'), 'a secret of the tests');
  const manager = await start(folder, { host: '0.0.0.0', secretFile: join(folder, 'key') });
  assert.equal(manager.secretFile, join(folder, 'key'));
  await manager.close();
});

test('a port in use is said by its number; a host that is none is a fault of the configuration', async (context) => {
  const first = await start(folderOf(context));
  const port = Number(new URL(first.url).port);
  await assert.rejects(start(folderOf(context), { port }), { code: 'PORT_IN_USE', facts: { host: '127.0.0.1', port } });
  const named = folderOf(context);
  writeFileSync(join(named, 'key'), 'a secret of the tests');
  await assert.rejects(start(named, { host: '192.0.2.1', secretFile: join(named, 'key') }), { code: 'CONFIG_INVALID', message: /192\.0\.2\.1/ });
  await first.close();
});

test('a damaged journal and a short secret stop it, by name', async (context) => {
  const folder = folderOf(context);
  await (await start(folder)).close();
  const journal = join(folder, 'journal', readdirSync(join(folder, 'journal'))[0]!);
  const bytes = readFileSync(journal);
  bytes[30] = bytes[30]! ^ 1;
  writeFileSync(journal, bytes);
  await assert.rejects(start(folder), { code: 'JOURNAL_CORRUPT', facts: { path: readdirSync(join(folder, 'journal'))[0]!, offset: 0 } });
  writeFileSync(join(folder, 'secret'), 'short');
  await assert.rejects(start(folder), { code: 'CONFIG_INVALID', message: /secret/ });
  await assert.rejects(start(join(folder, 'secret', 'inside')), { code: 'DISK_FAILED', message: /secret/ });
});
