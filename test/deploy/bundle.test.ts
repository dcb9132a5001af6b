import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../deploy/bundle.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-bundle-'));
after(() => rmSync(folder, { recursive: true }));
const installed = (() => {
  try {
    return import.meta.resolve('esbuild') !== '';
  } catch {
    return false;
  }
})();

test('the bundled program runs a job, whose sluice is the bundled one', { skip: !installed && 'esbuild is not installed: npm ci' }, async () => {
  await bundle(join(folder, 'program'));
  const job = join(root, 'bench/etl/jobs/first.ts');
  // Every module that is loaded, on stderr.
  const secure = `process.on('exit', () => process.stderr.write('tls ' + process.moduleLoadList.includes('NativeModule tls') + '\\n'));`;
  const hooks = `import { registerHooks } from 'node:module'; registerHooks({ load(url, c, next) { process.stderr.write('loaded ' + url + '\\n'); return next(url, c); } });`;
  writeFileSync(
    join(folder, 'start.mjs'),
    `${secure}\n${hooks}\nconst { main } = await import('./program/main.js');\nprocess.exitCode = await main(['run', ${JSON.stringify(job)}, '--shuffle', 'memory']);\n`,
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'start.mjs')], { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /some.*2/);
  assert.match(stderr, /^tls false$/m, 'what nobody needs is not loaded');
  const loaded = [...stderr.matchAll(/^loaded file:\/\/(.*)$/gm)].map((match) => match[1]!);
  assert.deepEqual(
    loaded.filter((path) => path.endsWith('.ts')),
    [job],
  );
  assert.ok(loaded.length < 40, `${loaded.length} files`);
  assert.ok(readdirSync(join(folder, 'program')).includes('thread.js'), 'beside the file that starts threads');
});

test('what the bundled program loads only when it is asked for is there', { skip: !installed && 'esbuild is not installed: npm ci' }, async () => {
  const args = ['manager', '--port', '0', '--data-dir', join(folder, 'manager')];
  const start = `const { main } = await import('./program/main.js');\nprocess.exitCode = await main(${JSON.stringify(args)});\n`;
  writeFileSync(join(folder, 'serve.mjs'), start);
  const child = spawn(process.execPath, [join(folder, 'serve.mjs')], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exit = once(child, 'exit');
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { url } = JSON.parse(line.toString()) as { url: string };
    const answer = await fetch(`${url}/metrics`);
    assert.match(await answer.text(), /^process_cpu_seconds_total /m);
  } finally {
    child.kill('SIGINT');
    await exit;
  }
});

test('bin.js takes the bundle only while every source is as it was', () => {
  const clone = join(folder, 'clone');
  for (const part of ['batch-runtime/cli', '.cache/program']) mkdirSync(join(clone, part), { recursive: true });
  const bin = join(clone, 'batch-runtime/cli/bin.js');
  const source = join(clone, 'batch-runtime/cli/main.ts');
  copyFileSync(join(root, 'batch-runtime/cli/bin.js'), bin);
  writeFileSync(join(clone, 'package.json'), '{"type":"module"}');
  writeFileSync(source, `export const main = async () => { console.log('source'); return 0; };`);
  writeFileSync(join(clone, '.cache/program/main.js'), `export const main = async () => { console.log('bundle'); return 0; };`);
  const made = (of: string): void =>
    writeFileSync(
      join(clone, '.cache/program/sources.json'),
      JSON.stringify({ root: of, times: { 'batch-runtime/cli/main.ts': statSync(source).mtimeMs } }),
    );
  // Left out it would be put in again: Node hands it to every child.
  const env = { ...process.env, NODE_V8_COVERAGE: undefined };
  const says = (more: NodeJS.ProcessEnv = {}): string =>
    spawnSync(process.execPath, [bin], { encoding: 'utf8', env: { ...env, ...more } }).stdout.trim();
  assert.equal(says(), 'source');
  made(`${clone}/`);
  assert.equal(says(), 'bundle');
  assert.equal(says({ NODE_V8_COVERAGE: join(folder, 'coverage') }), 'source');
  made('/elsewhere/');
  assert.equal(says(), 'source');
  made(`${clone}/`);
  utimesSync(source, new Date(), new Date(Date.now() + 5_000));
  assert.equal(says(), 'source');
});
