import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectManager } from '#manager/client.ts';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { startManager } from '#manager/main.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { configKeys, loadConfig } from '#manager/process/load-config.ts';
import { protocolVersion } from '#manager/protocol/ids.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { shardConfigs } from '#runtime/cli/worker.ts';
import { WorkerConfig, workerPrefix } from '#worker/config.ts';
import { sluice } from './captured.ts';

test('every key of a worker is a flag and is explained', async () => {
  const { code, stdout } = await sluice('worker', '--explain-config', '--data-dirs', '/a,/b');
  assert.equal(code, 0);
  const keys = configKeys(WorkerConfig, workerPrefix).map(({ key }) => key);
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
    keys,
  );
  assert.match(stdout, /^dataDirs +\["\/a","\/b"\] +--data-dirs/m);
});

test('off loopback a worker wants a secret that was given by name', async () => {
  const { code, stderr } = await sluice('worker', '--host', '0.0.0.0', '--port', '0');
  assert.equal(code, 1);
  assert.match(stderr, /^error BIND_REFUSED: .*0\.0\.0\.0/);
});

test('shards share the host and nothing else', () => {
  const { config } = loadConfig(WorkerConfig, workerPrefix, { flags: { shards: 3, port: 7100, dataDirs: ['/a', '/b'], logFile: '/log' } });
  const shards = shardConfigs(config);
  assert.deepEqual(
    shards.map(({ shards: own, port, dataDirs, logFile }) => ({ own, port, dataDirs, logFile })),
    [1, 2, 3].map((i) => ({ own: 1, port: 7099 + i, dataDirs: [`/a/shard-${i}`, `/b/shard-${i}`], logFile: `/log.${i}` })),
  );
  assert.equal(new Set(shards.map(({ hostLabel }) => hostLabel)).size, 1);
  assert.notEqual(shards[0]!.hostLabel, '');
});

test('--shards starts so many processes, which register and end with the one that started them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-shards-'));
  const { config } = loadConfig(ManagerConfig, managerPrefix, { flags: { port: 0, logLevel: 'silent', dataDir: join(folder, 'manager') } });
  const manager = await startManager(config, 'test');
  const token = tokenSource(readFileSync(manager.secretFile, 'utf8'), () => Date.now());
  const calls = await connectManager({ urls: [manager.url], token, clock: systemClock, random: systemRandom });
  try {
    const bin = fileURLToPath(new URL('../../../batch-runtime/cli/bin.js', import.meta.url));
    const child = spawn(process.execPath, [bin, 'worker', '--config', '-', '--shards', '2'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.stdin.write(
      `${JSON.stringify({ managerUrl: manager.url, secretFile: manager.secretFile, port: 0, dataDirs: [join(folder, 'data')], logLevel: 'silent' })}\n`,
    );
    const line = await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
    const { shards } = JSON.parse(line) as { shards: { url: string; worker: string }[] };
    assert.equal(new Set(shards.map(({ url }) => url)).size, 2);
    const { workers } = await calls.status({});
    assert.deepEqual(workers.map(({ worker }) => worker).sort(), shards.map(({ worker }) => worker).sort());
    assert.equal(new Set(workers.map(({ hostLabel }) => hostLabel)).size, 1);
    assert.equal(new Set(workers.map(({ pid }) => pid)).size, 2);
    assert.deepEqual(readdirSync(join(folder, 'data')), ['shard-1', 'shard-2']);
    child.stdin.end();
    assert.equal(await ended, 0);
    for (const { pid } of workers) assert.throws(() => process.kill(pid, 0));
  } finally {
    await calls.close();
    await manager.close();
    rmSync(folder, { recursive: true });
  }
});

test('a worker that was replaced by another process of its id ends, with the reason', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-replaced-'));
  const { config } = loadConfig(ManagerConfig, managerPrefix, { flags: { port: 0, logLevel: 'silent', dataDir: join(folder, 'manager') } });
  const manager = await startManager(config, 'test');
  const token = tokenSource(readFileSync(manager.secretFile, 'utf8'), () => Date.now());
  const calls = await connectManager({ urls: [manager.url], token, clock: systemClock, random: systemRandom });
  try {
    const bin = fileURLToPath(new URL('../../../batch-runtime/cli/bin.js', import.meta.url));
    const flags = { '--manager-url': manager.url, '--secret-file': manager.secretFile, '--port': '0', '--data-dirs': join(folder, 'data') };
    const child = spawn(process.execPath, [bin, 'worker', ...Object.entries(flags).flat()], { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = text(child.stderr);
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
    const { worker, host, port, hostLabel, pid } = (await calls.status({})).workers[0]!;
    await calls.registerWorker({ worker, incarnation: 'f'.repeat(32), host, port, hostLabel, pid, protocol: protocolVersion });
    assert.equal(await ended, 1);
    assert.match(await said, /^error FENCED: /m);
  } finally {
    await calls.close();
    await manager.close();
    rmSync(folder, { recursive: true });
  }
});
