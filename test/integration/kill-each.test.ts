/**
 * `kill -9` of every process of a cluster in turn while jobs run, each started again on its folder and its port: every job ends right.
 * Both executors are new ones in the end, so that jobs also go on with those that came later.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadJob } from '#runtime/execute/job-module.ts';
import type { Job } from '#runtime/job.ts';
import type { JobEvent } from '#runtime/schedule/events.ts';
import { submit } from '#runtime/submit.ts';
import { startCluster } from '../chaos/cluster.ts';

const module = new URL('../fixtures/jobs/late.ts', import.meta.url).href;
const job = (await loadJob(module)) as unknown as Job<Record<never, never>, object>;

async function rowsOf(options: Parameters<typeof submit>[1]): Promise<object[]> {
  await using r = await submit(job, { module, ...options });
  const rows: object[] = [];
  for await (const row of r.rows()) rows.push({ ...row });
  await r.done();
  return rows;
}

test('each worker, each executor and the manager are killed in turn, and come back: every job ends right', { timeout: 280_000 }, async () => {
  const expected = await rowsOf({ shuffle: 'memory' });
  assert.ok(expected.length > 100);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kill-each-'));
  mkdirSync(join(folder, 'tmp'));
  const environment = { ...process.env, TMPDIR: join(folder, 'tmp'), SLUICE_TOKEN: '' };
  const network = { host: '127.0.0.1', serve: async () => {} };
  const cluster = await startCluster({ folder, logs: join(folder, 'logs'), environment, network }, 2, 2);
  try {
    const token = readFileSync(cluster.secretFile, 'utf8').trim();
    const victims = [...cluster.workers, ...cluster.executors, cluster.manager];
    let killing: Promise<void> | null = null;
    let [ran, doneBefore] = [0, 0];
    const onEvent = (event: JobEvent): void => {
      if (event.type !== 'progress' || killing !== null) return;
      // Each when something more is done, so that all of it meets work that is done and work that runs.
      const done = event.stages.reduce((sum, stage) => sum + stage.done, 0);
      const victim = done > doneBefore && event.stages.some(({ running }) => running > 0) ? victims.shift() : undefined;
      if (victim === undefined) return;
      doneBefore = done;
      killing = victim
        .kill()
        .then(() => victim.start())
        .then(() => {
          killing = null;
        });
    };
    for (; victims.length > 0 && ran < 5; ran++) {
      doneBefore = 0;
      assert.deepEqual(await rowsOf({ cluster: cluster.url, token, params: { mapMs: 300 }, partitions: 4, onEvent }), expected);
      await killing;
    }
    assert.deepEqual(victims, [], `after ${ran} jobs`);
    assert.deepEqual(await rowsOf({ cluster: cluster.url, token, partitions: 4 }), expected);
    assert.deepEqual(
      cluster.members.map(({ ended }) => ended),
      cluster.members.map(() => 0),
      'nobody has ended by himself',
    );
  } finally {
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
