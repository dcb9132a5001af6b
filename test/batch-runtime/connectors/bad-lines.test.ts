import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadLines } from '#runtime/connectors/bad-lines.ts';

test('all are counted, the first five are told', async () => {
  const bad = new BadLines();
  assert.deepEqual(bad.report(), []);
  await bad.add('a.csv', 2, 3, 'no number');
  assert.deepEqual(bad.report(), [
    '1 record cannot be read and is left out; a job stops there, or takes `rejects: FILE` for them:',
    '  a.csv:2:3: no number',
  ]);
  for (let line = 3; line < 10; line++) await bad.add('a.csv', line, 1, 'no number');
  assert.equal(bad.count, 8);
  const lines = bad.report();
  assert.match(lines[0]!, /^8 records cannot be read and are left out/);
  assert.deepEqual(lines.slice(5), ['  a.csv:6:1: no number', '  and 3 more']);
});
