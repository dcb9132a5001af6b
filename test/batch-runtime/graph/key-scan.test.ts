import assert from 'node:assert/strict';
import { test } from 'node:test';
import { optimize } from '#runtime/graph/rules/optimize.ts';
import { endsOf, type StageGraph } from '#runtime/graph/stage.ts';
import { toStages } from '#runtime/graph/stages.ts';
import { csv, float64, int32, job, lit, parquet, schema, udf, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';

const facts = schema({ a: utf8(), b: utf8(), x: int32(), y: int32(), z: float64() });
type Build = Parameters<typeof job>[0]['build'];

function stagesOf(build: (flow: Parameters<Build>[0]) => unknown): StageGraph {
  const { plan } = buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined }), {});
  const readsColumns = ({ connector }: { readonly connector: string }): boolean => connector === 'parquet';
  return toStages(optimize(plan), { estimates: new Map(), single: () => false, readsColumns });
}
const distributions = (graph: StageGraph): string[] => graph.edges.map(({ distribution }) => distribution.kind);
const read = (flow: Parameters<Build>[0]) => flow.read(parquet('facts', { schema: facts }));

test('a full order over columns that are stored apart reads the keys first, and what they are filtered and computed by; rows move once', () => {
  const graph = stagesOf((flow) =>
    read(flow)
      .filter((t) => t.y.gt(3))
      .derive((t) => ({ k: t.x.mul(2), w: t.z.mul(2) }))
      .orderBy('k', 'a'),
  );
  const range = graph.edges.find(({ distribution }) => distribution.kind === 'range')!;
  assert.equal(range.distribution.kind, 'range');
  const sampler = graph.stages[range.distribution.kind === 'range' ? range.distribution.sampledBy : -1]!;
  const main = graph.stages[range.from]!;
  assert.deepEqual(
    sampler.operators.map(({ kind }) => kind),
    ['scan', 'filter', 'project', 'sample'],
  );
  const [scan, , project] = sampler.operators;
  assert.deepEqual(scan?.kind === 'scan' && scan.columns, ['a', 'x', 'y']);
  assert.deepEqual(
    scan?.schema.map(({ name }) => name),
    ['a', 'x', 'y'],
  );
  assert.deepEqual(project?.kind === 'project' && project.columns.map(({ name }) => name), ['a', 'k']);
  // The same scan by name: the same splits.
  assert.equal(scan?.uid, main.operators[0]?.uid);
  assert.deepEqual(main.operators.find(({ kind }) => kind === 'scan')?.schema.length, 5);
  assert.deepEqual(main.after, [sampler.id]);
  assert.deepEqual(endsOf(sampler), [3]);
  assert.deepEqual(distributions(graph), ['range', 'forward']);
});

test('not where it saves nothing: rows of text, all columns as keys, an exchange before it, a function of the user', () => {
  const twice = udf([int32()], int32(), (x: number) => x);
  const kept: Readonly<Record<string, Parameters<typeof stagesOf>[0]>> = {
    text: (flow) => flow.read(csv('facts', { schema: facts })).orderBy('x'),
    all: (flow) => read(flow).select('x', 'y').orderBy('x', 'y'),
    exchange: (flow) =>
      read(flow)
        .groupBy('a')
        .aggregate((t) => ({ n: t.x.sum() }))
        .orderBy('n'),
    function: (flow) =>
      read(flow)
        .derive((t) => ({ k: twice(t.x) }))
        .orderBy('k'),
    constant: (flow) =>
      read(flow)
        .derive(() => ({ k: lit(1, int32()) }))
        .orderBy('k'),
  };
  for (const [name, build] of Object.entries(kept)) {
    const graph = stagesOf(build);
    for (const { operators, after } of graph.stages) {
      if (operators.some(({ kind }) => kind === 'sample'))
        assert(
          operators.some(({ kind }) => kind === 'store'),
          name,
        );
      if (operators.some(({ kind }) => kind === 'scan')) assert.deepEqual(after, [], name);
    }
  }
});
