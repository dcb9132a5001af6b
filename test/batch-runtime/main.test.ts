import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectManager } from '#manager/client.ts';
import { ManagerConfig } from '#manager/config.ts';
import { startManager } from '#manager/main.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { readSecret } from '#manager/process/secret.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { ExecutorConfig } from '#runtime/config.ts';
import { startExecutorProcess } from '#runtime/main.ts';

test('executors of a process are at the manager from its start to its close', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const { config } = loadConfig(ManagerConfig, 'SLUICE_TEST', { flags: { port: 0, dataDir: folder, logLevel: 'silent' } });
  const manager = await startManager(config, '0.0.0');
  const configOf = (flags: object) =>
    loadConfig(ExecutorConfig, 'SLUICE_TEST', { flags: { managerUrl: manager.url, logLevel: 'silent', ...flags } }).config;
  const token = tokenSource(readSecret(manager.secretFile), Date.now);
  const client = await connectManager({ urls: [manager.url], token, clock: systemClock, random: systemRandom });
  try {
    const executor = await startExecutorProcess(configOf({ secretFile: manager.secretFile, slots: 2, executors: 2 }), '');
    assert.deepEqual(
      (await client.status({})).executors.map(({ slots, pid }) => ({ slots, pid })),
      [
        { slots: 2, pid: process.pid },
        { slots: 2, pid: process.pid },
      ],
    );
    await executor.close();
    await executor.close();
    assert.deepEqual((await client.status({})).executors, []);
    await assert.rejects(startExecutorProcess(configOf({}), 'a token of nobody, long enough'), { code: 'UNAUTHORIZED' });
  } finally {
    await client.close();
    await manager.close();
    rmSync(folder, { recursive: true });
  }
});
