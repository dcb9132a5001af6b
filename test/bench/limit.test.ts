import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitOf, memoryLimitOf } from '../../bench/limit.ts';

test('the limit is what has to be done with every byte; from memory without the file', () => {
  const limit = { receive: 1, copy: 2, hash: 4, write: 8, read: 16, send: 32 };
  assert.equal(limitOf(limit), 63);
  assert.equal(memoryLimitOf(limit), 39);
});
