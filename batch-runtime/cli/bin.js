#!/usr/bin/env node
// The shell before the program: plain JavaScript that any Node can read, so that one too old gets a sentence and not a
// syntax error. It loads main.ts in a clone and main.js in the packed tarball.
import { existsSync, readFileSync, statSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(`error NODE_TOO_OLD: Node ${process.versions.node} is too old: install Node 24 or newer`);
  process.exit(2);
}
if (process.platform === 'win32') {
  console.error('error PLATFORM_UNSUPPORTED: This platform is not supported: win32; use Linux or macOS (or WSL)');
  process.exit(2);
}
// What was compiled once is not compiled again: members of a cluster start in half the time. Children and threads get it by the environment.
if (process.env.NODE_COMPILE_CACHE === undefined && process.env.NODE_V8_COVERAGE === undefined) {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const modules = /\/node_modules\/[^/]+\/(?:dist\/)?$/.test(root) ? root.replace(/[^/]+\/(?:dist\/)?$/, '') : `${root}node_modules/`;
  process.env.NODE_COMPILE_CACHE = `${modules}.cache/sluice`;
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
}
const { main } = await import(program());
process.exitCode = await main(process.argv.slice(2));

// In a clone the few files of deploy/bundle.ts, as long as they are made of the sources as they are; else the sources; in the tarball main.js.
function program() {
  const source = new URL('./main.ts', import.meta.url);
  if (!existsSync(source)) return './main.js';
  if (process.env.NODE_V8_COVERAGE !== undefined) return source.href;
  try {
    const root = fileURLToPath(new URL('../../', import.meta.url));
    const made = JSON.parse(readFileSync(`${root}.cache/program/sources.json`, 'utf8'));
    const same = made.root === root && Object.entries(made.times).every(([path, time]) => statSync(root + path).mtimeMs === time);
    return same ? pathToFileURL(`${root}.cache/program/main.js`).href : source.href;
  } catch {
    return source.href;
  }
}
