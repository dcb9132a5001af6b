import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback } from '#manager/process/loopback.ts';

test('only this machine reaches a loopback address; a name that may be anything is not one', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1']) assert.equal(isLoopback(host), true, host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.example.org', '']) assert.equal(isLoopback(host), false, host);
});
