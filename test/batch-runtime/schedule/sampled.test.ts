import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { count, csv, int32, job, run, schema, Type, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { planJob } from '#runtime/schedule/planning.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-sampled-'));
after(() => rmSync(folder, { recursive: true }));
const rows = schema({ n: int32(), s: utf8() });

const tried = job({
  name: 'tried',
  params: { folder: Type.String(), returns: Type.Boolean({ default: false }) },
  build(flow, p) {
    const read = flow.read(csv(join(p.folder, 'in.csv'), { schema: rows, rejects: join(p.folder, 'rejects.csv') }), 'in');
    const groups = read
      .filter((t) => t.n.gte(5))
      .groupBy('s')
      .aggregate(() => ({ rows: count() }));
    groups.write(csv(join(p.folder, 'out.csv')), 'out');
    if (p.returns) return read.select('n');
    return undefined as never;
  },
});
export default tried;

test('the first rows of each source stand in the plan; nothing is written, rejects neither', async () => {
  writeFileSync(join(folder, 'in.csv'), `n,s\nbad,x\n${Array.from({ length: 1000 }, (_, i) => `${i},${'ab'[i % 2]}\n`).join('')}`);
  const { default: of } = (await import(import.meta.url)) as { default: typeof tried };
  const sample = async (params: object) => {
    await using r = await run(of, { shuffle: 'memory', sample: 10, params: { folder, ...params } });
    const all: unknown[] = [];
    for await (const row of r.rows()) all.push(row);
    await r.done();
    return all;
  };
  assert.deepEqual(
    (await sample({})).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    [
      { s: 'a', rows: 2 },
      { s: 'b', rows: 3 },
    ],
  );
  assert.deepEqual(
    await sample({ returns: true }),
    Array.from({ length: 10 }, (_, n) => ({ n })),
  );
  for (const file of ['out.csv', 'rejects.csv']) assert.equal(existsSync(join(folder, file)), false);
});

test('a sampled plan has no scan and no sink, and an error of a source is that of its verb', async () => {
  const graph = buildGraph(tried, { folder });
  const { plan } = await planJob(graph, folder, { sample: 3 });
  const kinds = plan.nodes.map(({ kind }) => kind);
  assert.ok(!kinds.includes('scan') && !kinds.includes('sink') && kinds.includes('values'), String(kinds));
  await assert.rejects(planJob(buildGraph(tried, { folder: join(folder, 'none') }), folder, { sample: 3 }), {
    code: 'FILE_MISSING',
    message: /sampled\.test\.ts:\d+:\d+ \(read\)/,
  });
});
