import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { configKeys } from '#manager/process/load-config.ts';
import { sluice } from './captured.ts';

test('every key of a manager is a flag and is explained', async () => {
  const { code, stdout } = await sluice('manager', '--explain-config', '--port', '7171');
  assert.equal(code, 0);
  const keys = configKeys(ManagerConfig, managerPrefix).map(({ key }) => key);
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
    keys,
  );
  assert.match(stdout, /^port +7171 +--port/m);
});

test('off loopback a manager wants a secret that was given by name', async () => {
  const { code, stdout, stderr } = await sluice('manager', '--host', '0.0.0.0', '--port', '0', '--data-dir', '/nonexistent/sluice');
  assert.equal(code, 1);
  assert.match(stderr, /^error BIND_REFUSED: .*0\.0\.0\.0/);
  assert.match(stdout, /^\{"error":\{"code":"BIND_REFUSED"/);
});
