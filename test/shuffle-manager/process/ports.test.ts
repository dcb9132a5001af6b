import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silent } from '#manager/process/ports.ts';

test('the silent log takes every line and says nothing', () => {
  assert.equal(silent.info({ a: 1 }, 'text'), undefined);
  assert.equal(silent.warn({}, 'text'), undefined);
  assert.equal(silent.error({}, 'text'), undefined);
});
