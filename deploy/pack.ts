/**
 * What stands in the tarball: `npm pack` calls it before (JavaScript and types go to dist/, package.json becomes the stranger's)
 * and after (package.json is ours again). Sources, tests and the Node that runs them here stay out of it. Types are checked
 * by `npm run types`, not here.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = join(root, 'package.json');
/** Ours, while the stranger's stands in its place. */
const kept = join(root, 'package.json.kept');

/** The package.json of the tarball: what a project that installs it needs, and nothing of how we work. */
function packed(ours: Record<string, unknown>): Record<string, unknown> {
  const { scripts: _scripts, optionalDependencies: _node, devDependencies: _development, ...rest } = ours;
  return {
    ...rest,
    engines: { node: '>=24' },
    bin: { sluice: 'dist/batch-runtime/cli/bin.js' },
    exports: {
      '.': { types: './dist/batch-runtime/index.d.ts', default: './dist/batch-runtime/index.js' },
      './package.json': './package.json',
    },
    imports: {
      '#manager/*': './dist/shuffle-manager/*',
      '#worker/*': './dist/shuffle-worker/*',
      '#runtime/*': './dist/batch-runtime/*',
    },
    files: ['dist', 'docs/ERRORS.md', 'docs/CONFIG.md', 'CHANGELOG.md'],
  };
}

/** The compiler makes `.js` of relative imports in code only; aliases and declarations are done here. */
function nameCompiled(path: string): void {
  const text = readFileSync(path, 'utf8');
  const named = text.replace(/(from |import\()(['"])([.#][^'"]*)\.ts\2/g, '$1$2$3.js$2');
  if (named !== text) writeFileSync(path, named);
}

function before(): void {
  after();
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', join(root, 'deploy')], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error('the sources do not compile');
  for (const path of readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' }))
    if (/\.[jt]s$/.test(path)) nameCompiled(join(root, 'dist', path));
  cpSync(join(root, 'batch-runtime/cli/bin.js'), join(root, 'dist/batch-runtime/cli/bin.js'));
  const ours = JSON.parse(readFileSync(manifest, 'utf8')) as Record<string, unknown>;
  renameSync(manifest, kept);
  writeFileSync(manifest, `${JSON.stringify(packed(ours), null, 2)}\n`);
}

function after(): void {
  if (existsSync(kept)) renameSync(kept, manifest);
}

if (process.argv[2] === 'after') after();
else before();
