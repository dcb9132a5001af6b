import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { sibling } from '#runtime/execute/sibling.ts';

test('a sibling has the ending of the file that asks: .ts in a clone, .js in the tarball', () => {
  assert.equal(sibling('file:///a/b/executor.ts', './thread').href, 'file:///a/b/thread.ts');
  assert.equal(sibling('file:///a/b/executor.js', './thread').href, 'file:///a/b/thread.js');
  assert.ok(existsSync(sibling(new URL('../../../batch-runtime/execute/executor.ts', import.meta.url).href, './thread')));
});
