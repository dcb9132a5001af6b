import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { int32, job, run, schema } from '#runtime/index.ts';

const numbers = job({ name: 'numbers', build: (flow) => flow.rows(schema({ n: int32() }), [{ n: 1 }, { n: 2 }]).orderBy('n') });
export default numbers;

test('a job runs in an application: rows, then the report', async () => {
  await using r = await run(numbers, { shuffle: 'memory' });
  const rows: { n: number }[] = [];
  for await (const row of r.rows()) rows.push(row);
  assert.deepEqual(rows, [{ n: 1 }, { n: 2 }]);
  assert.equal((await r.done()).rows, 2);
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
