import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRecompiled } from './recompiled.ts';

test('the committed kernel is what its source compiles to', () => {
  assert.ok(isRecompiled('shuffle-worker/kernel/kernel-bytes.ts'), 'run npm run build:kernel and commit');
});
