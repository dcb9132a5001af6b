/**
 * Makes plugins/spark/target/sluice-spark.jar: the client and the Spark plug-in in one jar. With Maven, whose repository is .cache/m2; or,
 * where SPARK_HOME is set, with the JDK alone against the jars of that Spark. With `--check-versions` it then compiles the plug-in against the
 * jars of every Spark version that is installed under .cache/spark and compares what comes out: where the instructions are the same for all,
 * one jar links with all.
 *
 *   npm run build:plugins [-- --check-versions[=4.0.2,4.3.0]]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
export const pluginJar = join(root, 'plugins/spark/target/sluice-spark.jar');
const sparkFolder = join(root, '.cache/spark');
const sources = join(root, 'plugins/spark/src/main/java');
/** The jars whose classes the plug-in names. */
const needed = /^(spark-(core|common-utils(-java)?|unsafe|network-common|network-shuffle|catalyst|sql|sql-api)_|scala-library-|slf4j-api-|kryo-shaded-)/;

/** @throws with what the program printed */
function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error) throw new Error(`${command} does not start (${error.message}): JDK 17 is needed, and Maven 3 or a Spark that SPARK_HOME names`);
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** @returns the path of the jar */
export function buildPlugins(): string {
  const home = process.env['SPARK_HOME'];
  if (home) return buildAgainst(join(home, 'jars'));
  const repository = join(root, '.cache/m2');
  const build = ['-q', '-B', '-ntp', '-f', 'plugins/pom.xml', `-Dmaven.repo.local=${repository}`, '-DskipTests', 'package'];
  try {
    // What is there already needs no network.
    if (!existsSync(repository)) throw new Error('nothing is there');
    run('mvn', ['-o', ...build]);
  } catch {
    run('mvn', build);
  }
  return pluginJar;
}

/** The instructions are the same for every Spark, so any will do. */
function buildAgainst(jars: string): string {
  if (!existsSync(jars)) throw new Error(`SPARK_HOME is set, but there is no folder ${jars}`);
  const target = join(root, 'plugins/spark/target');
  mkdirSync(target, { recursive: true });
  const classes = mkdtempSync(join(target, 'jdk-'));
  const files = ['jvm-client', 'spark'].flatMap((part) => {
    const folder = join(root, 'plugins', part, 'src/main/java');
    return filesUnder(folder, '.java').map((name) => join(folder, name));
  });
  try {
    run('javac', [...compilerOptions, '-d', classes, '-cp', neededJars(jars).join(':'), ...files]);
    run('jar', ['--create', '--file', pluginJar, '--no-manifest', '-C', classes, '.']);
  } finally {
    rmSync(classes, { recursive: true });
  }
  return pluginJar;
}

const compilerOptions = ['-nowarn', '-Xlint:-options', '--release', '17', '-proc:none', '-implicit:none'];
const neededJars = (folder: string): string[] =>
  readdirSync(folder)
    .filter((jar) => needed.test(jar))
    .map((jar) => join(folder, jar));

const filesUnder = (folder: string, end: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(end))
    .sort();

/** @returns the instructions of each class of the plug-in, compiled against that Spark */
function instructionsFor(version: string, folder: string): Map<string, string> {
  const classPath = [pluginJar, ...neededJars(join(sparkFolder, version, 'jars'))];
  const files = filesUnder(sources, '.java').map((name) => join(sources, name));
  run('javac', [...compilerOptions, '-d', folder, '-cp', classPath.join(':'), ...files]);
  const classes = filesUnder(folder, '.class');
  // Declared exceptions follow Spark's and Scala's; nothing links by them.
  const texts = run('javap', ['-c', '-p', ...classes.map((name) => join(folder, name))]).split(/^Compiled from .*\n/m).slice(1);
  return new Map(texts.map((text) => [/(?:class|interface|record|enum) ([\w.$]+)/.exec(text)![1]!, text.replace(/ throws [^;{]*/g, '')]));
}

/** @throws naming the versions and classes for which one jar would not do */
export function checkVersions(versions: readonly string[]): void {
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-plugins-'));
  try {
    const compiled = versions.map((version) => ({ version, classes: instructionsFor(version, join(scratch, version)) }));
    const [first, ...others] = compiled;
    for (const { version, classes } of others) {
      const names = new Set([...first!.classes.keys(), ...classes.keys()]);
      const different = [...names].filter((name) => classes.get(name) !== first!.classes.get(name));
      if (different.length > 0) throw new Error(`compiled for ${first!.version} and for ${version} these differ: ${different.join(', ')}`);
    }
    console.log(`${first!.classes.size} classes are the same for ${versions.join(', ')}`);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const asked = process.argv.slice(2).find((arg) => arg.startsWith('--check-versions'));
  const jar = buildPlugins();
  console.log(jar);
  if (asked !== undefined) {
    const installed = existsSync(sparkFolder) ? readdirSync(sparkFolder).filter((name) => existsSync(join(sparkFolder, name, 'jars'))) : [];
    const versions = asked.includes('=') ? asked.split('=')[1]!.split(',') : installed.sort();
    if (versions.length < 2) throw new Error('fewer than two versions of Spark are installed: node test/spark/install.ts --spark 3.5.9,4.3.0');
    checkVersions(versions);
  }
}
