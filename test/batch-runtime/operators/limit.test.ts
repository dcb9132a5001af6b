import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLimit } from '#runtime/operators/limit.ts';
import { batchArb, fieldsOf } from '../batch/columns.ts';
import { elementsOf, namedRows, run } from './run.ts';

const schema = fieldsOf('int32', 'utf8');
const limitOf = (count: number) => createLimit({ kind: 'limit', uid: 'l', input: 0, count, schema });

test('the first rows of what comes, across batches', () => {
  fc.assert(
    fc.property(fc.array(batchArb(schema, 9), { maxLength: 4 }), fc.nat(25), (batches, count) => {
      assert.deepEqual(namedRows(run(limitOf(count), batches)), namedRows(batches).slice(0, count));
    }),
  );
});

test('no empty batch leaves, and the end always does', () => {
  assert.deepEqual(elementsOf(limitOf(0), []), [{ kind: 'end' }]);
  fc.assert(
    fc.property(fc.array(batchArb(schema, 3), { maxLength: 4 }), fc.nat(5), (batches, count) => {
      const elements = elementsOf(limitOf(count), batches);
      assert.equal(elements.at(-1)!.kind, 'end');
      for (const element of elements) assert(element.kind !== 'batch' || element.batch.length > 0);
    }),
  );
});
