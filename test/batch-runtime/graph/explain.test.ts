import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain, expressionText } from '#runtime/graph/explain.ts';
import { optimize } from '#runtime/graph/rules/optimize.ts';
import { toStages } from '#runtime/graph/stages.ts';
import { csv, int32, job, schema, udf, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { plans } from './jobs.ts';

const explained = (given: (typeof plans)[string]): string => {
  const plan = optimize(given);
  return explain(plan, toStages(plan, { estimates: new Map(), single: () => true }));
};

test('every node and operator is a line, and what stands in it can be read', () => {
  const text = explained(plans['groups']!);
  assert.match(text, /^plan of test\n {2}0 read csv facts: /);
  assert.match(text, /aggregate by b, odd: n = count\(\*\), known = count\(x\)/);
  assert.match(text, /some = sum\(y\) where y > 5/);
  assert.match(text, /sort by n desc, b, odd, first 4/);
  assert.match(text, /stage 1, one task per range of partitions, after 0/);
  assert.match(text, /partial aggregate by b, odd/);
  assert.match(text, /store edge 0, hash by b, odd/);
  assert.match(text, /-> result/);
});

test('every job can be explained, without a word that is not one', () => {
  for (const plan of Object.values(plans)) assert.doesNotMatch(explained(plan), /undefined|object/);
});

test('user functions are marked', () => {
  const double = udf([int32()], int32(), (a) => a * 2);
  const rows = schema({ a: int32(), b: utf8() });
  const { plan } = buildGraph(
    job({
      name: 'slow',
      build: (flow) => flow.read(csv('a', { schema: rows })).derive((t) => ({ c: double(t.a).add(1), d: t.b.lower().eq("it's") })),
    }),
  );
  const text = explained(plan);
  assert.equal(text.split('slow rows').length, 3, 'once in the plan, once in the stages');
  assert.match(text, /c = function#0\(a\) \+ 1, d = lower\(b\) = 'it's'/);
});

test('an expression reads as SQL does', () => {
  const filter = plans['filterAndProject']!.nodes.find((node) => node.kind === 'filter')!;
  assert.equal(filter.kind === 'filter' && expressionText(filter.condition), "(b2 <> 'k1') and (q > 4)");
});
