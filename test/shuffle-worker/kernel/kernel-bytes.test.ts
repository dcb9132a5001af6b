import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(`../../../shuffle-worker/kernel/${relative}`, import.meta.url));

test('the committed kernel is what its source compiles to', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kernel-'));
  try {
    const { status, stderr } = spawnSync(process.execPath, [path('assembly/build.ts'), folder], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.ok(
      readFileSync(join(folder, 'kernel-bytes.ts'), 'utf8') === readFileSync(path('kernel-bytes.ts'), 'utf8'),
      'run npm run build:kernel and commit',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
