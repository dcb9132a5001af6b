import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Plan } from '#runtime/graph/plan.ts';
import { optimize } from '#runtime/graph/rules/optimize.ts';
import { topGroups } from '#runtime/graph/rules/top-groups.ts';
import { toStages } from '#runtime/graph/stages.ts';
import { csv, desc, int32, job, rank, rowNumber, schema, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { sourcesOf } from '../jobs.ts';
import { runPlan, runStages } from '../reference.ts';

const facts = schema({ a: utf8().nullable(), x: int32().nullable(), y: int32() });
const planOf = (build: (t: ReturnType<typeof read>) => unknown): Plan =>
  buildGraph(job({ name: 'test', build: (flow) => build(read(flow)) as undefined }), {}).plan;
const read = (flow: Parameters<Parameters<typeof job>[0]['build']>[0]) => flow.read(csv('facts', { schema: facts }));
const limits = (plan: Plan): (number | null)[] => plan.nodes.flatMap((node) => (node.kind === 'window' ? [node.limit] : []));

test('the largest number that may stay goes to the window', () => {
  const filtered = (of: (n: ReturnType<ReturnType<typeof rowNumber>['over']>) => ReturnType<typeof n.lte>) =>
    limits(topGroups(planOf((t) => t.filter((r) => of(rowNumber().over({ partitionBy: r.a, orderBy: desc(r.x) }))))));
  assert.deepEqual(
    filtered((n) => n.lte(3)),
    [3],
  );
  assert.deepEqual(
    filtered((n) => n.lt(3)),
    [2],
  );
  assert.deepEqual(
    filtered((n) => n.eq(1)),
    [1],
  );
  assert.deepEqual(
    filtered((n) => n.lt(9).and(n.lte(4))),
    [4],
  );
  assert.deepEqual(
    filtered((n) => n.gt(3)),
    [null],
  );
  assert.deepEqual(
    filtered((n) => n.lte(1e6)),
    [null],
  );
});

test('not where another function looks ahead, nor for what is no row number, nor where somebody else reads the window', () => {
  assert.deepEqual(limits(topGroups(planOf((t) => t.filter((r) => rank().over({ orderBy: r.x }).lte(3))))), [null]);
  const beside = planOf((t) =>
    t.filter((r) =>
      rowNumber()
        .over({ partitionBy: r.a, orderBy: r.x })
        .lte(3)
        .and(r.y.sum().over({ partitionBy: r.a, orderBy: r.x }).gt(3)),
    ),
  );
  assert.deepEqual(limits(topGroups(beside)), [null]);
  const twice = planOf((t) => {
    const numbered = t.derive((r) => ({ n: rowNumber().over({ partitionBy: r.a, orderBy: r.x }) }));
    numbered.write(csv('all.csv'), 'all');
    return numbered.filter((r) => r.n.lte(2));
  });
  assert.deepEqual(limits(optimize(twice)), [null]);
});

test('derived and filtered, rows are left out before they are sent, and what is given is the same', () => {
  const plan = planOf((t) =>
    t
      .derive((r) => ({ n: rowNumber().over({ partitionBy: r.a, orderBy: [desc(r.x), r.y] }) }))
      .filter((r) => r.n.lte(2))
      .select('a', 'x', 'y', 'n'),
  );
  const better = optimize(plan);
  assert.deepEqual(limits(better), [2]);
  const graph = toStages(better, { estimates: new Map(), single: () => false });
  assert.deepEqual(
    graph.stages.map(({ operators }) => operators.map(({ kind }) => kind).join()),
    ['scan,top-groups,store', 'fetch,sort,window,filter,project,project,store'],
  );
  const texts = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row)).sort();
  fc.assert(
    fc.property(sourcesOf(plan), fc.integer({ min: 1, max: 4 }), (sources, width) => {
      assert.deepEqual(texts(runStages(graph, sources, width)['result']!), texts(runPlan(plan, sources)['result']!));
    }),
    { numRuns: 60 },
  );
});
