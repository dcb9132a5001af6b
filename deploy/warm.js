// Bundles and compiles the program once, at the end of `npm ci` in a clone: what bin.js keeps in its compile cache makes the first `npm start` as fast as
// the second. Plain JavaScript, and never an error: where it cannot run, the first start is slower and that is all.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../batch-runtime/cli/bin.js', import.meta.url));
const job = fileURLToPath(new URL('../bench/etl/jobs/first.ts', import.meta.url));

/** The least that goes through every process and thread of a cluster; and what a cluster of its own starts besides. */
const programs = [
  ['run', job],
  ['manager', '--config', '-'],
];
const bundle = fileURLToPath(new URL('bundle.ts', import.meta.url));
spawn(process.execPath, [bundle], { stdio: 'ignore' })
  .on('error', () => {})
  .on('exit', () => {
    for (const args of programs) spawn(process.execPath, [bin, ...args], { stdio: 'ignore' }).on('error', () => {});
  });
