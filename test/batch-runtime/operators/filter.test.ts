import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { interpret } from '#runtime/expression/interpret.ts';
import { createFilter } from '#runtime/operators/filter.ts';
import { rowsIn } from '../batch/columns.ts';
import { columnOf, randomBatch, schema } from '../expression/random.ts';
import { randomExpression } from '../expression/random-expression.ts';
import { elementsOf, run } from './run.ts';

const asInterpreted = <T>(evaluate: () => T): T | string => {
  try {
    return evaluate();
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  }
};

test('rows stay for which the interpreter says true, batch after batch', () => {
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const condition = randomExpression(g, fc, 'bool', 3);
      const batches = [randomBatch(g, fc, g(fc.nat, { max: 20 })), randomBatch(g, fc, g(fc.nat, { max: 5 }))];
      const expected = asInterpreted(() => batches.flatMap((batch) => rowsIn(batch).filter((_, i) => interpret(condition, batch, i) === true)));
      assert.deepEqual(
        asInterpreted(() => run(createFilter({ condition }, schema, []), batches).flatMap(rowsIn)),
        expected,
      );
    }),
    { numRuns: 80 },
  );
});

const one = [{ name: 'keep', type: { kind: 'bool' }, nullable: true }] as const;
const condition = { op: 'column', name: 'keep', type: { kind: 'bool' }, nullable: true } as const;
const batchOf = (...values: (boolean | null)[]) => ({ schema: one, length: values.length, columns: [columnOf('bool', values)] });

test('a batch all of which stays is passed on as it is, one of which nothing stays is not', () => {
  const filter = createFilter({ condition }, one, []);
  const whole = batchOf(true, true);
  const [passed, ...more] = run(filter, [whole, batchOf(false, null), batchOf()]);
  assert.equal(passed, whole);
  assert.deepEqual(more, []);
  assert.deepEqual(run(filter, [batchOf(true, false, null, true)]).map(rowsIn), [[[true], [true]]]);
});

test('watermarks and barriers pass', () => {
  const filter = createFilter({ condition }, one, []);
  const mark = { kind: 'watermark', timeMicros: 'idle' } as const;
  assert.deepEqual([...filter.process(mark, 0)], [mark]);
  assert.deepEqual(elementsOf(filter, []), [{ kind: 'end' }]);
});
