/**
 * A small share of `npm run chaos`, as a user runs it; and that it can fail: what is planted, leaked or cut is noticed. How much
 * is done to whom in a longer run is for the program.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Verdict } from './chaos.ts';
import { type FaultKind, faultKinds, faultsOf, mayFail } from './faults.ts';
import { fiveStages } from './jobs.ts';
import { leakedFiles, leakedProcesses } from './leaks.ts';
import { proxies } from './network.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-chaos-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const start = (...args: string[]): ChildProcess =>
  spawn(process.execPath, [main, '--rows', '20000', '--job', 'five-stages', ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
async function ended(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), exit]);
  return { code, stdout, stderr };
}
const verdictOf = (stdout: string): Verdict => JSON.parse(stdout.trim().split('\n').at(-1)!) as Verdict;

test('three faults: every run is right, and nothing is left', { timeout: 280_000 }, async () => {
  const { code, stdout, stderr } = await ended(start('--kills', '3', '--seed', '5', '--job', 'five-stages'));
  assert.equal(code, 0, stderr + stdout);
  const { faults, runs, right, wrong, broken, stuck, leaked } = verdictOf(stdout);
  assert.equal(
    Object.values(faults).reduce((sum, one) => sum + one, 0),
    3,
  );
  assert.ok(runs > 0 && right > 0);
  assert.deepEqual({ wrong, broken, stuck, leaked }, { wrong: 0, broken: 0, stuck: 0, leaked: { shuffles: 0, files: 0, processes: 0 } });
  assert.deepEqual(readdirSync(folder), []);
});

test('a digit that is wrong is found; the seed and the logs are told', { timeout: 200_000 }, async () => {
  const { code, stdout } = await ended(start('--kills', '1', '--seed', '6', '--job', 'five-stages', '--plant'));
  assert.equal(code, 1, stdout);
  assert.equal(verdictOf(stdout).wrong, 1);
  assert.match(stdout, /^again: npm run chaos -- --kills 1 --seed 6 .*--plant$/m);
  const logs = /^logs: (.*)$/m.exec(stdout)?.[1] ?? '';
  assert.ok(readdirSync(logs).includes('manager.log'), logs);
  rmSync(dirname(logs), { recursive: true });
});

test('an interrupted one ends with 130 and leaves no file and no process', { timeout: 120_000 }, async () => {
  const child = start('--kills', '1000', '--proxies');
  child.stdout?.resume();
  for await (const line of createInterface({ input: child.stderr! })) if (line.startsWith('cluster of')) break;
  child.stderr?.resume();
  const [own] = readdirSync(folder);
  assert.ok(own !== undefined && leakedProcesses(join(folder, own)).length > 0, 'there is something to leave');
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'exit'), [130, null]);
  assert.deepEqual(readdirSync(folder), []);
  assert.deepEqual(leakedProcesses(join(folder, own)), []);
});

test('what is left is found: staged, strange and temporary files, files of members, processes', async () => {
  const at = join(folder, 'leaks');
  for (const name of ['out/0', 'out/1/routes', 'tmp', 'worker-1/segments', 'manager/journal']) mkdirSync(join(at, name), { recursive: true });
  const job = { ...fiveStages(join(at, 'data'), 1, 1_000), published: ['routes'] };
  for (const name of ['worker-1/identity.json', 'worker-1/segments/00000000.segment', 'manager/journal/journal-0000000001-abc'])
    writeFileSync(join(at, name), '');
  const outputs = ['0', '1'].map((run) => ({ job, folder: join(at, 'out', run) }));
  assert.deepEqual(leakedFiles(at, outputs), []);
  const left = ['out/0/.routes.sluice-7', 'out/0/strange', 'out/1/routes/.part', 'tmp/any', 'worker-1/segments/x.new', 'manager/journal/draft'];
  for (const name of left) writeFileSync(join(at, name), '');
  assert.deepEqual(leakedFiles(at, outputs).sort(), left.map((name) => join(at, name)).sort());
  if (!existsSync('/proc/self/environ')) return;
  const child = spawn('sleep', ['60'], { env: { ...process.env, TMPDIR: join(at, 'tmp') } });
  await once(child, 'spawn');
  while (leakedProcesses(at).length === 0) await sleep(10);
  assert.match(leakedProcesses(at)[0]!, /^\d+ sleep$/);
  child.kill();
  await once(child, 'exit');
  assert.deepEqual(leakedProcesses(at), []);
});

test('the same seed chooses the same faults, and only what the machine can do', () => {
  const all = Object.keys(faultKinds) as FaultKind[];
  const list = faultsOf(1, 200, all, 1_000);
  assert.deepEqual(faultsOf(1, 200, all, 1_000), list);
  assert.notDeepEqual(faultsOf(2, 200, all, 1_000), list);
  assert.deepEqual(new Set(list.map(({ kind }) => kind)), new Set(all));
  assert.ok(faultsOf(1, 200, ['kill', 'stop'], 1_000).every(({ kind }) => kind === 'kill' || kind === 'stop'));
});

test('a failure is explained by too many faults or a manager that was away for long, and by nothing else', () => {
  assert.equal(mayFail('TASK_FAILED', { faults: 3, managerAwayMs: 0 }), false);
  assert.equal(mayFail('TASK_FAILED', { faults: 4, managerAwayMs: 0 }), true);
  assert.equal(mayFail('CLUSTER_UNREACHABLE', { faults: 100, managerAwayMs: 100_000 }), false);
  assert.equal(mayFail('CLUSTER_UNREACHABLE', { faults: 1, managerAwayMs: 121_000 }), true);
  assert.equal(mayFail('INTERNAL', { faults: 100, managerAwayMs: 500_000 }), false);
});

test('a proxy that is cut holds back one way and not the other, and gives it back afterwards', async () => {
  const network = proxies();
  const heard: string[] = [];
  const member = createServer((socket) => {
    socket.on('data', (bytes) => {
      heard.push(String(bytes));
      socket.write('answer');
    });
    socket.on('error', () => {});
  });
  member.listen(0, network.host);
  await once(member, 'listening');
  const { port } = member.address() as { port: number };
  await network.serve(port);
  const client = createConnection(port, '127.0.0.1');
  let answers = '';
  client.on('data', (bytes) => {
    answers += String(bytes);
  });
  const until = async (right: () => boolean): Promise<void> => {
    while (!right()) await sleep(5);
  };
  client.write('one');
  await until(() => answers === 'answer');
  network.cut(port, 'from');
  client.write('two');
  await until(() => heard.length === 2);
  network.cut(port, 'to');
  client.write('three');
  await sleep(50);
  assert.deepEqual([heard, answers], [['one', 'two'], 'answer']);
  network.heal(port, 'to');
  await until(() => heard.length === 3);
  network.heal(port, 'from');
  await until(() => answers === 'answeransweranswer');
  client.destroy();
  await network.close();
  member.close();
});

test('what is no flag of it is refused with its usage', async () => {
  const { code, stderr } = await ended(start('--kills', 'many'));
  assert.equal(code, 2);
  assert.match(stderr, /^Usage: npm run chaos/);
});
