import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { interpret } from '#runtime/expression/interpret.ts';
import { createProject } from '#runtime/operators/project.ts';
import { rowsIn } from '../batch/columns.ts';
import { kinds, pick, randomBatch, schema } from '../expression/random.ts';
import { randomExpression } from '../expression/random-expression.ts';
import { elementsOf, run } from './run.ts';

test('columns are what the interpreter gives row by row', () => {
  let compared = 0;
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const columns = Array.from({ length: 1 + g(fc.nat, { max: 2 }) }, (_, k) => ({
        name: `p${k}`,
        expression: randomExpression(g, fc, pick(g, fc, kinds), 2),
      }));
      const output = columns.map(({ name, expression }) => ({ name, type: expression.type, nullable: expression.nullable }));
      const batches = [randomBatch(g, fc, g(fc.nat, { max: 10 })), randomBatch(g, fc, 3)];
      const project = createProject({ schema: output, columns }, schema, []);
      let expected: unknown[][];
      try {
        expected = batches.flatMap((batch) =>
          Array.from({ length: batch.length }, (_, i) => columns.map(({ expression }) => interpret(expression, batch, i))),
        );
      } catch (thrown) {
        assert.throws(() => run(project, batches), { code: (thrown as { code: string }).code });
        return;
      }
      const given = run(project, batches);
      assert.deepEqual(given.flatMap(rowsIn), expected);
      for (const batch of given) assert.equal(batch.schema, output);
      compared++;
    }),
    { numRuns: 150 },
  );
  assert(compared > 50);
});

test('no column at all keeps the count of rows; the end passes', () => {
  const project = createProject({ schema: [], columns: [] }, schema, []);
  const batch = { schema, length: 0, columns: [] };
  const elements = elementsOf(project, [{ ...batch, length: 7 }]);
  assert.deepEqual(elements, [{ kind: 'batch', batch: { schema: [], length: 7, columns: [] } }, { kind: 'end' }]);
});
