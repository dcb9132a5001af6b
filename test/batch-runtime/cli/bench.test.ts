import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sluice } from './captured.ts';

test('bench takes the word shuffle, and says so', async () => {
  for (const args of [[], ['disk']]) {
    const { code, stderr } = await sluice('bench', ...args);
    assert.equal(code, 2);
    assert.match(stderr, /error USAGE: .*shuffle/);
  }
});

test('its help has an example', async () => {
  const help = await sluice('bench', '--help');
  assert.equal(help.code, 0);
  assert.match(help.stdout, /Example: sluice bench shuffle/);
});
