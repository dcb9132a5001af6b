// The house checks itself: layers, cycles, dead files, mirror tests, names, and marks that must not stay.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tracked = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(root, path)));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** From the lowest to the highest: a folder may use those before it. */
const folders = ['shuffle-manager', 'shuffle-worker', 'batch-runtime'] as const;
const aliases: Readonly<Record<string, string>> = {
  '#manager': 'shuffle-manager',
  '#worker': 'shuffle-worker',
  '#runtime': 'batch-runtime',
  sluice: 'batch-runtime',
};
const isProduct = (path: string): boolean => folders.some((folder) => path.startsWith(`${folder}/`)) && !path.includes('/assembly/');
const sources = tracked.filter((path) => path.endsWith('.ts') && isProduct(path));
const code = tracked.filter((path) => path.endsWith('.ts') && !path.includes('/assembly/') && !path.includes('fixtures/'));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Imports of files of ours; `to` is a path of the checkout. */
function importsOf(path: string): Import[] {
  const found: Import[] = [];
  const text = read(path);
  for (const match of text.matchAll(/(?:(import|export)(\s+type)?\s(?:[^'";]*?\sfrom\s)?|\bimport\(\s*)'([^']+)'/g)) {
    const name = match[3]!;
    const alias = Object.keys(aliases).find((one) => name.startsWith(`${one}/`));
    if (name.startsWith('.')) found.push({ from: path, to: normalize(join(dirname(path), name)), typeOnly: match[2] !== undefined });
    else if (alias) found.push({ from: path, to: join(aliases[alias]!, name.slice(alias.length + 1)), typeOnly: match[2] !== undefined });
    else if (name === 'sluice') found.push({ from: path, to: 'batch-runtime/index.ts', typeOnly: match[2] !== undefined });
  }
  return found;
}
const imports = new Map(code.map((path) => [path, importsOf(path)]));
const folderOf = (path: string): string => path.split('/')[0]!;
const rank = (path: string): number => folders.indexOf(folderOf(path) as (typeof folders)[number]);
/** Bench programs that the CLI ships. */
const shipped = 'bench/';

test('imports of the product go one way, relative within a folder and by alias across', () => {
  const wrong = sources.flatMap((path) =>
    imports
      .get(path)!
      .filter(({ to }) => (to.startsWith(shipped) ? !path.startsWith('batch-runtime/cli/') : !isProduct(to) || rank(to) > rank(path))),
  );
  assert.deepEqual(wrong, []);
  for (const path of code) {
    const crossing = [...read(path).matchAll(/from '(\.[^']*)'/g)].map((match) => normalize(join(dirname(path), match[1]!)));
    const stray = crossing.filter((to) => folderOf(to) !== folderOf(path) && !to.startsWith(shipped));
    if (isProduct(path)) assert.deepEqual(stray, [], path);
  }
});

test('the layers inside a server: protocol and process know nothing above them, cores load no adapter', () => {
  const low = /^(shuffle-manager|shuffle-worker)\/((protocol|process|kernel)\/|store\/(region|segment)\.ts)/;
  for (const path of sources.filter((one) => low.test(one))) for (const { to } of imports.get(path)!) assert.match(to, low, `${path} uses ${to}`);
  // Cores that the simulator loads: time, network and disk are arguments there.
  const adapters = /^batch-runtime\/|\/routes\/|-metrics\.ts$|\/(main|server|transport|shards?)\.ts$|^shuffle-manager\/(client\.ts|process\/)/;
  const system = /from '(fastify|undici|pino|prom-client|node:(fs|fs\/promises|net|http|child_process))'/;
  for (const path of sources.filter((one) => !adapters.test(one))) assert.doesNotMatch(read(path), system, path);
});

/** Of each server from the lowest to the highest; who is in no other row is composed by those above and composes those below. */
const layers: Readonly<Record<string, readonly (readonly [layer: string, files: RegExp])[]>> = {
  'shuffle-manager': [
    ['protocol and process', /^(protocol|process)\//],
    ['client and settings', /^(client|config)\.ts$/],
    ['state', /^(cells|journal|lease-time|leases|ledger|placement|workers)\.ts$/],
    ['composition', /^manager\.ts$/],
    ['server', /^(server|manager-metrics)\.ts$|^routes\//],
    ['process', /^main\.ts$/],
  ],
  'shuffle-worker': [
    ['protocol and kernel', /^(protocol|kernel)\/|^limits\.ts$|^store\/(region|segment)\.ts$/],
    ['parts', /^store\/|^(client|config|connection|credits|layouts|orders|read-stream|receive|session|verified-read|write-stream)\.ts$/],
    ['composition', /^worker\.ts$/],
    ['server', /^(server|transport|worker-metrics)\.ts$/],
    ['process', /^main\.ts$/],
  ],
};

test('a server is built in layers: each file is in one, and uses its own and those below', () => {
  for (const [folder, rows] of Object.entries(layers)) {
    const layerOf = (path: string): number => rows.findIndex(([, files]) => files.test(path.slice(folder.length + 1)));
    for (const path of sources.filter((one) => folderOf(one) === folder)) {
      assert.ok(layerOf(path) >= 0, `${path} is in no layer: give it a place in the table`);
      for (const { to, typeOnly } of imports.get(path)!) {
        if (folderOf(to) !== folder || typeOnly) continue;
        assert.ok(layerOf(to) <= layerOf(path), `${path} (${rows[layerOf(path)]![0]}) uses ${to} (${rows[layerOf(to)]?.[0]})`);
      }
    }
  }
});

test('every import leads to a file', () => {
  for (const [path, all] of imports)
    if (!path.startsWith('test/')) for (const { to } of all) assert.ok(existsSync(join(root, to)), `${path} imports ${to}`);
});

test('there are no cycles of imports', () => {
  const state = new Map<string, 'open' | 'done'>();
  const walk = (path: string, way: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    assert.notEqual(state.get(path), 'open', [...way, path].join(' → '));
    state.set(path, 'open');
    for (const { to, typeOnly } of imports.get(path) ?? []) if (!typeOnly) walk(to, [...way, path]);
    state.set(path, 'done');
  };
  for (const path of sources) walk(path, []);
});

test('every file is reached from a program or a door', () => {
  const entries = [
    'batch-runtime/index.ts',
    'batch-runtime/cli/main.ts',
    'batch-runtime/execute/thread.ts',
    'bench/main.ts',
    'bench/flights-duckdb.ts',
    'bench/etl/driver.ts',
    'deploy/pack.ts',
    'deploy/bundle.ts',
  ];
  const reached = new Set<string>();
  const walk = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const { to } of imports.get(path) ?? []) walk(to);
  };
  for (const entry of entries) walk(entry);
  // What the compiled kernel and the compiled loops are held against.
  const references = ['shuffle-worker/kernel/twin.ts', 'batch-runtime/expression/interpret.ts'];
  assert.deepEqual(
    [...sources, ...code.filter((path) => path.startsWith('bench/'))].filter(
      (path) => !reached.has(path) && !references.includes(path) && !path.startsWith('bench/etl/jobs/'),
    ),
    [],
  );
});

test('every source file has its test, and every test asserts', () => {
  const missing = sources.filter((path) => !existsSync(join(root, 'test', path.replace(/\.ts$/, '.test.ts'))));
  assert.deepEqual(missing, []);
  const idle = tracked.filter((path) => path.endsWith('.test.ts') && !/\bassert\b[.(]|\bexpect|testShuffle\(|fc\.assert/.test(read(path)));
  assert.deepEqual(idle, []);
});

test('names are kebab-case concepts', () => {
  const vague = /^(utils?|helpers?|common|misc|types|impl|base)\.ts$/;
  for (const path of code) {
    assert.match(basename(path), /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/, path);
    assert.doesNotMatch(basename(path), vague, path);
  }
});

test('a source file opens by saying what it is', () => {
  for (const path of sources) assert.match(read(path), /^\/\*\*/, path);
});

test('nothing unfinished, no path of a machine, no file over 1 MiB', () => {
  // Spelt apart, so that this file is none of them.
  const marks = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'not imple' + 'mented'].map((mark) => `\\b${mark}\\b`).join('|'));
  const paths = new RegExp(['/wo' + 'rk/', '/fa' + 'rm/', '/ho' + 'me/[a-z]'].join('|'));
  for (const path of tracked) {
    const bytes = readFileSync(join(root, path));
    assert.ok(bytes.length <= 1024 * 1024, path);
    if (!/\.(ts|js|md|json|java|sh|patch)$/.test(path) || path === 'package-lock.json') continue;
    const text = bytes.toString('utf8');
    if (/\.(ts|js|java)$/.test(path)) assert.doesNotMatch(text, marks, path);
    assert.doesNotMatch(text, paths, path);
  }
});
