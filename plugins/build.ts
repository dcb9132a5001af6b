/**
 * Makes plugins/spark/target/sluice-spark.jar with Maven, whose repository is .cache/m2: the client and the Spark plug-in in one jar. With
 * `--check-versions` it then compiles the plug-in against the jars of every Spark version that is installed under .cache/spark and compares
 * what comes out: where the instructions are the same for all, one jar links with all.
 *
 *   npm run build:plugins [-- --check-versions[=4.0.2,4.3.0]]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
export const pluginJar = join(root, 'plugins/spark/target/sluice-spark.jar');
const sparkFolder = join(root, '.cache/spark');
const sources = join(root, 'plugins/spark/src/main/java');
/** The jars whose classes the plug-in names. */
const needed = /^(spark-(core|common-utils|unsafe|network-common|network-shuffle|catalyst|sql|sql-api)_|scala-library-|slf4j-api-|kryo-shaded-)/;

/** @throws with what the program printed */
function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error) throw new Error(`${command} does not start (${error.message}): JDK 17 and Maven 3 are needed`);
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** @returns the path of the jar */
export function buildPlugins(): string {
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

const filesUnder = (folder: string, end: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(end))
    .sort();

/** @returns the instructions of each class of the plug-in, compiled against that Spark */
function instructionsFor(version: string, folder: string): Map<string, string> {
  const jars = join(sparkFolder, version, 'jars');
  const classPath = [join(root, 'plugins/jvm-client/target/classes'), ...readdirSync(jars).filter((jar) => needed.test(jar)).map((jar) => join(jars, jar))];
  const files = filesUnder(sources, '.java').map((name) => join(sources, name));
  run('javac', ['-nowarn', '-Xlint:-options', '--release', '17', '-proc:none', '-implicit:none', '-d', folder, '-cp', classPath.join(':'), ...files]);
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
