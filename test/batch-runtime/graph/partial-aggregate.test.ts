import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TypeKind } from '#runtime/batch/batch.ts';
import type { Aggregate } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { type accumulatorFields, hasCarry, partialSchema, sumType } from '#runtime/graph/partial-aggregate.ts';

const aggregate = (name: string, fn: Aggregate['fn'], kind: TypeKind | null): Aggregate => ({
  name,
  fn,
  argument: kind === null ? null : columnRef({ name: 'x', type: { kind }, nullable: true }),
  filter: null,
  type: { kind: kind ?? 'integer' },
  nullable: true,
});
const shown = (fields: ReturnType<typeof accumulatorFields>): string[] =>
  fields.map(({ name, type, nullable }) => `${name} ${type.kind}${nullable ? '?' : ''}`);

test('keys first, then what each aggregate needs to be merged', () => {
  const key = { name: 'k', type: { kind: 'utf8' }, nullable: false } as const;
  const aggregates = [
    aggregate('n', 'count', null),
    aggregate('small', 'sum', 'int32'),
    aggregate('large', 'sum', 'integer'),
    aggregate('mean', 'avg', 'float64'),
    aggregate('exact', 'avg', 'int64'),
    aggregate('last', 'max', 'timestamp'),
  ];
  assert.deepEqual(shown(partialSchema([key], aggregates)), [
    'k utf8',
    'n integer',
    'small int64?',
    'large int64?',
    'large.carry integer',
    'mean.sum float64?',
    'mean.count integer',
    'exact.sum int64?',
    'exact.carry integer',
    'exact.count integer',
    'last timestamp?',
  ]);
});

test('sums of whole numbers travel whole; only those of 64 bits may need more', () => {
  for (const [kind, sum, carry] of [
    ['int32', 'int64', false],
    ['integer', 'int64', true],
    ['int64', 'int64', true],
    ['float64', 'float64', false],
  ] as const) {
    assert.equal(sumType(aggregate('s', 'sum', kind)).kind, sum);
    assert.equal(hasCarry(aggregate('s', 'sum', kind)), carry);
  }
});
