/**
 * `npm run simulate -- --seeds N --from S [--faults LIST] [--stop] [--trace]`: plays seeds S, S+1, .. and says how fast, which faults
 * were reached how often, and which seeds went wrong, each with the command that plays it again. The last line of
 * stdout is JSON. Exits 0 only when nothing was wrong and nothing stuck.
 */
import { parseArgs } from 'node:util';
import { allFaults, type FaultKind, faultKinds } from './faults.ts';
import { type Outcome, play } from './run.ts';

const usage = `Usage: npm run simulate -- [--seeds N] [--from S] [--faults LIST] [--stop] [--trace]

  --seeds N      how many (300)
  --from S       the first one (a random one)
  --faults LIST  only these, separated by commas; of
${allFaults.map((kind) => `                 ${kind.padEnd(13)} ${faultKinds[kind]}`).join('\n')}
  --stop         ends at the first seed that goes wrong
  --trace        tells all that happens
`;

interface Wishes {
  readonly seeds: number;
  readonly from: number;
  readonly faults: readonly FaultKind[];
  readonly stop: boolean;
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
        stop: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
      },
    });
    const faults = values.faults.split(',').filter((name) => name !== '');
    const [seeds, from] = [Number(values.seeds), Number(values.from)];
    if (!Number.isInteger(seeds) || seeds < 1 || !Number.isInteger(from) || from < 0) return null;
    if (faults.some((name) => !(name in faultKinds))) return null;
    return { seeds, from, faults: faults as FaultKind[], stop: values.stop, trace: values.trace };
  } catch {
    return null;
  }
}

/** The command that plays one seed again. */
function commandOf(seed: number, faults: readonly FaultKind[]): string {
  const only = faults.length === allFaults.length ? '' : ` --faults ${faults.join(',')}`;
  return `npm run simulate -- --seeds 1 --from ${seed}${only} --trace`;
}

const wishes = wishesOf(process.argv.slice(2));
if (wishes === null) {
  process.stderr.write(usage);
  process.exit(2);
}
const { seeds, from, faults, stop, trace } = wishes;
const reached = Object.fromEntries(faults.map((kind) => [kind, 0])) as Record<string, number>;
const count = { wrong: 0, stuck: 0 };
const began = process.cpuUsage();
let played = 0;
let events = 0;
let simulatedMs = 0;
for (let seed = from; seed < from + seeds; seed++) {
  const outcome: Outcome = await play(seed, faults, trace ? (line) => void process.stdout.write(`${line}\n`) : undefined);
  played++;
  events += outcome.events;
  simulatedMs += outcome.ms;
  for (const [kind, times] of outcome.faults) reached[kind] = (reached[kind] ?? 0) + times;
  if (played % 100 === 0 && !trace) process.stderr.write(`${played} of ${seeds} seeds, ${count.wrong} wrong, ${count.stuck} stuck\n`);
  if (outcome.verdict === 'right') continue;
  count[outcome.verdict]++;
  process.stdout.write(`seed ${seed} is ${outcome.verdict}: ${outcome.what}\n  ${commandOf(seed, faults)}\n`);
  if (stop) break;
}
const { user, system } = process.cpuUsage(began);
const seconds = (user + system) / 1e6;
for (const kind of faults) process.stdout.write(`${kind.padEnd(13)} ${String(reached[kind]).padStart(8)}  ${faultKinds[kind]}\n`);
process.stdout.write(
  `${played} seeds, ${(played / seconds).toFixed(1)} a CPU second, ${events} events, ${(simulatedMs / 1000).toFixed(0)} s of simulated time\n`,
);
process.stdout.write(`${JSON.stringify({ from, seeds: played, faults: reached, wrong: count.wrong, stuck: count.stuck })}\n`);
process.exitCode = count.wrong + count.stuck === 0 ? 0 : 1;
