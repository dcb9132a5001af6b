/**
 * The oracle: runs random cases through the engine, on all three drivers, and through DuckDB, and says where they
 * differ. A right answer is a matter of bounds too: enough cases with rows, every operator, regions on disk. Called by
 * main.ts and by the test.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StageGraph } from '#runtime/graph/stage.ts';
import { type Case, used } from './case.ts';
import { difference, type Rows } from './compare.ts';
import type { DriverName } from './drivers.ts';
import { type Duck, openDuck } from './duckdb.ts';
import { type Engine, openEngine, type Prepared, planOf } from './engine.ts';
import { generate } from './generate.ts';

export interface OracleOptions {
  readonly seed: number;
  readonly cases: number;
  /** Only this one. */
  readonly only: number | null;
  readonly drivers: readonly DriverName[];
  /** Takes what is worth telling while it runs. */
  readonly tell: (text: string) => void;
}

/** The last line of the program, key for key. */
export interface Verdict {
  readonly seed: number;
  readonly cases: number;
  readonly nonEmpty: number;
  /** Tables compared: outputs times drivers. */
  readonly compared: number;
  /** Cases in which a worker wrote a region; null: the remote driver was not run. */
  readonly regionsWritten: number | null;
  readonly byOperator: Readonly<Record<string, number>>;
  readonly wrong: number;
}

/** Every operator that has to occur. */
export const operators: readonly string[] = (
  'scanParquet scanCsv values filter select derive drop rename dropNulls distinct groupBy aggregate count sum avg min max union joinAsOf ' +
  'joinInnerBroadcast joinInnerPartitioned joinLeftBroadcast joinLeftPartitioned orderBy limit topN writeParquet writeCsv severalSinks'
).split(' ');

/** What a verdict has to have; empty: all. One case alone has to be right and no more. */
export function shortOf(verdict: Verdict): string[] {
  const { cases, nonEmpty, regionsWritten, byOperator, wrong } = verdict;
  const bounds: [boolean, string][] = [
    [wrong === 0, `${wrong} wrong cases`],
    [cases < 10 || nonEmpty >= Math.ceil(cases * 0.8), `${nonEmpty} of ${cases} cases have rows, fewer than 80 %`],
    [regionsWritten === null || regionsWritten >= Math.floor(cases / 5), `regions were written in ${regionsWritten} cases only`],
    ...operators.map((name): [boolean, string] => [
      (byOperator[name] ?? 0) >= Math.floor(cases / 10),
      `${name} occurs ${byOperator[name] ?? 0} times`,
    ]),
  ];
  return bounds.filter(([holds]) => !holds).map(([, what]) => what);
}

/** One case in ten may be without rows; the others are dealt again until they have some. */
const mayBeEmpty = (number: number): boolean => number % 10 === 9;
const attemptsAtMost = 12;

export async function runOracle(options: OracleOptions): Promise<Verdict> {
  const { seed, only, tell } = options;
  const duck = await openDuck();
  const engine = await openEngine();
  const byOperator: Record<string, number> = Object.fromEntries(operators.map((name) => [name, 0]));
  const numbers = only === null ? Array.from({ length: options.cases }, (_, i) => i) : [only];
  let [nonEmpty, compared, regionsWritten, wrong] = [0, 0, 0, 0];
  try {
    for (const number of numbers) {
      const folder = mkdtempSync(join(tmpdir(), 'sluice-oracle-'));
      try {
        const dealt = await deal(duck, seed, number, folder);
        const { one, prepared, expected } = dealt;
        if (expected.some((rows) => rows.length > 0)) nonEmpty++;
        const plan = await planOf(one, prepared);
        for (const name of operatorsOf(one, plan.stages)) byOperator[name] = (byOperator[name] ?? 0) + 1;
        const before = await engine.regions();
        const faults: string[] = [];
        for (const driver of options.drivers) {
          const fault = await check(engine, duck, dealt, driver);
          compared += one.outputs.length;
          if (fault !== null) faults.push(`${driver}: ${fault}`);
        }
        if ((await engine.regions()) > before) regionsWritten++;
        if (faults.length === 0) continue;
        wrong++;
        const replay = `npm run oracle -- --seed ${seed} --case ${number}`;
        tell(
          `case ${number} of seed ${seed} is wrong; again: ${replay}\n${faults.join('\n')}\n${plan.text}partitions ${one.partitions}, ${one.slots} slots`,
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  } finally {
    duck.close();
    await engine.close();
  }
  const isRemote = options.drivers.includes('remote');
  return { seed, cases: numbers.length, nonEmpty, compared, regionsWritten: isRemote ? regionsWritten : null, byOperator, wrong };
}

interface Dealt {
  readonly one: Case;
  readonly prepared: Prepared;
  /** DuckDB's answer, by output. */
  readonly expected: readonly Rows[];
}

/** The case of that number, with its data; the first attempt that gives rows, as DuckDB sees it. */
async function deal(duck: Duck, seed: number, number: number, folder: string): Promise<Dealt> {
  for (let attempt = 0; ; attempt++) {
    const one = generate(seed, number, attempt);
    const at = join(folder, String(attempt));
    const prepared = { folder: at, values: await duck.prepare(one, at) };
    const expected: Rows[] = [];
    for (const output of one.outputs) expected.push(await duck.expected(one, output));
    const hasRows = one.outputs.some(({ any }, i) => any !== 0 && expected[i]!.length > 0);
    if (hasRows || mayBeEmpty(number) || attempt === attemptsAtMost) return { one, prepared, expected };
  }
}

/** What is wrong with a case on a driver; null: nothing. */
async function check(engine: Engine, duck: Duck, { one, prepared, expected }: Dealt, driver: DriverName): Promise<string | null> {
  const out = join(prepared.folder, `out-${driver}`);
  try {
    const result = await engine.run(one, prepared, driver, out);
    for (const [at, output] of one.outputs.entries()) {
      const path = join(out, output.to === 'csv' ? `output-${at}.csv` : `output-${at}`);
      const actual = output.to === 'result' ? result : await duck.written(output, path);
      const found = difference(output, expected[at]!, actual);
      if (found !== null) return `output ${at} (${output.to}): ${found}`;
    }
    return null;
  } catch (thrown) {
    return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  }
}

/** The operators in what a case gives, as often as they occur. */
export function operatorsOf(one: Case, { stages, edges }: StageGraph): string[] {
  const found: string[] = [];
  for (const at of used(one)) {
    const step = one.steps[at]!;
    switch (step.op) {
      case 'read': {
        const { format } = one.sources[step.source]!;
        found.push(format === 'values' ? 'values' : format === 'csv' ? 'scanCsv' : 'scanParquet');
        break;
      }
      case 'aggregate':
        found.push(step.keys.length + step.computed.length === 0 ? 'aggregate' : step.aggregates.length === 0 ? 'distinct' : 'groupBy');
        for (const { fn } of step.aggregates) found.push(fn);
        break;
      case 'limit':
        found.push(one.steps[step.input]!.op === 'orderBy' ? 'topN' : 'limit');
        break;
      case 'join':
        if (step.asOf !== null) found.push('joinAsOf');
        break;
      default:
        found.push(step.op);
    }
  }
  for (const { operators: all } of stages) {
    for (const operator of all) {
      if (operator.kind !== 'join' || operator.asOf !== undefined) continue;
      const build = all[operator.build];
      const whole = build?.kind === 'fetch' && edges[build.edge]?.distribution.kind === 'broadcast';
      found.push(`join${operator.how === 'inner' ? 'Inner' : 'Left'}${whole ? 'Broadcast' : 'Partitioned'}`);
    }
  }
  for (const { to } of one.outputs) if (to !== 'result') found.push(to === 'csv' ? 'writeCsv' : 'writeParquet');
  if (one.outputs.filter(({ to }) => to !== 'result').length > 1) found.push('severalSinks');
  return found;
}
