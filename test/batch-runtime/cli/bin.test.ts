import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../../batch-runtime/cli/bin.js', import.meta.url));

/** Runs the bin in a process that takes itself for another one. */
function pretending(change: string): { status: number | null; stderr: string; stdout: string } {
  const loader = `data:text/javascript,${encodeURIComponent(change)}`;
  return spawnSync(process.execPath, ['--import', loader, bin, '--version'], { encoding: 'utf8' });
}

test('on a Node that is too old it is one sentence with the remedy, and bad usage', () => {
  const { status, stderr, stdout } = pretending("Object.defineProperty(process.versions, 'node', { value: '20.11.1' });");
  assert.deepEqual({ status, stdout }, { status: 2, stdout: '' });
  assert.equal(stderr, 'error NODE_TOO_OLD: Node 20.11.1 is too old: install Node 24 or newer\n');
});

test('on a platform that is not supported too', () => {
  const { status, stderr } = pretending("Object.defineProperty(process, 'platform', { value: 'win32' });");
  assert.equal(status, 2);
  assert.match(stderr, /^error PLATFORM_UNSUPPORTED: [^\n]*win32[^\n]*\n$/);
});

test('it holds nothing that an old Node cannot read before it has said so', () => {
  const text = readFileSync(bin, 'utf8');
  assert.match(text, /^#!\/usr\/bin\/env node\n/);
  // Static imports are loaded first of all: only those that Node 20 has.
  for (const [, from] of text.matchAll(/^import .* from '(.*)';$/gm)) assert.match(from ?? '', /^node:(fs|module|url)$/);
});

test('what it compiles is kept beside the packages, so that the next process starts faster', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  try {
    // As in a stranger's project.
    const cli = join(folder, 'node_modules', 'sluice', 'dist', 'batch-runtime', 'cli');
    mkdirSync(cli, { recursive: true });
    writeFileSync(join(folder, 'node_modules', 'sluice', 'package.json'), '{ "type": "module" }');
    writeFileSync(join(cli, 'bin.js'), readFileSync(bin));
    writeFileSync(join(cli, 'main.js'), 'export const main = () => { console.log(process.env.NODE_COMPILE_CACHE); return 0; };');
    const environment = { ...process.env, NODE_V8_COVERAGE: undefined, NODE_COMPILE_CACHE: undefined };
    const said = execFileSync(process.execPath, [join(cli, 'bin.js')], { encoding: 'utf8', env: environment });
    assert.equal(said.trim().replace(/^\/private/, ''), join(folder, 'node_modules', '.cache', 'sluice'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
