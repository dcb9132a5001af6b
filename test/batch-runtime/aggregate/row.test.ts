import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aggregates } from '#runtime/aggregate/table.ts';

test('every row says what it is, in a sentence', () => {
  for (const [fn, { doc }] of Object.entries(aggregates)) assert.match(doc, /^[A-Z].*\.$/, fn);
});
