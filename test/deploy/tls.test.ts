// TLS in front of the manager, as docs/OPERATIONS.md says: a proxy that knows nothing of us, with a worker and a client behind it.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = join(root, 'batch-runtime/cli/bin.js');
const tls = (name: string): string => join(root, 'test/fixtures/tls', name);
const folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
const secretFile = join(folder, 'secret');
const children: ChildProcess[] = [];
let proxy: Server;
let url = '';

async function start(verb: string, environment: Record<string, string>): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, [bin, verb], { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return JSON.parse(line) as Record<string, unknown>;
}

before(async () => {
  writeFileSync(secretFile, 'the secret of a cluster behind a proxy\n');
  const manager = await start('manager', {
    SLUICE_MANAGER_PORT: '0',
    SLUICE_MANAGER_DATA_DIR: join(folder, 'm'),
    SLUICE_MANAGER_SECRET_FILE: secretFile,
  });
  const { hostname, port } = new URL(manager['url'] as string);
  proxy = createServer({ key: readFileSync(tls('localhost.key')), cert: readFileSync(tls('localhost.pem')) }, (incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    const on = request({ hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    on.on('error', () => outgoing.destroy());
    outgoing.on('close', () => on.destroy());
    incoming.pipe(on);
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  url = `https://localhost:${(proxy.address() as AddressInfo).port}`;
});
after(async () => {
  for (const child of children.toReversed()) {
    const gone = once(child, 'exit');
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
    else continue;
    await gone;
  }
  proxy.closeAllConnections();
  proxy.close();
  rmSync(folder, { recursive: true });
});

const status = (environment: Record<string, string>) =>
  new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = spawn(process.execPath, [bin, 'status', '--cluster', url, '--token-file', secretFile, '--json'], {
      env: { ...process.env, ...environment },
    });
    const text = { stdout: '', stderr: '' };
    child.stdout.on('data', (bytes) => (text.stdout += bytes));
    child.stderr.on('data', (bytes) => (text.stderr += bytes));
    child.once('close', (code) => resolve({ code, ...text }));
  });

test('a worker and a client reach the manager through TLS that they trust, and no one through TLS that he does not', async () => {
  const trust = { NODE_EXTRA_CA_CERTS: tls('localhost.pem') };
  const distrusting = status({ NODE_EXTRA_CA_CERTS: '' });
  const { worker } = await start('worker', {
    ...trust,
    SLUICE_WORKER_MANAGER_URL: url,
    SLUICE_WORKER_PORT: '0',
    SLUICE_WORKER_DATA_DIRS: join(folder, 'w'),
    SLUICE_WORKER_SECRET_FILE: secretFile,
  });
  const { code, stdout, stderr } = await status(trust);
  assert.equal(code, 0, stderr);
  const { workers } = JSON.parse(stdout) as { workers: { worker: string; state: string }[] };
  assert.deepEqual(
    workers.map(({ worker: id, state }) => [id, state]),
    [[worker, 'live']],
  );
  const refused = await distrusting;
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /CLUSTER_UNREACHABLE/);
});
