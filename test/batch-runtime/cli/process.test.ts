import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sluice } from './captured.ts';

const bin = fileURLToPath(new URL('../../../batch-runtime/cli/bin.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
after(() => rmSync(folder, { recursive: true }));

const start = (...args: string[]): ChildProcess => spawn(process.execPath, [bin, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
const firstLine = async (child: ChildProcess): Promise<Record<string, unknown>> => {
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return JSON.parse(line) as Record<string, unknown>;
};
const ended = async (child: ChildProcess): Promise<number | null> => {
  const [code] = child.exitCode === null ? ((await once(child, 'exit')) as [number | null]) : [child.exitCode];
  return code;
};

test('--explain-config prints each key: value, source, sentence', async () => {
  const file = join(folder, 'manager.json');
  writeFileSync(file, '{ "leaseMs": 9000 }');
  const { code, stdout, stderr } = await sluice('manager', '--config', file, '--port', '7171', '--explain-config');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.match(stdout, /^port +7171 +--port +\S/m);
  assert.match(stdout, new RegExp(`^leaseMs +9000 +${file} +\\S`, 'm'));
  assert.match(stdout, /^host +"127\.0\.0\.1" +default +\S/m);
  for (const line of stdout.trim().split('\n')) assert.match(line, /\.$/);
});

test('a configuration that is not valid is bad usage, and its parent reads why', async () => {
  const { code, stdout, stderr } = await sluice('executor', '--slots', 'many');
  assert.equal(code, 2);
  assert.match(stderr, /error CONFIG_INVALID: .*slots/);
  assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'CONFIG_INVALID');
  assert.equal((await sluice('executor', '--config', join(folder, 'none.json'))).code, 2);
  assert.equal((await sluice('executor', '--slotz', '1')).code, 2);
});

test('a member configured by stdin says that it is ready, and ends when its parent goes away', async () => {
  const manager = start('manager', '--config', '-');
  manager.stdin?.write(`${JSON.stringify({ port: 0, dataDir: join(folder, 'data') })}\n`);
  const { url, secretFile } = (await firstLine(manager)) as { url: string; secretFile: string };
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(statSync(secretFile).mode & 0o777, 0o600);
  const executor = start('executor', '--config', '-');
  executor.stdin?.write(`${JSON.stringify({ managerUrl: url, secretFile })}\n`);
  assert.deepEqual(await firstLine(executor), { ready: true });
  const gone = Promise.all([ended(executor), ended(manager)]);
  executor.stdin?.end();
  manager.stdin?.end();
  assert.deepEqual(await gone, [0, 0]);
});

test('a port in use is an error with the port, and a parent that goes away before it has configured a member ends it', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const manager = start('manager', '--port', String(port), '--data-dir', join(folder, 'other'));
  const { error } = (await firstLine(manager)) as { error: { code: string; message: string } };
  assert.equal(error.code, 'PORT_IN_USE');
  assert.match(error.message, new RegExp(String(port)));
  assert.equal(await ended(manager), 1);
  taken.close();
  const early = start('executor', '--config', '-');
  early.stdin?.end();
  assert.equal(await ended(early), 0);
});
