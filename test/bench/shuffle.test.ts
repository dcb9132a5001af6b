import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
async function bench(...args: readonly string[]): Promise<{ code: number | null; out: string; result: Record<string, unknown> }> {
  const child = spawn(process.execPath, [main, 'shuffle', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let out = '';
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, result: JSON.parse(out.trim().split('\n').at(-1) ?? '') as Record<string, unknown> };
}
const keys = ['MB/s', 'workerCpuPerGB', 'limitCpuPerGB', 'workerOverLimit', 'workerRssMB', 'memoryOverLimit', 'hash', 'right', 'curve'];

test('a small run is right and says everything it measured', async () => {
  const { code, out, result } = await bench('--block-bytes', '5000', '--gigabytes', '0.02', '--workers', '2', '--codec', 'zstd', '--json');
  assert.equal(code, 0);
  for (const key of keys) assert.ok(key in result, key);
  assert.deepEqual([result['right'], result['blockBytes'], result['workers']], [true, 5000, 2]);
  assert.match(String(result['hash']), /^[0-9a-f]{16}$/);
  assert.ok((result['MB/s'] as number) > 0 && (result['limitCpuPerGB'] as number) > 0);
  assert.equal(out.trim().split('\n').length, 1, '--json: nothing else on stdout');
});

test('bad usage is exit 2, and the keys are there', async () => {
  for (const args of [
    ['--block-bytes', '1'],
    ['--codec', 'gzip'],
    ['--workers', '0'],
    ['--gigabytes', '-1'],
  ]) {
    const { code, result } = await bench(...args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(result['error'], 'USAGE');
    for (const key of keys) assert.equal(result[key], null);
  }
});
