import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(`../../../shuffle-worker/kernel/${relative}`, import.meta.url));

test('the committed kernels are what their sources compile to', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kernel-'));
  try {
    const { status, stderr } = spawnSync(process.execPath, [path('assembly/build.ts'), folder], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    for (const committed of [path('kernel-bytes.ts'), path('../../batch-runtime/batch/hash-bytes.ts')])
      assert.ok(readFileSync(join(folder, basename(committed)), 'utf8') === readFileSync(committed, 'utf8'), 'run npm run build:kernel and commit');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
