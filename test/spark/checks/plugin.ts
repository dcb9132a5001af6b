/** The plug-in's jar by itself, without a running Spark: its settings, and that one jar does for every Spark. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkVersions } from '../../../plugins/build.ts';
import type { Group, Settings } from '../check.ts';
import { cache, run, sparkVersions } from '../install.ts';

const tool = fileURLToPath(new URL('../../../plugins/spark/src/test/java/org/apache/spark/shuffle/sluice/SettingsTool.java', import.meta.url));
const url = { 'spark.sluice.manager.url': 'http://here:7070' };
const token = { 'env.SLUICE_TOKEN': 'a-secret-of-the-cluster' };

type Pairs = Readonly<Record<string, string>>;
/** What is set, and what the answer says. */
const cases: readonly (readonly [Pairs, RegExp])[] = [
  [{ ...url, ...token }, /^Settings\(\[http:\/\/here:7070\], level received, replicas 1, fallback false\)$/],
  [{ ...token, 'spark.sluice.manager.url': ' http://a:1/, https://b:2 ' }, /\[http:\/\/a:1, https:\/\/b:2\]/],
  [
    { ...url, ...token, 'spark.sluice.replicas': '2', 'spark.sluice.level': 'durable', 'spark.sluice.fallback': 'true' },
    /level durable, replicas 2, fallback true/,
  ],
  [{ ...token }, /^refused: spark\.sluice\.manager\.url is not set/],
  [{ ...token, 'spark.sluice.manager.url': 'here:7070' }, /^refused: .*no address such as http:/],
  [{ ...token, 'spark.sluice.manager.url': 'http://here:7070/path' }, /^refused: .*no address/],
  [{ ...url }, /^refused: there is no token: set spark\.sluice\.token\.file .*SLUICE_TOKEN/],
  [{ ...url, 'spark.sluice.token.file': '/nowhere/token' }, /^refused: .*'\/nowhere\/token', which the driver cannot read/],
  [{ ...url, ...token, 'spark.sluice.token': 'abc' }, /^refused: spark\.sluice\.token would be shown/],
  [{ ...url, ...token, 'spark.sluice.replica': '2' }, /^refused: spark\.sluice\.replica is not a setting; there are .*spark\.sluice\.replicas/],
  [{ ...url, ...token, 'spark.sluice.replicas': '3' }, /^refused: spark\.sluice\.replicas is '3'/],
  [{ ...url, ...token, 'spark.sluice.level': 'safe' }, /^refused: spark\.sluice\.level is 'safe' and must be one of received, written, durable/],
  [{ ...url, ...token, 'spark.sluice.fallback': 'yes' }, /^refused: spark\.sluice\.fallback is 'yes'/],
];

async function answersTo(settings: Settings, lines: readonly Pairs[]): Promise<string[]> {
  const folder = join(settings.folder, 'settings');
  mkdirSync(folder, { recursive: true });
  const classPath = `${folder}:${settings.plugin}:${settings.sparkHome}/jars/*`;
  await run('javac', ['-nowarn', '-proc:none', '-d', folder, '-cp', classPath, tool], { quiet: true });
  const input = lines
    .map((pairs) =>
      Object.entries(pairs)
        .map(([key, value]) => `${key}=${value}`)
        .join('\t'),
    )
    .join('\n');
  const { stdout, stderr, status } = spawnSync('java', ['-cp', classPath, 'org.apache.spark.shuffle.sluice.SettingsTool'], {
    input: `${input}\n`,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('> '))
    .map((line) => line.slice(2));
}

export const plugin: Group = {
  name: 'plugin',
  about: 'the jar by itself: its settings, and the same instructions for every Spark that is installed',
  quick: true,
  everyVersion: true,
  async check({ settings, step }) {
    if (settings.own) return;
    await step('settings', async () => {
      const empty = join(settings.folder, 'empty-token');
      writeFileSync(empty, '\n');
      const all = [...cases, [{ ...url, 'spark.sluice.token.file': empty }, /^refused: .*which is empty/] as const];
      const answers = await answersTo(
        settings,
        all.map(([pairs]) => pairs),
      );
      assert.equal(answers.length, all.length);
      for (const [i, [pairs, expected]] of all.entries()) {
        assert.match(answers[i]!, expected, JSON.stringify(pairs));
        assert.ok(!answers[i]!.includes('a-secret'), 'the token is in a text');
      }
    });
    if (settings.quick || !settings.whole) return;
    await step('one-jar-for-every-spark', async () => {
      const installed = sparkVersions.filter((version) => existsSync(join(cache, 'spark', version, 'jars')));
      if (installed.length < 2) return 'only one Spark is installed';
      checkVersions(installed);
      return installed.join(', ');
    });
  },
};
