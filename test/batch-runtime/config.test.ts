import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configKeys, loadConfig } from '#manager/process/load-config.ts';
import { ExecutorConfig, executorPrefix } from '#runtime/config.ts';

test('an executor starts without any configuration; every key has a sentence, and there are few', () => {
  const { config } = loadConfig(ExecutorConfig, executorPrefix);
  assert.deepEqual(config, {
    managerUrl: 'http://127.0.0.1:7070',
    secretFile: '',
    slots: 1,
    executors: 1,
    memoryBudgetBytes: 0,
    scratchDir: '',
    logLevel: 'info',
    logFile: '',
  });
  const keys = configKeys(ExecutorConfig, executorPrefix);
  assert.ok(keys.length <= 25);
  for (const { sentence } of keys) assert.match(sentence, /\.$/);
});

test('the environment names keys by its prefix; nonsense is refused', () => {
  const environment = { SLUICE_EXECUTOR_SLOTS: '3', SLUICE_EXECUTOR_MANAGER_URL: 'http://a:1' };
  assert.equal(loadConfig(ExecutorConfig, executorPrefix, { environment }).config.slots, 3);
  assert.throws(() => loadConfig(ExecutorConfig, executorPrefix, { flags: { slots: 0 } }), { code: 'CONFIG_INVALID', message: /slots/ });
  assert.throws(() => loadConfig(ExecutorConfig, executorPrefix, { flags: { slotz: 1 } }), { code: 'CONFIG_INVALID', message: /slotz/ });
});
