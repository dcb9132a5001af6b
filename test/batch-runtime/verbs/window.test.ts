import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plan } from '#runtime/graph/plan.ts';
import { count, desc, type Flow, int32, job, rowNumber, schema, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { runPlan } from '../graph/reference.ts';

const facts = schema({ a: utf8(), x: int32() });
const planOf = (build: (flow: Flow) => unknown): Plan => buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined }), {}).plan;
const read = (flow: Flow) =>
  flow.rows(facts, [
    { a: 'p', x: 3 },
    { a: 'q', x: 5 },
    { a: 'p', x: 1 },
  ]);
const shapes = (plan: Plan): string[] => plan.nodes.map(({ kind, schema: of }) => `${kind} ${of.map(({ name }) => name).join()}`);
const result = (plan: Plan) => runPlan(plan, {})['result'];

test('functions with the same partitions and order share a node, others follow, and the verb sees columns', () => {
  const plan = planOf((flow) =>
    read(flow).derive((t) => {
      const inA = { partitionBy: t.a, orderBy: desc(t.x) };
      return { n: rowNumber().over(inA), more: t.x.sub(t.x.avg().over({ partitionBy: [t.a] })), before: t.x.lag(1, 0).over(inA) };
    }),
  );
  assert.deepEqual(shapes(plan), [
    'values a,x',
    'window a,x,derive-1.window-0,derive-1.window-2',
    'window a,x,derive-1.window-0,derive-1.window-2,derive-1.window-1',
    'project a,x,n,more,before',
  ]);
  assert.deepEqual(result(plan), [
    { a: 'p', x: 3, n: 1, more: 1, before: 0 },
    { a: 'p', x: 1, n: 2, more: -1, before: 3 },
    { a: 'q', x: 5, n: 1, more: 0, before: 0 },
  ]);
});

test('keys that are computed are columns below the window and gone above it; select and filter know windows too', () => {
  const plan = planOf((flow) =>
    read(flow)
      .filter((t) =>
        rowNumber()
          .over({ partitionBy: t.x.mod(2), orderBy: t.x.neg() })
          .eq(1),
      )
      .select('x', (t) => ({ n: count().over({ partitionBy: t.x.mod(2) }) })),
  );
  assert.deepEqual(shapes(plan).slice(0, 5), [
    'values a,x',
    'project a,x,filter-1.key-0,filter-1.key-1',
    'window a,x,filter-1.key-0,filter-1.key-1,filter-1.window-0',
    'filter a,x,filter-1.key-0,filter-1.key-1,filter-1.window-0',
    'project a,x',
  ]);
  assert.deepEqual(result(plan), [{ x: 5, n: 1 }]);
});

test('in an aggregate there can be none', () => {
  assert.throws(() => planOf((flow) => read(flow).aggregate((t) => ({ s: t.x.sum().over({}).sum() }))), {
    code: 'EXPRESSION_TYPE',
    message: /derive it before/,
  });
  assert.throws(() => planOf((flow) => read(flow).derive((t) => ({ s: rowNumber().over({ orderBy: t.x.lag().over({ orderBy: t.x }) }) }))), {
    code: 'EXPRESSION_TYPE',
  });
});
