/**
 * `npm run chaos -- --kills N --seed S`: real processes, real faults. A line for each run, a table of what was done to whom, and as the
 * last line of stdout the verdict as JSON. Exits 0 only when nothing was wrong, broken, stuck or left behind.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chaos, type Verdict } from './chaos.ts';
import { faultKinds, targets } from './faults.ts';
import { canIsolate, isInside, runInside } from './world.ts';

const help = `Usage: npm run chaos -- [--kills N] [--seed S] [--rows N] [--job NAME] [--plant] [--proxies]

Two jobs run in a loop on a manager, three workers and three executors, each a process, while these and the coordinators are
hurt; what each job publishes is compared with what is right. As root on Linux it does so in namespaces of its own.

  --kills N   faults in all (40), of
${Object.entries(faultKinds)
  .map(([kind, what]) => `                ${kind.padEnd(8)} ${what}`)
  .join('\n')}
  --seed S    of every choice (a random one)
  --rows N    of the generated table (200000)
  --job NAME  five-stages or flights; both without it
  --plant     changes a digit of the first output: it must be found
  --proxies   no namespaces: cuts by proxies, disks left out

Exit codes: 0 all right, 1 something was wrong or left behind (its logs are kept), 2 bad usage, 130 interrupted.

Example: npm run chaos -- --kills 200 --seed 1
`;

interface Wishes {
  readonly kills: number;
  readonly seed: number;
  readonly rows: number;
  readonly job: string | null;
  readonly plant: boolean;
  readonly proxies: boolean;
}

function wishesOf(args: readonly string[]): Wishes | 'help' | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        kills: { type: 'string', default: '40' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
        rows: { type: 'string', default: '200000' },
        job: { type: 'string' },
        plant: { type: 'boolean', default: false },
        proxies: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) return 'help';
    const { plant, job } = values;
    const [kills, seed, rows] = [Number(values.kills), Number(values.seed), Number(values.rows)];
    if (![kills, seed, rows].every((one) => Number.isInteger(one)) || kills < 1 || rows < 1_000) return null;
    if (job !== undefined && job !== 'five-stages' && job !== 'flights') return null;
    return { kills, seed, rows, job: job ?? null, plant, proxies: values.proxies };
  } catch {
    return null;
  }
}

/** What was done, a row a kind and a column a target. */
function tableOf({ faults }: Verdict): string {
  const row = (cells: readonly string[]): string => cells.map((cell, i) => (i === 0 ? cell.padEnd(8) : cell.padStart(13))).join('');
  const of = (kind: string): string[] => targets.map((target) => String(faults[`${kind} ${target}`] ?? 0));
  return [row(['', ...targets]), ...Object.keys(faultKinds).map((kind) => row([kind, ...of(kind)]))].join('\n');
}

async function play({ kills, seed, rows, job, plant, proxies }: Wishes): Promise<number> {
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new Error('interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  // Inside, the one outside says by this that it is over.
  if (isInside()) process.stdin.once('end', interrupt).resume();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-chaos-'));
  const tell = (text: string): void => void process.stderr.write(`${text}\n`);
  const command = `npm run chaos -- --kills ${kills} --seed ${seed} --rows ${rows}${job === null ? '' : ` --job ${job}`}${plant ? ' --plant' : ''}${proxies ? ' --proxies' : ''}`;
  tell(`seed ${seed}`);
  let keep = true;
  try {
    const verdict = await chaos({ kills, seed, rows, job, plant, folder, signal: abort.signal, tell });
    const { wrong, failed, broken, stuck, leaked, tasksSeconds, rerunSeconds, wasted } = verdict;
    keep = wrong + broken + stuck + leaked.shuffles + leaked.files + leaked.processes > 0;
    process.stdout.write(`${tableOf(verdict)}\n`);
    process.stdout.write(
      `${verdict.runs} runs: ${verdict.right} right, ${wrong} wrong, ${failed} failed of too many faults, ${broken} failed for no reason, ${stuck} stuck\n` +
        `left behind: ${leaked.shuffles} shuffles, ${leaked.files} files, ${leaked.processes} processes\n` +
        `wasted work: ${rerunSeconds} of ${tasksSeconds} task seconds were run again (${(wasted * 100).toFixed(1)} %)\n`,
    );
    if (keep) process.stdout.write(`again: ${command}\nlogs: ${join(folder, 'logs')}\n`);
    process.stdout.write(`${JSON.stringify(verdict)}\n`);
    return keep ? 1 : 0;
  } catch (thrown) {
    if (abort.signal.aborted) {
      keep = false;
      return 130;
    }
    process.stderr.write(`${(thrown as Error).stack}\nagain: ${command}\nlogs: ${join(folder, 'logs')}\n`);
    return 1;
  } finally {
    if (!keep) rmSync(folder, { recursive: true, force: true });
  }
}

const wishes = wishesOf(process.argv.slice(2));
if (wishes === 'help') process.stdout.write(help);
else if (wishes === null) {
  process.stderr.write(help);
  process.exitCode = 2;
} else {
  const outside = !isInside() && !wishes.proxies && canIsolate();
  process.exitCode = outside ? await runInside() : await play(wishes);
  // An interrupted harness has let go of everything; what still waits for a socket must not hold it.
  process.exit();
}
