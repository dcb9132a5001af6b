import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { configKeys, loadConfig } from '#manager/process/load-config.ts';

test('the defaults are a manager on loopback that logs what matters', () => {
  const { config } = loadConfig(ManagerConfig, managerPrefix);
  assert.deepEqual(config, {
    host: '127.0.0.1',
    port: 7070,
    dataDir: 'sluice-data/manager',
    secretFile: '',
    leaseMs: 10_000,
    resumeMs: 600000,
    workerWaitMs: 5000,
    jobQuotaBytes: 0,
    maxRequestBytes: 64 * 1024 * 1024,
    logLevel: 'info',
    logFile: '',
  });
});

test('keys come from the environment under their names, and what is out of range is refused', () => {
  const { config } = loadConfig(ManagerConfig, managerPrefix, { environment: { SLUICE_MANAGER_PORT: '0', SLUICE_MANAGER_DATA_DIR: '/d' } });
  assert.deepEqual([config.port, config.dataDir], [0, '/d']);
  for (const flags of [
    { port: 65_536 },
    { port: -1 },
    { leaseMs: 99 },
    { dataDir: '' },
    { host: '' },
    { logLevel: 'loud' },
    { maxRequestBytes: 1 },
    { portt: 1 },
  ]) {
    assert.throws(() => loadConfig(ManagerConfig, managerPrefix, { flags }), {
      code: 'CONFIG_INVALID',
      message: new RegExp(Object.keys(flags)[0]!, 'i'),
    });
  }
});

test('there are at most 25 keys, each with a sentence', () => {
  const keys = configKeys(ManagerConfig, managerPrefix);
  assert.ok(keys.length <= 25);
  for (const key of keys) assert.match(key.sentence, /^[A-Z].*\.$/, key.key);
});
