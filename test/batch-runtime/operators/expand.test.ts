import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnRef, literal } from '#runtime/expression/functions.ts';
import { createExpand } from '#runtime/operators/expand.ts';
import { batchOf } from '../batch/columns.ts';
import { elementsOf, field, namedRows, run } from './run.ts';

test('each row comes once for every projection; what is no batch passes', () => {
  const input = [field('a', 'utf8'), field('x', 'int32')];
  const [a, x] = input.map(columnRef);
  const schema = [field('a', 'utf8'), field('n', 'int32', false)];
  const projections = [
    [
      { name: 'a', expression: a! },
      { name: 'n', expression: literal(1, { kind: 'int32' }) },
    ],
    [
      { name: 'a', expression: literal(null, { kind: 'utf8' }) },
      { name: 'n', expression: x! },
    ],
  ];
  const expand = createExpand({ kind: 'expand', uid: 'e', input: 0, projections, schema }, input, []);
  const batch = batchOf(input, [
    ['p', 7],
    ['q', 8],
  ]);
  assert.deepEqual(namedRows(run(expand, [batch])), [
    { a: 'p', n: 1 },
    { a: 'q', n: 1 },
    { a: null, n: 7 },
    { a: null, n: 8 },
  ]);
  assert.deepEqual(
    elementsOf(expand, []).map(({ kind }) => kind),
    ['end'],
  );
});
