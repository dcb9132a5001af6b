/**
 * Clusters as a user has them: `sluice up` with two runs at once, the example on every shuffle, an embedded run that is interrupted
 * and one that fails. All are processes; each must end, and leave nothing.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { JobEvent } from '#runtime/schedule/events.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = join(root, 'batch-runtime/cli/bin.js');
const job = (name: string): string => join(root, `test/fixtures/jobs/${name}.ts`);
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
after(() => rmSync(folder, { recursive: true }));
/** Temporary files go where the test can see them. */
const temporary = mkdtempSync(join(folder, 'tmp-'));
const environment = { ...process.env, XDG_STATE_HOME: folder, TMPDIR: temporary, SLUICE_TOKEN: '' };

const start = (...args: string[]): ChildProcess => spawn(process.execPath, [bin, ...args], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
async function ended(child: ChildProcess): Promise<Ended> {
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), exit]);
  return { code, stdout, stderr };
}
const sluice = (...args: string[]): Promise<Ended> => ended(start(...args));
const eventsOf = (stdout: string): JobEvent[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as JobEvent);
function doneOf({ code, stdout, stderr }: Ended): Extract<JobEvent, { type: 'done' }> {
  assert.equal(code, 0, stderr);
  const done = eventsOf(stdout).at(-1);
  assert.ok(done?.type === 'done', stdout);
  return done;
}

/** Processes of ours that descend from this one: members are detached, so their parent is looked up by name and folder. */
const members = (): string[] =>
  globSync('/proc/[0-9]*/environ').flatMap((path) => {
    try {
      return readFileSync(path, 'latin1').includes(`TMPDIR=${temporary}\0`) ? [readFileSync(path.replace('environ', 'comm'), 'utf8').trim()] : [];
    } catch {
      return [];
    }
  });
function assertNothingLeft(): void {
  assert.deepEqual(members(), []);
  assert.deepEqual(readdirSync(temporary), []);
}

async function up(...args: string[]): Promise<{ url: string; child: ChildProcess; close(): Promise<void> }> {
  const child = start('up', ...args);
  child.stderr?.resume();
  const lines = createInterface({ input: child.stdout! });
  const [url] = (await once(lines, 'line')) as [string];
  return {
    url,
    child,
    async close() {
      const exit = once(child, 'exit');
      child.kill('SIGINT');
      assert.deepEqual(await exit, [0, null]);
    },
  };
}

/** Bytes received on loopback since the machine started. */
const loopbackBytes = (): number => Number(/^\s*lo:\s*(\d+)/m.exec(readFileSync('/proc/net/dev', 'utf8'))?.[1]);

test('one cluster: two runs at once are right, bytes go over the wire, another graph is refused', { timeout: 180_000 }, async () => {
  const cluster = await up('--workers', '2', '--executors', '2');
  try {
    const before = loopbackBytes();
    const words = ['run', job('words'), '--cluster', cluster.url, '--json', '--param', 'rows=3000'];
    const [late, said] = await Promise.all([sluice('run', job('late'), '--cluster', cluster.url, '--json'), sluice(...words)]);
    const done = [doneOf(late), doneOf(said)];
    const alone = await Promise.all([
      sluice('run', job('late'), '--shuffle', 'memory', '--json'),
      sluice('run', job('words'), '--shuffle', 'memory', '--json', '--param', 'rows=3000'),
    ]);
    assert.deepEqual(
      done.map(({ resultHash }) => resultHash),
      alone.map((one) => doneOf(one).resultHash),
    );
    if (existsSync('/proc/net/dev')) {
      // Written once and read at least once.
      const shuffled = done.reduce((sum, { bytesShuffled }) => sum + bytesShuffled, 0);
      assert.ok(shuffled > 0);
      assert.ok(loopbackBytes() - before >= 2 * shuffled);
    }
    const differs = await sluice('run', job('differs'), '--cluster', cluster.url);
    assert.equal(differs.code, 1);
    assert.match(differs.stderr, /error JOB_GRAPH_DIFFERS: .*first at filter-1/);
  } finally {
    await cluster.close();
  }
  assertNothingLeft();
});

test('a cluster without workers is NO_WORKERS: there is no hidden local path', { timeout: 120_000 }, async () => {
  const cluster = await up('--workers', '0', '--executors', '1');
  try {
    const { code, stdout, stderr } = await sluice('run', job('words'), '--cluster', cluster.url);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /error NO_WORKERS: /);
  } finally {
    await cluster.close();
  }
  assertNothingLeft();
});

test('the example gives the same on every shuffle, also over what it wrote before', { timeout: 240_000 }, async () => {
  const example = join(root, 'examples/flight-delays.ts');
  const hashes: string[] = [];
  for (const shuffle of ['memory', 'local', 'remote'] as const) {
    const out = join(folder, 'out');
    const done = doneOf(await sluice('run', example, '--shuffle', shuffle, '--json', '--param', `out=${out}`, '--param', 'overwrite=true'));
    assert.equal(done.rows, 15);
    hashes.push(done.resultHash);
    assert.deepEqual(readdirSync(out).sort(), ['delays.csv', 'routes']);
  }
  assert.equal(new Set(hashes).size, 1, hashes.join(', '));
  assertNothingLeft();
});

test('an embedded run that is interrupted ends with 130, and every member with it', { timeout: 120_000 }, async () => {
  const child = start('run', job('slow'), '--json', '--param', 'rows=400', '--param', `out=${join(folder, 'never.csv')}`);
  child.stderr?.resume();
  for await (const line of createInterface({ input: child.stdout! })) if (line.includes('"started"')) break;
  assert.deepEqual(
    members()
      .filter((name) => name.startsWith('sluice-'))
      .sort(),
    ['sluice-executor', 'sluice-worker'],
  );
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'exit'), [130, null]);
  assertNothingLeft();
  assert.equal(existsSync(join(folder, 'never.csv')), false);
});

test('a run that is killed takes its members with it', { timeout: 120_000 }, async () => {
  const child = start('run', job('slow'), '--shuffle', 'local', '--executors', '1', '--json', '--param', 'rows=40');
  child.stderr?.resume();
  for await (const line of createInterface({ input: child.stdout! })) if (line.includes('"started"')) break;
  child.kill('SIGKILL');
  await once(child, 'exit');
  while (members().length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  for (const name of readdirSync(temporary)) rmSync(join(temporary, name), { recursive: true });
});

test('an embedded run that fails keeps the logs of its processes, and says where', { timeout: 120_000 }, async () => {
  const { code, stderr } = await sluice('run', job('throws'), '--executors', '1', '--workers', '1');
  assert.equal(code, 1);
  assert.match(stderr, /error FUNCTION_THREW/);
  const logs = /logs of its processes are kept in (.+)$/m.exec(stderr)?.[1] ?? '';
  assert.deepEqual(readdirSync(join(logs, 'logs')).sort(), ['executor-1.log', 'manager.log', 'worker-1.log']);
  assert.match(readFileSync(join(logs, 'logs', 'manager.log'), 'utf8'), /manager serves/);
  rmSync(logs, { recursive: true });
  assertNothingLeft();
});
