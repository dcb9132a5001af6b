import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRecompiled } from '../../shuffle-worker/kernel/recompiled.ts';

test('the committed kernel of hashes is what its source compiles to', () => {
  assert.ok(isRecompiled('batch-runtime/batch/hash-bytes.ts'), 'run npm run build:kernel and commit');
});
