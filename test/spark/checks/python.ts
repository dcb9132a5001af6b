/** PySpark with the settings of the quickstart and nothing else: `--jars`, the manager's class, its URL, and the token in the environment. */
import assert from 'node:assert/strict';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Group, needsClassPath } from '../check.ts';
import { homeOf, patienceMs, sparkEnv } from '../driver.ts';
import { exitCode, start } from '../processes.ts';

const program = fileURLToPath(new URL('../python/program.py', import.meta.url));

export const python: Group = {
  name: 'python',
  about: 'PySpark by spark-submit, with the token in SLUICE_TOKEN',
  quick: false,
  everyVersion: false,
  async check({ settings, cluster, step }) {
    if (settings.own || needsClassPath(settings.version)) return;
    await step('program', async () => {
      const workers = await cluster();
      const folder = join(settings.folder, 'python');
      mkdirSync(folder, { recursive: true });
      const home = homeOf(settings.sparkHome, folder);
      const log = join(folder, 'python.log');
      const conf = {
        'spark.shuffle.manager': 'org.apache.spark.shuffle.sluice.SluiceShuffleManager',
        'spark.sluice.manager.url': workers.url,
        'spark.driver.host': '127.0.0.1',
        'spark.local.dir': join(folder, 'local'),
      };
      const args = [
        '--master',
        'local-cluster[2,1,1024]',
        '--jars',
        settings.plugin,
        ...Object.entries(conf).flatMap(([key, value]) => ['--conf', `${key}=${value}`]),
      ];
      const env = { ...sparkEnv(home), SLUICE_TOKEN: workers.secret };
      const out = openSync(log, 'a');
      const child = start(join(home, 'bin/spark-submit'), [...args, program], { cwd: folder, env, stdio: ['ignore', out, out] });
      const code = await exitCode(child, patienceMs);
      const said = readFileSync(log, 'utf8');
      assert.equal(code, 0, said.slice(-3000));
      assert.match(said, /ANSWERS RIGHT org\.apache\.spark\.shuffle\.sluice/);
      assert.ok((await workers.metric('sluice_manager_runs_total')) >= 6, 'its shuffles did not come to the manager');
      assert.ok(!said.includes(workers.secret), 'the secret is in the log');
    });
  },
};
