import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Field } from '#runtime/batch/batch.ts';
import { elementsOf, fileField, shred } from '#runtime/connectors/parquet-shred.ts';
import { fieldsOf, int32, list, struct } from '#runtime/schema.ts';
import { nestedBatch, plainValues } from '../batch/nested.ts';

const field = (of: Field) => fileField(of, ({ name, nullable }) => ({ name, type: 'INT32', repetition_type: nullable ? 'OPTIONAL' : 'REQUIRED' }));

test('the levels of lists in lists, as the format draws them', () => {
  const schema = fieldsOf({ l: list(list(int32().nullable()).nullable()).nullable() });
  const rows = [null, [], [null], [[]], [[1, null], [2]], [[3]]].map((value) => [value]);
  const batch = nestedBatch(schema, rows, 3);
  const [leaf] = shred(batch.columns[0]!, field(schema[0]!));
  assert.deepEqual(leaf!.path, ['l', 'list', 'element', 'list', 'element']);
  assert.deepEqual([leaf!.maxRep, leaf!.maxDef], [2, 5]);
  assert.deepEqual([...leaf!.rep], [0, 0, 0, 0, 0, 2, 1, 0]);
  assert.deepEqual([...leaf!.def], [0, 1, 2, 3, 5, 4, 5, 5]);
  assert.deepEqual(plainValues(leaf!.values), [1, 2, 3]);
});

test('the fields of a struct have a leaf each', () => {
  const schema = fieldsOf({ s: struct({ a: int32(), b: list(int32()).nullable() }).nullable() });
  const [a, b] = shred(nestedBatch(schema, [[{ a: 1, b: [2, 3] }], [null], [{ a: 4, b: null }]]).columns[0]!, field(schema[0]!));
  assert.deepEqual(
    [[...a!.def], plainValues(a!.values)],
    [
      [1, 0, 1],
      [1, 4],
    ],
  );
  assert.deepEqual(
    [[...b!.rep], [...b!.def], plainValues(b!.values)],
    [
      [0, 1, 0, 0],
      [3, 3, 0, 1],
      [2, 3],
    ],
  );
});

test('elements in preorder, lists of three levels', () => {
  const [of] = fieldsOf({ s: struct({ a: int32(), b: list(int32().nullable()) }).nullable() });
  assert.deepEqual(
    elementsOf(field(of!)).map(({ name, repetition_type, num_children, converted_type }) => [name, repetition_type, num_children, converted_type]),
    [
      ['s', 'OPTIONAL', 2, undefined],
      ['a', 'REQUIRED', undefined, undefined],
      ['b', 'REQUIRED', 1, 'LIST'],
      ['list', 'REPEATED', 1, undefined],
      ['element', 'OPTIONAL', undefined, undefined],
    ],
  );
});
