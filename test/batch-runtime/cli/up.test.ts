import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../../batch-runtime/cli/bin.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
after(() => rmSync(folder, { recursive: true }));
const environment = { ...process.env, XDG_STATE_HOME: folder, TMPDIR: folder, SLUICE_TOKEN: '' };

/** Lines of a stream as they come. */
function linesOf(child: ChildProcess, stream: 'stdout' | 'stderr') {
  const lines = createInterface({ input: child[stream]! })[Symbol.asyncIterator]();
  return async (wanted: RegExp): Promise<string> => {
    for (;;) {
      const { value, done } = await lines.next();
      assert.ok(done !== true, `no line ${wanted}`);
      if (wanted.test(value)) return value;
    }
  };
}

test('a cluster until Ctrl-C: the URL first, found by clients of the same user, who died, and nothing left', { timeout: 90_000 }, async () => {
  const up = spawn(process.execPath, [bin, 'up', '--workers', '0', '--executors', '1'], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = [linesOf(up, 'stdout'), linesOf(up, 'stderr')];
  const url = await stdout(/./);
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const executor = Number(/pid (\d+)/.exec(await stdout(/^executor-1 pid/))?.[1]);
  await stdout(/Ctrl-C/);
  const credential = join(folder, 'sluice', `127.0.0.1-${new URL(url).port}.json`);
  assert.equal(statSync(credential).mode & 0o777, 0o600);
  assert.equal((JSON.parse(readFileSync(credential, 'utf8')) as { url: string }).url, url);
  const status = spawn(process.execPath, [bin, 'status', '--cluster', url], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  await linesOf(status, 'stdout')(/executor .* 0 of 1 slots/);
  process.kill(executor, 'SIGKILL');
  assert.match(await stderr(/died/), /executor-1 has died \(SIGKILL\); it is started again/);
  up.kill('SIGINT');
  assert.deepEqual(await once(up, 'exit'), [0, null]);
  assert.equal(existsSync(credential), false);
  assert.deepEqual(readdirSync(folder), ['sluice']);
});
