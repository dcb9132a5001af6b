import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Element, end } from '#runtime/element.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { createOperator } from '#runtime/operators/table.ts';
import { batchOf } from './batch/columns.ts';
import { field } from './operators/run.ts';

const schema = [field('a', 'int32')];
const passing: readonly Element[] = [
  { kind: 'watermark', timeMicros: 5 },
  { kind: 'watermark', timeMicros: 'idle' },
  { kind: 'barrier', id: 1, barrier: 'checkpoint' },
  { kind: 'barrier', id: 2, barrier: 'round' },
];

test('operators of one input let watermarks and barriers pass, in their place, and end last', () => {
  const operators = [
    createOperator({ kind: 'project', uid: 'x', input: 0, columns: [{ name: 'a', expression: columnRef(schema[0]!) }], schema }, [schema], []),
    createOperator({ kind: 'limit', uid: 'x', input: 0, count: 9, schema }, [schema], []),
    createOperator({ kind: 'sample', uid: 'x', input: 0, keys: [{ name: 'a', descending: false }], schema }, [schema], []),
  ];
  for (const operator of operators) {
    const given = [...passing, { kind: 'batch', batch: batchOf(schema, [[1]]) } as const, ...passing, end].flatMap((element) => [
      ...operator.process(element, 0),
    ]);
    assert.deepEqual(
      given.map(({ kind }) => kind),
      [...passing.map(({ kind }) => kind), 'batch', ...passing.map(({ kind }) => kind), 'end'],
    );
  }
});
