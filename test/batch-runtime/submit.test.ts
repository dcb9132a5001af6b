import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { count, int32, job, run, schema, Type, utf8 } from '#runtime/index.ts';
import type { JobEvent } from '#runtime/schedule/events.ts';
import { fixture } from './schedule/job-world.ts';

const memory = { shuffle: 'memory' } as const;
const load = async (name: string) => ((await import(fixture(name))) as { default: Parameters<typeof run>[0] }).default;

const pages = job({
  name: 'pages',
  params: { least: Type.Integer({ default: 1 }), fat: Type.Boolean({ default: false }) },
  build(flow, p) {
    const visits = schema({ page: utf8(), ms: int32() });
    const rows = Array.from({ length: p.fat ? 50_000 : 9 }, (_, i) => ({ page: p.fat ? `page ${i}` : (['a', 'b'][i % 2] ?? ''), ms: i }));
    return flow
      .rows(visits, rows)
      .groupBy('page')
      .aggregate((t) => ({ visits: count(), ms: t.ms.sum() }))
      .filter((t) => t.visits.gte(p.least))
      .orderBy('page');
  },
});
/** The lease loads this module for itself. */
export default pages;

test('rows come in order, the report when all is done, events on the way', async () => {
  const events: JobEvent[] = [];
  await using r = await run(pages, { ...memory, onEvent: (event) => events.push(event) });
  const rows: unknown[] = [];
  for await (const row of r.rows()) rows.push(row);
  assert.deepEqual(rows, [
    { page: 'a', visits: 5, ms: 20 },
    { page: 'b', visits: 4, ms: 16 },
  ]);
  assert.deepEqual(
    r.schema?.map(({ name }) => name),
    ['page', 'visits', 'ms'],
  );
  const report = await r.done();
  assert.equal(report.rows, 2);
  assert.equal(report.tasksRerun, 0);
  const last = events.at(-1);
  assert.deepEqual(last?.type === 'done' && last.resultHash, report.resultHash);
  let batches = 0;
  for await (const batch of r.batches()) batches += batch.length;
  assert.equal(batches, 2);
  assert.equal(r.logs, null);
});

test('params are values or text, and what is wrong with them is said before anything starts', async () => {
  await using r = await run(pages, { ...memory, params: { least: '5' } });
  assert.equal((await r.done()).rows, 1);
  await assert.rejects(run(pages, { ...memory, params: { least: 'x', most: 1 } }), { code: 'PARAMS_INVALID', message: /least.*|most/ });
});

test('a job that fails rejects done and rows with its error', async () => {
  await using r = await run(await load('throws'), { ...memory, module: fixture('throws') });
  await assert.rejects(r.done(), { code: 'FUNCTION_THREW', message: /5 is odd/ });
  await assert.rejects(r.rows()[Symbol.asyncIterator]().next(), { code: 'FUNCTION_THREW' });
});

test('over its budget the memory shuffle says so, and what to do', async () => {
  await using r = await run(pages, { ...memory, params: { fat: true }, memoryBudgetBytes: 100_000 });
  await assert.rejects(r.done(), { code: 'MEMORY_EXCEEDED', message: /100000 bytes.*--shuffle local or remote/ });
});

test('a signal, or leaving early, ends the job and leaves nothing where it would have written', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  try {
    const slow = await load('slow');
    const options = { ...memory, module: fixture('slow'), params: { rows: 10, out: join(folder, 'deep', 'out.csv') } };
    const abort = new AbortController();
    const r = await run(slow, { ...options, signal: abort.signal });
    abort.abort();
    await assert.rejects(r.done(), { code: 'INTERRUPTED' });
    await r.close();
    assert.deepEqual(readdirSync(folder), []);
    const early = await run(slow, options);
    await early.close();
    await early.close();
    await assert.rejects(early.done(), { code: 'INTERRUPTED' });
    assert.deepEqual(readdirSync(folder), []);
    await assert.rejects(run(slow, { ...options, signal: AbortSignal.abort() }), { code: 'INTERRUPTED' });
    assert.deepEqual(readdirSync(folder), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
