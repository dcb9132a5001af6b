import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Scope, settle, settleCondition } from '#runtime/fluent/settle.ts';
import { udf } from '#runtime/fluent/udf.ts';
import { int32 } from '#runtime/schema.ts';
import { refused, scope, t } from './table.ts';

test('columns are looked up where the expression is used, functions get their slots', () => {
  const found: string[] = [];
  const here: Scope = { uid: 'here', find: (name) => void found.push(name), slot: () => 7 };
  const f = udf([int32()], int32(), (n) => n + 1);
  const settled = settle(f(t().i).add(t().n), here);
  assert.deepEqual(found, ['i', 'n']);
  assert.match(JSON.stringify(settled), /"slot":7/);
});

test('a condition is a bool', () => {
  assert.equal(settleCondition(t().ok, scope).type.kind, 'bool');
  refused(() => settleCondition(t().i, scope), 'bool');
});
