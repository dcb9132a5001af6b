import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Expression, isDeterministic } from '#runtime/expression/expression.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import { kinds, pick, randomBatch } from './random.ts';
import { randomExpression } from './random-expression.ts';

test('an expression is JSON: what travelled evaluates to the same', () => {
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const expression = randomExpression(g, fc, pick(g, fc, kinds), 3);
      const travelled = JSON.parse(JSON.stringify(expression)) as Expression;
      assert.deepEqual(travelled, expression);
      const batch = randomBatch(g, fc, 3);
      const outcome = (e: Expression): unknown => {
        try {
          return [0, 1, 2].map((i) => interpret(e, batch, i));
        } catch (thrown) {
          return (thrown as { code?: string }).code;
        }
      };
      assert.deepEqual(outcome(travelled), outcome(expression));
    }),
    { numRuns: 150 },
  );
});

test('an expression varies when a function in it says so, however deep', () => {
  const typed = { type: { kind: 'int32' }, nullable: false } as const;
  const column: Expression = { op: 'column', name: 'a', ...typed };
  const fn = (more: { deterministic?: false }): Expression => ({ op: 'udf', slot: 0, args: [column], ...more, ...typed });
  const call = (arg: Expression): Expression => ({ op: 'call', fn: 'add', args: [column, arg], ...typed });
  assert.equal(isDeterministic(call(call(fn({})))), true);
  assert.equal(isDeterministic(call(call(fn({ deterministic: false })))), false);
  assert.equal(isDeterministic({ op: 'udf', slot: 1, args: [fn({ deterministic: false })], ...typed }), false);
});
