import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { int32, job, json, run, schema } from '#runtime/index.ts';

const numbers = job({ name: 'numbers', build: (flow) => flow.rows(schema({ n: int32() }), [{ n: 1 }, { n: 2 }]).orderBy('n') });
export default numbers;

test('a job runs in an application: rows, then the report', async () => {
  await using r = await run(numbers, { shuffle: 'memory' });
  const rows: { n: number }[] = [];
  for await (const row of r.rows()) rows.push(row);
  assert.deepEqual(rows, [{ n: 1 }, { n: 2 }]);
  assert.equal((await r.done()).rows, 2);
});

test('a task of a scan reads several splits: a few tasks for each slot, every row once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-run-'));
  const path = join(folder, 'n.ndjson');
  // Nine splits of 16 MiB, for four shares of one slot: pairs of them, and the last alone.
  const [count, pad] = [1_450_000, 'x'.repeat(80)];
  writeFileSync(path, Array.from({ length: count }, (_, i) => `{"n":${i},"pad":"${pad}"}\n`).join(''));
  const read = job({
    name: 'read',
    build: (flow) => flow.read(json(path, { schema: schema({ n: int32() }) })).aggregate((t) => ({ sum: t.n.sum() })),
  });
  const tasks: number[] = [];
  const rows: unknown[] = [];
  {
    await using r = await run(read, {
      shuffle: 'memory',
      module: import.meta.url,
      onEvent: (event) => event.type === 'stage' && event.state === 'started' && tasks.push(event.tasks),
    });
    for await (const row of r.rows()) rows.push(row);
  }
  rmSync(folder, { recursive: true });
  assert.equal(tasks[0], 5);
  assert.deepEqual(
    rows.map((row) => String((row as { sum: unknown }).sum)),
    [String((count * (count - 1)) / 2)],
  );
});

test('what a job module imports does not load what only a run needs: executors would pay for it', () => {
  const seen = `
    import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { if (/fastify|submit|embedded/.test(url)) process.exitCode = 1; return next(url, context); } });
    await import(${JSON.stringify(new URL('../../batch-runtime/index.ts', import.meta.url).href)});
  `;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', seen], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
