import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import { expressionText } from '#runtime/graph/explain.ts';
import type { Plan } from '#runtime/graph/plan.ts';
import { fold, foldConstants } from '#runtime/graph/rules/fold-constants.ts';
import { count, csv, type Flow, float64, int32, job, lit, schema, udf, utf8, when } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { kinds, pick, randomBatch } from '../../expression/random.ts';
import { randomExpression } from '../../expression/random-expression.ts';

const rows = schema({ k: utf8(), a: int32(), b: int32().nullable() });
const built = (build: (flow: Flow) => unknown): Plan => buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined })).plan;
const read = (flow: Flow) => flow.read(csv('rows', { schema: rows }));
const shape = (plan: Plan): string[] =>
  plan.nodes.map((node) => {
    if (node.kind === 'filter') return `filter ${expressionText(node.condition)}`;
    if (node.kind === 'project') return `project ${node.columns.map(({ expression }) => expressionText(expression)).join(', ')}`;
    if (node.kind !== 'aggregate') return node.kind;
    return `aggregate ${node.aggregates.map(({ argument, filter }) => [argument, filter].map((each) => each && expressionText(each)).join(' if ')).join(', ')}`;
  });

test('a call of literals becomes a literal, wherever an expression stands', () => {
  const plan = built((flow) =>
    read(flow)
      .filter((t) => t.a.gt(lit(2, int32()).mul(3).add(1)))
      .select('k', (t) => ({ s: t.k.concat(lit('x', utf8()).upper()), n: when(t.b.isNull(), lit(1, int32()).neg()).otherwise(0) }))
      .groupBy('k')
      .aggregate((t) => ({
        n: t.n
          .add(lit(1, int32()).add(1))
          .sum()
          .filter(t.s.eq(lit('a', utf8()).concat('b'))),
        all: count(),
      })),
  );
  assert.deepEqual(shape(foldConstants(plan)), [
    'scan',
    'filter a > 7',
    "project k, concat(k, 'X'), when(isNull(b), -1, 0)",
    "aggregate n + 2 if s = 'ab',  if ",
  ]);
});

test('and and or with what decides nothing are their other side; a filter that is always true goes', () => {
  const yes = lit(1, int32()).eq(1);
  const plan = built((flow) =>
    read(flow)
      .filter((t) => t.a.gt(1).and(yes))
      .filter((t) => yes.not().or(t.b.gt(1)))
      .filter(() => yes)
      .filter((t) => yes.not().and(t.a.gt(3))),
  );
  assert.deepEqual(shape(foldConstants(plan)), ['scan', 'filter a > 1', 'filter b > 1', 'filter false']);
});

test('what throws stays where it is, and is asked only when a row needs it', () => {
  const bad = lit('x', utf8()).cast(int32());
  const plan = built((flow) => read(flow).filter((t) => t.a.gt(bad).and(bad.eq(1).not())));
  assert.deepEqual(shape(foldConstants(plan)), shape(plan));
});

test('a function of the user, a column, -0 and a long text stay', () => {
  const twice = udf([float64()], float64(), (x) => 2 * x);
  const plan = built((flow) =>
    read(flow).select((t) => ({ a: t.a, u: twice(lit(1, float64()).add(1)), z: lit(0, float64()).neg(), l: lit('ab', utf8()).repeat(501) })),
  );
  assert.deepEqual(
    shape(foldConstants(plan)),
    ["project a, function#0(2), neg(0), repeat('ab', 501)"].flatMap((text) => ['scan', text]),
  );
});

test('folded expressions give what they gave, values and errors, and are folded for good', () => {
  let changed = 0;
  const outcome = (expression: Expression, batch: ReturnType<typeof randomBatch>, row: number): unknown => {
    try {
      return interpret(expression, batch, row);
    } catch (thrown) {
      if (thrown instanceof SluiceError) return thrown.code;
      throw thrown;
    }
  };
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const expression = randomExpression(g, fc, pick(g, fc, kinds), 3);
      const folded = fold(expression);
      if (folded !== expression) changed++;
      assert.deepEqual(folded.type, expression.type);
      assert.equal(fold(folded), folded);
      const batch = randomBatch(g, fc, 4);
      for (let row = 0; row < batch.length; row++) assert.deepEqual(outcome(folded, batch, row), outcome(expression, batch, row));
    }),
    { numRuns: 300 },
  );
  assert(changed > 20, `${changed} changed`);
  const x = columnRef({ name: 'x', type: { kind: 'bool' }, nullable: true });
  const open = call('and', [x, literal(null, { kind: 'bool' })]);
  assert.equal(fold(open), open);
});
