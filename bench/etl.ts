/**
 * Jobs from file to file, and TPC-H, by Sluice and by the engines one would take otherwise, all on the same data in one run, in changing order:
 * `npm run bench -- etl`. The exit code says whether all results were equal, never who was faster. Engines are etl/engines.ts, what the
 * workloads mean etl/workloads/.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '#manager/protocol/errors.ts';
import { bundle } from '../deploy/bundle.ts';
import { digestOf } from './etl/digest.ts';
import { type Bench, coldStartMs, type Engine, type EngineName, engineNames, openEngine, type Sample } from './etl/engines.ts';
import { installPeers } from './etl/install.ts';
import { type Finding, type Flags, runProgram } from './harness.ts';
import { median, worst } from './spark/figures.ts';

const etlNames = ['e1a', 'e1b', 'e2', 'e3', 'e4', 'e5'];
const queryNames = Array.from({ length: 22 }, (_, i) => `q${String(i + 1).padStart(2, '0')}`);

const flagTable = {
  sf: { default: 1, sentence: 'TPC-H scale factor' },
  only: { default: '', sentence: 'workloads, as e2,e3 or tpch or q01; empty: all' },
  engines: { default: engineNames.join(','), sentence: 'who runs, Sluice always among them' },
  pairs: { default: 3, sentence: 'warm rounds, after one that is not counted' },
  cold: { default: 2, sentence: 'rounds of whole processes' },
  threads: { default: 2, sentence: 'of each engine; executors of Sluice' },
} as const;

const keys = ['worstCpuOverDuckdb', 'worstCpuOverDuckdbWarm', 'worstWallOverSparkCold', 'tpchWarmOverSpark', 'tpchWarmOverDuckdb', 'coldStartMs'];
const moreKeys = ['e1CpuSeconds', 'mostMegabytesOverDuckdb', 'equal', 'pairs', 'cold', 'sf'];
const sortedBy: Readonly<Record<string, readonly string[]>> = { e4: ['l_shipdate', 'l_orderkey', 'l_linenumber'] };

/** @returns the exit code */
export const etl = (argv: readonly string[]): Promise<number> => runProgram('npm run bench -- etl', argv, flagTable, [...keys, ...moreKeys], measure);

type Kind = 'warm' | 'cold';
/** Samples by workload, kind and engine. */
type Samples = Map<string, Sample[]>;
const round = (value: number, digits = 3): number => Number(value.toFixed(digits));

function workloadsOf(only: string): string[] {
  if (only === '') return [...etlNames, ...queryNames];
  return only.split(',').flatMap((name) => {
    if (name === 'tpch') return queryNames;
    if (name === 'e1') return ['e1a', 'e1b'];
    if (etlNames.includes(name) || queryNames.includes(name)) return [name];
    throw new SluiceError('USAGE', { what: `--only: there is no workload ${name}` });
  });
}

function sqlTexts(sf: number): Record<string, string> {
  const read = (name: string): string => readFileSync(new URL(`./etl/workloads/${name}.sql`, import.meta.url), 'utf8');
  const queries = read('tpch')
    .split(/^-- TPC-H Q\d+.*$/m)
    .slice(1);
  const texts = queryNames.map((name, i) => [name, name === 'q11' ? queries[i]!.replace('0.0001', (0.0001 / sf).toFixed(10)) : queries[i]!]);
  return { ...Object.fromEntries(etlNames.map((name) => [name, read(name)])), ...Object.fromEntries(texts) };
}

async function measure(flags: Flags<typeof flagTable>): Promise<Finding> {
  const workloads = workloadsOf(flags.only);
  const names = engineNames.filter((name) => flags.engines.split(',').includes(name));
  // As npm ci leaves it.
  await bundle();
  const installed = await installPeers(flags.sf, names.includes('spark'));
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-etl-'));
  const say = (text: string): void => console.error(text);
  const bench: Bench = { installed, folder, sql: sqlTexts(flags.sf), threads: flags.threads, say };
  const starts: number[] = [];
  for (let n = 0; n <= flags.cold && names.includes('sluice'); n++) starts.push(await coldStartMs(bench));
  const engines = names.map((name) => openEngine(bench, name));
  const samples: Samples = new Map();
  const digests = new Map<string, Map<string, EngineName[]>>();
  let right = true;

  const once = async (engine: Engine, workload: string, kind: Kind, isCounted: boolean): Promise<void> => {
    const out = join(folder, 'out', `${engine.name}-${workload}`);
    rmSync(out, { recursive: true, force: true });
    mkdirSync(join(folder, 'out'), { recursive: true });
    const sample = await engine[kind](workload, out);
    if (sample === null) {
      right &&= engine.name !== 'sluice';
      return;
    }
    const { digest, sorted } = await digestOf(out, sortedBy[workload] ?? []);
    rmSync(out, { recursive: true, force: true });
    if (!sorted) say(`WRONG: ${engine.name} does not sort ${workload}`);
    right &&= sorted;
    const known = digests.get(workload) ?? new Map<string, EngineName[]>();
    digests.set(workload, known.set(digest, [...(known.get(digest) ?? []), engine.name]));
    const key = `${workload} ${kind} ${engine.name}`;
    if (isCounted) samples.set(key, [...(samples.get(key) ?? []), sample]);
    say(
      `${workload} ${kind} ${engine.name}: ${sample.seconds.toFixed(2)} s, CPU ${sample.cpuSeconds.toFixed(2)} s, ${sample.megabytes.toFixed(0)} MB${isCounted ? '' : ' (not counted)'}`,
    );
  };
  const inTurn = (n: number): Engine[] => [...engines.slice(n % engines.length), ...engines.slice(0, n % engines.length)];
  try {
    for (let n = 0; n <= flags.pairs; n++)
      for (const [w, workload] of workloads.entries()) for (const engine of inTurn(n + w)) await once(engine, workload, 'warm', n > 0);
    await Promise.all(engines.map((engine) => engine.close()));
    for (let n = 0; n < flags.cold; n++)
      for (const [w, workload] of workloads.entries())
        if (etlNames.includes(workload)) for (const engine of inTurn(n + w)) await once(engine, workload, 'cold', true);
  } finally {
    await Promise.all(engines.map((engine) => engine.close()));
    if (right) rmSync(folder, { recursive: true, force: true });
    else say(`logs are kept in ${folder}`);
  }
  for (const [workload, known] of digests) {
    if (known.size > 1)
      say(`WRONG: ${workload} has different results: ${[...known].map(([d, who]) => `${d} by ${[...new Set(who)].join(', ')}`).join('; ')}`);
    right &&= known.size <= 1;
  }
  return { right, result: figuresOf(flags, samples, workloads, names, starts, right) };
}

function figuresOf(
  flags: Flags<typeof flagTable>,
  samples: Samples,
  workloads: readonly string[],
  names: readonly EngineName[],
  starts: readonly number[],
  equal: boolean,
): Record<string, unknown> {
  const of = (workload: string, kind: Kind, engine: EngineName, what: keyof Sample): number =>
    median((samples.get(`${workload} ${kind} ${engine}`) ?? []).map((sample) => sample[what]));
  const cell = (value: number, digits: number): string => (Number.isNaN(value) ? '-' : value.toFixed(digits));
  const row = (workload: string, kind: Kind) =>
    Object.fromEntries(
      names.map((name) => [
        `${name}: s, CPU s, MB`,
        `${cell(of(workload, kind, name, 'seconds'), 2)}, ${cell(of(workload, kind, name, 'cpuSeconds'), 2)}, ${cell(of(workload, kind, name, 'megabytes'), 0)}`,
      ]),
    );
  const files = workloads.filter((name) => etlNames.includes(name));
  console.table(
    Object.fromEntries([
      ...workloads.map((name) => [`${name} warm`, row(name, 'warm')]),
      ...(flags.cold > 0 ? files.map((name) => [`${name} process`, row(name, 'cold')]) : []),
    ]),
  );
  /** The greatest of what is a number; null of none. */
  const most = (values: readonly number[]): number | null => {
    const known = values.filter((value) => Number.isFinite(value));
    return known.length === 0 ? null : round(worst(known));
  };
  const large = files.filter((name) => !name.startsWith('e1'));
  const queries = workloads.filter((name) => queryNames.includes(name));
  const tpch = (engine: EngineName): number =>
    queries.length < queryNames.length ? Number.NaN : queries.reduce((sum, name) => sum + of(name, 'warm', engine, 'seconds'), 0);
  return {
    // A job on a standing cluster beside a process of DuckDB, whose CPU is hardly more than its work; and beside one that has done the work before.
    worstCpuOverDuckdb: most(large.map((name) => of(name, 'warm', 'sluice', 'cpuSeconds') / of(name, 'cold', 'duckdb', 'cpuSeconds'))),
    worstCpuOverDuckdbWarm: most(large.map((name) => of(name, 'warm', 'sluice', 'cpuSeconds') / of(name, 'warm', 'duckdb', 'cpuSeconds'))),
    worstWallOverSparkCold: most(files.map((name) => of(name, 'cold', 'sluice', 'seconds') / of(name, 'cold', 'spark', 'seconds'))),
    tpchWarmOverSpark: most([tpch('sluice') / tpch('spark')]),
    tpchWarmOverDuckdb: most([tpch('sluice') / tpch('duckdb')]),
    coldStartMs: starts.length === 0 ? null : Math.round(median(starts)),
    e1CpuSeconds: most(files.filter((name) => name.startsWith('e1')).map((name) => of(name, 'cold', 'sluice', 'cpuSeconds'))),
    mostMegabytesOverDuckdb: most(files.map((name) => of(name, 'cold', 'sluice', 'megabytes') - of(name, 'cold', 'duckdb', 'megabytes'))),
    equal,
    pairs: flags.pairs,
    cold: flags.cold,
    sf: flags.sf,
  };
}
