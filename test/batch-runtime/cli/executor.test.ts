import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configKeys } from '#manager/process/load-config.ts';
import { ExecutorConfig, executorPrefix } from '#runtime/config.ts';
import { sluice } from './captured.ts';

test('every key of an executor is a flag and is explained', async () => {
  const { code, stdout } = await sluice('executor', '--explain-config', '--slots', '4');
  assert.equal(code, 0);
  const keys = configKeys(ExecutorConfig, executorPrefix).map(({ key }) => key);
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
    keys,
  );
  assert.match(stdout, /^slots +4 +--slots/m);
});

test('an executor that finds no manager says where it looked', { timeout: 60_000 }, async () => {
  const { code, stderr } = await sluice('executor', '--manager-url', 'http://127.0.0.1:1', '--log-level', 'silent');
  assert.equal(code, 1);
  assert.match(stderr, /^error CLUSTER_UNREACHABLE: .*127\.0\.0\.1:1/);
});
