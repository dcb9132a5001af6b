import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ManagerConfig } from '#manager/config.ts';
import { type RunningManager, startManager } from '#manager/main.ts';
import { systemRandom } from '#manager/process/clock.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { readSecret } from '#manager/process/secret.ts';
import { mint128, protocolVersion } from '#manager/protocol/ids.ts';
import { connect } from '#runtime/cli/cluster.ts';
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
  const client = await connect({});
  const [executor, incarnation] = [mint128(systemRandom), mint128(systemRandom)];
  await client.registerExecutor({ executor, incarnation, host: 'here', pid: 42, slots: 3, protocol: protocolVersion });
  await client.openJob({ name: 'a-job', url: 'http://127.0.0.1:1', slots: 2 });
  await client.close();
});
after(async () => {
  await manager.close();
  rmSync(folder, { recursive: true });
});

test('status shows members and jobs of the only cluster there is', async () => {
  const { code, stdout, stderr } = await sluice('status');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.match(stdout, new RegExp(`^cluster ${manager.cluster}, term ${manager.term}\n`));
  assert.match(stdout, /executor +[0-9a-f]{8} +here +42 +2 of 3 slots/);
  assert.match(stdout, /a-job/);
});

test('status --json is one object', async () => {
  const { code, stdout } = await sluice('status', '--json', '--cluster', manager.url);
  assert.equal(code, 0);
  const status = JSON.parse(stdout) as { cluster: string; executors: readonly { slots: number }[]; jobs: readonly { name: string }[] };
  assert.equal(status.cluster, manager.cluster);
  assert.equal(status.executors[0]?.slots, 3);
  assert.equal(status.jobs[0]?.name, 'a-job');
});

test('a wrong token is refused with what to do', async () => {
  process.env['SLUICE_TOKEN'] = 'v1.cluster.0.9999999999.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
  try {
    const { code, stderr } = await sluice('status', '--cluster', manager.url);
    assert.equal(code, 1);
    assert.match(stderr, /error UNAUTHORIZED: .*--token-file/);
  } finally {
    delete process.env['SLUICE_TOKEN'];
  }
});
