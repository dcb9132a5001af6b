import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ManagerConfig } from '#manager/config.ts';
import { type RunningManager, startManager } from '#manager/main.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { connect } from '#runtime/cli/cluster.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
let manager: RunningManager;
before(async () => {
  delete process.env['SLUICE_TOKEN'];
  const { config } = loadConfig(ManagerConfig, 'SLUICE_TEST', { flags: { port: 0, dataDir: folder, logLevel: 'silent' } });
  manager = await startManager(config, '0.0.0');
});
after(async () => {
  await manager.close();
  rmSync(folder, { recursive: true });
});

test('the flags say which cluster and with which secret; what the scope leaves behind is closed', async () => {
  const flags = { cluster: manager.url, 'token-file': manager.secretFile };
  let kept: Awaited<ReturnType<typeof connect>>;
  {
    await using client = await connect(flags);
    assert.equal((await client.status({})).cluster, manager.cluster);
    kept = client;
  }
  await assert.rejects(kept.status({}), { code: 'CONNECTION_LOST' });
});

test('a wrong secret is refused by the first call', async () => {
  const wrong = join(folder, 'wrong');
  writeFileSync(wrong, 'f'.repeat(64));
  await using client = await connect({ cluster: manager.url, 'token-file': wrong });
  await assert.rejects(client.status({}), { code: 'UNAUTHORIZED' });
});
