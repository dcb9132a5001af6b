import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plan } from '#runtime/graph/plan.ts';
import { shareEqual } from '#runtime/graph/rules/share-equal.ts';
import { count, csv, type Flow, float64, int32, job, schema, udf, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { runPlan } from '../reference.ts';

const rows = schema({ k: utf8(), a: int32() });
const read = (flow: Flow, path = 'rows') => flow.read(csv(path, { schema: rows }));
const planOf = (build: (flow: Flow) => unknown): Plan => buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined })).plan;
const kinds = (plan: Plan): string => plan.nodes.map(({ kind }) => kind).join(' ');
const live = (plan: Plan): Plan => shareEqual(plan);

test('what two verbs ask of the same file is asked once', () => {
  const plan = planOf((flow) => {
    const sums = (t: ReturnType<typeof read>) =>
      t
        .filter((r) => r.a.gt(1))
        .groupBy('k')
        .aggregate((r) => ({ n: r.a.sum() }));
    return sums(read(flow)).join(sums(read(flow)).rename({ n: 'm' }), { on: 'k' });
  });
  assert.equal(kinds(plan), 'scan filter aggregate scan filter aggregate project join');
  const shared = live(plan);
  assert.equal(kinds(shared), 'scan filter aggregate project join');
  const three = [1, 2, 3].map((a) => ({ k: `k${a % 2}`, a }));
  const given = Object.fromEntries(plan.nodes.flatMap(({ kind, uid }) => (kind === 'scan' ? [[uid, three]] : [])));
  assert.deepEqual(runPlan(shared, given)['result'], runPlan(plan, given)['result']);
});

test('another file, another condition, another column is another node', () => {
  for (const other of [
    (flow: Flow) => read(flow, 'others').filter((r) => r.a.gt(1)),
    (flow: Flow) => read(flow).filter((r) => r.a.gt(2)),
    (flow: Flow) => read(flow).filter((r) => r.a.gte(1)),
  ]) {
    const plan = planOf((flow) =>
      read(flow)
        .filter((r) => r.a.gt(1))
        .distinct()
        .union(other(flow).distinct()),
    );
    assert.deepEqual(live(plan), plan);
  }
});

test('what only reads and computes, functions over rows and functions that are not pure stay as many as they are', () => {
  const chance = udf([int32()], float64(), () => Math.random(), { deterministic: false });
  const plan = planOf((flow) => {
    for (const path of ['one', 'two']) {
      const t = read(flow);
      t.write(csv(path));
      t.map({ a: int32() }, (row) => ({ a: row.a }))
        .distinct()
        .write(csv(`${path}-rows`));
      t.derive((r) => ({ x: chance(r.a) }))
        .aggregate(() => ({ n: count() }))
        .write(csv(`${path}-chance`));
    }
  });
  assert.deepEqual(live(plan), plan);
});
