// The tarball in a stranger's project: types, a job in .ts and in .js, an application, the bin; and what must not be in it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
let project = '';
const inProject = (command: string, args: readonly string[]) => spawnSync(command, args, { cwd: project, encoding: 'utf8', env: environment });
const environment = { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: '' };

const job = `import { count, csv, int32, job, schema, utf8 } from 'sluice';

const visits = schema({ page: utf8(), ms: int32() });

export default job({
  name: 'pages',
  build(flow) {
    return flow
      .read(csv('visits.csv', { schema: visits }), 'visits')
      .groupBy('page')
      .aggregate((t) => ({ visits: count(), ms: t.ms.sum() }))
      .orderBy('page');
  },
});
`;
const app = `import { run } from 'sluice';
import pages from './pages.ts';

await using r = await run(pages, { shuffle: 'memory' });
let total: number = 0;
for await (const row of r.rows()) total += row.visits + row.page.length * 0;
await r.done();
console.log('visits', total);
`;

before(() => {
  project = mkdtempSync(join(tmpdir(), 'sluice-stranger-'));
  // Not in the checkout itself: a pack that is stopped half way leaves the wrong package.json there.
  const copy = join(project, '.copy');
  for (const path of execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(root, path), join(copy, path));
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const packed = spawnSync('npm', ['pack', '--json', '--pack-destination', project], { cwd: copy, encoding: 'utf8', env: environment });
  assert.equal(packed.status, 0, packed.stderr);
  rmSync(copy, { recursive: true });
  const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'))!;
  mkdirSync(join(project, 'node_modules'));
  execFileSync('tar', ['-xzf', join(project, tarball), '-C', join(project, 'node_modules')]);
  execFileSync('mv', [join(project, 'node_modules/package'), join(project, 'node_modules/sluice')]);
  // What npm would install: the run-time dependencies of the lock, and a TypeScript engineer's own types of Node.
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>;
  };
  for (const [path, { dev, optional }] of Object.entries(lock.packages)) {
    if (!/^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) || ((dev || optional) && !/(@types\/node|undici-types)$/.test(path))) continue;
    mkdirSync(dirname(join(project, path)), { recursive: true });
    symlinkSync(join(root, path), join(project, path));
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'stranger', private: true, type: 'module' }));
  const options = { target: 'esnext', module: 'nodenext', strict: true, noEmit: true, allowImportingTsExtensions: true, types: ['node'] };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['pages.ts', 'app.ts'] }));
  writeFileSync(join(project, 'visits.csv'), 'page,ms\n/a,3\n/b,5\n/a,4\n');
  writeFileSync(join(project, 'pages.ts'), job);
  writeFileSync(join(project, 'pages.js'), job);
  writeFileSync(join(project, 'app.ts'), app);
});
after(() => rmSync(project, { recursive: true, force: true }));

const bin = 'node_modules/sluice/dist/batch-runtime/cli/bin.js';
const tsc = join(root, 'node_modules/typescript/bin/tsc');

test("the packed package.json is the stranger's, and no source, test or Node is packed", () => {
  const manifest = JSON.parse(readFileSync(join(project, 'node_modules/sluice/package.json'), 'utf8')) as Record<string, Record<string, string>>;
  assert.equal(manifest['engines']!['node'], '>=24');
  for (const absent of ['optionalDependencies', 'devDependencies', 'scripts']) assert.equal(manifest[absent], undefined);
  const files = readdirSync(join(project, 'node_modules/sluice'), { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    files.filter((path) => (path.endsWith('.ts') && !path.endsWith('.d.ts')) || /(^|\/)(test|plugins|examples)\//.test(path)),
    [],
  );
});

test('a job in .ts and an application compile against the types', () => {
  const { status, stdout } = inProject(process.execPath, [tsc]);
  assert.equal(status, 0, stdout);
});

test('a misspelt column does not compile', () => {
  writeFileSync(join(project, 'misspelt.ts'), job.replace('t.ms.sum()', 't.mz.sum()'));
  const options = ['--target', 'esnext', '--module', 'nodenext', '--strict', '--noEmit', '--types', 'node', '--ignoreConfig'];
  const { status, stdout } = inProject(process.execPath, [tsc, ...options, 'misspelt.ts']);
  assert.notEqual(status, 0);
  assert.match(stdout, /mz/);
});

for (const file of ['pages.ts', 'pages.js']) {
  test(`sluice run ${file}, on an embedded cluster`, () => {
    const { status, stdout, stderr } = inProject(process.execPath, [bin, 'run', file, '--workers', '1', '--executors', '1']);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'page,visits,ms\n/a,2,7\n/b,1,5\n');
  });
}

for (const [name, rows] of [
  ['bird-strikes', 7],
  ['log-statistics', 3],
  ['flight-weather', 4],
] as const) {
  test(`the example ${name} runs against the tarball`, () => {
    // As a stranger would copy it, with the package its data come from.
    symlinkSync(join(root, 'node_modules/vega-datasets'), join(project, 'node_modules/vega-datasets'));
    try {
      for (const file of [`${name}.ts`, 'write-access-log.ts']) cpSync(join(root, 'examples', file), join(project, file));
      if (name === 'log-statistics') assert.equal(inProject(process.execPath, ['write-access-log.ts', 'out/access-log', '1', '1000']).status, 0);
      const { status, stdout, stderr } = inProject(process.execPath, [bin, 'run', `${name}.ts`, '--shuffle', 'memory', '--param', 'out=result']);
      assert.equal(status, 0, stderr);
      assert.equal(stdout.trim().split('\n').length, 1 + rows, stdout);
    } finally {
      rmSync(join(project, 'node_modules/vega-datasets'));
    }
  });
}

test('an application runs a job and reads its rows', () => {
  const { status, stdout, stderr } = inProject(process.execPath, ['app.ts']);
  assert.equal(status, 0, stderr);
  assert.equal(stdout, 'visits 3\n');
});
