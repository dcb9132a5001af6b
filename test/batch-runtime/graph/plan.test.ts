import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputsOf } from '#runtime/graph/plan.ts';
import { plans } from './jobs.ts';

test('nodes stand after their inputs, and a plan is plain JSON', () => {
  for (const plan of Object.values(plans)) {
    plan.nodes.forEach((node, id) => {
      for (const input of inputsOf(node)) assert.ok(input < id);
    });
    assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan);
  }
});

test('a join has two inputs, a scan none', () => {
  const nodes = plans['joins']!.nodes;
  assert.equal(inputsOf(nodes.find((node) => node.kind === 'join')!).length, 2);
  assert.deepEqual(inputsOf(nodes.find((node) => node.kind === 'scan')!), []);
});
