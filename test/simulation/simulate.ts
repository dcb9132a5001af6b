/**
 * `npm run simulate -- --seeds N --from S [--faults LIST] [--cuts JSON] [--stop] [--record] [--trace]`: plays seeds S, S+1, .. and says how fast,
 * which faults were reached how often, and which seeds went wrong, each with the smallest world in which it still does and
 * the command that plays that. The last line of stdout is JSON. Exits 0 only when nothing was wrong and nothing stuck.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { machineLine } from '../../bench/harness.ts';
import { allFaults, type FaultKind, faultKinds } from './faults.ts';
import { playMany } from './many.ts';
import { rowsReached } from './matrix.ts';
import { playSeed } from './play-seed.ts';
import type { Outcome } from './run.ts';
import type { Cuts } from './scenario.ts';
import { onceWrong } from './seeds.ts';
import { shrink } from './shrink.ts';

const usage = `Usage: npm run simulate -- [--seeds N] [--from S] [--faults LIST] [--known] [--cuts JSON] [--threads N] [--stop] [--record] [--trace]

  --seeds N      how many (300)
  --from S       the first one (a random one)
  --faults LIST  only these, separated by commas; of
${allFaults.map((kind) => `                 ${kind.padEnd(14)} ${faultKinds[kind]}`).join('\n')}
  --known        those that once went wrong as well
  --cuts JSON    a smaller world, as a failure prints it: {"only":["kill:1"],"workers":2,"executors":1,"shuffles":[0],"maps":1,"blocks":3}
  --threads N    as many as there are cores
  --stop         ends at the first seed that goes wrong, and looks for no smaller world
  --record       writes the figures that docs/EXACTNESS.md shows (then: npm run docs)
  --trace        tells all that happens
`;
const shrinkMs = 60_000;

interface Wishes {
  readonly seeds: readonly number[];
  readonly from: number;
  readonly faults: readonly FaultKind[];
  readonly cuts: Cuts | null;
  readonly threads: number;
  readonly stop: boolean;
  readonly record: boolean;
  readonly trace: boolean;
}

function wishesOf(args: readonly string[]): Wishes | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seeds: { type: 'string', default: '300' },
        from: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
        faults: { type: 'string', default: allFaults.join(',') },
        known: { type: 'boolean', default: false },
        cuts: { type: 'string' },
        threads: { type: 'string', default: String(availableParallelism()) },
        stop: { type: 'boolean', default: false },
        record: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
      },
    });
    const faults = values.faults.split(',').filter((name) => name !== '');
    const [count, from, threads] = [Number(values.seeds), Number(values.from), Number(values.threads)];
    if (!Number.isInteger(count) || count < 1 || !Number.isInteger(from) || from < 0 || !Number.isInteger(threads) || threads < 1) return null;
    if (faults.some((name) => !(name in faultKinds))) return null;
    const seeds = Array.from({ length: count }, (_, i) => from + i);
    if (values.known) seeds.push(...onceWrong.filter((seed) => !seeds.includes(seed)));
    const cuts = values.cuts === undefined ? null : (JSON.parse(values.cuts) as Cuts);
    return { seeds, from, faults: faults as FaultKind[], cuts, threads, stop: values.stop, record: values.record, trace: values.trace };
  } catch {
    return null;
  }
}

/** The command that plays one seed again. */
function commandOf(seed: number, faults: readonly FaultKind[], cuts: Cuts): string {
  const only = faults.length === allFaults.length ? '' : ` --faults ${faults.join(',')}`;
  const smaller = Object.keys(cuts).length === 0 ? '' : ` --cuts '${JSON.stringify(cuts)}'`;
  return `npm run simulate -- --seeds 1 --from ${seed}${only}${smaller} --trace`;
}

const wishes = wishesOf(process.argv.slice(2));
if (wishes === null) {
  process.stderr.write(usage);
  process.exit(2);
}
const { seeds, from, faults, cuts, threads, stop, record, trace } = wishes;
const reached = Object.fromEntries(faults.map((kind) => [kind, 0])) as Record<string, number>;
const pairs = new Set<string>();
const failures: Outcome[] = [];
const count = { wrong: 0, stuck: 0 };
const began = { at: performance.now(), cpu: process.cpuUsage() };
let played = 0;
let events = 0;
let simulatedMs = 0;
let pairsReached = 0;

/** Answers whether this was the last one. */
function take(outcome: Outcome): boolean {
  played++;
  events += outcome.events;
  simulatedMs += outcome.ms;
  const kinds = [...outcome.faults.keys()].sort();
  for (const [kind, times] of outcome.faults) reached[kind] = (reached[kind] ?? 0) + times;
  for (const [i, one] of kinds.entries()) for (const other of kinds.slice(i + 1)) pairs.add(`${one} ${other}`);
  pairsReached += (kinds.length * (kinds.length - 1)) / 2;
  if (played % 100 === 0 && !trace) process.stderr.write(`${played} of ${seeds.length} seeds, ${count.wrong} wrong, ${count.stuck} stuck\n`);
  if (outcome.verdict === 'right') return false;
  count[outcome.verdict]++;
  process.stdout.write(`seed ${outcome.seed} is ${outcome.verdict}: ${outcome.what}\n  ${commandOf(outcome.seed, faults, cuts ?? {})}\n`);
  failures.push(outcome);
  return stop;
}

const say = trace ? (line: string) => void process.stdout.write(`${line}\n`) : undefined;
if (cuts !== null || trace || threads === 1 || seeds.length === 1) {
  for (const seed of seeds) if (take(await playSeed(seed, faults, cuts ?? {}, say))) break;
} else await playMany({ seeds, permitted: faults, threads, tell: take });
const wallSeconds = (performance.now() - began.at) / 1000;
const { user, system } = process.cpuUsage(began.cpu);
const cpuSeconds = (user + system) / 1e6;

for (const { seed, verdict, fired } of stop || cuts !== null ? [] : failures) {
  const until = performance.now() + shrinkMs / failures.length;
  const playCut = (smaller: Cuts): Promise<Outcome> => playSeed(seed, faults, smaller);
  const shrunk = await shrink({ seed, permitted: faults, outcome: { verdict, fired }, play: playCut, mayGoOn: () => performance.now() < until });
  process.stdout.write(
    `seed ${seed}, smaller after ${shrunk.plays} plays: ${shrunk.fired.join(', ') || 'no fault'}\n  ${commandOf(seed, faults, shrunk.cuts)}\n`,
  );
}
for (const kind of faults) process.stdout.write(`${kind.padEnd(14)} ${String(reached[kind]).padStart(8)}  ${faultKinds[kind]}\n`);
const rows = rowsReached(reached, pairsReached);
process.stdout.write(
  `rows of the matrix: ${Object.entries(rows)
    .map(([row, times]) => `${row}: ${times}`)
    .join(', ')}\n${pairs.size} of ${(faults.length * (faults.length - 1)) / 2} pairs of kinds were reached in one seed\n`,
);
process.stdout.write(
  `${played} seeds, ${(played / wallSeconds).toFixed(1)} a second, ${(played / cpuSeconds).toFixed(1)} a CPU second, in ${wallSeconds.toFixed(0)} s; ` +
    `${events} events, ${(simulatedMs / 1000).toFixed(0)} s of simulated time\n`,
);
process.stdout.write(
  `${JSON.stringify({ from, seeds: played, faults: reached, rows, pairs: pairs.size, wallSeconds: Math.round(wallSeconds), wrong: count.wrong, stuck: count.stuck })}\n`,
);
if (record) {
  const figures = {
    machine: machineLine(),
    from,
    seeds: played,
    seconds: Math.round(wallSeconds),
    wrong: count.wrong,
    stuck: count.stuck,
    rows,
    pairs: pairs.size,
  };
  writeFileSync(new URL('./figures.json', import.meta.url), `${JSON.stringify(figures, null, 2)}\n`);
}
process.exitCode = count.wrong + count.stuck === 0 ? 0 : 1;
