import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logics } from '#runtime/expression/functions/logic.ts';
import { agree } from './duckdb.ts';

test('on all combinations of true, false and null they give what DuckDB gives', async () => {
  assert.equal(await agree(logics), 9 + 9 + 3);
});
