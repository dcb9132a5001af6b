import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnRef } from '#runtime/expression/functions.ts';
import type { StageOperator } from '#runtime/graph/stage.ts';
import { createOperator, type Sampler } from '#runtime/operators/table.ts';
import { batchOf } from '../batch/columns.ts';
import { batchesOf, elementsOf, field, namedRows } from './run.ts';

const schema = [field('a', 'int32'), field('ok', 'bool')];
const batch = batchOf(schema, [
  [3, true],
  [1, false],
  [2, true],
]);
const keys = [{ name: 'a', descending: false }];

test('each kind of operator is made and does its work', () => {
  const made: readonly (readonly [StageOperator, readonly object[]])[] = [
    [
      { kind: 'filter', uid: 'x', input: 0, condition: columnRef(schema[1]!), schema },
      [
        { a: 3, ok: true },
        { a: 2, ok: true },
      ],
    ],
    [
      { kind: 'project', uid: 'x', input: 0, columns: [{ name: 'b', expression: columnRef(schema[0]!) }], schema: [field('b', 'int32')] },
      [{ b: 3 }, { b: 1 }, { b: 2 }],
    ],
    [{ kind: 'aggregate', uid: 'x', input: 0, phase: 'complete', keys: ['ok'], aggregates: [], schema: [schema[1]!] }, [{ ok: true }, { ok: false }]],
    [{ kind: 'sort', uid: 'x', input: 0, keys, limit: 1, schema }, [{ a: 1, ok: false }]],
    [{ kind: 'limit', uid: 'x', input: 0, count: 1, schema }, [{ a: 3, ok: true }]],
  ];
  for (const [spec, expected] of made) assert.deepEqual(namedRows(batchesOf(elementsOf(createOperator(spec, [schema], []), [batch]))), expected);
});

test('a join has two ports, a sample has samples', () => {
  const join = createOperator(
    {
      kind: 'join',
      uid: 'x',
      probe: 0,
      build: 1,
      how: 'inner',
      probeKeys: ['a'],
      buildKeys: ['a'],
      prefix: 'r_',
      where: null,
      schema: [...schema, field('r_ok', 'bool')],
    },
    [schema, schema],
    [],
  );
  elementsOf(join, [batchOf(schema, [[3, false]])], 1);
  assert.deepEqual(namedRows(batchesOf(elementsOf(join, [batch], 0))), [{ a: 3, ok: true, r_ok: false }]);
  const sampler = createOperator({ kind: 'sample', uid: 'x', input: 0, keys, schema }, [schema], []) as Sampler;
  elementsOf(sampler, [batch]);
  assert.deepEqual(sampler.samples(), { rows: 3, types: [{ kind: 'int32' }], keys: [[3], [1], [2]] });
});

test('what is run around the operators is not one', () => {
  assert.throws(() => createOperator({ kind: 'fetch', uid: 'x', edge: 0, ordered: false, schema }, [], []), /fetch is not an operator/);
});
