import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { callOrRanking } from '#runtime/window/call.ts';

const x = columnRef({ name: 'x', type: { kind: 'int32' }, nullable: false });
const shown = (fn: string, options: (string | number)[] = [], frame: Frame = { unit: 'rows', start: null, end: 0 }): string => {
  const { type, nullable } = callOrRanking(fn, { argument: x, options, filter: null }, frame);
  return `${type.kind}${nullable ? '?' : ''}`;
};

test('a frame without the current row may be empty, so its aggregates may be null, but for counts', () => {
  assert.equal(shown('sum'), 'integer');
  assert.equal(shown('sum', [], { unit: 'rows', start: null, end: -1 }), 'integer?');
  assert.equal(shown('max', [], { unit: 'rows', start: 1, end: null }), 'int32?');
  assert.equal(shown('count', [], { unit: 'rows', start: 1, end: null }), 'integer');
  assert.deepEqual([shown('rank'), shown('percentRank'), shown('lag', [1])], ['integer', 'float64', 'int32?']);
  assert.throws(() => shown('nothing'), { code: 'EXPRESSION_TYPE' });
});
