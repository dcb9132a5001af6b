/**
 * `npm run test:spark`: real Spark in local-cluster, on real workers, against what Spark's own shuffle answers. Installs what it
 * needs (install.ts), runs groups of checks (checks/), says on stderr how far it is, and ends with one line of JSON on stdout.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pluginJar } from '../../plugins/build.ts';
import { openAnswers } from './answers.ts';
import { type Group, Runner, type Settings } from './check.ts';
import { adaptive } from './checks/adaptive.ts';
import { faults } from './checks/faults.ts';
import { kills } from './checks/kills.ts';
import { metrics } from './checks/metrics.ts';
import { movements } from './checks/movements.ts';
import { plugin as jar } from './checks/plugin.ts';
import { python } from './checks/python.ts';
import { queries } from './checks/queries.ts';
import { readme } from './checks/readme.ts';
import { recovery } from './checks/recovery.ts';
import { suite } from './checks/suite.ts';
import { defaultSpark, installSpark, installSuite, installTools, installTpch, run, sparkVersions } from './install.ts';
import { compile } from './jobs-jar.ts';
import { endAll } from './processes.ts';

const groups: readonly Group[] = [jar, queries, adaptive, movements, metrics, python, recovery, faults, suite, kills, readme];

const help = `Usage: npm run test:spark -- [--spark V] [--quick] [--only NAME[,NAME]] [--seed N] [--own]

Runs Spark ${defaultSpark} in local-cluster (two executor processes) with Sluice as its shuffle, and compares with Spark's own shuffle.
Spark, TPC-H data and Maven's jars are fetched once and kept under .cache/.

  --spark V     ${sparkVersions.join(', ')} (${defaultSpark}); all but ${defaultSpark} run a part
  --quick       what continuous integration runs
  --only NAME   a group, or checks whose name begins so (${groups.map(({ name }) => name).join(', ')})
  --seed N      of the random kills
  --sf N        scale of the TPC-H data (1; quick: 0.1)
  --built       the plug-in as it lies in plugins/spark/target, not built again
  --own         Spark's own shuffle in place of Sluice: are the job programs right?

Example: npm run test:spark -- --only queries/adaptive-16/q21
`;

const { values } = parseArgs({
  options: {
    spark: { type: 'string', default: defaultSpark },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    sf: { type: 'string' },
    built: { type: 'boolean', default: false },
    own: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const version = values.spark;
if (!(sparkVersions as readonly string[]).includes(version)) {
  process.stderr.write(`there is no Spark ${version} here; there are ${sparkVersions.join(', ')}\n`);
  process.exit(2);
}
const only = values.only?.split(',') ?? [];
for (const name of only)
  if (!groups.some((group) => name === group.name || name.startsWith(`${group.name}/`))) {
    process.stderr.write(`there are no checks ${name}; groups are ${groups.map((group) => group.name).join(', ')}\n`);
    process.exit(2);
  }

const begin = performance.now();
const elapsed = (): string => {
  const seconds = Math.round((performance.now() - begin) / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')}`;
};
const tell = (text: string): void => void process.stderr.write(`[${elapsed()}] ${text}\n`);

const folder = mkdtempSync(join(tmpdir(), 'sluice-spark-'));
let keep = false;
process.once('exit', () => {
  endAll();
  if (!keep) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    tell(`${signal}: ending everything`);
    process.exit(130);
  });

await installTools();
const sparkHome = await installSpark(version);
const data = await installTpch(Number(values.sf ?? (values.quick ? 0.1 : 1)));
const whole = version === defaultSpark;
const jars = `${sparkHome}/jars/*`;
const jobs = await compile('java', version, jars);
// A copy: Sparks that run would not survive it if somebody built the jar anew under them.
const plugin = join(folder, 'sluice-spark.jar');
if (!values.own) {
  if (!values.built) {
    tell('building the plug-in');
    await run('npm', ['run', '--silent', 'build:plugins'], { quiet: true });
  }
  copyFileSync(pluginJar, plugin);
}
const settings: Settings = {
  version,
  whole,
  quick: values.quick,
  own: values.own,
  only,
  seed: Number(values.seed),
  sparkHome,
  jobs,
  plugin,
  suite: whole && !values.own ? await installSuite(version) : null,
  data,
  folder,
  answers: openAnswers(sparkHome, version, jobs, data, join(folder, 'own')),
  tell,
};
const runner = new Runner(settings);
const wanted = (group: Group): boolean =>
  only.length > 0
    ? only.some((name) => name === group.name || name.startsWith(`${group.name}/`))
    : (whole || group.everyVersion) && (!values.quick || group.quick);
for (const group of groups.filter(wanted)) {
  tell(`${group.name}: ${group.about}`);
  await runner.check(group);
}
await runner.end();

const failed = runner.results.filter(({ error }) => error !== null);
keep = failed.length > 0;
for (const { name, error } of failed) process.stderr.write(`\nFAILED ${name}\n${(error ?? '').split('\n').slice(0, 12).join('\n')}\n`);
if (keep) process.stderr.write(`\nlogs are kept in ${folder}\n`);
if (runner.results.length === 0) process.stderr.write('nothing was checked\n');
const passed = runner.results.length - failed.length;
process.stderr.write(`\n${passed} passed, ${failed.length} failed\n`);
const seconds = Math.round((performance.now() - begin) / 1000);
console.log(
  JSON.stringify({
    spark: version,
    quick: values.quick,
    own: values.own,
    seed: settings.seed,
    passed,
    failed: failed.map(({ name }) => name),
    seconds,
  }),
);
process.exit(failed.length === 0 && passed > 0 ? 0 : 1);
