import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { optimize } from '#runtime/graph/rules/optimize.ts';
import { broadcastWithin } from '#runtime/graph/sizes.ts';
import { inputsOf, type StageGraph } from '#runtime/graph/stage.ts';
import { toStages } from '#runtime/graph/stages.ts';
import { csv, float64, int32, job, schema, udf } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { plans, sourcesOf } from './jobs.ts';
import { type Outputs, runPlan, runStages } from './reference.ts';

const single = (sink: { readonly [option: string]: unknown }): boolean => String(sink['path']).endsWith('.csv');
const small = (plan: (typeof plans)[string]) =>
  new Map(plan.nodes.flatMap((node, id) => (node.kind === 'scan' ? [[id, { rows: 10, bytes: 100 }] as const] : [])));
const staged = (name: string, broadcast: boolean, readsColumns = false): StageGraph => {
  const plan = optimize(plans[name]!);
  return toStages(plan, { estimates: broadcast ? small(plan) : new Map(), single, readsColumns: () => readsColumns });
};
const kinds = (graph: StageGraph): string[] => graph.edges.map(({ distribution }) => distribution.kind);

const ordered: Readonly<Record<string, readonly string[]>> = {
  groups: ['result'],
  manySinks: ['result', 'sizes', 'all'],
  twoOrders: ['up', 'down'],
  written: ['result'],
  unions: ['result'],
};
/** Columns in any order; rows too, unless the job orders them. */
const comparable = (name: string, outputs: Outputs): unknown =>
  Object.entries(outputs)
    .map(([output, rows]) => {
      const texts = rows.map((row) => JSON.stringify(Object.entries(row).sort()));
      return [output, ordered[name]?.includes(output) ? texts : texts.sort()];
    })
    .sort();

for (const name of Object.keys(plans)) {
  for (const broadcast of [true, false]) {
    test(`the stages of ${name} give what the plan gives, ${broadcast ? 'small right sides, files by columns' : 'large right sides'}`, () => {
      const graph = staged(name, broadcast, broadcast);
      fc.assert(
        fc.property(sourcesOf(plans[name]!), fc.integer({ min: 1, max: 4 }), (sources, width) => {
          assert.deepEqual(comparable(name, runStages(graph, sources, width)), comparable(name, runPlan(plans[name]!, sources)));
        }),
        { numRuns: 40 },
      );
    });
  }
}

test('a scan that several branches share is read once, in one stage', () => {
  const graph = staged('manySinks', true);
  const scans = graph.stages.filter(({ operators }) => operators.some((operator) => operator.kind === 'scan' && operator.uid === 'read-0'));
  assert.equal(scans.length, 1);
  assert.equal(scans[0]!.operators.filter((operator) => operator.kind === 'store').length, 2);
  assert.equal(scans[0]!.operators.filter((operator) => operator.kind === 'aggregate' && operator.phase === 'partial').length, 2);
});

test('a small right side is broadcast and the left side stays in its chain; a large one is partitioned by its keys', () => {
  assert.ok(kinds(staged('joins', true)).every((kind) => kind === 'broadcast' || kind === 'forward'));
  const large = staged('joins', false);
  assert.deepEqual(
    large.edges.flatMap(({ distribution }) => (distribution.kind === 'hash' ? [distribution.keys] : [])),
    [['a'], ['key'], ['b'], ['key']],
  );
});

test('a larger right side is broadcast where the left one is four times as large, and never beyond what executors have room for', () => {
  const plan = optimize(plans['joins']!);
  const [first, ...others] = plan.nodes.flatMap((node, id) => (node.kind === 'scan' ? [id] : []));
  const of = (left: number, right: number, broadcastBytes?: number): readonly string[] => {
    const estimates = new Map([...others.map((id) => [id, { rows: 0, bytes: right }] as const), [first!, { rows: 0, bytes: left }] as const]);
    return kinds(toStages(plan, { estimates, single, ...(broadcastBytes === undefined ? {} : { broadcastBytes }) }));
  };
  assert.ok(of(500_000_000, 40_000_000).includes('broadcast'));
  assert.ok(!of(100_000_000, 40_000_000).includes('broadcast'));
  assert.ok(of(20_000_000, 9_000_000).includes('broadcast'));
  assert.ok(!of(500_000_000, 60_000_000).includes('broadcast'));
  assert.ok(!of(500_000_000, 40_000_000, broadcastWithin(64 * 1024 * 1024)).includes('broadcast'));
  assert.equal(broadcastWithin(8e9), 48_000_000);
});

test('a table joined with what was made of it goes through partitions, since no stage can wait for itself', () => {
  const graph = staged('withItself', true);
  assert.ok(!kinds(graph).includes('broadcast'));
});

test('an as-of join without keys is broadcast only when its right side is small, and fetches in order', () => {
  assert.deepEqual(kinds(staged('asOf', true)).filter((kind) => kind === 'broadcast').length, 2);
  const large = staged('asOf', false);
  assert.ok(!kinds(large).includes('broadcast'));
  for (const { operators } of large.stages) {
    if (!operators.some((each) => each.kind === 'join')) continue;
    for (const each of operators) if (each.kind === 'fetch') assert.ok(each.ordered);
  }
});

test('a union stays in the stages of its inputs: each groups its own rows before they are sent, and one of a stage is one there', () => {
  const { stages } = staged('unions', false);
  const partials = stages.flatMap(({ id, operators }) =>
    operators.flatMap((each) => (each.kind === 'aggregate' && each.phase === 'partial' ? [id] : [])),
  );
  const [first, second] = new Set(partials);
  assert.equal(new Set(partials).size, 2, `partial aggregates stand in stages ${partials}`);
  for (const id of [first!, second!]) assert.equal(stages[id]!.parallelism.kind, 'splits');
  const unions = stages[first!]!.operators.flatMap((each) => (each.kind === 'union' ? [each.inputs.length] : []));
  assert.deepEqual(unions, [2, 1]);
});

test('a full order samples, then moves by range, then sorts; two of them sample in two stages', () => {
  const graph = staged('twoOrders', true);
  const sampling = graph.edges.flatMap(({ distribution }) => (distribution.kind === 'range' ? [distribution.sampledBy] : []));
  assert.equal(new Set(sampling).size, 2);
  for (const { operators } of graph.stages) assert.ok(operators.filter((operator) => operator.kind === 'sample').length <= 1);
  assert.deepEqual(kinds(staged('written', true)), ['forward'], 'what is in one task is sorted there');
  assert.deepEqual(kinds(graph), ['hash', 'forward', 'range', 'single', 'forward', 'forward', 'range', 'single']);
});

test('top n needs no range partitions, and what feeds it comes in order', () => {
  const graph = staged('groups', true);
  assert.deepEqual(kinds(graph), ['hash', 'single', 'forward']);
  for (const { operators } of graph.stages) for (const operator of operators) if (operator.kind === 'fetch') assert.equal(operator.ordered, true);
});

test('a file of its own is written by one task that fetches in order', () => {
  const graph = staged('manySinks', true);
  const writing = graph.stages.find(({ operators }) => operators.some((operator) => operator.kind === 'sink' && operator.name === 'sizes'))!;
  assert.equal(writing.parallelism.kind, 'single');
  assert.ok(writing.operators.some((operator) => operator.kind === 'fetch' && operator.ordered));
});

test('operators stand after their inputs, edges agree with their stores, and stages wait for what they fetch', () => {
  for (const name of Object.keys(plans)) {
    for (const broadcast of [true, false]) {
      const graph = staged(name, broadcast);
      assert.deepEqual(JSON.parse(JSON.stringify(graph)), graph, 'plain JSON');
      assert.equal(JSON.stringify(graph), JSON.stringify(staged(name, broadcast)), 'the same text every time');
      graph.stages.forEach(({ id, operators, after }, at) => {
        assert.equal(id, at);
        assert.equal(new Set(operators.map(({ uid }) => uid)).size, operators.length, 'uids are unique in a stage');
        operators.forEach((operator, i) => {
          for (const input of inputsOf(operator)) assert.ok(input < i);
          if (operator.kind === 'fetch') assert.ok(after.includes(graph.edges[operator.edge]!.from));
          if (operator.kind === 'store') {
            assert.equal(graph.edges[operator.edge]!.from, id);
            assert.deepEqual(graph.edges[operator.edge]!.schema, operators[operator.input]!.schema);
          }
        });
      });
    }
  }
});

test('what keeps every value moves rows with the columns it needs, not states; what depends on their order fetches in order', () => {
  const kept = staged('kept', false);
  const aggregates = kept.stages.flatMap(({ operators }) => operators.flatMap((each) => (each.kind === 'aggregate' ? [each.phase] : [])));
  assert.deepEqual(aggregates, ['complete', 'complete']);
  assert.deepEqual(
    kept.edges.slice(0, 2).map(({ schema, distribution }) => [distribution.kind, schema.map(({ name }) => name).join()]),
    [
      ['single', 'a'],
      ['hash', 'a,b,x,y'],
    ],
  );
  const fetches = staged('inOrder', false).stages.flatMap(({ operators }) => operators.filter(({ kind }) => kind === 'fetch'));
  assert.ok(fetches.every((fetch) => fetch.kind === 'fetch' && fetch.ordered));
  assert.equal(fetches.length, 1);
});

test('float sums come in order only where rows are partitioned after them', () => {
  const fetches = (graph: StageGraph) =>
    graph.stages.flatMap(({ operators }) => operators.flatMap((operator) => (operator.kind === 'fetch' ? [operator.ordered] : [])));
  assert.ok(
    fetches(staged('withItself', true)).every((each) => !each),
    'whole numbers add up the same in any order',
  );
});

test('an edge is deterministic unless a function on the way to it says that it varies; what is made of a whole one is again', () => {
  const varies = udf([int32()], float64(), () => Math.random(), { deterministic: false });
  const same = udf([int32()], float64(), (n) => n / 2);
  const edgesOf = (fn: typeof varies): (readonly [string, boolean])[] => {
    const build = (flow: Parameters<Parameters<typeof job>[0]['build']>[0]) => {
      const read = flow.read(csv('facts', { schema: schema({ a: int32() }) }));
      const plain = read.groupBy('a').aggregate((t) => ({ top: t.a.max() }));
      return read
        .derive((t) => ({ draw: fn(t.a) }))
        .groupBy('draw')
        .aggregate((t) => ({ top: t.a.max() }))
        .join(plain, { on: 'top', prefix: 'plain_' });
    };
    const plan = optimize(buildGraph(job({ name: 'test', build: (flow) => build(flow) as never })).plan);
    const { edges, stages } = toStages(plan, { estimates: new Map(), single });
    return edges.map((edge) => {
      const scans = stages[edge.from]!.operators.some((operator) => operator.kind === 'scan');
      const keys = edge.distribution.kind === 'hash' ? edge.distribution.keys.join() : edge.distribution.kind;
      return [`${scans ? 'of the scan' : 'of what was fetched'} by ${keys}`, edge.deterministic];
    });
  };
  assert.ok(edgesOf(same).every(([, deterministic]) => deterministic));
  const edges = edgesOf(varies);
  assert.deepEqual(
    edges.filter(([, deterministic]) => !deterministic),
    [['of the scan by draw', false]],
  );
  assert.ok(edges.some(([name]) => name === 'of the scan by a'));
});
