import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topN } from '#runtime/graph/rules/top-n.ts';
import { csv, desc, type Flow, int32, job, schema } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';

const rows = schema({ a: int32() });
const built = (build: (flow: Flow) => unknown) => topN(buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined })).plan);
const shape = (plan: ReturnType<typeof built>) =>
  plan.nodes.map((node) => [node.kind, node.kind === 'sort' ? node.limit : node.kind === 'limit' ? node.count : null]);

test('a limit above a sort is a sort that keeps so many', () => {
  const plan = built((flow) =>
    flow
      .read(csv('a', { schema: rows }))
      .orderBy(desc('a'))
      .limit(5),
  );
  assert.deepEqual(shape(plan), [
    ['scan', null],
    ['sort', 5],
  ]);
  assert.equal(plan.result, 1);
  assert.deepEqual(plan.nodes[1], { ...plan.nodes[1], uid: 'orderBy-1', input: 0, keys: [{ name: 'a', descending: true }] });
});

test('a sort that something else reads too stays whole', () => {
  const plan = built((flow) => {
    const sorted = flow.read(csv('a', { schema: rows })).orderBy('a');
    sorted.write(csv('all'));
    return sorted.limit(5);
  });
  assert.deepEqual(shape(plan), [
    ['scan', null],
    ['sort', null],
    ['sink', null],
    ['limit', 5],
  ]);
});

test('a limit that is not right above a sort stays', () => {
  const plan = built((flow) =>
    flow
      .read(csv('a', { schema: rows }))
      .orderBy('a')
      .filter((t) => t.a.gt(1))
      .limit(5),
  );
  assert.deepEqual(shape(plan).at(-1), ['limit', 5]);
});
