import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configKeys, loadConfig } from '#manager/process/load-config.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { WorkerConfig, workerPrefix } from '#worker/config.ts';

test('every key has a default, a sentence and a name in the environment; there are at most 25', () => {
  const keys = configKeys(WorkerConfig, workerPrefix);
  assert.ok(keys.length <= 25);
  for (const { key, variable, sentence } of keys) {
    assert.match(variable, /^SLUICE_WORKER_[A-Z_]+$/);
    assert.match(sentence, /\.$/, key);
  }
});

test('folders come as a list, also from the environment', () => {
  const { config } = loadConfig(WorkerConfig, workerPrefix, { environment: { SLUICE_WORKER_DATA_DIRS: '/a,/b', SLUICE_WORKER_SHARDS: '2' } });
  assert.deepEqual([config.dataDirs, config.shards, config.host], [['/a', '/b'], 2, '127.0.0.1']);
});

test('values out of range are refused', () => {
  for (const flags of [{ arenaBytes: 1 }, { segmentBytes: 2 ** 40 }, { dataDirs: [] }, { shards: 0 }, { port: 70_000 }]) {
    assert.throws(
      () => loadConfig(WorkerConfig, workerPrefix, { flags }),
      (thrown) => thrown instanceof SluiceError && thrown.code === 'CONFIG_INVALID',
    );
  }
});
