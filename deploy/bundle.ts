/**
 * Puts the program and all it loads into a few files under .cache/program, at the end of `npm ci` in a clone: a process of a cluster then
 * opens ten files instead of a thousand. bin.js takes them only while no source is newer. In the files each source still knows where it came
 * from; what a job module imports as `sluice` is led to them, so that nothing is loaded twice.
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What is used of esbuild. It is loaded by name: an installation without development dependencies runs from its sources. */
interface Esbuild {
  build(options: object): Promise<{ readonly metafile: { readonly inputs: Readonly<Record<string, unknown>> } }>;
}
interface Loading {
  onResolve(
    of: { readonly filter: RegExp },
    resolve: (wanted: { readonly path: string; readonly kind: string }) => { readonly path: string; readonly namespace: string } | null,
  ): void;
  onLoad(
    of: { readonly filter: RegExp; readonly namespace?: string },
    load: (file: { readonly path: string }) => { readonly contents: string; readonly loader: 'ts' | 'js' },
  ): void;
}
const esbuild: string = 'esbuild';

const isOurs = (path: string): boolean => /^(batch-runtime|shuffle-manager|shuffle-worker|bench)\//.test(path);

/**
 * Sources say where they are by import.meta.url; only the one that starts threads means the file it is bundled into. The one that loads job
 * modules sees to it first that these find `sluice`: hooks slow down all that is loaded after them.
 */
const places = (redirect: string) => ({
  name: 'places',
  setup({ onLoad }: Loading) {
    onLoad({ filter: /\/(batch-runtime|shuffle-manager|shuffle-worker|bench)\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const placed = path.endsWith('/execute/threads.ts') ? text : text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href));
      const contents = path.endsWith('/execute/job-module.ts') ? `import ${JSON.stringify(redirect)};\n${placed}` : placed;
      return { contents, loader: 'ts' };
    });
  },
});

/** Of undici its agent, as its own index.js puts it together: the index loads fetch, caches, web sockets and mocks besides, which nobody here uses. */
const agentOnly = {
  name: 'agent-only',
  setup({ onLoad }: Loading) {
    onLoad({ filter: /node_modules\/undici\/index\.js$/ }, () => ({
      contents: `
        Object.assign(require('./lib/dispatcher/dispatcher').prototype, require('./lib/api'));
        module.exports = { Agent: require('./lib/dispatcher/agent') };`,
      loader: 'js',
    }));
  },
};

/**
 * What speaks TLS or HTTP/2 is loaded when something does: Node takes 20 ms for it, in every process and thread, and members of a cluster on
 * one machine never do. undici's client for HTTP/2 takes constants from it at once, so that waits, too.
 */
const secureLater = {
  name: 'secure-later',
  setup({ onResolve, onLoad }: Loading) {
    onResolve({ filter: /^(node:)?(https|http2|tls)$/ }, ({ path, kind }) => (kind === 'require-call' ? { path, namespace: 'later' } : null));
    onLoad({ filter: /./, namespace: 'later' }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get: (_, key) => process.getBuiltinModule('${path}')[key] });`,
      loader: 'js',
    }));
    // To `import` Node shows all that a module has, and node:http has web sockets, 40 ms.
    onResolve({ filter: /^node:http$/ }, ({ path, kind }) => (kind === 'import-statement' ? { path, namespace: 'plain' } : null));
    onLoad({ filter: /./, namespace: 'plain' }, ({ path }) => ({ contents: `module.exports = process.getBuiltinModule('${path}');`, loader: 'js' }));
    onLoad({ filter: /node_modules\/undici\/lib\/dispatcher\/client\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        `const connectH2 = require('./client-h2.js')`,
        `const connectH2 = (...given) => require('./client-h2.js')(...given)`,
      ),
      loader: 'js',
    }));
  },
};

/** Before any job module: `sluice`, where it means this package, is the file it is bundled into. */
const redirect = (folder: string): string => `
import { registerHooks } from 'node:module';
const source = ${JSON.stringify(pathToFileURL(join(root, 'batch-runtime/index.ts')).href)};
const bundled = ${JSON.stringify(pathToFileURL(join(folder, 'index.js')).href)};
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return specifier === 'sluice' && found.url === source ? { ...found, url: bundled, format: 'module' } : found;
  },
});
`;

/** @param folder  is emptied first */
export async function bundle(folder: string = join(root, '.cache', 'program')): Promise<void> {
  const { build } = (await import(esbuild)) as Esbuild;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const hook = join(folder, 'redirect.mjs');
  writeFileSync(hook, redirect(folder));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: {
      main: join(root, 'batch-runtime/cli/main.ts'),
      thread: join(root, 'batch-runtime/execute/thread.ts'),
      index: join(root, 'batch-runtime/index.ts'),
    },
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    logLevel: 'error',
    metafile: true,
    plugins: [places(hook), agentOnly, secureLater],
    // What was written for CommonJS asks for Node's own modules by require, and for nothing else: what goes without Node's loader costs a tenth.
    banner: { js: 'const require = process.getBuiltinModule;' },
  });
  const sources = ['package.json', 'package-lock.json', ...Object.keys(metafile.inputs).filter(isOurs)];
  const times = Object.fromEntries(sources.map((path) => [path, statSync(join(root, path)).mtimeMs]));
  writeFileSync(join(folder, 'sources.json'), JSON.stringify({ root, times }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();
