import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import { calls, levels, ShuffleSpec } from '#manager/protocol/control.ts';
import { specOf } from '../world.ts';

test('every call has its own path, and a job call says which job', () => {
  const rows = Object.values(calls);
  assert.equal(new Set(rows.map((row) => row.path)).size, rows.length);
  for (const row of rows) {
    assert.match(row.path, /^\/v1\/(cluster|workers|jobs|shuffles)\/[a-z]+$/);
    const keys = Object.keys(row.request.properties);
    if (row.scope === 'job') assert.ok(keys.includes('job') || keys.includes('shuffle'), row.path);
  }
});

test('requests are closed: a misspelt key is refused', () => {
  for (const row of Object.values(calls)) assert.equal(Compile(row.request).Check({ surprise: 1 }), false, row.path);
  assert.ok(Compile(ShuffleSpec).Check(specOf()));
  assert.ok(!Compile(ShuffleSpec).Check({ ...specOf(), maps: 2 ** 32 }));
  assert.ok(!Compile(ShuffleSpec).Check({ ...specOf(), level: 'soon' }));
  assert.deepEqual(levels, ['received', 'written', 'durable']);
});
