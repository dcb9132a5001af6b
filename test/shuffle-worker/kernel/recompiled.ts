/** Whether what is committed of the kernels in WebAssembly is what their sources compile to. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));

export function isRecompiled(committed: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'kernel-'));
  try {
    const { status, stderr } = spawnSync(process.execPath, [path('shuffle-worker/kernel/assembly/build.ts'), folder], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return readFileSync(join(folder, basename(committed)), 'utf8') === readFileSync(path(committed), 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
