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
  home = await openHome(folder, {});
});
after(async () => {
  await home.close();
  rmSync(folder, { recursive: true });
});

test('cancel releases the shuffles of a job of another engine, on all workers, and is no error the second time', async () => {
  const { job } = await home.calls.openJob({ name: 'etl', url: '', slots: 0 });
  const { shuffle } = await home.calls.openShuffle({ job, name: 'app.0', spec: home.spec });
  assert.deepEqual(await sluice('cancel', String(job)), { code: 0, stdout: `job ${job} (etl) is cancelled, 1 shuffles are released\n`, stderr: '' });
  await assert.rejects(home.calls.layout({ shuffle, after: -1, waitMs: 0 }), { code: 'SHUFFLE_RELEASED' });
  await assert.rejects(home.calls.keepJob({ job, after: 0, waitMs: 0 }), { code: 'JOB_UNKNOWN', message: /cancelled/ });
  assert.deepEqual((await sluice('jobs')).stdout, 'no jobs\n');
  assert.deepEqual(await sluice('cancel', String(job)), { code: 0, stdout: `job ${job} had ended already\n`, stderr: '' });
});

test('cancel ends a job that was minted for a token, and says so in JSON', async () => {
  const { job } = await home.calls.mintToken({ name: 'team', expiresMs: 60_000 });
  const { code, stdout } = await sluice('cancel', String(job), '--json', '--cluster', home.url);
  assert.deepEqual([code, JSON.parse(stdout)], [0, { job, wasOpen: true, shuffles: 0 }]);
});

test('a job there never was, and what is no number of one, are said', async () => {
  const unknown = await sluice('cancel', '4000000000');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /^error JOB_UNKNOWN: Job 4000000000 /);
  for (const args of [[], ['0'], ['x'], ['1', '2'], ['99999999999']]) {
    const { code, stderr } = await sluice('cancel', ...args);
    assert.deepEqual([code, stderr.startsWith('error USAGE: cancel takes the number of one job')], [2, true], args.join(' '));
  }
});
