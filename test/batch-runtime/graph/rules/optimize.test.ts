import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { optimize } from '#runtime/graph/rules/optimize.ts';
import { plans, sourcesOf } from '../jobs.ts';
import { type Outputs, runPlan } from '../reference.ts';

/** Rows in any order, columns in any order. */
const multiset = (outputs: Outputs): unknown =>
  Object.entries(outputs)
    .map(([name, rows]) => [name, rows.map((row) => JSON.stringify(Object.entries(row).sort())).sort()])
    .sort();

for (const [name, plan] of Object.entries(plans)) {
  test(`the rules do not change what ${name} gives`, () => {
    const optimized = optimize(plan);
    fc.assert(
      fc.property(sourcesOf(plan), (sources) => {
        assert.deepEqual(multiset(runPlan(optimized, sources)), multiset(runPlan(plan, sources)));
      }),
      { numRuns: 60 },
    );
  });
}

test('optimizing twice changes nothing more', () => {
  for (const plan of Object.values(plans)) assert.deepEqual(optimize(optimize(plan)), optimize(plan));
});

test('sinks and the result keep their columns and their order', () => {
  for (const plan of Object.values(plans)) {
    const optimized = optimize(plan);
    const columns = (of: typeof plan) => [
      ...of.nodes.filter((node) => node.kind === 'sink').map((node) => [node.uid, node.schema.map((field) => field.name)]),
      of.result === null ? null : of.nodes[of.result]!.schema.map((field) => field.name),
    ];
    assert.deepEqual(columns(optimized), columns(plan));
  }
});
