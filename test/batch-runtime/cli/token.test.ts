import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connectManager } from '#manager/client.ts';
import { ManagerConfig } from '#manager/config.ts';
import { type RunningManager, startManager } from '#manager/main.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { readSecret } from '#manager/process/secret.ts';
import { verifyToken } from '#manager/protocol/token.ts';
import { leaveCredential } from '#runtime/cli/credentials.ts';
import { sluice } from './captured.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
let manager: RunningManager;
before(async () => {
  process.env['XDG_STATE_HOME'] = folder;
  delete process.env['SLUICE_TOKEN'];
  const { config } = loadConfig(ManagerConfig, 'SLUICE_TEST', { flags: { port: 0, dataDir: folder, logLevel: 'silent' } });
  manager = await startManager(config, '0.0.0');
  leaveCredential({ url: manager.url, secret: readSecret(manager.secretFile) });
});
after(async () => {
  await manager.close();
  rmSync(folder, { recursive: true });
});

test('a token is good for one new job, for as long as was asked', async () => {
  const { code, stdout, stderr } = await sluice('token', '--cluster', manager.url, '--expires', '2h');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const token = stdout.trim();
  const key = { secret: readSecret(manager.secretFile), cluster: manager.cluster };
  const grant = verifyToken(key, token, Date.now());
  assert.equal(grant.scope, 'job');
  verifyToken(key, token, Date.now() + 7_100_000);
  assert.throws(() => verifyToken(key, token, Date.now() + 7_300_000), { code: 'UNAUTHORIZED' });
  const client = await connectManager({ urls: [manager.url], token: () => token, clock: systemClock, random: systemRandom });
  await assert.rejects(client.status({}), { code: 'UNAUTHORIZED' });
  const spec = { maps: 1, partitions: 1, order: 0, level: 'received', deterministic: true, replicas: 1, bytesHint: 0, schema: '' } as const;
  const other = grant.scope === 'job' ? grant.job + 1 : 0;
  await assert.rejects(client.openShuffle({ job: other, name: 'a', spec }), { code: 'UNAUTHORIZED' });
  await client.close();
});

test('an expiry that is no duration is bad usage', async () => {
  for (const bad of ['24', 'soon', '-1h', '1.5h']) {
    const { code, stdout, stderr } = await sluice('token', `--expires=${bad}`);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /--expires takes a duration/);
  }
});
