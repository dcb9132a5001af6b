import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searches } from '#runtime/expression/functions/search.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(searches);
  assert(rows > 5000, `${rows} rows`);
});
