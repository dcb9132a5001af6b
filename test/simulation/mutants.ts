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
const loaded = ['shuffle-manager', 'shuffle-worker', 'batch-runtime', 'test/simulation', 'test/shuffle-manager/world.ts', 'package.json'];
const kernelSource = 'shuffle-worker/kernel/assembly/';

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

async function copyTree(into: string): Promise<void> {
  for (const path of loaded) await cp(join(root, path), join(into, path), { recursive: true });
  await symlink(join(root, 'node_modules'), join(into, 'node_modules'));
}

function run(folder: string, program: string, args: readonly string[]): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(folder, program), ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
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

async function hunt(mutant: Mutant, seeds: number, from: number): Promise<Killed> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-mutant-'));
  try {
    await copyTree(folder);
    const file = join(folder, mutant.file);
    await writeFile(file, mutate(await readFile(file, 'utf8'), mutant));
    if (mutant.file.startsWith(kernelSource)) {
      const { code, out } = await run(folder, `${kernelSource}build.ts`, []);
      if (code !== 0) throw new Error(`mutant "${mutant.name}" cannot be compiled: ${out}`);
    }
    const faults = mutant.faults === undefined ? [] : ['--faults', mutant.faults.join(',')];
    const args = ['--seeds', String(seeds), '--from', String(from), '--threads', '1', '--stop', ...faults];
    const { code, out } = await run(folder, 'test/simulation/simulate.ts', args);
    const last = out.trim().split('\n').at(-1) ?? '';
    if (!last.startsWith('{')) throw new Error(`mutant "${mutant.name}": the simulator ended with ${code}: ${out}`);
    const said = JSON.parse(last) as { seeds: number; wrong: number; stuck: number };
    const what = /is (?:wrong|stuck): (.*)/.exec(out)?.[1] ?? '';
    return { name: mutant.name, seeds: code !== 0 && said.wrong + said.stuck > 0 ? said.seeds : null, what };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Plays all of them, as many at a time as there are cores; tells each when it is known. */
export async function huntAll(chosen: readonly Mutant[], seeds: number, from: number, tell: (killed: Killed) => void): Promise<Killed[]> {
  const left = [...chosen];
  const all: Killed[] = [];
  const lane = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const killed = await hunt(mutant, seeds, from);
      tell(killed);
      all.push(killed);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
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
  process.stdout.write(`${killed} of ${total} killed; seeds to kill: ${medianSeeds} in the middle, ${maxSeeds} at most\n${JSON.stringify(summary)}\n`);
  process.exitCode = killed === total && total > 0 ? 0 : 1;
}
