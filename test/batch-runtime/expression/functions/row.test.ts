import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wrong } from '#runtime/expression/functions/row.ts';
import { functions } from '#runtime/expression/functions/table.ts';

test('a refusal says what is wrong', () => {
  assert.throws(() => wrong('round takes a number'), { code: 'EXPRESSION_TYPE', message: /round takes a number/ });
});

test('every row says what it does in one sentence', () => {
  for (const [fn, { doc }] of Object.entries(functions)) assert.match(doc, /^[A-Z].*\.$/, fn);
});
