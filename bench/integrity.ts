/**
 * What it costs that a shuffle is exact: hashes made and checked, the manager's journal, writers that wait for `written`. The same
 * bench, `bench/shuffle.ts`, runs in turn in this tree and in a copy of it that has none of these; the copy is made here and is no
 * setting of the product. The overhead is that of the medians: how far one run is from the next says why. `sameLevelOverhead` is that over the copy
 * with its writers waiting for `written` too, which is hashes and the journal alone. Run as `npm run bench -- integrity`.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Finding, type Flags, runProgram } from './harness.ts';

const flagTable = {
  gigabytes: { default: 0.5, sentence: 'written and read in each run' },
  blockBytes: { default: 16 * 1024, sentence: 'payload of a block' },
  pairs: { default: 10, sentence: 'runs with and without, in turn' },
} as const;
const keys = [
  'overhead',
  'cpuOverhead',
  'sameLevelOverhead',
  'noise',
  'onSecondsPerGB',
  'offSecondsPerGB',
  'onCpuPerGB',
  'offCpuPerGB',
  'sameLevelSecondsPerGB',
  'sameLevelCpuPerGB',
  'pairs',
  'gigabytes',
  'blockBytes',
];

const root = fileURLToPath(new URL('..', import.meta.url));
const bare = join(root, '.cache/no-integrity');
const copied = ['shuffle-manager', 'shuffle-worker', 'batch-runtime', 'bench', 'package.json'];

/** What the copy has not: each text stands in its file exactly once. */
export const removed: readonly { readonly file: string; readonly find: string; readonly replace: string }[] = [
  ...['hash64(at: usize, length: u32): u64 {', 'hashHeader(at: usize): u64 {', 'hashWords(at: usize, length: u32): u64 {'].map((head) => ({
    file: 'shuffle-worker/kernel/assembly/xxh64.ts',
    find: `export function ${head}`,
    replace: `export function ${head}\n  if (P5 != 0) return 1;`,
  })),
  {
    file: 'shuffle-worker/protocol/xxh64.ts',
    find: 'function run(bytes: Uint8Array, from: number, to: number): void {',
    replace: 'function run(bytes: Uint8Array, from: number, to: number): void {\n  high = 0;\n  low = 1;\n  if (to >= 0) return;',
  },
  {
    file: 'shuffle-manager/journal.ts',
    find: '  flushed(): Promise<void> {\n',
    replace: '  flushed(): Promise<void> {\n    if (this.term > 0) return Promise.resolve();\n',
  },
  { file: 'shuffle-manager/journal.ts', find: 'this.#sync(this.#file), this.checkTerm()', replace: 'Promise.resolve(), Promise.resolve()' },
];

/** @returns the exit code */
export function integrity(argv: readonly string[]): Promise<number> {
  return runProgram('npm run bench -- integrity', argv, flagTable, keys, measure);
}

async function measure({ gigabytes, blockBytes, pairs }: Flags<typeof flagTable>): Promise<Finding> {
  await makeBare();
  const args = ['--json', '--gigabytes', String(gigabytes), '--block-bytes', String(blockBytes)];
  const on = () => costPerGB(root, [...args, '--level', 'written']);
  const off = () => costPerGB(bare, [...args, '--level', 'received']);
  const same = () => costPerGB(bare, [...args, '--level', 'written']);
  const noise: number[] = [];
  const all: { readonly on: Cost[]; readonly off: Cost[]; readonly same: Cost[] } = { on: [], off: [], same: [] };
  for (let pair = 0; pair < pairs; pair++) {
    const [first, without, bareWritten, second] = [await on(), await off(), await same(), await on()];
    all.on.push(first, second);
    all.off.push(without);
    all.same.push(bareWritten);
    noise.push(second.wall / first.wall);
    process.stderr.write(
      `pair ${pair + 1} of ${pairs}: ${costText(first)} and ${costText(second)} with, ${costText(without)} without, ${costText(bareWritten)} without at written\n`,
    );
  }
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  const [wall, cpu] = (['wall', 'cpu'] as const).map((of) => ({
    on: median(all.on.map((one) => one[of])),
    off: median(all.off.map((one) => one[of])),
    same: median(all.same.map((one) => one[of])),
  }));
  return {
    right: true,
    result: {
      overhead: round(wall!.on / wall!.off - 1),
      cpuOverhead: round(cpu!.on / cpu!.off - 1),
      sameLevelOverhead: round(wall!.on / wall!.same - 1),
      noise: round(Math.max(...noise.map((ratio) => Math.abs(ratio - 1)))),
      onSecondsPerGB: round(wall!.on),
      offSecondsPerGB: round(wall!.off),
      onCpuPerGB: round(cpu!.on),
      offCpuPerGB: round(cpu!.off),
      sameLevelSecondsPerGB: round(wall!.same),
      sameLevelCpuPerGB: round(cpu!.same),
      pairs,
      gigabytes,
      blockBytes,
    },
  };
}

/** The text without what `find` stands for. @throws when it is not there exactly once */
export function without(file: string, body: string, find: string, replace: string): string {
  const parts = body.split(find);
  if (parts.length !== 2) throw new SluiceError('INTERNAL', { what: `${file} has ${parts.length - 1} times: ${find}` });
  return parts.join(replace);
}

async function makeBare(): Promise<void> {
  rmSync(bare, { recursive: true, force: true });
  mkdirSync(bare, { recursive: true });
  for (const path of copied) cpSync(join(root, path), join(bare, path), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(bare, 'node_modules'));
  for (const { file, find, replace } of removed) {
    const path = join(bare, file);
    writeFileSync(path, without(file, readFileSync(path, 'utf8'), find, replace));
  }
  await run(bare, ['shuffle-worker/kernel/assembly/build.ts']);
}

/** Of writing a gigabyte and reading it again: wall clock, and CPU seconds of client and worker. */
interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

async function costPerGB(folder: string, args: readonly string[]): Promise<Cost> {
  const out = await run(folder, ['bench/main.ts', 'shuffle', ...args]);
  const found = JSON.parse(out.trim().split('\n').at(-1) ?? '') as Record<'writeMBps' | 'readMBps' | 'clientCpuPerGB' | 'workerCpuPerGB', number> & {
    readonly right: boolean;
  };
  if (!found.right) throw new SluiceError('INTERNAL', { what: `a run in ${folder} read something else than it wrote` });
  return { wall: 1000 / found.writeMBps + 1000 / found.readMBps, cpu: found.clientCpuPerGB + found.workerCpuPerGB };
}

const costText = ({ wall, cpu }: Cost): string => `${wall.toFixed(2)} s/GB (CPU ${cpu.toFixed(2)})`;

async function run(folder: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, said, code] = await Promise.all([text(child.stdout), text(child.stderr), new Promise((resolve) => child.once('close', resolve))]);
  if (code !== 0) throw new SluiceError('INTERNAL', { what: `${args[0]} in ${folder} ended with ${code}: ${said.slice(-500)}` });
  return out;
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[at]! : (sorted[at - 1]! + sorted[at]!) / 2;
};
