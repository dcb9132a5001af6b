/**
 * docs/EXACTNESS.md: the promise, how it is kept, and by which tests and figures that is shown. Each row of the fault matrix names the
 * kinds of the simulator that play it and the tests with real processes; the figures are those of the last long run, which
 * `npm run simulate -- --record` writes. A test compares the page, and looks whether the tests named here are there.
 */
import { readFileSync } from 'node:fs';
import { allFaults, type FaultKind, faultKinds } from '../simulation/faults.ts';
import { matrix } from '../simulation/matrix.ts';

/** A test by its file and the beginning of its name, as it stands there. */
export interface Evidence {
  readonly file: string;
  readonly name: string;
}

export interface Figures {
  /** The machine it ran on. */
  readonly machine: string;
  readonly from: number;
  readonly seeds: number;
  readonly seconds: number;
  readonly wrong: number;
  readonly stuck: number;
  /** Of each row of the matrix, how often it was reached. */
  readonly rows: Readonly<Record<string, number>>;
  readonly pairs: number;
}

const integration = (file: string, name: string): Evidence => ({ file: `test/integration/${file}.test.ts`, name });
const chaos: Evidence = { file: 'test/chaos/chaos.test.ts', name: 'three faults: every run is right, and nothing is left' };

/** By row of the matrix: what was done to real processes. */
export const real: Readonly<Record<number, readonly Evidence[]>> = {
  1: [integration('worker-loss', 'a worker that holds committed maps dies'), integration('any-process', 'of each process in turn')],
  2: [integration('recovery', 'with two replicas, a worker that is killed')],
  3: [integration('worker-loss', 'a worker that holds committed maps dies')],
  4: [chaos],
  5: [integration('worker-loss', 'a worker that holds committed maps dies'), integration('jvm-client', 'a worker is killed: a replica serves')],
  6: [integration('recovery', 'an executor that stops is not waited for'), chaos],
  7: [integration('any-process', 'of each process in turn')],
  10: [chaos],
  11: [chaos],
  12: [chaos],
  13: [integration('jvm-client', 'a cut wire: writers go on where the worker is')],
  16: [integration('recovery', 'an executor that stops is not waited for')],
  17: [integration('resume', 'a coordinator that was asleep when another one took its job')],
  19: [integration('jvm-client', 'a damaged wire: what was harmed is sent again')],
  20: [{ file: 'test/flip/bitflips.test.ts', name: 'whatever bit is flipped, and wherever the end is cut off' }],
  21: [{ file: 'test/flip/flip.test.ts', name: 'what is harmed in files and frames comes out right' }],
  23: [integration('jvm-client', 'a worker that is full, or too small for a block'), chaos],
  25: [chaos],
  28: [integration('resume', 'killed three times, twice as it goes on'), integration('worker-loss', 'an executor dies: what it ran runs elsewhere')],
  29: [integration('limits', 'writers that bring much more than the worker takes')],
  30: [integration('limits', 'a worker without a file descriptor left')],
  31: [{ file: 'test/shuffle-manager/manager.test.ts', name: 'a manager that stood still does not take its own silence' }],
  34: [integration('any-process', 'of each process in turn')],
  35: [
    { file: 'test/fuzz/fuzz.test.ts', name: 'hostile frames and requests do no harm' },
    integration('authorisation', 'frames of the data plane x tokens'),
  ],
  36: [integration('limits', 'one partition with half of all bytes')],
};

/** Rows that only real processes play. */
const others: Readonly<Record<number, string>> = {
  29: 'load three times what the workers take',
  30: 'no file descriptors left',
  31: 'event loop held up for 1 to 30 s',
  34: 'every process restarted during jobs',
  35: 'hostile peer: garbage, lengths of 4 GiB, ids and tokens of another job',
  36: 'one partition with half of all bytes; a million empty ones',
};

/** Of the programs that write no file. */
const longRuns = {
  mutants: '42 of 42, after 4 seeds in the middle and 455 at most',
  bitflips: 'all: nothing read that was not written, in 1,257,018 reads',
  fuzz: '10,075,573 frames: no crash, no refusal without a name, no byte of another job; 341 MB of memory at most',
  chaos:
    '200 faults of seed 3 in 515 s: 46 jobs, all right; 17 coordinators resumed; no file, process or shuffle left; 16 % of the work was done twice',
} as const;

const cell = (text: string): string => text.replaceAll('|', '\\|');

export const recorded = (): Figures => JSON.parse(readFileSync(new URL('../simulation/figures.json', import.meta.url), 'utf8')) as Figures;

export function exactnessPage(figures: Figures): string {
  const rows = [...new Set([...Object.keys(matrix), ...Object.keys(others)].map(Number))].sort((a, b) => a - b);
  const lines = rows.map((row) => {
    const { what, kinds } = matrix[row] ?? { what: others[row] ?? '', kinds: [] as readonly FaultKind[] };
    const tests = (real[row] ?? []).map(({ file, name }) => `${file.split('/').at(-1)}: ${name}`).join(' · ');
    return `| ${row} | ${cell(what)} | ${kinds.join(', ') || '-'} | ${kinds.length > 0 ? (figures.rows[row] ?? 0) : '-'} | ${cell(tests) || '-'} |`;
  });
  return `# Exactness

**A reader gets every committed record once, or a typed error. Never fewer, never more, never silently.** There is no setting for it.

## How

1. *Identity.* Every block says whose it is: shuffle run, map, attempt, section, partition, number. A run is a number that the manager mints from its journal
   and never gives again. The header's hash covers that and the hash of the payload. [PROTOCOL](PROTOCOL.md) has the bytes.
2. *Manifests.* An attempt ends each stream with a manifest made by the writer: blocks per partition, and the sum of their header hashes. A worker
   acknowledges it when it holds just that, at the level the shuffle asks for: \`received\` may be lost by a crash, and is then made again by name;
   \`written\` survives \`kill -9\`; \`durable\` survives the power.
3. *Commits.* One compare-and-set per map at the manager, which answers when it is in the journal. The first attempt wins; others are told that they are
   superseded, which is a success for them.
4. *Reads.* A reader checks frame, header, payload, identity, winner and order, and at the end that what it saw is what the manifests say. Any difference is
   an error that names the maps.
5. *Losses.* The manager vacates the cells that are lost and no others; a replica serves before anything runs again. What is not deterministic is
   never made again in part: its stage starts over, with all that came of it.
6. *Coordinators.* What a coordinator decides is in a log that the manager keeps. Another goes on with it (\`sluice run --resume\`); the one before is
   fenced by an epoch, and what it had staged is no longer where it looks. Outputs appear by rename, once.
7. *Managers.* Journal and snapshot, a term per start. Of two on one folder the older answers nothing that the newer has not read, but for commits at
   \`received\`, which may be lost, and says of nothing that it is not there.

## What it is not

A worker that lies with valid hashes is not found out; the cluster secret is what keeps one away. When every copy of something is gone, and its job cannot make it
again, the job fails and says what is lost. A function or source that gives other rows each time and does not say so is taken at its word. xxHash64 is no
defence against someone who forges, only against chance: 2^-64 a block.

## Faults, tests, figures

The simulator (\`npm run simulate\`) runs the product's manager, workers, clients, coordinator and executors in one process from one seed, over a clock, a network and disks
of its own. The last long run: seeds ${figures.from} to ${figures.from + figures.seeds - 1} in ${figures.seconds} s, **${figures.wrong} wrong, ${figures.stuck} stuck**; ${figures.pairs} pairs of kinds met in one seed; on ${figures.machine}.
No wrong seed in ${figures.seeds} bounds the rate below ${(3 / figures.seeds).toExponential(1)} per seed at 95 %, no further.

| fault | what | kinds in the simulator | reached | with real processes |
| --- | --- | --- | --- | --- |
${lines.join('\n')}

What each kind is:

${allFaults.map((kind) => `- \`${kind}\`: ${faultKinds[kind]}`).join('\n')}

What else looks for mistakes, and what its last long run found, on 2 cores of an AMD EPYC:

| program | what it does | found |
| --- | --- | --- |
| \`npm run mutants\` | breaks the product in one place at a time, 42 times; the simulator has to notice | ${longRuns.mutants} |
| \`npm run bitflips\` | flips each of the 524,288 bits of a segment of 64 KiB, and cuts its end off at each of 65,536 places | ${longRuns.bitflips} |
| \`npm run fuzz\` | hostile frames and requests to a worker, clients, a manager, a coordinator and real processes | ${longRuns.fuzz} |
| \`npm run chaos\` | hurts real processes, disks and wires while jobs loop, and compares what they publish | ${longRuns.chaos} |
| \`npm run bench -- integrity\` | what all this costs | see BENCHMARKS.md |
`;
}
