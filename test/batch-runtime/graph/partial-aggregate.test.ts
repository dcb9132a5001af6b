import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SimpleKind } from '#runtime/batch/batch.ts';
import type { Aggregate } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { hasCarry, sumType } from '#runtime/graph/partial-aggregate.ts';

const aggregate = (name: string, fn: Aggregate['fn'], kind: SimpleKind | null): Aggregate => ({
  name,
  fn,
  argument: kind === null ? null : columnRef({ name: 'x', type: { kind }, nullable: true }),
  filter: null,
  type: { kind: kind ?? 'integer' },
  nullable: true,
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
