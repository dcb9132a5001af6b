import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arithmetics } from '#runtime/expression/functions/arithmetic.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(arithmetics);
  assert(rows > 2000, `${rows} rows`);
});
