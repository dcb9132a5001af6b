import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { JobEvent } from '#runtime/schedule/events.ts';
import { sluice } from './captured.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/jobs/${name}.ts`, import.meta.url));
const words = fixture('words');
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
mkdirSync(join(folder, 'node_modules'));
symlinkSync(fileURLToPath(new URL('../../../', import.meta.url)), join(folder, 'node_modules', 'sluice'));
after(() => rmSync(folder, { recursive: true }));

/** Arguments, and a word of the message. */
const badUsage: readonly (readonly [string, readonly string[]])[] = [
  ['takes one job module', []],
  ['takes one job module', [words, words]],
  ['--shuffle is memory, local or remote', [words, '--shuffle', 'disk']],
  ['do not go together', [words, '--shuffle', 'memory', '--cluster', 'http://127.0.0.1:1']],
  ['do not go together', [words, '--shuffle', 'local', '--cluster', 'http://127.0.0.1:1']],
  ['one executor', [words, '--shuffle', 'memory', '--executors', '2']],
  ['embedded', [words, '--cluster', 'http://127.0.0.1:1', '--workers', '2']],
  ['--executors takes a whole number from 1', [words, '--executors', '0']],
  ['--replicas takes a whole number from 1', [words, '--replicas', '0']],
  ['--sample takes a whole number from 1', [words, '--sample', '0']],
  ['--sample takes at most', [words, '--sample', '1000000']],
  ['--sample does not go with --resume', ['--resume', '7', '--cluster', 'http://127.0.0.1:1', '--sample', '5']],
  ['--replicas takes at most 4', [words, '--replicas', '5']],
  ['--level is received, written or durable', [words, '--level', 'safe']],
  ['has no workers', [words, '--shuffle', 'memory', '--replicas', '2']],
  ['has no workers', [words, '--shuffle', 'local', '--level', 'written']],
  ['--param takes name=value', [words, '--param', 'rows']],
  ['rows', [words, '--shuffle', 'memory', '--param', 'rows=many']],
  ['there is no lines', [words, '--shuffle', 'memory', '--param', 'lines=3']],
  ['--nope', [words, '--nope']],
  ['no such file', [join(folder, 'none.ts')]],
  ['--cluster takes a URL', [words, '--cluster', 'nonsense']],
];
for (const [word, args] of badUsage) {
  test(`bad usage: run ${args.map((arg) => arg.replace(/^.*\//, '')).join(' ')}`, async () => {
    const { code, stdout, stderr } = await sluice('run', ...args);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /^error [A-Z_]+: /);
    assert.ok(stderr.includes(word), stderr);
  });
}

test('off a terminal the rows are CSV on stdout, digits without separators; stages and the end are on stderr', async () => {
  const { code, stdout, stderr } = await sluice('run', words, '--shuffle', 'memory', '--param', 'rows=6000');
  assert.equal(code, 0, stderr);
  assert.equal(
    stdout,
    ['word,times,weight,meaning,depth', 'sea,2000,6001000,,4000', 'river,2000,5999000,running,2', 'lake,2000,5997000,still,20', ''].join('\n'),
  );
  assert.match(stderr, /stage +tasks +rows in +shuffled +time +operators/);
  assert.match(stderr, /done in [\d.]+ s: 3 rows, .* shuffled, \d+ tasks \(0 run again\), result hash 3-[0-9a-f]{16}-[0-9a-f]{16}\n$/);
});

test('of many rows the first hundred are shown', async () => {
  const path = join(folder, 'many.ts');
  writeFileSync(
    path,
    `import { int32, job, schema } from 'sluice';
export default job({ name: 'many', build: (flow) => flow.rows(schema({ n: int32() }), Array.from({ length: 250 }, (_, n) => ({ n }))).orderBy('n') });
`,
  );
  const { code, stdout, stderr } = await sluice('run', path, '--shuffle', 'memory');
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trim().split('\n'), ['n', ...Array.from({ length: 100 }, (_, n) => String(n))]);
});

test('--json is one event a line and nothing else on stdout, from plan to done, which is last', async () => {
  const { code, stdout, stderr } = await sluice('run', words, '--shuffle', 'memory', '--json');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as JobEvent);
  for (const event of events) {
    assert.equal(event.job, 'words');
    assert.equal(typeof event.at, 'number');
  }
  const types = events.map(({ type }) => type);
  assert.equal(types[0], 'plan');
  assert.equal(types.at(-1), 'done');
  for (const type of ['stage', 'progress', 'row'] as const) assert.ok(types.includes(type), type);
  const rows = events.flatMap((event) => (event.type === 'row' ? [event.row] : []));
  assert.deepEqual(rows[0], { word: 'sea', times: 4, weight: 26, meaning: null, depth: 4000 });
  assert.equal(rows.length, 3);
  const done = events.at(-1);
  assert.ok(done?.type === 'done');
  const { rows: count, bytesShuffled, tasks, tasksRerun, resultHash, ms } = done;
  assert.deepEqual([count, tasksRerun], [3, 0]);
  assert.match(resultHash, /^3-/);
  for (const number of [bytesShuffled, tasks]) assert.ok(number > 0);
  assert.equal(typeof ms, 'number');
});

test('int64, dates and timestamps are text in --json', async () => {
  const path = join(folder, 'wide.ts');
  writeFileSync(
    path,
    `import { date, int64, job, schema, Temporal, timestamp } from 'sluice';
export default job({ name: 'wide', build: (flow) => flow.rows(schema({ n: int64(), d: date(), at: timestamp(), none: int64().nullable() }),
  [{ n: 9007199254740993n, d: Temporal.PlainDate.from('2024-02-29'), at: Temporal.Instant.from('2024-02-29T12:00:00.25Z'), none: null }]) });
`,
  );
  const { code, stdout, stderr } = await sluice('run', path, '--shuffle', 'memory', '--json');
  assert.equal(code, 0, stderr);
  const row = stdout.split('\n').find((line) => line.includes('"row"'));
  assert.deepEqual(JSON.parse(row ?? '{}').row, { n: '9007199254740993', d: '2024-02-29', at: '2024-02-29T12:00:00.25Z', none: null });
});

test('a job that fails says so as an event of --json and on stderr, and its code is 1', async () => {
  const { code, stdout, stderr } = await sluice('run', fixture('throws'), '--shuffle', 'memory', '--json');
  assert.equal(code, 1);
  const errors = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as JobEvent)
    .filter((event) => event.type === 'error');
  assert.equal(errors.length, 1);
  assert.equal(errors[0]?.error.code, 'FUNCTION_THREW');
  assert.match(stderr, /^error FUNCTION_THREW: .*5 is odd.*throws\.ts:5/);
});

test('--explain shows the plan and runs nothing', async () => {
  const { code, stdout, stderr } = await sluice('run', words, '--explain');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  for (const word of ['aggregate', 'join', 'sort', 'stage']) assert.match(stdout, new RegExp(word, 'i'));
});

test('a manager that does not answer is named by its URL', { timeout: 60_000 }, async () => {
  const { code, stderr } = await sluice('run', words, '--cluster', 'http://127.0.0.1:1');
  assert.equal(code, 1);
  assert.match(stderr, /error CLUSTER_UNREACHABLE: .*http:\/\/127\.0\.0\.1:1/);
});

test('a sample says that it is one, and writes nothing', async () => {
  const { code, stdout, stderr } = await sluice('run', words, '--shuffle', 'memory', '--sample', '3');
  assert.equal(code, 0, stderr);
  assert.match(stderr, /sample: the first 3 rows of each source, and nothing is written/);
  assert.match(stdout, /^word,/);
});
