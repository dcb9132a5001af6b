/**
 * Puts what the Spark tests and benches need under .cache/: a SPARK_HOME per version from the archive on PyPI (checked against
 * the sha256 that the index states), TPC-H data, the jars of Spark's own test suite. Installs JDK, Maven and pip with apt-get where
 * it may. Each step may be run again and by several processes at once; progress goes to stderr. Not for a running Spark: see main.ts.
 *
 *   node test/spark/install.ts [--spark 4.0.2[,3.5.9_2.13]] [--sf 1[,3]] [--suite]     the last line is JSON: what lies where
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const cache = join(root, '.cache');
export const defaultSpark = '4.0.2';
export const sparkVersions = ['3.5.9', '3.5.9_2.13', '4.0.2', '4.1.4', '4.2.1', '4.3.0'] as const;
export const tpchgen = '4.0.0';

const tell = (text: string): void => void process.stderr.write(`install: ${text}\n`);

/** Runs a program to its end; what it prints goes to stderr. @throws with the end of what it printed */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; quiet?: boolean } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd ?? root, env: options.env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let said = '';
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
      said = (said + bytes.toString()).slice(-4000);
      if (options.quiet !== true) process.stderr.write(bytes);
    });
    child.stderr.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(-4000);
      if (options.quiet !== true) process.stderr.write(bytes);
    });
    child.once('error', (error) => reject(new Error(`${command} does not start: ${error.message}`)));
    child.once('exit', (code) => (code === 0 ? resolve(out) : reject(new Error(`${command} ${args.join(' ')} ended with ${code}:\n${said}`))));
  });
}

const answers = (command: string, ...args: string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const javaRelease = (): number => {
  const said = spawnSync('javac', ['-version'], { encoding: 'utf8' });
  return Number(/javac (\d+)/.exec(`${said.stdout}${said.stderr}`)?.[1] ?? 0);
};

/** JDK 17 or newer, Maven and Python with pip: looked for, then installed with apt-get as root. @throws what to do by hand */
export async function installTools(): Promise<void> {
  const missing = [
    ...(javaRelease() >= 17 ? [] : ['openjdk-17-jdk-headless']),
    ...(answers('mvn', '--version') ? [] : ['maven']),
    ...(answers('python3', '-m', 'pip', '--version') ? [] : ['python3', 'python3-pip']),
    ...(answers('tar', '--version') ? [] : ['tar']),
  ];
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !answers('apt-get', '--version'))
    throw new Error(`this machine lacks ${missing.join(', ')}: install JDK 17, Maven 3 and Python 3.11 with pip, then run this again`);
  tell(`apt-get install ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env });
  await run('apt-get', ['install', '-y', '-qq', ...missing], { env, quiet: true });
}

/** Makes `target` once, however many processes ask: one works in a folder beside it, which is renamed when it is whole. */
export async function once(target: string, make: (folder: string) => Promise<void>): Promise<string> {
  const lock = `${target}.lock`;
  const part = `${target}.part`;
  mkdirSync(join(target, '..'), { recursive: true });
  for (let waited = 0; !existsSync(target); waited++) {
    try {
      mkdirSync(lock);
    } catch {
      if (waited === 0) tell(`waiting for another process that makes ${basename(target)}`);
      if (lockIsStale(lock)) rmSync(lock, { recursive: true, force: true });
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    try {
      writeFileSync(join(lock, 'pid'), String(process.pid));
      if (existsSync(target)) break;
      rmSync(part, { recursive: true, force: true });
      mkdirSync(part, { recursive: true });
      await make(part);
      renameSync(part, target);
    } finally {
      rmSync(lock, { recursive: true, force: true });
      rmSync(part, { recursive: true, force: true });
    }
  }
  return target;
}

function lockIsStale(lock: string): boolean {
  try {
    process.kill(Number(readFileSync(join(lock, 'pid'), 'utf8')), 0);
    return false;
  } catch {
    // No process of that number, or a lock so young that its number is not written yet.
    try {
      return Date.now() - statSync(lock).mtimeMs > 5_000;
    } catch {
      return false;
    }
  }
}

interface Archive {
  readonly filename: string;
  readonly url: string;
  readonly size?: number;
  readonly hashes: { readonly sha256?: string };
}

/** The package index that pip is set up for on this machine. */
function packageIndex(): string {
  if (process.env['PIP_INDEX_URL']) return process.env['PIP_INDEX_URL'];
  const set = spawnSync('python3', ['-m', 'pip', 'config', 'get', 'global.index-url'], { encoding: 'utf8' });
  if (set.status === 0 && set.stdout.trim() !== '') return set.stdout.trim();
  return spawnSync('python3', ['-c', 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)'], { encoding: 'utf8' }).stdout.trim();
}

async function findArchive(project: string, filename: string): Promise<Archive> {
  const page = `${packageIndex().replace(/\/$/, '')}/${project}/`;
  const answer = await fetch(page, { headers: { accept: 'application/vnd.pypi.simple.v1+json' } });
  if (!answer.ok) throw new Error(`the package index answers ${answer.status} for ${project}`);
  const { files } = (await answer.json()) as { files: Archive[] };
  const found = files.find((one) => one.filename === filename);
  if (found?.hashes.sha256 === undefined) throw new Error(`the package index has no ${filename} with a sha256`);
  return { ...found, url: new URL(found.url, answer.url).href };
}

async function download({ filename, url, hashes, size }: Archive, path: string): Promise<void> {
  const answer = await fetch(url);
  if (!answer.ok || answer.body === null) throw new Error(`${filename}: the package index answers ${answer.status}`);
  const hash = createHash('sha256');
  let received = 0;
  let told = 0;
  const count = new Transform({
    transform(bytes: Buffer, _encoding, done) {
      hash.update(bytes);
      received += bytes.length;
      if (received - told >= 64e6) {
        told = received;
        tell(`${filename}: ${Math.round(received / 1e6)} of ${Math.round((size ?? 0) / 1e6)} MB`);
      }
      done(null, bytes);
    },
  });
  await pipeline(Readable.fromWeb(answer.body as never), count, createWriteStream(path));
  if (hash.digest('hex') !== hashes.sha256) throw new Error(`${filename} is not what the package index says: its sha256 differs`);
}

/** @param version  such as 4.0.2, or 3.5.9_2.13 for Scala 2.13 @returns a SPARK_HOME with jars, bin and python */
export async function installSpark(version: string): Promise<string> {
  const [release, scala] = version.split('_') as [string, string?];
  if (scala !== undefined) return installFromMaven(version, release, scala);
  return once(join(cache, 'spark', version), async (folder) => {
    const archive = await findArchive('pyspark', `pyspark-${release}.tar.gz`);
    const file = join(folder, archive.filename);
    tell(`fetching ${archive.filename}, ${Math.round((archive.size ?? 0) / 1e6)} MB`);
    await download(archive, file);
    tell(`unpacking ${archive.filename}`);
    const top = `pyspark-${release}`;
    await run('tar', ['-xzf', file, '-C', folder, `${top}/deps/jars`, `${top}/deps/bin`, `${top}/pyspark`, `${top}/lib`], { quiet: true });
    rmSync(file);
    mkdirSync(join(folder, 'python'));
    renameSync(join(folder, top, 'deps/jars'), join(folder, 'jars'));
    renameSync(join(folder, top, 'deps/bin'), join(folder, 'bin'));
    renameSync(join(folder, top, 'pyspark'), join(folder, 'python/pyspark'));
    renameSync(join(folder, top, 'lib'), join(folder, 'python/lib'));
    rmSync(join(folder, top), { recursive: true });
    // Spark's scripts take a folder with this file for a release and its jars folder for the class path.
    writeFileSync(join(folder, 'RELEASE'), `Spark ${release}\n`);
  });
}

const maven = (...args: string[]): Promise<string> =>
  run('mvn', ['-B', '-q', '-ntp', `-Dmaven.repo.local=${join(cache, 'm2')}`, ...args], { quiet: true });
const mavenCopy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

interface Dependency {
  readonly group: string;
  readonly name: string;
  readonly version: string;
  readonly type?: string;
  readonly classifier?: string;
  /** Without what it needs itself. */
  readonly alone?: boolean;
}
function pom(dependencies: readonly Dependency[], parent: Dependency | null): string {
  const managed =
    parent === null
      ? ''
      : `<dependencyManagement><dependencies><dependency><groupId>${parent.group}</groupId><artifactId>${parent.name}</artifactId><version>${parent.version}</version><type>pom</type><scope>import</scope></dependency></dependencies></dependencyManagement>`;
  const rows = dependencies.map(
    ({ group, name, version, classifier, alone }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version>${
        classifier === undefined ? '' : `<classifier>${classifier}</classifier>`
      }${alone === true ? '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>' : ''}</dependency>`,
  );
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>sluice</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>${managed}<dependencies>${rows.join('')}</dependencies></project>`;
}
/** @param parent  whose versions hold for what is not named */
async function copyJars(folder: string, jars: string, dependencies: readonly Dependency[], parent: Dependency | null = null): Promise<void> {
  const file = join(folder, 'pom.xml');
  writeFileSync(file, pom(dependencies, parent));
  await maven('-f', file, mavenCopy, `-DoutputDirectory=${jars}`, '-DincludeScope=runtime');
  rmSync(file);
}

/** PyPI has one Scala version of each Spark; the other's jars are what Maven resolves. */
function installFromMaven(version: string, release: string, scala: string): Promise<string> {
  return once(join(cache, 'spark', version), async (folder) => {
    const other = await installSpark(release);
    tell(`Spark ${release} on Scala ${scala} by Maven`);
    const group = 'org.apache.spark';
    await copyJars(
      folder,
      join(folder, 'jars'),
      ['core', 'sql'].map((part) => ({ group, name: `spark-${part}_${scala}`, version: release })),
      { group, name: `spark-parent_${scala}`, version: release },
    );
    await run('cp', ['-r', join(other, 'bin'), join(other, 'python'), join(other, 'RELEASE'), folder], { quiet: true });
  });
}

/** Where Spark's published test jars and scalatest lie; Spark itself comes from the SPARK_HOME of the same version. */
export function installSuite(version: string): Promise<string> {
  const group = 'org.apache.spark';
  const tests = ['core', 'common-utils', 'network-common', 'tags'].map((part) => ({
    group,
    name: `spark-${part}_2.13`,
    version,
    classifier: 'tests',
    alone: true,
  }));
  return once(join(cache, 'spark', `suite-${version}`), async (folder) => {
    tell(`Spark's test jars of ${version} and scalatest by Maven`);
    await copyJars(folder, folder, [
      ...tests,
      { group: 'org.scalatest', name: 'scalatest_2.13', version: '3.2.19' },
      { group: 'org.scalatestplus', name: 'mockito-5-12_2.13', version: '3.2.19.0' },
      { group: 'junit', name: 'junit', version: '4.13.2' },
    ]);
    for (const name of readdirSync(folder)) if (/^scala-(library|reflect)/.test(name)) rmSync(join(folder, name));
  });
}

const installTpchgen = (): Promise<string> =>
  once(join(cache, 'tpch', `tpchgen-${tpchgen}`), async (place) => {
    tell(`tpchgen-cli ${tpchgen} by pip`);
    await run('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', place, `tpchgen-cli==${tpchgen}`], { quiet: true });
  });

/** @param scale  TPC-H scale factor @returns a folder of <table>.parquet */
export function installTpch(scale: number): Promise<string> {
  return once(join(cache, 'tpch', `sf${scale}`), async (folder) => {
    const tool = await installTpchgen();
    tell(`TPC-H data, scale ${scale}`);
    await run(join(tool, 'bin/tpchgen-cli'), ['parquet', '--scale-factor', String(scale), '--output-dir', folder], { quiet: true });
  });
}

/** @param scale  TPC-H scale factor @returns a folder with lineitem.csv */
export function installLineitemCsv(scale: number): Promise<string> {
  return once(join(cache, 'tpch', `sf${scale}-csv`), async (folder) => {
    const tool = await installTpchgen();
    tell(`lineitem as CSV, scale ${scale}`);
    await run(join(tool, 'bin/tpchgen-cli'), ['csv', '--tables', 'lineitem', '--scale-factor', String(scale), '--output-dir', folder], {
      quiet: true,
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { spark: { type: 'string' }, sf: { type: 'string' }, suite: { type: 'boolean', default: false } },
  });
  await installTools();
  const homes: Record<string, string> = {};
  for (const version of (values.spark ?? defaultSpark).split(',')) homes[version] = await installSpark(version);
  const tpch: Record<string, string> = {};
  for (const scale of (values.sf ?? '1').split(',')) tpch[scale] = await installTpch(Number(scale));
  const suite = values.suite ? await installSuite(defaultSpark) : null;
  console.log(JSON.stringify({ spark: homes, tpch, suite }));
}
