import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Plan } from '#runtime/graph/plan.ts';
import { countDistinct } from '#runtime/graph/rules/count-distinct.ts';
import { optimize } from '#runtime/graph/rules/optimize.ts';
import { toStages } from '#runtime/graph/stages.ts';
import { count, csv, type Flow, int32, job, schema, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { sourcesOf } from '../jobs.ts';
import { runPlan, runStages } from '../reference.ts';

const facts = schema({ a: utf8().nullable(), b: utf8(), x: int32().nullable() });
const read = (flow: Flow) => flow.read(csv('facts', { schema: facts }));
const planOf = (build: (t: ReturnType<typeof read>) => unknown): Plan =>
  buildGraph(job({ name: 'test', build: (flow) => build(read(flow)) as undefined }), {}).plan;
const shapes = (plan: Plan): string[] =>
  plan.nodes.flatMap((node) => (node.kind === 'aggregate' ? [`${node.keys.join()}: ${node.aggregates.map(({ fn }) => fn).join()}`] : []));

test('alone it becomes two levels, with keys and without; what is given is the same', () => {
  const grouped = planOf((t) => t.groupBy('b').aggregate((r) => ({ n: r.x.countDistinct() })));
  assert.deepEqual(shapes(countDistinct(grouped)), ['b,x: ', 'b: count']);
  const total = planOf((t) => t.aggregate((r) => ({ n: r.a.countDistinct() })));
  assert.deepEqual(shapes(optimize(total)), ['a: ', ': count']);
  for (const plan of [grouped, total]) {
    const graph = toStages(optimize(plan), { estimates: new Map(), single: () => false });
    fc.assert(
      fc.property(sourcesOf(plan), fc.integer({ min: 1, max: 4 }), (sources, width) => {
        const texts = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row)).sort();
        assert.deepEqual(texts(runStages(graph, sources, width)['result']!), texts(runPlan(plan, sources)['result']!));
      }),
      { numRuns: 50 },
    );
  }
});

test('beside other aggregates, with a filter, of a key or of what is computed it stays', () => {
  for (const plan of [
    planOf((t) => t.groupBy('b').aggregate((r) => ({ n: r.x.countDistinct(), m: count() }))),
    planOf((t) => t.groupBy('b').aggregate((r) => ({ n: r.x.countDistinct(), m: r.a.countDistinct() }))),
    planOf((t) => t.aggregate((r) => ({ n: r.x.countDistinct().filter(r.x.gt(1)) }))),
    planOf((t) => t.groupBy('b').aggregate((r) => ({ n: r.b.countDistinct() }))),
    planOf((t) => t.groupBy('b').aggregate((r) => ({ n: r.x.mod(2).countDistinct() }))),
  ])
    assert.deepEqual(countDistinct(plan), plan);
});
