import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';

const x = columnRef({ name: 'x', type: { kind: 'int32' }, nullable: true });

test('a call has the types that its row of the table resolves', () => {
  assert.deepEqual(x, { op: 'column', name: 'x', type: { kind: 'int32' }, nullable: true });
  const sum = call('add', [x, literal(1, { kind: 'int64' })]);
  assert.deepEqual([sum.type.kind, sum.nullable], ['int64', true]);
  assert.deepEqual(call('isNull', [x]).nullable, false);
  assert.deepEqual(call('cast', [x], { kind: 'utf8' }).type, { kind: 'utf8' });
});

test('what the table does not take is refused', () => {
  for (const make of [() => call('nothing', [x]), () => call('lower', [x]), () => call('cast', [x]), () => call('not', [])])
    assert.throws(make, { code: 'EXPRESSION_TYPE' });
});
