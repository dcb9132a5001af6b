import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { csv, int32, job, schema, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { planJob } from '#runtime/schedule/planning.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'a.csv'), 'k,n\nx,1\ny,2\n');

const columns = schema({ k: utf8(), n: int32() });

test('paths are meant from the folder the job was started in, and files become splits', async () => {
  const graph = buildGraph(job({ name: 'plan', build: (flow) => flow.read(csv('a.csv', { schema: columns }), 'a').write(csv('out.csv')) }));
  const { plan, stages, splits, bytes } = await planJob(graph, folder);
  const scan = plan.nodes.find(({ kind }) => kind === 'scan');
  const sink = plan.nodes.find(({ kind }) => kind === 'sink');
  assert.equal(scan?.kind === 'scan' && scan.source['path'], join(folder, 'a.csv'));
  assert.equal(sink?.kind === 'sink' && sink.sink['path'], join(folder, 'out.csv'));
  assert.equal(splits.get(scan?.uid ?? '')?.length, 1);
  // Without the header.
  assert.equal(bytes, 8);
  assert.ok(stages.stages.length >= 1);
});

test('a file that is not there is said when the plan is made', async () => {
  const graph = buildGraph(job({ name: 'plan', build: (flow) => flow.read(csv('none-*.csv', { schema: columns })).write(csv('out.csv')) }));
  await assert.rejects(planJob(graph, folder), { code: 'FILE_MISSING', message: /none-\*\.csv/ });
});

test('a small right side goes to every task whole, a large one is partitioned', async () => {
  const graph = buildGraph(
    job({
      name: 'plan',
      build(flow) {
        // Two scans: a stage can't wait for itself.
        const right = flow.read(csv('a.csv', { schema: columns }), 'right').rename({ n: 'm' });
        return flow.read(csv('a.csv', { schema: columns }), 'left').join(right, { on: 'k' });
      },
    }),
  );
  const kinds = async (broadcastBytes: number) =>
    (await planJob(graph, folder, { broadcastBytes })).stages.edges.map(({ distribution }) => distribution.kind);
  assert.ok((await kinds(1_000_000)).includes('broadcast'));
  assert.ok(!(await kinds(0)).includes('broadcast'));
});

test('not optimized it is the plan as it was written, but for what is not used', async () => {
  const graph = buildGraph(
    job({
      name: 'plan',
      build(flow) {
        const read = flow.read(csv('a.csv', { schema: columns }), 'a');
        read.select('k');
        return read
          .derive((t) => ({ twice: t.n.mul(2) }))
          .filter((t) => t.n.gt(1))
          .select('k');
      },
    }),
  );
  const kindsOf = async (optimized: boolean) => (await planJob(graph, folder, { optimized })).plan.nodes.map(({ kind }) => kind);
  assert.deepEqual(await kindsOf(false), ['scan', 'project', 'filter', 'project']);
  assert.notDeepEqual(await kindsOf(true), await kindsOf(false));
});
