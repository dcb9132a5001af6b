/**
 * `npm run mutants [-- --seeds N] [--from S] [--only NAME] [--quick]`: breaks the product in one place at a time, in a copy of the tree, and lets
 * the simulator play there until a seed goes wrong. A mutant nobody notices is a hole in the simulator's oracles. A mutant is
 * a text and what stands in its place: one whose text is no longer found fails loudly. The last line of stdout is JSON.
 */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Mutant, mutants } from './mutant-table.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What the simulator loads. */
const loaded = [
  'shuffle-manager',
  'shuffle-worker',
  'batch-runtime',
  'test/simulation',
  'test/shuffle-manager/world.ts',
  'bench/harness.ts',
  'package.json',
];
const kernelSource = 'shuffle-worker/kernel/assembly/';
const kernelBytes = ['shuffle-worker/kernel/kernel-bytes.ts', 'batch-runtime/batch/hash-bytes.ts'];

export interface Killed {
  readonly name: string;
  /** Seeds played until one went wrong; null: none did. */
  readonly seeds: number | null;
  readonly what: string;
}

/** The text of a file with the mutant in it. @throws when the text to be replaced is not there exactly once */
export function mutate(text: string, mutant: Mutant): string {
  const parts = text.split(mutant.find);
  if (parts.length !== 2) throw new Error(`mutant "${mutant.name}": its text is found ${parts.length - 1} times in ${mutant.file}, not once`);
  return parts.join(mutant.replace);
}

/** A copy of the tree, in which one mutant after the other lives. */
async function copyTree(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-mutant-'));
  for (const path of loaded) await cp(join(root, path), join(folder, path), { recursive: true });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

function run(folder: string, program: string, args: readonly string[]): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--single-threaded', '--max-semi-space-size=16', join(folder, program), ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Most of the tree is the same for every mutant.
      env: { ...process.env, NODE_COMPILE_CACHE: join(folder, '.cache') },
    });
    let out = '';
    const keep = (bytes: Buffer): void => {
      out += bytes.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out }));
  });
}

async function hunt(mutant: Mutant, folder: string, seeds: number, from: number): Promise<Killed> {
  const file = join(folder, mutant.file);
  const whole = await readFile(file, 'utf8');
  const isKernel = mutant.file.startsWith(kernelSource);
  try {
    await writeFile(file, mutate(whole, mutant));
    const compiled = isKernel ? await run(folder, `${kernelSource}build.ts`, []) : null;
    if (compiled && compiled.code !== 0) throw new Error(`mutant "${mutant.name}" cannot be compiled: ${compiled.out}`);
    const faults = mutant.faults === undefined ? [] : ['--faults', mutant.faults.join(',')];
    const args = ['--seeds', String(seeds), '--from', String(from), '--threads', '1', '--stop', ...faults];
    const { code, out } = await run(folder, 'test/simulation/simulate.ts', args);
    const last = out.trim().split('\n').at(-1) ?? '';
    if (!last.startsWith('{')) throw new Error(`mutant "${mutant.name}": the simulator ended with ${code}: ${out}`);
    const said = JSON.parse(last) as { seeds: number; wrong: number; stuck: number };
    const what = /is (?:wrong|stuck): (.*)/.exec(out)?.[1] ?? '';
    return { name: mutant.name, seeds: code !== 0 && said.wrong + said.stuck > 0 ? said.seeds : null, what };
  } finally {
    await writeFile(file, whole);
    if (isKernel) for (const compiled of kernelBytes) await cp(join(root, compiled), join(folder, compiled));
  }
}

/** Plays all of them, as many at a time as there are cores; tells each when it is known. */
export async function huntAll(
  chosen: readonly Mutant[],
  seeds: number,
  from: number,
  tell: (killed: Killed) => void,
  lanes = availableParallelism(),
): Promise<Killed[]> {
  const left = [...chosen];
  const all: Killed[] = [];
  const lane = async (): Promise<void> => {
    const folder = await copyTree();
    try {
      for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
        const killed = await hunt(mutant, folder, seeds, from);
        tell(killed);
        all.push(killed);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, left.length) }, lane));
  return all;
}

/** @returns  maxSeeds: what the hardest of those that were killed took */
export function summaryOf(all: readonly Killed[]): { total: number; killed: number; maxSeeds: number | null; medianSeeds: number | null } {
  const seeds = all.flatMap((one) => (one.seeds === null ? [] : [one.seeds])).sort((a, b) => a - b);
  return { total: all.length, killed: seeds.length, maxSeeds: seeds.at(-1) ?? null, medianSeeds: seeds[seeds.length >> 1] ?? null };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '600' },
      from: { type: 'string', default: '1' },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const chosen = mutants.filter(({ name, isQuick }) => (values.only === undefined || name.includes(values.only)) && (isQuick || !values.quick));
  const all = await huntAll(chosen, Number(values.seeds), Number(values.from), ({ name, seeds, what }) => {
    process.stdout.write(seeds === null ? `SURVIVED  ${name}\n` : `killed    ${name}, ${seeds} seeds: ${what}\n`);
  });
  const summary = summaryOf(all);
  const { total, killed, medianSeeds, maxSeeds } = summary;
  process.stdout.write(
    `${killed} of ${total} killed; seeds to kill: ${medianSeeds} in the middle, ${maxSeeds} at most\n${JSON.stringify(summary)}\n`,
  );
  process.exitCode = killed === total && total > 0 ? 0 : 1;
}
