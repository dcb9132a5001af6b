/** Spark's own ShuffleSuite, from its published test jar, with Sluice as its shuffle manager. What cannot pass is listed here, with the reason. */
import assert from 'node:assert/strict';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Group } from '../check.ts';
import { homeOf, patienceMs, shortLived, sparkEnv } from '../driver.ts';
import { compile } from '../jobs-jar.ts';
import { exitCode, start } from '../processes.ts';

/** Bound to the files of Spark's own shuffle on the local disk, which nobody writes here. */
const excluded: Readonly<Record<string, string>> = {
  'shuffle with different compression settings (SPARK-3426)': 'asserts that the block manager has files on the local disk after a shuffle',
  '[SPARK-4085] rerun map stage if reduce stage cannot find its local shuffle file': 'deletes data and index files of the local disk by name',
  'cannot find its local shuffle file if no execution of the stage and rerun shuffle': 'asserts that data and index files are on the local disk',
  'SPARK-36206: shuffle checksum detect disk corruption': 'corrupts a byte of the data file on the local disk, and expects the reader to notice',
};
const opens = [
  'java.lang',
  'java.lang.invoke',
  'java.lang.reflect',
  'java.io',
  'java.net',
  'java.nio',
  'java.util',
  'java.util.concurrent',
  'java.util.concurrent.atomic',
  'jdk.internal.ref',
  'sun.nio.ch',
  'sun.nio.cs',
  'sun.security.action',
  'sun.util.calendar',
];

export const suite: Group = {
  name: 'suite',
  about: "Spark's own ShuffleSuite on our manager",
  quick: false,
  everyVersion: false,
  async check({ settings, cluster, step }) {
    const { suite: jars, sparkHome, version, plugin } = settings;
    if (jars === null) return;
    const passed: string[] = [];
    const failed = new Map<string, string>();
    let log = '';
    await step('runs', async () => {
      const workers = await cluster();
      const folder = join(settings.folder, 'suite');
      mkdirSync(folder, { recursive: true });
      const home = homeOf(sparkHome, folder);
      const classes = await compile('suite', version, [`${jars}/*`, `${sparkHome}/jars/*`].join(':'));
      const classPath = [join(home, 'conf'), classes, plugin, `${jars}/*`, `${home}/jars/*`].join(':');
      const report = join(folder, 'report.txt');
      const args = [
        ...opens.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
        '-Dio.netty.tryReflectionSetAccessible=true',
        ...shortLived.split(' '),
        '-Xmx1536m',
        `-Dsluice.java.options=${shortLived}`,
        `-Djava.io.tmpdir=${folder}`,
        `-Dspark.test.home=${home}`,
        '-Dspark.testing=true',
        `-Dsluice.url=${workers.url}`,
        `-Dsluice.token.file=${workers.secretFile}`,
        `-Dsluice.class.path=${classPath}`,
        '-cp',
        classPath,
        'org.scalatest.tools.Runner',
        '-s',
        'org.apache.spark.SluiceShuffleSuite',
        '-oW',
        '-fW',
        report,
      ];
      log = join(folder, 'suite.log');
      const out = openSync(log, 'a');
      const env = { ...sparkEnv(home), SPARK_TESTING: '1', SPARK_SCALA_VERSION: '2.13' };
      const child = start('java', args, { cwd: folder, env, stdio: ['ignore', out, out] });
      await exitCode(child, 3 * patienceMs);
      let failing: string | null = null;
      for (const line of readFileSync(report, 'utf8').split('\n')) {
        const test = /^- (.*?)( \*\*\* FAILED \*\*\*)?$/.exec(line);
        if (test !== null) {
          failing = test[2] === undefined ? null : test[1]!;
          if (failing === null) passed.push(test[1]!);
          else failed.set(failing, '');
        } else if (failing !== null) failed.set(failing, `${failed.get(failing)}${line}\n`);
      }
      assert.ok(passed.length + failed.size >= 20, `${passed.length + failed.size} tests were run; see ${log}`);
      return `${passed.length} pass, ${failed.size} bound to local files`;
    });
    await step('passes', async () => {
      const unexpected = [...failed].filter(([name]) => excluded[name] === undefined);
      assert.deepEqual(unexpected, [], `see ${log}`);
      assert.ok(passed.includes('multiple simultaneous attempts for one task (SPARK-8029)'), 'SPARK-8029 must be among those that pass');
      for (const [name, reason] of Object.entries(excluded)) settings.tell(`suite: does not apply: ${name}: ${reason}`);
    });
  },
};
