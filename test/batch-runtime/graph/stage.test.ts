import assert from 'node:assert/strict';
import { test } from 'node:test';
import { optimize } from '#runtime/graph/rules/optimize.ts';
import { inputsOf, type StageGraph } from '#runtime/graph/stage.ts';
import { toStages } from '#runtime/graph/stages.ts';
import { plans } from './jobs.ts';

test('stages are plain JSON, whose operators name only what stands before them', () => {
  for (const [name, plan] of Object.entries(plans)) {
    const graph = toStages(optimize(plan), { estimates: new Map(), single: () => false });
    assert.deepEqual(JSON.parse(JSON.stringify(graph)) as StageGraph, graph, name);
    for (const [id, stage] of graph.stages.entries()) {
      assert.equal(stage.id, id);
      assert(stage.after.every((each) => each >= 0 && each < graph.stages.length && each !== id));
      for (const [index, operator] of stage.operators.entries()) {
        for (const input of inputsOf(operator)) assert(input >= 0 && input < index, `${name}: operator ${index} of stage ${id} reads ${input}`);
        if (operator.kind === 'fetch')
          assert(stage.after.includes(graph.edges[operator.edge]!.from), `${name}: stage ${id} waits for what it fetches`);
        if (operator.kind === 'store') assert.equal(graph.edges[operator.edge]!.from, id);
      }
      const ends = stage.operators.filter(({ kind }) => kind === 'store' || kind === 'sink');
      assert(ends.length > 0, `${name}: stage ${id} ends somewhere`);
    }
    for (const [id, edge] of graph.edges.entries()) {
      assert.equal(edge.id, id);
      assert.equal(edge.mode, 'blocking');
    }
  }
});
