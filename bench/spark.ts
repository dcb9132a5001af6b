/**
 * Spark on Sluice beside Spark's own shuffle, in one run: for each, and for Spark's own a second time, one Spark application in
 * local-cluster mode stays alive, and all three do the same piece of work one right after the other, in changing order. Run
 * as `npm run bench -- spark`. The exit code says whether all answers were equal, never who was faster.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '#manager/protocol/errors.ts';
import { MiB } from '#manager/protocol/ids.ts';
import { type EmbeddedCluster, startEmbedded } from '#runtime/embedded.ts';
import { pluginJar as jar } from '../plugins/build.ts';
import { defaultSpark, installSpark, installTools, installTpch, run as runTool } from '../test/spark/install.ts';
import { queriesFile } from '../test/spark/jobs-jar.ts';
import { type Finding, type Flags, runProgram } from './harness.ts';
import { cpuSecondsOf, peakMegabytesOf } from './processes.ts';
import { type Application, type Done, startApplication, type Work } from './spark/application.ts';
import { median, orderOf, overNative, type Pair, queryFigures, summed, type Variant, variants, worst } from './spark/figures.ts';

const flagTable = {
  sf: { default: 1, sentence: 'TPC-H scale factor' },
  pairs: { default: 5, sentence: 'times that all do the same, after one that is not counted' },
  partitions: { default: 16, sentence: 'spark.sql.shuffle.partitions for TPC-H' },
  only: { default: '', sentence: 'W1 (pure shuffle of 2 GB), W2 (TPC-H) or W3 (tiny shuffles); empty: all' },
  spark: { default: defaultSpark, sentence: 'version of Spark' },
  minutes: { default: 24, sentence: 'no further pair is begun that would end after this; 0: no bound' },
} as const;

const ratios = ['tpchOverNative', 'worstQueryOverNative', 'worstQueryNoise', 'tinyOverNative', 'pureOverNative', 'sparkCpuOverNative'];
const noises = ['tpchNoise', 'tinyNoise', 'pureNoise', 'sparkCpuNoise'];
const keys = [...ratios, 'workerCpuPerGB', 'workerRssMB', ...noises, 'worstQuery', 'equal', 'pairs', 'sf', 'partitions', 'spark'];

const root = fileURLToPath(new URL('..', import.meta.url));
const arenaBytes = 128 * MiB;
/** The 22 of TPC-H: what stands behind each line `-- N name`. */
const statements = readFileSync(queriesFile, 'utf8')
  .split(/^-- \d+ .*$/m)
  .slice(1);
/** Two executors of one core. Three applications have to fit into the memory of a small machine, so they do not get all of their workers'. */
const clusterConf = { 'spark.master': 'local-cluster[2,1,3072]', 'spark.executor.memory': '2g' };
const pureWork: Work = { do: 'pure', rows: 16_000_000, maps: 32, partitions: 64 };
const tinyWork: Work = { do: 'tiny', rows: 1000, partitions: 200 };
/** Tiny jobs are short: so many for each pair. */
const tinyJobsPerPair = 4;

/** @returns the exit code */
export async function spark(argv: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const code = await runProgram('npm run bench -- spark', argv, flagTable, keys, (flags) => measure(flags, interrupted.signal));
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  return interrupted.signal.aborted ? 130 : code;
}

type Settings = Flags<typeof flagTable>;
const say = (text: string): void => console.error(text);
/** @throws INTERRUPTED */
function goOn(signal: AbortSignal): void {
  if (signal.aborted) throw new SluiceError('INTERRUPTED', {});
}
const round = (value: number, digits = 3): number => Number(value.toFixed(digits));

/** What the parts share: where to start applications, whose workers to look at, when to end. */
interface Bench {
  readonly flags: Settings;
  readonly home: string;
  readonly data: string;
  readonly folder: string;
  readonly cluster: EmbeddedCluster;
  readonly applications: Set<Application>;
  readonly signal: AbortSignal;
  readonly startedAt: number;
  /** Answers by piece of work; more than one is wrong. */
  readonly answers: Map<string, Set<string>>;
}

async function measure(flags: Settings, signal: AbortSignal): Promise<Finding> {
  check(flags);
  const startedAt = performance.now();
  await installTools();
  const [home, data] = [await installSpark(flags.spark), await installTpch(flags.sf)];
  await buildPlugin();
  goOn(signal);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-spark-'));
  const applications = new Set<Application>();
  let cluster: EmbeddedCluster | null = null;
  let keep = true;
  const stop = (): void => {
    for (const application of applications) void application.close(true);
  };
  signal.addEventListener('abort', stop);
  try {
    const died = (name: string, how: string): void => say(`${name} died: ${how}`);
    const dataDir = join(folder, 'cluster');
    mkdirSync(dataDir);
    cluster = await startEmbedded({ workers: 2, executors: 0, dataDir, port: 0, worker: { arenaBytes }, died });
    const finding = await parts({ flags, home, data, folder, cluster, applications, signal, startedAt, answers: new Map() });
    keep = false;
    return finding;
  } catch (thrown) {
    keep = !signal.aborted;
    throw signal.aborted ? new SluiceError('INTERRUPTED', {}) : thrown;
  } finally {
    signal.removeEventListener('abort', stop);
    await Promise.all([...applications].map((application) => application.close(true)));
    await cluster?.close(false);
    if (keep) say(`logs are kept in ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

function check({ sf, pairs, partitions, only }: Settings): void {
  const usage = (what: string): SluiceError => new SluiceError('USAGE', { what });
  if (!(Number.isInteger(sf) && sf >= 1)) throw usage('--sf is a whole number from 1');
  if (!(Number.isInteger(pairs) && pairs >= 1)) throw usage('--pairs is a whole number from 1');
  if (!(Number.isInteger(partitions) && partitions >= 1)) throw usage('--partitions is a whole number from 1');
  if (!['', 'W1', 'W2', 'W3'].includes(only)) throw usage('--only is W1, W2 or W3');
}

/** Makes the jar when it is not there, or older than what it is made of. */
async function buildPlugin(): Promise<void> {
  const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ['jvm-client', 'spark'].flatMap((plugin) => {
    const place = join(root, 'plugins', plugin);
    const files = readdirSync(join(place, 'src/main'), { recursive: true, encoding: 'utf8' }).map((file) => join(place, 'src/main', file));
    return [join(place, 'pom.xml'), ...files];
  });
  if (modified(jar) >= Math.max(...sources.map(modified))) return;
  say('building the plugin');
  await runTool('npm', ['run', 'build:plugins'], { quiet: true });
}

async function parts(bench: Bench): Promise<Finding> {
  const { only, sf, partitions } = bench.flags;
  const wanted = (part: string): boolean => only === '' || only === part;
  const pure = wanted('W1') ? await pureShuffle(bench) : null;
  const rest = wanted('W2') || wanted('W3') ? await tinyAndTpch(bench, wanted('W3'), wanted('W2')) : null;
  const { tiny, tpch } = { tiny: null, tpch: null, ...rest };
  const unequal = [...bench.answers].filter(([, answers]) => answers.size > 1).map(([work]) => work);
  for (const work of unequal) say(`WRONG: ${work} has different answers`);
  const equal = unequal.length === 0;
  // Fewer than were wished for when time was short.
  const counts = [pure?.pairs.length, tiny && Math.ceil(tiny.pairs.length / tinyJobsPerPair), tpch?.totals.length].filter(
    (count) => typeof count === 'number',
  );
  const cpuOf = (variant: Variant): number | null => {
    const each = [pure?.pairs, tpch?.totals].flatMap((all) => (all ? [overNative(all, variant, 'cpuSeconds')] : []));
    return each.length === 0 ? null : round(worst(each));
  };
  const result = {
    ...pure?.result,
    ...tiny?.result,
    ...tpch?.result,
    sparkCpuOverNative: cpuOf('sluice'),
    sparkCpuNoise: cpuOf('again'),
    workerRssMB: round(worst(workerPids(bench).map((pid) => peakMegabytesOf(pid) ?? Number.NaN)), 0),
    equal,
  };
  say(`${((performance.now() - bench.startedAt) / 60_000).toFixed(1)} minutes, answers ${equal ? 'equal' : 'NOT EQUAL'}`);
  return { right: equal, result: { ...result, pairs: Math.min(...counts), sf, partitions, spark: bench.flags.spark } };
}

const workerPids = ({ cluster }: Bench): number[] => cluster.pids.filter(({ name }) => name.startsWith('worker')).map(({ pid }) => pid);
const workersCpuSeconds = (bench: Bench): number => workerPids(bench).reduce((sum, pid) => sum + (cpuSecondsOf(pid) ?? Number.NaN), 0);

type Applications = Readonly<Record<Variant, Application>>;

/** Three applications that start at the same time, with settings in common but for who shuffles; they end with `use`. */
async function withApplications<T>(
  bench: Bench,
  part: string,
  conf: Readonly<Record<string, string>>,
  use: (all: Applications) => Promise<T>,
): Promise<T> {
  const { cluster, flags, home, data, folder, applications } = bench;
  const sluice: Record<string, string> = {
    'spark.jars': jar,
    'spark.shuffle.manager': 'org.apache.spark.shuffle.sluice.SluiceShuffleManager',
    'spark.sluice.manager.url': cluster.url,
  };
  goOn(bench.signal);
  say(`${part}: starting Spark ${flags.spark} three times`);
  const start = (variant: Variant): [Variant, Application] => {
    const own = variant === 'sluice' ? sluice : {};
    const env: Record<string, string> = variant === 'sluice' ? { SLUICE_TOKEN: cluster.secret } : {};
    const name = `${part}-${variant}`;
    const application = startApplication({ name, home, folder: join(folder, name), data, conf: { ...clusterConf, ...conf, ...own }, env });
    applications.add(application);
    return [variant, application];
  };
  const all = Object.fromEntries(variants.map(start)) as Applications;
  await Promise.all(variants.map((variant) => all[variant].ready));
  const answer = await use(all);
  await Promise.all(variants.map((variant) => all[variant].close(false)));
  for (const variant of variants) applications.delete(all[variant]);
  return answer;
}

/** All do it, one after the other. @param n  number of the pair, which decides about the order */
async function onAll(bench: Bench, all: Applications, n: number, name: string, work: Work): Promise<Pair> {
  const done = new Map<Variant, Done>();
  const answers = bench.answers.get(name) ?? new Set();
  bench.answers.set(name, answers);
  for (const variant of orderOf(n)) {
    goOn(bench.signal);
    const one = await all[variant].run(work);
    answers.add(one.answer);
    done.set(variant, one);
  }
  const of = (variant: Variant): Done => done.get(variant)!;
  return { native: of('native'), sluice: of('sluice'), again: of('again') };
}

const settleAll = (all: Applications): Promise<unknown> => Promise.all(variants.map((variant) => all[variant].settle()));
const seconds = (pair: Pair): string => variants.map((variant) => `${variant} ${pair[variant].seconds.toFixed(2)} s`).join(', ');
const uncounted = (n: number): string => (n === 0 ? ' (not counted)' : '');

/** Whether one more pair that takes as long as the last one still ends in time. */
function timeFor({ flags, startedAt }: Bench, lastMs: number): boolean {
  const fits = flags.minutes === 0 || performance.now() - startedAt + lastMs < flags.minutes * 60_000;
  if (!fits) say(`no time for further pairs: --minutes ${flags.minutes}`);
  return fits;
}

async function pureShuffle(bench: Bench) {
  return withApplications(bench, 'W1', { 'spark.shuffle.compress': 'false' }, async (all) => {
    const pairs: Pair[] = [];
    let [cpu, bytes] = [0, 0];
    for (let n = 0, lastMs = 0; n <= bench.flags.pairs && (n <= 1 || timeFor(bench, lastMs)); n++) {
      const from = performance.now();
      await settleAll(all);
      const [cpuBefore, bytesBefore] = [workersCpuSeconds(bench), await all.sluice.written()];
      const pair = await onAll(bench, all, n, 'the pure shuffle', pureWork);
      // Late work counts too.
      await sleep(1000);
      lastMs = performance.now() - from;
      say(`W1 ${n}: ${seconds(pair)}${uncounted(n)}`);
      if (n === 0) continue;
      pairs.push(pair);
      cpu += workersCpuSeconds(bench) - cpuBefore;
      bytes += (await all.sluice.written()) - bytesBefore;
    }
    const workerCpuPerGB = round(cpu / (bytes / 1e9));
    const pureOverNative = round(overNative(pairs, 'sluice'));
    console.log(`W1, ${round(bytes / 1e9 / pairs.length, 2)} GB uncompressed; workers ${workerCpuPerGB} CPU-s/GB`);
    table({ 'W1: pure shuffle': pairs });
    return { pairs, result: { pureOverNative, pureNoise: round(overNative(pairs, 'again')), workerCpuPerGB } };
  });
}

async function tinyAndTpch(bench: Bench, tiny: boolean, tpch: boolean) {
  const conf = { 'spark.sql.shuffle.partitions': String(bench.flags.partitions) };
  return withApplications(bench, 'W2', conf, async (all) => {
    const doneTiny = tiny ? await tinyShuffles(bench, all) : null;
    return { tiny: doneTiny, tpch: tpch ? await tpchRounds(bench, all) : null };
  });
}

async function tinyShuffles(bench: Bench, all: Applications) {
  const pairs: Pair[] = [];
  for (let n = -tinyJobsPerPair, lastMs = 0; n < bench.flags.pairs * tinyJobsPerPair && (n <= 0 || timeFor(bench, lastMs)); n++) {
    const from = performance.now();
    const pair = await onAll(bench, all, n + tinyJobsPerPair, 'the tiny shuffle', tinyWork);
    lastMs = performance.now() - from;
    if (n >= 0) pairs.push(pair);
    if (n % tinyJobsPerPair === 0) say(`W3 ${n / tinyJobsPerPair + 1}: ${seconds(pair)}${n < 0 ? uncounted(0) : ''}`);
  }
  await settleAll(all);
  table({ 'W3: tiny shuffle': pairs });
  return { pairs, result: { tinyOverNative: round(overNative(pairs, 'sluice')), tinyNoise: round(overNative(pairs, 'again')) } };
}

async function tpchRounds(bench: Bench, all: Applications) {
  const rounds: Pair[][] = [];
  let [cpu, bytes] = [0, 0];
  for (let n = 0, lastMs = 0; n <= bench.flags.pairs && (n <= 1 || timeFor(bench, lastMs)); n++) {
    const from = performance.now();
    const [cpuBefore, bytesBefore] = [workersCpuSeconds(bench), await all.sluice.written()];
    const done: Pair[] = [];
    for (let number = 1; number <= statements.length; number++)
      done.push(await onAll(bench, all, n + number, `query ${number}`, { do: 'query', sql: statements[number - 1]! }));
    say(`W2 ${n}: ${seconds(summed(done))}${uncounted(n)}`);
    await settleAll(all);
    lastMs = performance.now() - from;
    if (n === 0) continue;
    rounds.push(done);
    cpu += workersCpuSeconds(bench) - cpuBefore;
    bytes += (await all.sluice.written()) - bytesBefore;
  }
  const totals = rounds.map(summed);
  const each = queryFigures(rounds);
  console.table(
    Object.fromEntries(
      each.map(({ query, ...figures }) => [`Q${query}`, Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, round(value)]))]),
    ),
  );
  console.log(
    `W2, ${round(bytes / 1e9 / rounds.length, 2)} GB a round, ${rounds.length} rounds; workers ${round(cpu / rounds.length, 2)} CPU-s a round`,
  );
  table({ 'W2: TPC-H, 22 queries': totals });
  const worstRatio = worst(each.map(({ ratio }) => ratio));
  return {
    totals,
    result: {
      tpchOverNative: round(overNative(totals, 'sluice')),
      tpchNoise: round(overNative(totals, 'again')),
      worstQueryOverNative: round(worstRatio),
      worstQueryNoise: round(worst(each.map(({ noise }) => noise))),
      worstQuery: each.find(({ ratio }) => ratio === worstRatio)?.query ?? null,
    },
  };
}

/** Medians of wall and CPU seconds, and of the ratios of pairs. */
function table(rows: Readonly<Record<string, readonly Pair[]>>): void {
  const cells = (pairs: readonly Pair[]) => ({
    ...Object.fromEntries(variants.map((variant) => [`${variant} s`, round(median(pairs.map((pair) => pair[variant].seconds)))])),
    ...Object.fromEntries(variants.map((variant) => [`${variant} CPU s`, round(median(pairs.map((pair) => pair[variant].cpuSeconds)), 2)])),
    ratio: round(overNative(pairs, 'sluice')),
    noise: round(overNative(pairs, 'again')),
    'CPU ratio': round(overNative(pairs, 'sluice', 'cpuSeconds')),
  });
  console.table(Object.fromEntries(Object.entries(rows).map(([name, pairs]) => [name, cells(pairs)])));
}
