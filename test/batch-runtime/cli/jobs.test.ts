import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sluice } from './captured.ts';
import { type Home, openHome } from './home.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
let home: Home;
before(async () => {
  home = await openHome(folder, { jobQuotaBytes: 4 * 1024 * 1024 });
});
after(async () => {
  await home.close();
  rmSync(folder, { recursive: true });
});

test('without jobs it says so', async () => {
  assert.deepEqual(await sluice('jobs'), { code: 0, stdout: 'no jobs\n', stderr: '' });
  assert.deepEqual(await sluice('jobs', '--json'), { code: 0, stdout: '', stderr: '' });
});

test('jobs shows whose they are, what they store and what they may', async () => {
  const mine = await home.calls.openJob({ name: 'flights', url: 'http://127.0.0.1:1', slots: 0 });
  const spark = await home.calls.openJob({ name: 'etl', url: '', slots: 0 });
  const token = await home.calls.mintToken({ name: 'team', expiresMs: 60_000 });
  await home.calls.openShuffle({ job: spark.job, name: 'app.0', spec: home.spec });
  await home.report([{ job: spark.job, bytes: 3 * 1024 * 1024 }]);
  const { code, stdout, stderr } = await sluice('jobs');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.match(stdout, /^job +name +of +shuffles +slots +stored +quota +age +state\n/);
  assert.match(stdout, new RegExp(`^ *${mine.job} +flights +sluice +0 +0 +0 B +4\\.0 MiB +\\d+ s +open$`, 'm'));
  assert.match(stdout, new RegExp(`^ *${spark.job} +etl +an engine +1 +0 +3\\.0 MiB +4\\.0 MiB +\\d+ s +open$`, 'm'));
  assert.match(stdout, new RegExp(`^ *${token.job} +team +a token +0 +0 +0 B`, 'm'));
  // `sluice status` has the same rows below its members.
  assert.match((await sluice('status')).stdout, /etl +an engine +1 +0 +3\.0 MiB/);
});

test('jobs --json is one object a line', async () => {
  const { code, stdout } = await sluice('jobs', '--json', '--cluster', home.url);
  assert.equal(code, 0);
  const jobs = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; storedBytes: number; quotaBytes: number });
  assert.deepEqual(
    jobs.map(({ name, storedBytes, quotaBytes }) => [name, storedBytes, quotaBytes]),
    [
      ['flights', 0, 4194304],
      ['etl', 3145728, 4194304],
      ['team', 0, 4194304],
    ],
  );
});

test('a cluster that is not there, and a flag that is not, are said', async () => {
  const { code, stderr } = await sluice('jobs', '--cluster', 'http://127.0.0.1:9', '--token-file', home.secretFile);
  assert.deepEqual([code, stderr.startsWith('error CLUSTER_UNREACHABLE: ')], [1, true]);
  assert.equal((await sluice('jobs', '--all')).code, 2);
});
