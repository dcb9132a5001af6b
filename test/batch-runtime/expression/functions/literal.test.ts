import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SimpleKind } from '#runtime/batch/batch.ts';
import { literal } from '#runtime/expression/functions/literal.ts';

const atRest = (given: Parameters<typeof literal>[0], kind: SimpleKind): unknown => (literal(given, { kind }) as { value: unknown }).value;

test('a value at rest is written down in the form of its type', () => {
  assert.deepEqual(literal(5, { kind: 'int32' }), { op: 'literal', value: 5, type: { kind: 'int32' }, nullable: false });
  assert.deepEqual(literal(null, { kind: 'utf8' }), { op: 'literal', value: null, type: { kind: 'utf8' }, nullable: true });
  assert.deepEqual([atRest(5, 'integer'), atRest(5n, 'int64'), atRest('-7', 'int64')], ['5', '5', '-7']);
  assert.deepEqual([atRest(Number.NaN, 'float64'), atRest(Number.NEGATIVE_INFINITY, 'float64'), atRest(2.5, 'float64')], ['NaN', '-Infinity', 2.5]);
  assert(Object.is(atRest(-0, 'float64'), 0));
  assert.deepEqual([atRest('1995-03-15', 'date'), atRest(9204, 'date')], [9204, 9204]);
  assert.deepEqual([atRest('1995-03-15T00:00:01Z', 'timestamp'), atRest(7n, 'timestamp')], ['795225601000000', '7']);
});

test('what is no value of the type is refused, what is beyond it is out of range', () => {
  const refused: readonly (readonly [Parameters<typeof literal>[0], SimpleKind])[] = [
    ['a', 'int32'],
    [1.5, 'int32'],
    [1.5, 'integer'],
    ['1.5', 'int64'],
    ['yes', 'bool'],
    ['\ud800', 'utf8'],
    ['1995-02-30', 'date'],
    ['soon', 'timestamp'],
    ['1.5', 'float64'],
  ];
  for (const [given, kind] of refused) assert.throws(() => literal(given, { kind }), { code: 'EXPRESSION_TYPE' }, `${given} ${kind}`);
  for (const [given, kind] of [
    [2 ** 31, 'int32'],
    [2 ** 53, 'integer'],
    [2n ** 63n, 'int64'],
  ] as const)
    assert.throws(() => literal(given, { kind }), { code: 'VALUE_OUT_OF_RANGE' });
});
