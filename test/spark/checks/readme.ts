/** The quickstart of plugins/README.md, as it stands there: its shell blocks run one after another in one shell, as if they were pasted. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Group } from '../check.ts';
import { end, start } from '../processes.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return String(port);
}

/** A checkout of links, so that what the quickstart makes lies in a folder of its own. */
function checkoutIn(parent: string): string {
  const folder = mkdtempSync(join(parent, 'readme-'));
  for (const name of readdirSync(root))
    if (!name.startsWith('.') && !/^(out|dist|sluice-)/.test(name)) symlinkSync(join(root, name), join(folder, name));
  return folder;
}

/** A .venv which has this Spark already, so that pip has nothing to fetch. */
function venvWith(folder: string, sparkHome: string, version: string): void {
  execFileSync('python3', ['-m', 'venv', join(folder, '.venv')]);
  const lib = join(folder, '.venv/lib');
  const packages = join(lib, readdirSync(lib)[0]!, 'site-packages');
  const py4j = readdirSync(join(sparkHome, 'python/lib')).find((name) => name.startsWith('py4j'))!;
  // PyPI's package has the jars inside it: pyspark's folder is SPARK_HOME.
  mkdirSync(join(packages, 'pyspark'));
  for (const name of readdirSync(join(sparkHome, 'python/pyspark')))
    symlinkSync(join(sparkHome, 'python/pyspark', name), join(packages, 'pyspark', name));
  for (const name of ['jars', 'bin'])
    if (!existsSync(join(packages, 'pyspark', name))) symlinkSync(join(sparkHome, name), join(packages, 'pyspark', name));
  writeFileSync(join(packages, 'py4j.pth'), `${join(sparkHome, 'python/lib', py4j)}\n`);
  const info = join(packages, `pyspark-${version}.dist-info`);
  mkdirSync(info);
  writeFileSync(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: pyspark\nVersion: ${version}\n`);
}

export const readme: Group = {
  name: 'readme',
  about: 'the quickstart of plugins/README.md',
  quick: false,
  everyVersion: false,
  async check({ settings, step }) {
    if (settings.own) return;
    await step('quickstart', async () => {
      const text = readFileSync(join(root, 'plugins/README.md'), 'utf8');
      const blocks = [...text.matchAll(/```bash\n([\s\S]*?)```/g)].map((match) => match[1]!);
      assert.equal(blocks.length, 5);
      // This checkout has it done, and others are using it.
      assert.equal(blocks.shift(), 'npm ci\n');
      assert.ok(blocks[0]!.includes(`pyspark==${settings.version}`), 'the quickstart names another Spark');
      const folder = checkoutIn(settings.folder);
      venvWith(folder, settings.sparkHome, settings.version);
      const script = join(folder, 'quickstart.sh');
      writeFileSync(script, blocks.join('\n').replaceAll('7070', await freePort()));
      const { SPARK_HOME: _home, PYTHONPATH: _path, SLUICE_TOKEN: _token, ...env } = process.env;
      const shell: ChildProcess = start('bash', ['-eu', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
      let printed = '';
      let said = '';
      shell.stdout?.on('data', (bytes: Buffer) => (printed += bytes.toString()));
      shell.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()));
      try {
        const [code] = (await once(shell, 'exit')) as [number | null];
        assert.equal(code, 0, `${printed}${said.slice(-3000)}`);
      } finally {
        await end(shell);
      }
      const first = /the first `([^`]*)`/.exec(text)![1]!;
      const rows = printed.split('\n').filter((line) => /^\d \d+$/.test(line));
      assert.equal(rows.length, 7, printed);
      assert.equal(rows[0], first);
    });
  },
};
