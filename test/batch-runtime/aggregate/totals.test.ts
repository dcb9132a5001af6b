import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aggregateRow } from '#runtime/aggregate/table.ts';
import { totals } from '#runtime/aggregate/totals.ts';
import type { SimpleKind } from '#runtime/batch/batch.ts';
import { columnRef } from '#runtime/expression/functions.ts';

const resolved = (fn: string, kind: SimpleKind): string =>
  aggregateRow(fn).resolve(fn, columnRef({ name: 'x', type: { kind }, nullable: false }), [], []).kind;

test('types of totals, and what they refuse', () => {
  assert.deepEqual(Object.keys(totals), ['count', 'sum', 'avg', 'min', 'max']);
  assert.deepEqual(
    (['int32', 'integer', 'int64', 'float64'] as const).map((kind) => `${resolved('sum', kind)} ${resolved('avg', kind)} ${resolved('max', kind)}`),
    ['integer float64 int32', 'integer float64 integer', 'int64 float64 int64', 'float64 float64 float64'],
  );
  for (const [fn, kind] of [
    ['sum', 'utf8'],
    ['avg', 'date'],
    ['min', 'bool'],
  ] as const)
    assert.throws(() => resolved(fn, kind), { code: 'EXPRESSION_TYPE', message: new RegExp(`${fn} of a ${kind}`) });
  assert.throws(() => aggregateRow('sum').resolve('sum', null, [], []), { code: 'EXPRESSION_TYPE' });
});
